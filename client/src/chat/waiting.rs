//! What a session waits for. Each wait is endless if nothing can come.

use lanchat_client::{Event, Events};
use lanchat_model::limits;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::output::Output;

/// Events that come in a row. After a certain number or time, typed input gets a turn.
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

    /// Returns whether another event may be taken before everything else.
    pub(super) fn goes_on(&self) -> bool {
        self.count < limits::CLIENT_EVENTS_MAX
            && self.since.is_none_or(|since| since.elapsed() < limits::CLIENT_EVENTS_TURN)
    }

    /// Returns whether there was an event since the last turn of others.
    pub(super) fn has_begun(&self) -> bool {
        self.count > 0
    }
}

/// Waits for the next event, once there is room to show it. Cancel safe.
pub(super) async fn next_event(output: &Output, events: &mut Events) -> Option<Event> {
    output.room().await;
    events.next().await
}

/// Waits for news from the server in this process; never returns if there is none. Cancel safe.
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
