//! What all scenarios share: how long they wait, the password that nobody cares about, how they say that they cannot run.

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lanchat_model::limits;

/// How long a test waits for something that must happen: far longer than anything in the product waits on purpose, so
/// that a slow machine fails nothing, and short enough that a hang is reported.
pub const DEADLINE: Duration = limits::RECONNECT_DELAY_MAX.saturating_mul(3);

/// The password of every account that the scenarios make, unless they are about passwords.
pub const PASSWORD: &str = "correct horse battery";

/// Held by one scenario of a test program at a time: those that fill the machine, or promise something about time.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says in one line what a long scenario did, past the capture of the test runner: its figures, and the seed that
/// repeats it.
pub fn report(line: &str) {
    // A test run without a stderr has nobody to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Says in one line why a scenario cannot run here, past the capture of the test runner: who reads the output of a run
/// must see what was not tested.
pub fn skipped(why: &str) {
    // A test run without a stderr has nobody to tell.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}
