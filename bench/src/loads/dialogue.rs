//! One client that asks and waits: for loads that measure answers one by one.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::arrival::{PATIENCE, source};
use crate::fleet::{Fleet, Handler};
use crate::seed::Member;
use crate::stage::Set;
use crate::wire::{Kind, kind, write_resume};

/// A separate connection, and what it has received.
pub(super) struct Dialogue {
    fleet: Fleet,
    id: usize,
    heard: Heard,
}

/// What was received.
#[derive(Default)]
struct Heard {
    /// The last frame of each kind that was waited for.
    awaited: Option<Kind>,
    came_at: Option<Instant>,
    messages: Messages,
    failure: Option<String>,
}

/// Messages that were received, and when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Messages {
    /// How many.
    pub(super) count: u64,
    /// When the first one came.
    pub(super) first: Option<Instant>,
    /// When the last one came.
    pub(super) last: Option<Instant>,
}

impl Dialogue {
    /// Connects and logs in by token.
    pub(super) fn begin(set: &Set, member: &Member) -> Result<Self> {
        let mut fleet = Fleet::new()?;
        let id = fleet.connect(set.target.destination(), source(0))?;
        let mut dialogue = Self { fleet, id, heard: Heard::default() };
        dialogue.wait_for(Kind::Hello)?;
        let mut resume = Vec::new();
        write_resume(&member.token, &mut resume);
        dialogue.ask(&resume, Kind::Welcome)?;
        Ok(dialogue)
    }

    /// Sends a line and waits for a frame of a kind; returns how long that took.
    pub(super) fn ask(&mut self, line: &[u8], answer: Kind) -> Result<Duration> {
        let began = Instant::now();
        self.fleet.send(self.id, line)?;
        let came_at = self.wait_for(answer)?;
        Ok(came_at.saturating_duration_since(began))
    }

    fn wait_for(&mut self, answer: Kind) -> Result<Instant> {
        self.heard.awaited = Some(answer);
        self.heard.came_at = None;
        self.listen(|heard| heard.came_at.is_some())?;
        self.heard.came_at.context("it has come")
    }

    /// Sends a line and waits until `count` messages have arrived; returns when.
    pub(super) fn collect(&mut self, line: &[u8], count: u64) -> Result<Messages> {
        self.heard.messages = Messages::default();
        self.fleet.send(self.id, line)?;
        self.listen(|heard| heard.messages.count >= count)?;
        let messages = self.heard.messages;
        ensure!(messages.count == count, "{} messages came instead of {count}", messages.count);
        Ok(messages)
    }

    fn listen(&mut self, is_enough: impl Fn(&Heard) -> bool) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while !is_enough(&self.heard) {
            if let Some(failure) = &self.heard.failure {
                return Err(anyhow!("{failure}"));
            }
            if Instant::now() > end {
                bail!("no answer came: {:?} was waited for", self.heard.awaited);
            }
            self.fleet.turn(end, &mut self.heard)?;
        }
        Ok(())
    }
}

impl Handler for Heard {
    fn line(&mut self, _id: usize, line: &[u8], now: Instant, _out: &mut Vec<u8>) {
        let kind = kind(line);
        match kind {
            Kind::Message => {
                self.messages.count += 1;
                self.messages.first.get_or_insert(now);
                self.messages.last = Some(now);
            }
            Kind::Error => self.failure = Some(String::from_utf8_lossy(line).into_owned()),
            _ => {}
        }
        if Some(kind) == self.awaited && self.came_at.is_none() {
            self.came_at = Some(now);
        }
    }

    fn closed(&mut self, _id: usize) {
        self.failure = Some("the connection was closed".to_owned());
    }
}
