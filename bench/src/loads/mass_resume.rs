//! Everybody reconnects at once, as after a restart: by token, as fast as the server lets unknown clients in.

use std::time::Instant;

use anyhow::Result;

use super::{Goal, Load, Sample};
use crate::arrival::{Arrival, CROWD_MAX};
use crate::fleet::Fleet;
use crate::seed::Scene;
use crate::stage::Stage;
use crate::target::Side;

/// The load.
#[derive(Clone, Copy, Debug)]
pub struct MassResume {
    /// How many, each with an account of its own, in the lobby.
    pub clients: usize,
}

impl Load for MassResume {
    fn name(&self) -> String {
        "mass-resume".to_owned()
    }

    fn rounds_max(&self) -> usize {
        3
    }

    fn play(&self, stage: &Stage, side: Side) -> Result<Vec<Sample>> {
        let set = stage.set(side, Scene { members: self.clients, ..Scene::default() }, None)?;
        let mut fleet = Fleet::new()?;
        let mut arrival = Arrival::new(side, &set.members, |_| "lobby".to_owned())?.at_once(CROWD_MAX);
        let (mark, began) = (set.target.mark()?, Instant::now());
        arrival.bring_in(&mut fleet, set.target.destination())?;
        let (used, seconds) = (set.target.since(mark)?, began.elapsed().as_secs_f64());
        Ok(vec![
            Sample::new("until all are in", "s", seconds),
            Sample::new("CPU per client", "ms", used.seconds * 1e3 / self.clients as f64),
            Sample::new("connect to attached p50", "ms", arrival.took.quantile_ms(0.5)),
            Sample::new("connect to attached p99", "ms", arrival.took.quantile_ms(0.99)),
        ])
    }

    fn goals(&self) -> Vec<Goal> {
        Vec::new()
    }
}
