//! What all scenarios share: how long they wait, a default password, and how they report that they cannot run.

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lanchat_model::limits;

/// How long a test waits for something that must happen: far longer than any deliberate wait in the product, so that a
/// test does not fail on a slow computer, and short enough that a hang is reported.
pub const DEADLINE: Duration = limits::RECONNECT_DELAY_MAX.saturating_mul(3);

/// The password of every account in the scenarios, unless they are about passwords.
pub const PASSWORD: &str = "correct horse battery";

/// Waits for a lock that one scenario of a test program holds at a time: for scenarios that load the computer fully, or
/// promise something about time.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says in one line what a long scenario did, past the capture of the test runner: its figures, and the seed that
/// repeats it.
pub fn report(line: &str) {
    // If a test run has no stderr, there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Says in one line why a scenario cannot run here, past the capture of the test runner: the output of a run must show
/// what was not tested.
pub fn skipped(why: &str) {
    // If a test run has no stderr, there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}
