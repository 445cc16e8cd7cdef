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
    /// What it is called on the command line.
    fn name(&self) -> String;
    /// What it is played on.
    fn sides(&self) -> &'static [Side] {
        &[Side::Floor, Side::Server]
    }
    /// How often it is played at most, however often others are.
    fn rounds_max(&self) -> usize {
        usize::MAX
    }
    /// Plays it once.
    ///
    /// # Errors
    /// When something fails or answers what it must not.
    fn play(&self, stage: &Stage, side: Side) -> Result<Vec<Sample>>;
    /// What is to be reached.
    fn goals(&self) -> Vec<Goal>;
}

/// One figure of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// What it is.
    pub metric: &'static str,
    /// In what.
    pub unit: &'static str,
    /// How much.
    pub value: f64,
}

impl Sample {
    /// A figure.
    pub const fn new(metric: &'static str, unit: &'static str, value: f64) -> Self {
        Self { metric, unit, value }
    }
}

/// What a metric of the server is to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// At most so many times what the floor needs.
    RatioAtMost(&'static str, f64),
    /// At most so much.
    AtMost(&'static str, f64),
    /// At least so much.
    AtLeast(&'static str, f64),
    /// At most as much as the second metric of the server and twice the first metric of the floor.
    AtMostSumWithFloor(&'static str, &'static str),
    /// At most so many times another metric of the server.
    TimesAtMost(&'static str, &'static str, f64),
}

impl Goal {
    /// The metric that it is about.
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

/// All loads of the report, in its order.
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
