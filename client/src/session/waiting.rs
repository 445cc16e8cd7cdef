//! What a session waits for, each without an end where there is nothing to come.

use lanchat_client::{Event, Events};
use lanchat_model::limits;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::output::Output;

/// Events that come in a row. Whoever types has a turn after so many, and after so long.
#[derive(Debug, Default)]
pub(super) struct Burst {
    count: usize,
    since: Option<Instant>,
}

impl Burst {
    /// Counts an event.
    pub(super) fn note(&mut self) {
        self.count += 1;
        self.since.get_or_insert_with(Instant::now);
    }

    /// Whether another event may be taken before everything else.
    pub(super) fn goes_on(&self) -> bool {
        self.count < limits::CLIENT_EVENTS_MAX
            && self.since.is_none_or(|since| since.elapsed() < limits::CLIENT_EVENTS_TURN)
    }

    /// Whether there was an event since the last turn of others.
    pub(super) fn has_begun(&self) -> bool {
        self.count > 0
    }
}

/// What happened next, once there is room to show it. Cancel safe.
pub(super) async fn next_event(output: &Output, events: &mut Events) -> Option<Event> {
    output.room().await;
    events.next().await
}

/// What the server in this process has to say; never, if there is none. Cancel safe.
pub(super) async fn news(news: &mut Option<mpsc::Receiver<String>>) -> String {
    match news {
        Some(receiver) => match receiver.recv().await {
            Some(line) => line,
            None => {
                *news = None;
                std::future::pending().await
            }
        },
        None => std::future::pending().await,
    }
}
