//! Tells where to look: the sessions of this server, and the other servers over its store. The one place that does, so that
//! nothing is told here that another server is not told too.

use std::slice;
use std::sync::Arc;

use lanchat_model::{AccountId, DeviceId, RoomId, Seq};

use crate::bus::{Bus, Devices, Hint};
use crate::entry::Entry;
use crate::event::LogoutReason;
use crate::port::Store;
use crate::registry::{Registry, SessionId};
use crate::typing::TypingBoard;
use crate::writing::Writing;

/// Tells this server and the others. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Announcer {
    pub(crate) registry: Arc<Registry>,
    bus: Arc<dyn Bus>,
}

impl Announcer {
    pub(crate) fn new(registry: Arc<Registry>, bus: Arc<dyn Bus>) -> Self {
        Self { registry, bus }
    }

    /// Tells everybody where to look. What there is to see is there already.
    pub(crate) fn announce(&self, hint: &Hint) {
        self.tell(hint);
        self.bus.announce(hint);
    }

    /// Shows entries of a room that were committed together to its readers, and tells the other servers how far the log goes.
    /// How many readers were woken.
    pub(crate) fn grew(&self, room: RoomId, entries: &[Arc<Entry>]) -> usize {
        let woken = self.registry.room(room).map_or(0, |room| room.advance(entries));
        self.registry.trim_tails();
        if let Some(last) = entries.last() {
            self.bus.announce(&Hint::Grew { room, head: last.seq });
        }
        woken
    }

    /// As [`Announcer::grew`], of one entry that was committed by another way than the sequencer: that of a registration.
    pub(crate) fn shows(&self, entry: &Arc<Entry>) {
        self.grew(entry.room, slice::from_ref(entry));
    }

    /// Lets go of what is in memory of an earlier entry that an entry which is shown has changed. Other servers let go of it by
    /// reading the log anew.
    pub(crate) fn changed(&self, room: RoomId, target: Seq) {
        if let Some(room) = self.registry.room(room) {
            room.forget_up_to(target);
        }
    }

    /// Ends the reading of a room by an account that left it, before anybody is shown what comes behind.
    pub(crate) fn left(&self, room: RoomId, account: AccountId) {
        if let Some(room) = self.registry.room(room) {
            room.expel(account);
        }
        self.announce(&Hint::Memberships { account });
    }

    /// Ends the sessions of an account on some of its devices, on all servers, but for one session of this server.
    pub(crate) fn log_out(
        &self,
        account: AccountId,
        devices: Devices,
        but: Option<SessionId>,
        why: LogoutReason,
    ) {
        self.end_sessions(account, &devices, but, why);
        self.bus.announce(&Hint::LoggedOut { account, devices, why });
    }

    fn end_sessions(&self, account: AccountId, devices: &Devices, but: Option<SessionId>, why: LogoutReason) {
        let ends = |session: SessionId, device: DeviceId| Some(session) != but && devices.has(device);
        self.registry.end_sessions(account, why, ends);
    }

    /// Tells the sessions of this server.
    fn tell(&self, hint: &Hint) {
        match hint {
            Hint::Grew { room, head } => {
                if let Some(room) = self.registry.room(*room) {
                    room.grew_to(*head);
                }
            }
            Hint::Memberships { account } => self.registry.memberships_changed(*account),
            Hint::LoggedOut { account, devices, why } => self.end_sessions(*account, devices, None, *why),
            Hint::Presence | Hint::Notice => self.registry.touch_all(),
            Hint::Typing { room, .. } => {
                if let Some(room) = self.registry.room(*room) {
                    room.wake_readers();
                }
            }
        }
    }
}

/// Takes in what other servers say, and tells the sessions of this one. Ends with its task.
pub(crate) async fn listen(
    announcer: Announcer,
    store: Arc<dyn Store>,
    typing: Arc<TypingBoard>,
    writing: Arc<Writing>,
) {
    loop {
        let hint = announcer.bus.heard().await;
        let is_news = match &hint {
            Hint::Grew { .. } | Hint::Memberships { .. } | Hint::LoggedOut { .. } | Hint::Presence => true,
            Hint::Typing { room, name } => typing.mark(*room, name.clone()),
            Hint::Notice => {
                // This server finds out by itself, and tells if it is so.
                writing.note(&store.check_space().await);
                false
            }
        };
        if is_news {
            announcer.tell(&hint);
        }
    }
}
