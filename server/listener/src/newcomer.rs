//! A connection without a session yet.

use tokio::time::Instant;

use crate::admission::Place;

/// A connection without a session yet.
pub(crate) struct Newcomer {
    /// Held until the login, unless it is taken away.
    pub(crate) place: Place,
    pub(crate) login_deadline: Instant,
    /// Requests so far.
    pub(crate) asked: u32,
    /// Bytes so far, counted as those of `Pump::received`.
    pub(crate) heard: usize,
    /// Whether its place is gone, and its last input has been checked once more.
    pub(crate) was_reprieved: bool,
}

impl Newcomer {
    pub(crate) fn new(place: Place, login_deadline: Instant) -> Box<Self> {
        Box::new(Self { place, login_deadline, asked: 0, heard: 0, was_reprieved: false })
    }
}
