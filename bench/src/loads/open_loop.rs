//! Messages that are due at times fixed in advance. Latency counts from when a message was due, whether or not it could
//! be sent then: a server that stalls for a second is charged for every message due in that second.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

use super::writer::Writer;
use crate::fleet::{Fleet, Handler};
use crate::measure::Latency;
use crate::target::Side;
use crate::wire::{Kind, Post, kind};

/// How long the last deliveries may take.
const TAIL_MAX: Duration = Duration::from_secs(10);

/// Who writes, and when.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Whether the lines are for the floor or for the server.
    pub(super) side: Side,
    /// The writers, in turn.
    pub(super) writers: Vec<Writer>,
    /// How many get each message.
    pub(super) readers: usize,
    /// The time between two messages, of all writers together.
    pub(super) period: Duration,
}

/// The schedule and its results.
pub(super) struct OpenLoop {
    plan: Plan,
    start: Instant,
    next: u32,
    /// The first message whose latency counts.
    first_counted: u32,
    /// Messages delivered, counted once per reader.
    pub(super) delivered: u64,
    acked: u32,
    /// From when a message was due until a reader had it.
    pub(super) delivery: Latency,
    /// From when a message was due until its author had the acknowledgement.
    pub(super) ack: Latency,
    /// From when a message was due until it was sent: the generator's own share of the latencies.
    pub(super) late: Latency,
    failure: Option<String>,
    line: Vec<u8>,
}

impl OpenLoop {
    /// Returns a schedule that begins now. Until [`OpenLoop::count_from_now`] every latency counts.
    ///
    /// # Errors
    /// When no histogram can be made.
    pub(super) fn new(plan: Plan) -> Result<Self> {
        Ok(Self {
            start: Instant::now() + plan.period,
            plan,
            next: 0,
            first_counted: 0,
            delivered: 0,
            acked: 0,
            delivery: Latency::new()?,
            ack: Latency::new()?,
            late: Latency::new()?,
            failure: None,
            line: Vec::new(),
        })
    }

    /// Forgets the latencies so far: only those of messages that are due from now on count.
    ///
    /// # Errors
    /// When no histogram can be made.
    pub(super) fn count_from_now(&mut self) -> Result<()> {
        self.first_counted = self.next;
        (self.delivery, self.ack, self.late) = (Latency::new()?, Latency::new()?, Latency::new()?);
        Ok(())
    }

    /// Returns when a message is due.
    pub(super) fn due(&self, number: u32) -> Instant {
        self.start + self.plan.period * number
    }

    /// Returns when the next message is due.
    pub(super) fn next_due(&self) -> Instant {
        self.due(self.next)
    }

    /// Sends what is due.
    ///
    /// # Errors
    /// When a connection has ended.
    pub(super) fn send_due(&mut self, fleet: &mut Fleet) -> Result<()> {
        let now = Instant::now();
        while self.next_due() <= now {
            let turn = self.next as usize % self.plan.writers.len().max(1);
            let Some(writer) = self.plan.writers.get(turn) else { return Ok(()) };
            self.line.clear();
            writer.write(self.plan.side, self.next, &mut self.line);
            fleet.send(writer.member, &self.line)?;
            self.late.record(now.saturating_duration_since(self.due(self.next)));
            self.next += 1;
        }
        Ok(())
    }

    /// Sends what becomes due, and takes in what arrives, until `end`.
    ///
    /// # Errors
    /// When a connection ends or a message is refused.
    pub(super) fn run_until(&mut self, end: Instant, fleet: &mut Fleet) -> Result<()> {
        while Instant::now() < end {
            self.send_due(fleet)?;
            fleet.turn(self.next_due().min(end), self)?;
            self.check()?;
        }
        Ok(())
    }

    /// Waits until everything sent has been delivered everywhere.
    ///
    /// # Errors
    /// When it is not delivered in time.
    pub(super) fn drain(&mut self, fleet: &mut Fleet) -> Result<()> {
        let end = Instant::now() + TAIL_MAX;
        let all = u64::from(self.next) * self.plan.readers as u64;
        while self.delivered < all || self.acked < self.next {
            ensure!(
                Instant::now() < end,
                "{} of {all} deliveries and {} of {} acks came",
                self.delivered,
                self.acked,
                self.next
            );
            fleet.turn(end, self)?;
            self.check()?;
        }
        Ok(())
    }

    /// # Errors
    /// When a connection has ended or a message was refused.
    pub(super) fn check(&self) -> Result<()> {
        self.failure.as_ref().map_or(Ok(()), |failure| Err(anyhow!("{failure}")))
    }
}

impl Handler for OpenLoop {
    fn line(&mut self, id: usize, line: &[u8], now: Instant, _out: &mut Vec<u8>) {
        let kind = kind(line);
        let is_ack = match kind {
            Kind::Message | Kind::Ack => kind == Kind::Ack,
            Kind::Error => {
                self.failure = Some(String::from_utf8_lossy(line).into_owned());
                return;
            }
            _ => return,
        };
        let Some(post) = Post::of(line) else { return };
        let counts = post.number >= self.first_counted;
        let latency = now.saturating_duration_since(self.due(post.number));
        if !is_ack {
            self.delivered += 1;
            if counts {
                self.delivery.record(latency);
            }
        }
        // A line that the floor sends back to its author counts as the acknowledgement.
        if is_ack || self.plan.side == Side::Floor && usize::from(post.member) == id {
            self.acked += 1;
            if counts {
                self.ack.record(latency);
            }
        }
    }

    fn closed(&mut self, id: usize) {
        self.failure = Some(format!("connection {id} was closed"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let writers = (0..2).map(|member| Writer::new(member, "hall".to_owned())).collect();
        Plan { side: Side::Floor, writers, readers: 2, period: Duration::from_millis(10) }
    }

    #[test]
    fn latency_counts_from_when_a_message_was_due() -> Result<()> {
        let mut schedule = OpenLoop::new(plan())?;
        let mut line = Vec::new();
        Writer::new(1, "hall".to_owned()).write(Side::Floor, 5, &mut line);
        let now = schedule.start + Duration::from_millis(57);
        for id in [0, 1] {
            schedule.line(id, &line, now, &mut Vec::new());
        }
        assert_eq!((schedule.delivered, schedule.acked), (2, 1));
        let found = schedule.ack.quantile_ms(1.0);
        assert!((found - 7.0).abs() < 0.01, "{found}");
        schedule.check()
    }

    #[test]
    fn what_was_due_while_warming_up_does_not_count() -> Result<()> {
        let mut schedule = OpenLoop::new(plan())?;
        let mut line = Vec::new();
        Writer::new(0, "hall".to_owned()).write(Side::Floor, 0, &mut line);
        schedule.next = 1;
        schedule.count_from_now()?;
        let now = schedule.due(0);
        schedule.line(0, &line, now, &mut Vec::new());
        assert_eq!((schedule.delivered, schedule.delivery.len(), schedule.ack.len()), (1, 0, 0));
        Ok(())
    }
}
