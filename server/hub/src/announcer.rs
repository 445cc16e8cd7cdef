//! Tells the sessions of this server, and the other servers over its store, where to look. Only this module does, so
//! that other servers are always told too.

use std::slice;
use std::sync::Arc;

use lanchat_model::{AccountId, DeviceId, RoomId, Seq};

use crate::bus::{Bus, Devices, Hint};
use crate::entry::Entry;
use crate::event::LogoutReason;
use crate::registry::Registry;
use crate::session_id::SessionId;

/// Sends hints to this server's sessions and to the other servers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Announcer {
    pub(crate) registry: Arc<Registry>,
    pub(crate) bus: Arc<dyn Bus>,
}

impl Announcer {
    pub(crate) fn new(registry: Arc<Registry>, bus: Arc<dyn Bus>) -> Self {
        Self { registry, bus }
    }

    /// Tells everybody where to look. What they will find is already stored.
    pub(crate) fn announce(&self, hint: &Hint) {
        self.tell(hint);
        self.bus.announce(hint);
    }

    /// Shows a room's readers entries that were committed together, and tells the other servers the new head. Returns
    /// how many readers were woken.
    pub(crate) fn grew(&self, room: RoomId, entries: &[Arc<Entry>]) -> usize {
        let woken = self.registry.room(room).map_or(0, |room| room.advance(entries));
        self.registry.trim_tails();
        if let Some(last) = entries.last() {
            self.bus.announce(&Hint::Grew { room, head: last.seq });
        }
        woken
    }

    /// Like [`Announcer::grew`], for the one entry that the sequencer does not commit: that of a registration.
    pub(crate) fn shows(&self, entry: &Arc<Entry>) {
        self.grew(entry.room, slice::from_ref(entry));
    }

    /// Drops from memory an earlier entry that a newly shown entry has changed. Other servers drop it by rereading the
    /// log.
    pub(crate) fn changed(&self, room: RoomId, target: Seq) {
        if let Some(room) = self.registry.room(room) {
            room.forget_up_to(target);
        }
    }

    /// Stops an account that left a room from reading it, before anybody is shown the next entries.
    pub(crate) fn left(&self, room: RoomId, account: AccountId) {
        if let Some(room) = self.registry.room(room) {
            room.expel(account);
        }
        self.announce(&Hint::Memberships { account });
    }

    /// Ends the sessions of an account on some of its devices, on all servers, except one session of this server.
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
    pub(crate) fn tell(&self, hint: &Hint) {
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
