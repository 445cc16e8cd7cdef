//! Completions: they tell the asker the outcome of a draft.

use std::sync::Arc;

use lanchat_model::{ClientId, RoomRef};
use tokio::sync::oneshot;

use crate::error::Error;
use crate::mailbox::{Mailbox, Outcome, Round};
use crate::port::Appended;
use crate::queue::QueueSlot;

/// The asker, who is told the outcome of a draft.
#[derive(Debug)]
pub(crate) enum Completion {
    /// A session that posted and does not wait.
    Author { mailbox: Arc<Mailbox>, room: RoomRef, round: Round, slot: QueueSlot },
    /// A session that waits for its membership to change.
    Waiting(oneshot::Sender<Result<Appended, Error>>),
}

impl Completion {
    /// Returns the error that answers a post if an earlier one of its round has failed.
    pub(crate) fn failure(&self) -> Option<Error> {
        match self {
            Self::Author { mailbox, round, .. } => mailbox.failure(*round),
            Self::Waiting(_) => None,
        }
    }

    pub(crate) fn answer(self, client_id: ClientId, result: Result<Appended, Error>) {
        match self {
            Self::Author { mailbox, room, round, slot } => {
                drop(slot);
                if let Err(error) = &result {
                    mailbox.fail(round, client_id, error);
                }
                let result = result.and_then(|appended| appended.into_entry().map_err(Error::from));
                mailbox.leave(|waiting| waiting.outcomes.push_back(Outcome { room, client_id, result }));
            }
            // If the session is gone, nobody needs the answer; the commit stands.
            Self::Waiting(answer) => drop(answer.send(result)),
        }
    }
}
