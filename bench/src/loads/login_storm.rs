//! Many log in by password at once during a chat: what the chat notices, and how much memory the hashing takes.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::open_loop::{OpenLoop, Plan};
use super::writer::Writer;
use super::{Goal, Load, Sample};
use crate::arrival::{CROWD_MAX, source};
use crate::fleet::{Fleet, Handler};
use crate::seed::{self, HALL, PASSWORD, Scene};
use crate::stage::{Set, Stage};
use crate::target::Side;
use crate::wire::{Kind, kind, number_of, write_login};

/// How long the storm may last.
const STORM_MAX: Duration = Duration::from_secs(180);
/// How often the memory is measured.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The load.
#[derive(Clone, Copy, Debug)]
pub struct LoginStorm {
    /// Members of the chat.
    pub members: usize,
    /// Messages in a second.
    pub rate: u32,
    /// Those who log in.
    pub logins: usize,
}

impl Default for LoginStorm {
    fn default() -> Self {
        Self { members: 50, rate: 50, logins: 1000 }
    }
}

impl Load for LoginStorm {
    fn name(&self) -> String {
        "login-storm".to_owned()
    }

    fn sides(&self) -> &'static [Side] {
        &[Side::Server]
    }

    fn rounds_max(&self) -> usize {
        2
    }

    fn play(&self, stage: &Stage, side: Side) -> Result<Vec<Sample>> {
        let scene = Scene { members: self.members + self.logins, hall: true, ..Scene::default() };
        let set = stage.set(side, scene, None)?;
        let mut fleet = stage.gather_first(side, &set, self.members, |_| HALL.to_owned())?;
        let writers = (0..self.members).map(|member| Writer::new(member, HALL.to_owned())).collect();
        let period = Duration::from_secs(1) / self.rate;
        let chat = OpenLoop::new(Plan { side, writers, readers: self.members, period })?;
        let mut storm = Storm { chat, first: self.members, arrived: 0, retries: Vec::new(), refused: 0 };
        storm.chat.run_until(Instant::now() + stage.pace.warm_up, &mut fleet)?;
        storm.chat.count_from_now()?;
        storm.chat.run_until(Instant::now() + stage.pace.measured * 2, &mut fleet)?;
        let (calm, calm_memory) = (storm.chat.ack.quantile_ms(0.99), set.target.memory()?.resident);
        storm.chat.count_from_now()?;
        let began = Instant::now();
        let peak = storm.rage(self.logins, &set, &mut fleet)?;
        let seconds = began.elapsed().as_secs_f64();
        Ok(vec![
            Sample::new("ack p99 in the storm", "ms", storm.chat.ack.quantile_ms(0.99)),
            Sample::new("ack p99 before", "ms", calm),
            Sample::new("ack max in the storm", "ms", storm.chat.ack.max_ms()),
            Sample::new(
                "memory in the storm",
                "MiB",
                peak.saturating_sub(calm_memory) as f64 / 1024.0 / 1024.0,
            ),
            Sample::new("logins", "1/s", self.logins as f64 / seconds),
            Sample::new("told to come later", "", storm.refused as f64),
        ])
    }

    fn goals(&self) -> Vec<Goal> {
        vec![
            Goal::TimesAtMost("ack p99 in the storm", "ack p99 before", 2.0),
            Goal::AtMost("memory in the storm", 100.0),
        ]
    }
}

/// The chat, and the logins on the connections after it.
struct Storm {
    chat: OpenLoop,
    /// The first connection that does not belong to the chat.
    first: usize,
    arrived: usize,
    /// Connections that were told to retry later, and when.
    retries: Vec<(Instant, usize)>,
    refused: u64,
}

impl Storm {
    /// Lets all log in while the chat goes on; returns the peak memory.
    fn rage(&mut self, logins: usize, set: &Set, fleet: &mut Fleet) -> Result<u64> {
        let (began, mut look, mut peak) = (Instant::now(), Instant::now(), 0);
        while self.arrived < logins {
            ensure!(began.elapsed() < STORM_MAX, "{} of {logins} could log in", self.arrived);
            while fleet.len() < self.first + logins && fleet.len() - self.first - self.arrived < CROWD_MAX {
                fleet.connect(set.target.destination(), source(fleet.len()))?;
            }
            self.chat.send_due(fleet)?;
            let now = Instant::now();
            for (_, id) in self.retries.extract_if(.., |(due, _)| *due <= now) {
                let mut line = Vec::new();
                write_login(&seed::name(id), PASSWORD, &mut line);
                fleet.send(id, &line)?;
            }
            if now >= look {
                peak = peak.max(set.target.memory()?.resident);
                look = now + LOOK_EVERY;
            }
            let retry = self.retries.iter().map(|(due, _)| *due).min().unwrap_or(look);
            fleet.turn(self.chat.next_due().min(look).min(retry), self)?;
            self.chat.check()?;
        }
        Ok(peak)
    }
}

impl Handler for Storm {
    fn line(&mut self, id: usize, line: &[u8], now: Instant, out: &mut Vec<u8>) {
        if id < self.first {
            return self.chat.line(id, line, now, out);
        }
        match kind(line) {
            Kind::Hello => write_login(&seed::name(id), PASSWORD, out),
            Kind::Welcome => self.arrived += 1,
            Kind::Error => match number_of(line, br#""retry_after":"#) {
                Some(seconds) => {
                    self.refused += 1;
                    self.retries.push((now + Duration::from_secs(seconds), id));
                }
                None => self.chat.line(id, line, now, out),
            },
            _ => {}
        }
    }

    fn closed(&mut self, id: usize) {
        self.chat.closed(id);
    }
}
