//! The outcome of a flood, compared with the promises.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::Flood;
use super::field::Tally;
use super::member::Chat;
use super::visit::Visit;
use crate::measure::Latency;

/// An ack takes at most this many times as long as without a flood …
const ACK_TIMES_IDLE: f64 = 2.0;
/// … or this many milliseconds, whichever is more.
const ACK_MS: f64 = 20.0;
/// A known device reconnects within this many seconds.
const DEVICE_SECONDS: f64 = 2.0;
/// A person with the right password is logged in within this many seconds.
const PERSON_SECONDS: f64 = 5.0;
/// The server is found within this many seconds.
const FOUND_SECONDS: f64 = 3.0;
/// The server grows by at most this much.
const GROWTH_MIB: f64 = 64.0;
/// The same when multicast DNS is flooded, and the memory is released afterwards.
const MULTICAST_GROWTH_MIB: f64 = 32.0;

/// The time of a flood.
#[derive(Clone, Copy, Debug)]
pub struct Phase {
    /// It began.
    pub began: Instant,
    /// It was over.
    pub ended: Instant,
}

/// How long somebody took to get in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Coming {
    /// The longest before the flood, in seconds.
    pub idle: f64,
    /// The longest in the flood; for somebody who did not get in until its end, how long they have tried.
    pub flood: f64,
    /// How many got in during the flood.
    pub came: usize,
    /// How many had not got in when it was over, and had tried for longer than anybody who did: 0 or 1.
    pub shut_out: usize,
    /// All attempts in the flood.
    pub attempts: u32,
}

impl Coming {
    /// Returns the longest in the flood, in seconds; infinite if everybody who tried was kept out.
    pub fn longest(&self) -> f64 {
        if self.shut_out > 0 && self.came == 0 { f64::INFINITY } else { self.flood }
    }

    /// Takes in visits.
    pub fn visited(&mut self, visits: &[Visit], phase: Phase) {
        for visit in visits.iter().filter(|visit| visit.began < phase.ended) {
            let until_end = phase.ended.saturating_duration_since(visit.began);
            let is_late = visit.took > until_end;
            let took = visit.took.min(until_end).as_secs_f64();
            if visit.began + visit.took < phase.began {
                self.idle = self.idle.max(took);
                continue;
            }
            self.attempts += visit.attempts;
            if visit.got_in && !is_late {
                self.came += 1;
            } else if took > self.flood {
                self.shut_out += 1;
            }
            self.flood = self.flood.max(took);
        }
    }
}

/// The outcome of a flood.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The name of the flood.
    pub name: String,
    /// What it does.
    pub about: String,
    /// Whether it is a multicast DNS flood, which has its own bounds.
    pub is_multicast: bool,
    /// What it did, in words.
    pub done: String,
    /// The 99th percentile of a member's acks without the flood, in milliseconds.
    pub idle_ack_p99_ms: f64,
    /// The same in the flood.
    pub ack_p99_ms: f64,
    /// The longest in the flood.
    pub ack_max_ms: f64,
    /// Posts of the member in the flood.
    pub posts: u64,
    /// How often the member lost its connection.
    pub losses: usize,
    /// Posts of the member that were refused.
    pub refused: u64,
    /// Lines a second that the member received in the flood.
    pub told_per_second: f64,
    /// A known device.
    pub device: Coming,
    /// A person with the right password.
    pub person: Coming,
    /// Somebody who looks for the server; only in multicast DNS floods.
    pub found: Option<Coming>,
    /// How much the server grew at most.
    pub growth_mib: f64,
    /// How much of that it still had a while after the flood; `None` if it has ended.
    pub kept_mib: Option<f64>,
    /// How fast the log grew, in kilobytes a second.
    pub log_kb_per_second: f64,
    /// How much the data directory grew.
    pub disk_mib: f64,
    /// The server's share of one core.
    pub cpu_percent: f64,
    /// Whether the server ended in the flood.
    pub has_ended: bool,
}

/// One promise, and its result.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What is promised.
    pub what: &'static str,
    /// The unit.
    pub unit: &'static str,
    /// The figure without the flood, if there is one.
    pub idle: Option<f64>,
    /// The figure in the flood.
    pub found: f64,
    /// The greatest allowed figure.
    pub allowed: f64,
}

impl Verdict {
    /// Returns whether it is kept.
    pub fn is_met(&self) -> bool {
        self.found <= self.allowed
    }
}

impl Outcome {
    /// Makes an outcome without figures.
    pub fn of(flood: &dyn Flood) -> Self {
        Self {
            name: flood.name(),
            about: flood.about(),
            is_multicast: flood.is_multicast(),
            ..Self::default()
        }
    }

    /// Takes in what the flood did in this time.
    pub fn flooded(&mut self, tally: &Tally, took: Duration) {
        self.done = tally.words(took);
    }

