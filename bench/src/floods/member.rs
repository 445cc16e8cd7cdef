//! The normal client that chats while a flood rages: it posts at a fixed rate, reads what it is told, and comes back
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

/// Between two posts: 50 a second.
const PERIOD: Duration = Duration::from_millis(20);
/// Posts without an answer (PROTOCOL §6).
const WINDOW: usize = limits::UNACKED_PER_SESSION_MAX;
/// How often it looks whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a member went through.
#[derive(Clone, Debug, Default)]
pub struct Chat {
    /// Of each post: when it was due, and how long after that its `ack` was there. Of a post that was not answered to
    /// the end: how long it has waited.
    pub acks: Vec<(Instant, Duration)>,
    /// When each line came that the member had not asked for: presence, entries of others, typing.
    pub told: Vec<Instant>,
    /// When the connection was lost.
    pub losses: Vec<Instant>,
    /// Posts that were refused.
    pub refused: u64,
}

/// A post that is not answered: when it was due, and its line.
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

/// Lines that a member may be told in one run and that are counted one by one; more are not.
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
                // What was not acknowledged is sent again, oldest first (PROTOCOL §6).
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

    /// Sends as much as the window has room for.
    fn send(&mut self, id: usize, fleet: &mut Fleet) {
        while self.is_in && self.flight.len() < WINDOW {
            let Some(post) = self.unsent.pop_front() else { return };
            // A connection that cannot be written to is about to be lost.
            let _ = fleet.send(id, &post.2);
            self.flight.push_back(post);
        }
    }
}

/// Chats until `halt`, and tells what happened. `ready` is said when the first session has begun.
///
/// # Errors
/// As the system says; not when the server does not answer.
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
