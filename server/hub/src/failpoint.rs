//! Places where a test build goes wrong on purpose. In every other build each is `false`, and vanishes.
//!
//! A test build has the cargo feature `failpoints` and obeys the variable `FAILPOINTS` of its environment, such as
//! `hub::before_ack=16*off->return`: right sixteen times, then wrong. It must not know what a failpoint is for: that
//! stands where the failpoint is.

/// Whether to go wrong here, now.
#[cfg(not(feature = "failpoints"))]
pub const fn on(_name: &str) -> bool {
    false
}

/// What to go wrong by: the value in `return(VALUE)`.
#[cfg(not(feature = "failpoints"))]
pub const fn value(_name: &str) -> Option<String> {
    None
}

/// Ends the process here, as a power switch would; by `return(MS)` only after it stood still for so long.
#[cfg(not(feature = "failpoints"))]
pub const fn crash(_name: &str) {}

/// Ends the process while what comes next is under way.
#[cfg(not(feature = "failpoints"))]
pub const fn crash_during(_name: &str) {}

#[cfg(feature = "failpoints")]
pub use armed::{crash, crash_during, on, value};

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::Once;
    use std::time::Duration;
    use std::{mem, process, thread};

    /// Whether to go wrong here, now.
    pub fn on(name: &str) -> bool {
        evaluate(name).is_some()
    }

    /// What to go wrong by: the value in `return(VALUE)`.
    pub fn value(name: &str) -> Option<String> {
        evaluate(name).flatten()
    }

    /// Ends the process here, as a power switch would; by `return(MS)` only after it stood still for so long.
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

    /// Ends the process while what comes next is under way.
    pub fn crash_during(name: &str) {
        if on(name) {
            // It takes the thread a moment to come to life, and that moment is the chance of what comes next.
            thread::spawn(|| process::abort());
        }
    }

    /// `Some`: wrong, perhaps by a value.
    fn evaluate(name: &str) -> Option<Option<String>> {
        static READ: Once = Once::new();
        // Forgotten, because the end of a scenario disarms it, and this one lasts as long as the process.
        READ.call_once(|| mem::forget(fail::FailScenario::setup()));
        fail::eval(name, |value| value)
    }
}
