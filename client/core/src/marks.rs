//! When to report to the server what was seen: soon, but not for every line.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use lanchat_model::{Seq, limits};
use tokio::time::Instant;

/// The timer of the read marks.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    due: Option<Instant>,
    sent: Option<Instant>,
    /// Whether something was seen that could not be sent.
    postponed: bool,
}

impl Marks {
    /// Returns when to send, if there is something to send.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Notes that something was seen.
    pub(crate) fn changed(&mut self) {
        let now = Instant::now();
        let soonest = self.sent.map_or(now, |sent| sent + limits::MARK_EVERY);
        self.due.get_or_insert(soonest.max(now));
    }

    /// Postpones sending until [`Marks::resume`], because there is no connection.
    pub(crate) fn postpone(&mut self) {
        self.due = None;
        self.postponed = true;
    }

    /// Starts the timer again after a reconnect.
    pub(crate) fn resume(&mut self) {
        if std::mem::take(&mut self.postponed) {
            self.changed();
        }
    }

    /// Takes the marks to send now.
    pub(crate) fn take(&mut self, seen: &Mutex<BTreeMap<String, Seq>>) -> BTreeMap<String, Seq> {
        self.due = None;
        self.sent = Some(Instant::now());
        std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn marks_go_at_once_and_then_at_most_once_in_a_while() {
        let seen = Mutex::default();
        let mut marks = Marks::default();
        marks.changed();
        assert_eq!(marks.due(), Some(Instant::now()));
        marks.take(&seen);
        assert_eq!(marks.due(), None);
        marks.changed();
        assert_eq!(marks.due(), Some(Instant::now() + limits::MARK_EVERY));
        marks.postpone();
        assert_eq!(marks.due(), None);
        marks.resume();
        assert!(marks.due().is_some());
    }
}
