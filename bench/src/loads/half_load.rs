//! Half of the server's capacity: how long an acknowledgement takes when nothing is at its limit.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::open_loop::{OpenLoop, Plan};
use super::{Goal, Load, Rooms, Sample, Windowed};
use crate::fsync::Probe;
use crate::stage::Stage;
use crate::target::Side;

/// The load: that of the pairs, first to find the capacity, then at half of it, open loop.
#[derive(Clone, Copy, Debug)]
pub struct HalfLoad {
    /// The pairs.
    pub pairs: Windowed,
}

impl Default for HalfLoad {
    fn default() -> Self {
        Self { pairs: Windowed::pairs(Rooms::Pairs) }
    }
}

impl Load for HalfLoad {
    fn name(&self) -> String {
        "half-load".to_owned()
    }

    /// Returns the server alone: half of the floor's capacity would be another load.
    fn sides(&self) -> &'static [Side] {
        &[Side::Server]
    }

    fn play(&self, stage: &Stage, side: Side) -> Result<Vec<Sample>> {
        let (set, mut fleet) = self.pairs.assemble(stage, side)?;
        let capacity = self.pairs.capacity(stage, side, &set, &mut fleet)?;
        let rate = capacity.acked / capacity.seconds / 2.0;
        let writers = self.pairs.writers();
        let period = Duration::from_secs_f64(1.0 / rate);
        let probe = Probe::start(&stage.folder)?;
        let mut schedule = OpenLoop::new(Plan { side, writers, readers: 2, period })?;
        schedule.run_until(Instant::now() + stage.pace.warm_up, &mut fleet)?;
        schedule.count_from_now()?;
        let mark = set.target.mark()?;
        let began = Instant::now();
        schedule.run_until(began + stage.pace.measured, &mut fleet)?;
        let (used, seconds) = (set.target.since(mark)?, began.elapsed().as_secs_f64());
        let fsync = probe.finish()?;
        Ok(vec![
            Sample::new("messages", "1/s", rate),
            Sample::new("ack p50", "ms", schedule.ack.quantile_ms(0.5)),
            Sample::new("ack p99", "ms", schedule.ack.quantile_ms(0.99)),
            Sample::new("ack max", "ms", schedule.ack.max_ms()),
            Sample::new("sent late p99", "ms", schedule.late.quantile_ms(0.99)),
            Sample::new("fsync p50", "ms", fsync.quantile_ms(0.5)),
            Sample::new("fsync p99", "ms", fsync.quantile_ms(0.99)),
            Sample::new("CPU in use", "%", used.seconds / seconds * 100.0),
        ])
    }

    fn goals(&self) -> Vec<Goal> {
        Vec::new()
    }
}
