//! The only place of the store that asks what time it is, and for how long the server has lived.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lanchat_hub::failpoint;
use lanchat_model::Timestamp;

/// Tells the time; shared by all jobs of a store.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The clock on the wall. It may jump, also back: nothing but what people are shown hangs on it.
pub(crate) fn wall() -> Timestamp {
    // A clock before 1970 or after the year 292,000,000 is a broken one: the nearest end will do.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // A test build has its clock put right or wrong by so many milliseconds.
    let step = failpoint::value("store::clock").and_then(|step| step.parse().ok()).unwrap_or(0);
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX).saturating_add(step))
}

/// A moment in the life of this server: milliseconds that it has run, over all its starts.
///
/// It passes only while the server runs, never jumps and never goes back. A server that is killed forgets what passed
/// since anything was last stamped with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lived(pub(crate) i64);

/// Tells for how long the server has lived.
pub(crate) struct LivedClock {
    /// Until this start.
    before: Lived,
    uptime: Box<dyn Fn() -> Duration + Send + Sync>,
}

impl LivedClock {
    /// Goes on from `before`; `uptime` is the time since this start, by a clock that never goes back.
    pub(crate) fn new(before: Lived, uptime: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { before, uptime: Box::new(uptime) }
    }

    pub(crate) fn now(&self) -> Lived {
        let uptime = i64::try_from((self.uptime)().as_millis()).unwrap_or(i64::MAX);
        Lived(self.before.0.saturating_add(uptime))
    }
}
