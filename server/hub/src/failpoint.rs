//! Failpoints, at which a test build goes wrong on purpose. In every other build each is `false` and is compiled out.
//!
//! A test build has the cargo feature `failpoints` and obeys the environment variable `FAILPOINTS`, such as
//! `hub::before_ack=16*off->return`: right sixteen times, then wrong. This module does not know what a failpoint is
//! for: the code at the failpoint does.

/// Returns whether to go wrong here and now.
#[cfg(not(feature = "failpoints"))]
pub const fn on(_name: &str) -> bool {
    false
}

/// Returns the value to go wrong by: the one in `return(VALUE)`.
#[cfg(not(feature = "failpoints"))]
pub const fn value(_name: &str) -> Option<String> {
    None
}

/// Ends the process here, as a power cut would; with `return(MS)`, only after pausing for that long.
#[cfg(not(feature = "failpoints"))]
pub const fn crash(_name: &str) {}

/// Ends the process while the next operation is under way.
#[cfg(not(feature = "failpoints"))]
pub const fn crash_during(_name: &str) {}

#[cfg(feature = "failpoints")]
pub use armed::{crash, crash_during, on, value};

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::Once;
    use std::time::Duration;
    use std::{mem, process, thread};

    /// Returns whether to go wrong here and now.
    pub fn on(name: &str) -> bool {
        evaluate(name).is_some()
    }

    /// Returns the value to go wrong by: the one in `return(VALUE)`.
    pub fn value(name: &str) -> Option<String> {
        evaluate(name).flatten()
    }

    /// Ends the process here, as a power cut would; with `return(MS)`, only after pausing for that long.
    pub fn crash(name: &str) {
        if let Some(pause) = evaluate(name) {
            #[expect(
                clippy::disallowed_methods,
                reason = "what comes before a crash may reach others first"
            )]
            thread::sleep(Duration::from_millis(pause.and_then(|ms| ms.parse().ok()).unwrap_or(0)));
            process::abort();
        }
    }

    /// Ends the process while the next operation is under way.
    pub fn crash_during(name: &str) {
        if on(name) {
            // The thread takes a moment to start, in which the next operation gets under way.
            thread::spawn(|| process::abort());
        }
    }

    /// Returns `Some` to go wrong, perhaps by a value.
    fn evaluate(name: &str) -> Option<Option<String>> {
        static READ: Once = Once::new();
        // Forgotten, because the end of a scenario disarms its failpoints, and this scenario lasts as long as the
        // process.
        READ.call_once(|| mem::forget(fail::FailScenario::setup()));
        fail::eval(name, |value| value)
    }
}
