//! Reads the hints of the other servers over the store.

use std::sync::Arc;

use crate::announcer::Announcer;
use crate::bus::Hint;
use crate::disk_space::DiskSpace;
use crate::port::Store;
use crate::typing::TypingBoard;

/// Receives hints from other servers, and tells the sessions of this one. Ends with its task.
pub(crate) async fn read_hints(
    announcer: Announcer,
    store: Arc<dyn Store>,
    typing: Arc<TypingBoard>,
    disk_space: Arc<DiskSpace>,
) {
    loop {
        let hint = announcer.bus.heard().await;
        let is_news = match &hint {
            Hint::Grew { .. } | Hint::Memberships { .. } | Hint::LoggedOut { .. } | Hint::Presence => true,
            Hint::Typing { room, name } => typing.mark(*room, name.clone()),
            Hint::Notice => {
                // This server checks for itself, and announces any change.
                disk_space.note(&store.check_space().await);
                false
            }
        };
        if is_news {
            announcer.tell(&hint);
        }
    }
}
