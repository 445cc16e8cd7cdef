//! The only place of the store that asks what time it is.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use lanchat_hub::failpoint;
use lanchat_model::Timestamp;

/// Tells the time; shared by all jobs of a store.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The clock on the wall. It may jump, also back: nothing but what people are shown and how long a
/// device may rest hangs on it.
pub(crate) fn wall() -> Timestamp {
    // A clock before 1970 or after the year 292,000,000 is a broken one: the nearest end will do.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // A test build has its clock put right or wrong by so many milliseconds.
    let step = failpoint::value("store::clock").and_then(|step| step.parse().ok()).unwrap_or(0);
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX).saturating_add(step))
}
