//! Connections that are logged in and idle: how much memory each takes.

use anyhow::{Result, ensure};

use super::{Goal, Load, Sample};
use crate::process::raise_descriptor_limit;
use crate::seed::Scene;
use crate::stage::Stage;
use crate::target::Side;

/// The default of the server's `max_clients` allows fewer.
const DEFAULT_MAX: usize = 4096;

/// What a process has open besides its connections, at most.
const OTHER_DESCRIPTORS: usize = 50;

/// The load.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// How many, each with an account of its own, in the lobby.
    pub connections: usize,
}

impl Load for Idle {
    fn name(&self) -> String {
        format!("idle-{}", self.connections)
    }

    fn rounds_max(&self) -> usize {
        if self.connections > DEFAULT_MAX { 1 } else { 3 }
    }

    fn play(&self, stage: &Stage, side: Side) -> Result<Vec<Sample>> {
        let descriptors = raise_descriptor_limit()?;
        ensure!(
            descriptors >= (self.connections + OTHER_DESCRIPTORS) as u64,
            "{} connections need as many descriptors, and this system allows {descriptors}: raise `ulimit -Hn`, or \
             leave this load out with --only",
            self.connections
        );
        let max_clients = (self.connections > DEFAULT_MAX).then_some(self.connections + 2000);
        let scene = Scene { members: self.connections, ..Scene::default() };
        let set = stage.set(side, scene, max_clients)?;
        let (mark, before) = (set.target.mark()?, set.target.memory()?);
        let fleet = stage.gather(side, &set, |_| "lobby".to_owned())?;
        let after = set.target.memory()?;
        let cpu = set.target.since(mark)?.seconds;
        drop(fleet);
        let each =
            |before: u64, after: u64| after.saturating_sub(before) as f64 / 1024.0 / self.connections as f64;
        Ok(vec![
            Sample::new("memory per connection", "KiB", each(before.resident, after.resident)),
            Sample::new("private memory per connection", "KiB", each(before.private, after.private)),
            Sample::new("memory before", "MiB", before.resident as f64 / 1024.0 / 1024.0),
            Sample::new("CPU per arrival", "ms", cpu * 1e3 / self.connections as f64),
        ])
    }

    fn goals(&self) -> Vec<Goal> {
        vec![Goal::AtMost("memory per connection", 10.0)]
    }
}
