//! What a session waits for, each without an end where there is nothing to come.

use lanchat_client::{Event, Events};
use tokio::sync::mpsc;

use super::Pending;
use super::answers::Answer;
use crate::input::Typed;
use crate::output::Output;

/// What happened next, once there is room to show it. Cancel safe.
pub(super) async fn next_event(output: &Output, events: &mut Events) -> Option<Event> {
    output.room().await;
    events.next().await
}

/// What was typed next. Cancel safe.
pub(super) async fn next(peeked: &mut Option<Typed>, typed: &mut mpsc::Receiver<Typed>) -> Typed {
    match peeked.take() {
        Some(typed) => typed,
        None => typed.recv().await.unwrap_or(Typed::End),
    }
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

/// What comes of the request on its way; never, if there is none. Cancel safe.
pub(super) async fn answer_of(pending: &mut Option<Pending>) -> Answer {
    match pending {
        Some(request) => request.await,
        None => std::future::pending().await,
    }
}
