//! The normal client that chats while a flood rages: it posts at a fixed rate, reads what it receives, and reconnects
//! when it loses its connection.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use lanchat_model::limits;

use super::ground::Host;
use super::halt::Halt;
use super::visit::Patience;
use crate::fleet::{Destination, Fleet, Handler};
use crate::seed::HALL;
use crate::wire::{Kind, Post, kind, text_of, write_attach, write_resume};

/// The time between two posts: 50 a second.
const PERIOD: Duration = Duration::from_millis(20);
/// Posts without an answer at most (PROTOCOL §6).
const WINDOW: usize = limits::UNACKED_PER_SESSION_MAX;
/// How often it checks whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a member experienced.
#[derive(Clone, Debug, Default)]
pub struct Chat {
    /// For each post: when it was due, and how long after that its `ack` arrived. For a post without an answer until
    /// the end: how long it has waited.
    pub acks: Vec<(Instant, Duration)>,
    /// When each line arrived that the member had not asked for: presence, others' entries, typing.
    pub told: Vec<Instant>,
    /// When the connection was lost.
    pub losses: Vec<Instant>,
    /// Posts that were refused.
    pub refused: u64,
}

/// An unanswered post: when it was due, and its line.
type Waiting = (Instant, u32, Vec<u8>);

struct Member {
    token: String,
    is_in: bool,
    is_turned_away: bool,
    patience: Patience,
    unsent: VecDeque<Waiting>,
    flight: VecDeque<Waiting>,
    chat: Chat,
}

/// Lines to a member in one run that are recorded one by one; further ones are not.
const TOLD_MAX: usize = 4_000_000;

impl Handler for Member {
    fn line(&mut self, _id: usize, line: &[u8], now: Instant, out: &mut Vec<u8>) {
        match kind(line) {
            Kind::Hello => write_resume(&self.token, out),
            Kind::Welcome => {
                if let Some(token) = text_of(line, br#""token":""#) {
                    self.token = String::from_utf8_lossy(token).into_owned();
                }
                write_attach(out);
            }
            Kind::Attached => {
                self.is_in = true;
                self.patience.reset();
                // Unacknowledged posts are resent, oldest first (PROTOCOL §6).
                while let Some(post) = self.flight.pop_back() {
                    self.unsent.push_front(post);
                }
            }
            Kind::Ack => self.answered(line, now),
            Kind::Error if self.is_in => {
                self.chat.refused += 1;
                self.answered(line, now);
            }
            Kind::Error => {
                self.patience.refused(line);
                self.is_turned_away = true;
            }
            Kind::Message | Kind::Other if self.chat.told.len() < TOLD_MAX => self.chat.told.push(now),
            _ => {}
        }
    }

    fn closed(&mut self, _id: usize) {
        if self.is_in {
            self.chat.losses.push(Instant::now());
        }
        self.is_in = false;
        self.patience.failed();
    }
}

impl Member {
    fn answered(&mut self, line: &[u8], now: Instant) {
        let Some(post) = Post::of(line) else { return };
        if let Some(at) = self.flight.iter().position(|(_, number, _)| *number == post.number)
            && let Some((due, ..)) = self.flight.remove(at)
        {
            self.chat.acks.push((due, now.saturating_duration_since(due)));
        }
    }

    /// Sends as many posts as the window allows.
    fn send(&mut self, id: usize, fleet: &mut Fleet) {
        while self.is_in && self.flight.len() < WINDOW {
            let Some(post) = self.unsent.pop_front() else { return };
            // If a connection cannot be written to, its loss will be noticed soon.
            let _ = fleet.send(id, &post.2);
            self.flight.push_back(post);
        }
    }
}

/// Chats until `halt`, and returns what happened. Sets `ready` when the first session has begun.
///
/// # Errors
/// The system's error; a missing answer from the server is not an error.
pub fn chat(
    host: &Host,
    from: SocketAddr,
    to: Destination,
    token: String,
    halt: &Halt,
    ready: &Halt,
) -> Result<Chat> {
    let mut fleet = Fleet::new()?;
    let mut member = Member {
        token,
        is_in: false,
        is_turned_away: false,
        patience: Patience::default(),
        unsent: VecDeque::new(),
        flight: VecDeque::new(),
        chat: Chat::default(),
    };
    let (mut id, mut next, mut number) = (None::<usize>, Instant::now(), 0_u32);
    let mut tried = Instant::now();
    while !halt.is_said() {
        let now = Instant::now();
        if id.is_none_or(|id| fleet.is_gone(id)) && member.patience.is_over(now) {
            // A network that refuses to connect counts as a lost connection.
            match host.within(|| fleet.connect_from(to, from)) {
                Ok(new) => (id, tried) = (Some(new), now),
                Err(_) => {
                    member.patience.failed();
                }
            }
        }
        if member.is_in && !ready.is_said() {
            ready.say();
            next = now;
        }
        while ready.is_said() && next <= now {
            let mut line = Vec::new();
            Post { member: 0, number }.write_send(HALL, &mut line);
            member.unsent.push_back((next, number, line));
            (next, number) = (next + PERIOD, number + 1);
        }
        if let Some(id) = id {
            member.send(id, &mut fleet);
        }
        let until = if ready.is_said() { next.min(now + LOOK_EVERY) } else { now + LOOK_EVERY };
        fleet.turn(until, &mut member).context("the member's connection")?;
        let is_late = !member.is_in && tried.elapsed() > limits::CONNECT_MAX;
        if let Some(id) = id.filter(|id| !fleet.is_gone(*id) && (is_late || member.is_turned_away)) {
            fleet.close(id);
            member.is_turned_away = false;
            member.patience.failed();
        }
    }
    let end = Instant::now();
    let waiting = member.unsent.iter().chain(&member.flight);
    member.chat.acks.extend(waiting.map(|(due, ..)| (*due, end.saturating_duration_since(*due))));
    Ok(member.chat)
}
