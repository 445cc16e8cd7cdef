//! Names of people for completion: those who were online before the session began, and the members of the room that the
//! user turns to. They are requested in the background: nobody waits for the answer, and a failure is not reported.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use lanchat_client::Client;
use lanchat_model::{RoomName, RoomRef};
use lanchat_protocol::Members;

use super::Chat;

/// What can be completed, apart from what the view knows.
#[derive(Default)]
pub(super) struct Names {
    /// Names of rooms; at most `limits::ROOMS_MAX`.
    pub(super) rooms: BTreeSet<RoomName>,
    /// The request for names that is on its way.
    pub(super) learning: Learning,
    /// Whether anything has changed since the terminal was told.
    pub(super) stale: bool,
}

impl Names {
    /// Forgets all names, because nobody is logged in any more.
    pub(super) fn nobody(&mut self) {
        self.learning = Learning::default();
        self.stale = true;
    }
}

/// A request on its way. A later one replaces it.
#[derive(Default)]
pub(super) struct Learning(Option<Pin<Box<dyn Future<Output = Vec<Members>> + Send>>>);

impl Learning {
    /// Asks who is online, and who is in `room`.
    fn ask(client: Client, room: String) -> Self {
        Self(Some(Box::pin(async move {
            let lists = [client.members(None).await, client.members(Some(&room)).await];
            lists.into_iter().flatten().collect()
        })))
    }

    /// Waits for the answers; never returns if nothing was asked. Cancel safe.
    pub(super) async fn next(&mut self) -> Vec<Members> {
        let Some(asked) = &mut self.0 else { return std::future::pending().await };
        let lists = asked.await;
        self.0 = None;
        lists
    }
}

impl Chat {
    /// Asks which people a line in `room` could mention.
    pub(super) fn learn(&mut self, room: &RoomRef) {
        if let Some(client) = self.link.client().filter(|_| self.hand.has_editor()) {
            self.names.learning = Learning::ask(client.clone(), room.to_string());
        }
    }

    /// Notes the people in the answers.
    pub(super) fn learned(&mut self, lists: Vec<Members>) {
        for member in lists.iter().flat_map(|list| &list.members) {
            self.view.know(&member.username);
        }
        self.names.stale = true;
    }
}
