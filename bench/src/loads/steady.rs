//! One room, and messages at a fixed rate by its members in turn: what one delivery costs, and how long it takes.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::open_loop::{OpenLoop, Plan};
use super::writer::Writer;
use super::{Goal, Load, Sample};
use crate::fsync::Probe;
use crate::seed::{HALL, Scene};
use crate::stage::Stage;
use crate::target::Side;

/// The load.
#[derive(Clone, Copy, Debug)]
pub struct Steady {
    /// Members of the room.
    pub members: usize,
    /// Messages in a second, of all members together.
    pub rate: u32,
}

impl Steady {
    /// Returns the load of the report: 200 messages a second.
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
        let mut fleet = stage.gather(side, &set, |_| HALL.to_owned())?;
        let probe = Probe::start(&stage.folder)?;
        let writers = (0..self.members).map(|member| Writer::new(member, HALL.to_owned())).collect();
        let period = Duration::from_secs(1) / self.rate;
        let mut schedule = OpenLoop::new(Plan { side, writers, readers: self.members, period })?;
        schedule.run_until(Instant::now() + stage.pace.warm_up, &mut fleet)?;
        schedule.count_from_now()?;
        let (mark, delivered) = (set.target.mark()?, schedule.delivered);
        schedule.run_until(Instant::now() + stage.pace.measured, &mut fleet)?;
        let (used, delivered) = (set.target.since(mark)?, schedule.delivered - delivered);
        schedule.drain(&mut fleet)?;
        let fsync = probe.finish()?;
        ensure!(delivered > 0, "nothing was delivered");
        Ok(vec![
            Sample::new("CPU per delivery", "µs", used.seconds * 1e6 / delivered as f64),
            Sample::new("of it in the kernel", "%", used.kernel_percent),
            Sample::new("delivery p50", "ms", schedule.delivery.quantile_ms(0.5)),
            Sample::new("delivery p99", "ms", schedule.delivery.quantile_ms(0.99)),
            Sample::new("delivery max", "ms", schedule.delivery.max_ms()),
            Sample::new("ack p50", "ms", schedule.ack.quantile_ms(0.5)),
            Sample::new("ack p99", "ms", schedule.ack.quantile_ms(0.99)),
            Sample::new("sent late p99", "ms", schedule.late.quantile_ms(0.99)),
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