    /// Takes in what the member experienced.
    ///
    /// # Errors
    /// When no histogram can be made.
    pub fn chatted(&mut self, chat: &Chat, phase: Phase) -> Result<()> {
        let (mut idle, mut flood) = (Latency::new()?, Latency::new()?);
        for (due, took) in &chat.acks {
            if *due < phase.began {
                // An answer that the flood delayed counts as in the flood.
                let of = if *due + *took > phase.began { &mut flood } else { &mut idle };
                of.record(*took);
            } else if *due < phase.ended {
                flood.record((*took).min(phase.ended - *due));
            }
        }
        let is_within = |at: &&Instant| **at >= phase.began && **at < phase.ended;
        let seconds = (phase.ended - phase.began).as_secs_f64().max(f64::EPSILON);
        self.idle_ack_p99_ms = idle.quantile_ms(0.99);
        (self.ack_p99_ms, self.ack_max_ms) = (flood.quantile_ms(0.99), flood.max_ms());
        self.posts = flood.len();
        self.losses = chat.losses.iter().filter(is_within).count();
        self.told_per_second = chat.told.iter().filter(is_within).count() as f64 / seconds;
        self.refused = chat.refused;
        Ok(())
    }

    /// Returns the promises, in the order of the report.
    pub fn verdicts(&self) -> Vec<Verdict> {
        let coming = |what, coming: &Coming, allowed| Verdict {
            what,
            unit: "s",
            idle: Some(coming.idle),
            found: if self.has_ended { f64::INFINITY } else { coming.longest() },
            allowed,
        };
        let mut verdicts = vec![
            Verdict {
                what: "ack p99 of a member",
                unit: "ms",
                idle: Some(self.idle_ack_p99_ms),
                found: if self.has_ended { f64::INFINITY } else { self.ack_p99_ms },
                allowed: (ACK_TIMES_IDLE * self.idle_ack_p99_ms).max(ACK_MS),
            },
            coming("known device back", &self.device, DEVICE_SECONDS),
            coming("person in", &self.person, PERSON_SECONDS),
        ];
        verdicts.extend(self.found.as_ref().map(|found| coming("server found", found, FOUND_SECONDS)));
        let growth = if self.is_multicast { MULTICAST_GROWTH_MIB } else { GROWTH_MIB };
        let verdict = |what, found, allowed| Verdict { what, unit: "MiB", idle: None, found, allowed };
        verdicts.push(verdict("growth of the server", self.growth_mib, growth));
        verdicts
    }

    /// Returns whether all promises are kept.
    pub fn is_met(&self) -> bool {
        !self.has_ended && self.verdicts().iter().all(Verdict::is_met)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase() -> Phase {
        let now = Instant::now();
        Phase { began: now + Duration::from_secs(10), ended: now + Duration::from_secs(20) }
    }

    fn visit(phase: Phase, from: i64, took: u64, got_in: bool) -> Visit {
        let start = phase.began - Duration::from_secs(10);
        let began = start + Duration::from_secs((10 + from).unsigned_abs());
        Visit { began, took: Duration::from_secs(took), got_in, attempts: 1 }
    }

    #[test]
    fn who_is_not_in_when_the_flood_is_over_counts_for_as_long_as_they_have_tried() {
        let (phase, mut coming) = (phase(), Coming::default());
        let visits = [visit(phase, -5, 1, true), visit(phase, 1, 2, true), visit(phase, 4, 60, true)];
        coming.visited(&visits, phase);
        assert_eq!((coming.idle, coming.flood, coming.came, coming.shut_out), (1.0, 6.0, 1, 1));
    }

    #[test]
    fn a_flood_is_charged_for_what_it_held_up() -> Result<()> {
        let (phase, mut outcome) = (phase(), Outcome::default());
        let ms = Duration::from_millis;
        let acks = vec![
            (phase.began - ms(5000), ms(4)),
            (phase.began - ms(100), ms(300)),
            (phase.began + ms(9900), ms(5000)),
        ];
        outcome.chatted(&Chat { acks, ..Chat::default() }, phase)?;
        assert_eq!(outcome.posts, 2);
        assert!(outcome.idle_ack_p99_ms < 5.0 && outcome.ack_max_ms < 301.0, "{outcome:?}");
        let ack = &outcome.verdicts()[0];
        assert_eq!((ack.allowed, ack.is_met()), (20.0, false));
        Ok(())
    }

    #[test]
    fn a_server_that_ended_keeps_no_promise() {
        let outcome = Outcome { has_ended: true, ..Outcome::default() };
        assert!(
            !outcome.is_met() && outcome.verdicts().iter().filter(|verdict| !verdict.is_met()).count() == 3
        );
    }
}
