//! Who there is, for completion: whoever was online before the session began, and the members of the room that the user
//! turns to. Asked beside everything else: nobody waits for the answer, and nobody is told when there is none.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use lanchat_client::Client;
use lanchat_model::{RoomName, RoomRef};
use lanchat_protocol::Members;

use super::Session;

/// What can be completed, besides what the view knows.
#[derive(Default)]
pub(super) struct Names {
    /// Of rooms; at most `limits::ROOMS_MAX`.
    pub(super) rooms: BTreeSet<RoomName>,
    /// Who there is, on its way.
    pub(super) learning: Learning,
    /// Something has changed since the terminal was told.
    pub(super) stale: bool,
}

impl Names {
    /// Nobody is logged in any more, who could be told of anybody.
    pub(super) fn nobody(&mut self) {
        self.learning = Learning::default();
        self.stale = true;
    }
}

/// A question on its way. One that is asked later takes its place.
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

    /// What comes of it; never, if nothing was asked. Cancel safe.
    pub(super) async fn next(&mut self) -> Vec<Members> {
        let Some(asked) = &mut self.0 else { return std::future::pending().await };
        let lists = asked.await;
        self.0 = None;
        lists
    }
}

impl Session {
    /// Asks who could be meant in `room`.
    pub(super) fn learn(&mut self, room: &RoomRef) {
        if let Some(client) = self.link.client().filter(|_| self.hand.has_editor()) {
            self.names.learning = Learning::ask(client.clone(), room.to_string());
        }
    }

    /// Notes who there is.
    pub(super) fn learned(&mut self, lists: Vec<Members>) {
        for member in lists.iter().flat_map(|list| &list.members) {
            self.view.know(&member.username);
        }
        self.names.stale = true;
    }
}
