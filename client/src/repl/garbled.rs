//! Tells the user when typed or pasted input was not text.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::shared::Shared;
use crate::view::Medium;

/// The least time between two notices: otherwise a pasted text that is not UTF-8 would give one for each line.
const EVERY: Duration = Duration::from_secs(60);
const REPLACED: &str = "Something that you typed or pasted is no UTF-8; \u{fffd} stands in its place. Set your terminal to UTF-8.";
/// The notice when the editor reads the terminal itself.
pub(super) const LEFT_OUT: &str = "Something that you typed or pasted is no UTF-8 and was left out. Look over your line \
                                   before you send it, and set your terminal to UTF-8.";

/// Prints the notice, but not too often.
pub(super) struct Garbled {
    shared: Arc<Shared>,
    told: Mutex<Option<Instant>>,
}

impl Garbled {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, told: Mutex::new(None) }
    }

    pub(super) fn tell(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= EVERY) {
            *told = Some(Instant::now());
            self.shared.print(Medium::screen().error(REPLACED));
        }
    }
}
