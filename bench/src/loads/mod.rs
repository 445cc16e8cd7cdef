//! The loads. Each is described once and played on the floor and on the server.

mod connect;
mod dialogue;
mod half_load;
mod idle;
mod login_storm;
mod mass_resume;
mod million;
mod open_loop;
mod replay;
mod steady;
mod windowed;
mod writer;

use anyhow::Result;

pub use connect::Connect;
pub use half_load::HalfLoad;
pub use idle::Idle;
pub use login_storm::LoginStorm;
pub use mass_resume::MassResume;
pub use million::Million;
pub use replay::Replay;
pub use steady::Steady;
pub use windowed::{Rooms, Windowed};

use crate::stage::Stage;
use crate::target::Side;

/// A load.
pub trait Load {
    /// Returns its name on the command line.
    fn name(&self) -> String;
    /// Returns the sides on which it is played.
    fn sides(&self) -> &'static [Side] {
        &[Side::Floor, Side::Server]
    }
    /// Returns how many rounds of it are played at most.
    fn rounds_max(&self) -> usize {
        usize::MAX
    }
    /// Plays it once.
    ///
    /// # Errors
    /// When something fails or gives a wrong answer.
    fn play(&self, stage: &Stage, side: Side) -> Result<Vec<Sample>>;
    /// Returns its goals.
    fn goals(&self) -> Vec<Goal>;
}

/// One figure of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// What it is.
    pub metric: &'static str,
    /// The unit.
    pub unit: &'static str,
    /// The value.
    pub value: f64,
}

impl Sample {
    /// Returns a figure.
    pub const fn new(metric: &'static str, unit: &'static str, value: f64) -> Self {
        Self { metric, unit, value }
    }
}

/// What a metric of the server should reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// At most this many times what the floor needs.
    RatioAtMost(&'static str, f64),
    /// At most this much.
    AtMost(&'static str, f64),
    /// At least this much.
    AtLeast(&'static str, f64),
    /// At most as much as the second metric of the server and twice the first metric of the floor.
    AtMostSumWithFloor(&'static str, &'static str),
    /// At most this many times another metric of the server.
    TimesAtMost(&'static str, &'static str, f64),
}

impl Goal {
    /// Returns the metric that it is about.
    pub fn metric(&self) -> &'static str {
        match self {
            Self::RatioAtMost(metric, _)
            | Self::AtMost(metric, _)
            | Self::AtLeast(metric, _)
            | Self::AtMostSumWithFloor(metric, _)
            | Self::TimesAtMost(metric, ..) => metric,
        }
    }
}

/// Returns all loads of the report, in its order.
pub fn all() -> Vec<Box<dyn Load>> {
    vec![
        Box::new(Steady::with_members(200)),
        Box::new(Steady::with_members(500)),
        Box::new(Windowed::saturated()),
        Box::new(Windowed::pairs(Rooms::Pairs)),
        Box::new(Windowed::pairs(Rooms::Private)),
        Box::new(Idle { connections: 2_000 }),
        Box::new(Idle { connections: 10_000 }),
        Box::new(Connect::default()),
        Box::new(Replay { messages: 10_000 }),
        Box::new(MassResume { clients: 2_000 }),
        Box::new(Million::with_messages(1_000_000)),
        Box::new(LoginStorm::default()),
        Box::new(HalfLoad::default()),
    ]
}
