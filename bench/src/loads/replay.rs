//! One client returns after an absence: what it costs to send it everything that it missed, and how soon that begins.

use std::time::Instant;

use anyhow::{Context, Result};

use super::dialogue::Dialogue;
use super::{Goal, Load, Sample};
use crate::measure::Latency;
use crate::seed::Scene;
use crate::stage::Stage;
use crate::target::Side;

/// How often it returns in one run.
const TIMES: u64 = 5;
/// The members of the room; each has an entry of its own too.
const MEMBERS: usize = 2;

/// The load.
#[derive(Clone, Copy, Debug)]
pub struct Replay {
    /// Messages that were missed.
    pub messages: usize,
}

impl Load for Replay {
    fn name(&self) -> String {
        "replay".to_owned()
    }

    fn sides(&self) -> &'static [Side] {
        &[Side::Server]
    }

    fn play(&self, stage: &Stage, side: Side) -> Result<Vec<Sample>> {
        let scene = Scene { members: MEMBERS, hall: true, messages: self.messages, ..Scene::default() };
        let set = stage.set(side, scene, None)?;
        let member = set.members.first().context("a member")?;
        let attach =
            format!("{{\"type\":\"attach\",\"id\":\"a\",\"tail\":0,\"cursors\":{{\"hall\":{MEMBERS}}}}}\n");
        let (mut first, mut all, mut cpu) = (Latency::new()?, Latency::new()?, 0.0);
        for _ in 0..TIMES {
            let mut dialogue = Dialogue::begin(&set, member)?;
            let (mark, began) = (set.target.mark()?, Instant::now());
            let messages = dialogue.collect(attach.as_bytes(), self.messages as u64)?;
            cpu += set.target.since(mark)?.seconds;
            first.record(messages.first.context("a first message")?.saturating_duration_since(began));
            all.record(messages.last.context("a last message")?.saturating_duration_since(began));
        }
        Ok(vec![
            Sample::new("CPU per message", "µs", cpu * 1e6 / (TIMES * self.messages as u64) as f64),
            Sample::new("attach to first message, longest", "ms", first.max_ms()),
            Sample::new("attach to last message, longest", "ms", all.max_ms()),
        ])
    }

    fn goals(&self) -> Vec<Goal> {
        vec![Goal::AtMost("CPU per message", 2.0), Goal::AtMost("attach to first message, longest", 5.0)]
    }
}
