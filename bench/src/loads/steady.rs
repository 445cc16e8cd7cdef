//! One room, and messages at a fixed rate by its members in turn: what one delivery costs, and how long it takes.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Goal, Load, Sample};
use crate::fleet::{Fleet, Handler};
use crate::fsync::Probe;
use crate::measure::Latency;
use crate::seed::{self, Scene};
use crate::stage::Stage;
use crate::target::Side;
use crate::wire::{Kind, Post, kind};

/// The room that everybody is in.
const ROOM: &str = "hall";
/// How long the last deliveries may take.
const TAIL_MAX: Duration = Duration::from_secs(5);

/// The load.
#[derive(Clone, Copy, Debug)]
pub struct Steady {
    /// Members of the room.
    pub members: usize,
    /// Messages in a second, of all members together.
    pub rate: u32,
}

impl Steady {
    /// As in the report: 200 messages a second.
    pub const fn with_members(members: usize) -> Self {
        Self { members, rate: 200 }
    }
}

impl Load for Steady {
    fn name(&self) -> String {
        format!("steady-{}", self.members)
    }

    fn play(&self, stage: &Stage, side: Side) -> Result<Vec<Sample>> {
        let set = stage.set(side, Scene { members: self.members, hall: true, ..Scene::default() }, None)?;
        let mut fleet = stage.gather(side, &set, |_| ROOM.to_owned())?;
        let probe = Probe::start(&stage.folder)?;
        let period = Duration::from_secs(1) / self.rate;
        let mut schedule = OpenLoop::new(side, self.members, period, stage.pace.warm_up)?;
        let warm = schedule.start + stage.pace.warm_up;
        schedule.run_until(warm, &mut fleet)?;
        let (cpu, delivered) = (set.target.cpu()?, schedule.delivered);
        schedule.run_until(warm + stage.pace.measured, &mut fleet)?;
        let (cpu, delivered) = (set.target.cpu()? - cpu, schedule.delivered - delivered);
        schedule.drain(&mut fleet)?;
        let fsync = probe.finish()?;
        ensure!(delivered > 0, "nothing was delivered");
        Ok(vec![
            Sample::new("CPU per delivery", "µs", cpu.as_secs_f64() * 1e6 / delivered as f64),
            Sample::new("delivery p50", "ms", schedule.delivery.quantile_ms(0.5)),
            Sample::new("delivery p99", "ms", schedule.delivery.quantile_ms(0.99)),
            Sample::new("delivery max", "ms", schedule.delivery.max_ms()),
            Sample::new("ack p50", "ms", schedule.ack.quantile_ms(0.5)),
            Sample::new("ack p99", "ms", schedule.ack.quantile_ms(0.99)),
            Sample::new("fsync p50", "ms", fsync.quantile_ms(0.5)),
            Sample::new("fsync p99", "ms", fsync.quantile_ms(0.99)),
        ])
    }

    fn goals(&self) -> Vec<Goal> {
        vec![
            Goal::RatioAtMost("CPU per delivery", 1.15),
            Goal::AtMostSumWithFloor("delivery p99", "fsync p99"),
        ]
    }
}

/// Messages that are due at times that were fixed beforehand. Latency counts from when a message was due, whether it
/// could be sent then or not.
pub(super) struct OpenLoop {
    side: Side,
    members: usize,
    period: Duration,
    /// When the first message is due.
    pub(super) start: Instant,
    /// The first message whose latency counts.
    first_counted: u32,
    next: u32,
    /// Messages that came to a member.
    pub(super) delivered: u64,
    acked: u32,
    /// From when a message was due until a member had it.
    pub(super) delivery: Latency,
    /// From when a message was due until its author knew that it was taken.
    pub(super) ack: Latency,
    failure: Option<String>,
    line: Vec<u8>,
}

impl OpenLoop {
    /// A schedule that begins now.
    ///
    /// # Errors
    /// When there is no histogram.
    pub(super) fn new(side: Side, members: usize, period: Duration, warm_up: Duration) -> Result<Self> {
        Ok(Self {
            side,
            members,
            period,
            start: Instant::now() + period,
            first_counted: (warm_up.as_nanos() / period.as_nanos().max(1)) as u32,
            next: 0,
            delivered: 0,
            acked: 0,
            delivery: Latency::new()?,
            ack: Latency::new()?,
            failure: None,
            line: Vec::new(),
        })
    }

    /// When a message is due.
    pub(super) fn due(&self, number: u32) -> Instant {
        self.start + self.period * number
    }

    /// Sends what becomes due, and takes what comes, until `end`.
    ///
    /// # Errors
    /// When a connection ends or a message is refused.
    pub(super) fn run_until(&mut self, end: Instant, fleet: &mut Fleet) -> Result<()> {
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            while self.due(self.next) <= now {
                let member = self.next as usize % self.members;
                let post = Post { member: member as u16, number: self.next };
                self.line.clear();
                match self.side {
                    Side::Server => post.write_send(ROOM, &mut self.line),
                    Side::Floor => post.write_relay(ROOM, &seed::name(member), &mut self.line),
                }
                fleet.send(member, &self.line)?;
                self.next += 1;
            }
            fleet.turn(self.due(self.next).min(end), self)?;
            self.check()?;
        }
    }

    /// Waits for what was sent and has not come everywhere.
    ///
    /// # Errors
    /// When it does not come.
    pub(super) fn drain(&mut self, fleet: &mut Fleet) -> Result<()> {
        let end = Instant::now() + TAIL_MAX;
        let all = u64::from(self.next) * self.members as u64;
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

    fn check(&self) -> Result<()> {
        self.failure.as_ref().map_or(Ok(()), |failure| Err(anyhow::anyhow!("{failure}")))
    }

    fn since_due(&self, post: Post, now: Instant) -> Duration {
        now.saturating_duration_since(self.due(post.number))
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
        let latency = self.since_due(post, now);
        if !is_ack {
            self.delivered += 1;
            if counts {
                self.delivery.record(latency);
            }
        }
        // What the floor sends back to its author says that it was taken.
        if is_ack || self.side == Side::Floor && usize::from(post.member) == id {
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

    #[test]
    fn latency_counts_from_when_a_message_was_due() -> Result<()> {
        let mut schedule = OpenLoop::new(Side::Floor, 2, Duration::from_millis(10), Duration::ZERO)?;
        let mut line = Vec::new();
        let post = Post { member: 1, number: 5 };
        post.write_relay(ROOM, "m00001", &mut line);
        let now = schedule.start + Duration::from_millis(57);
        for id in [0, 1] {
            schedule.line(id, &line, now, &mut Vec::new());
        }
        assert_eq!((schedule.delivered, schedule.acked), (2, 1));
        let found = schedule.ack.quantile_ms(1.0);
        assert!((found - 7.0).abs() < 0.01, "{found}");
        schedule.check()
    }
}
