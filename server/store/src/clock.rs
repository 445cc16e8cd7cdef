//! The only part of the store that asks what time it is, and how long the server has run.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lanchat_hub::failpoint;
use lanchat_model::Timestamp;

/// Tells the time; shared by all jobs of a store.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Reads the wall clock. It may jump, even backwards: only what people are shown depends on it.
pub(crate) fn wall() -> Timestamp {
    // A clock before 1970 or after the year 292,000,000 is broken: the nearer limit will do.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // A test build can shift its clock by a number of milliseconds.
    let step = failpoint::value("store::clock").and_then(|step| step.parse().ok()).unwrap_or(0);
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX).saturating_add(step))
}

/// A moment in the life of this server: the milliseconds that it has run, over all its starts.
///
/// It advances only while the server runs, and never jumps or goes back. A server that is killed loses the time since
/// it last stamped anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lived(pub(crate) i64);

/// Tells how long the server has run.
pub(crate) struct LivedClock {
    /// Until this start.
    before: Lived,
    uptime: Box<dyn Fn() -> Duration + Send + Sync>,
}

impl LivedClock {
    /// Continues from `before`; `uptime` is the time since this start, by a clock that never goes back.
    pub(crate) fn new(before: Lived, uptime: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { before, uptime: Box::new(uptime) }
    }

    pub(crate) fn now(&self) -> Lived {
        let uptime = i64::try_from((self.uptime)().as_millis()).unwrap_or(i64::MAX);
        Lived(self.before.0.saturating_add(uptime))
    }
}
