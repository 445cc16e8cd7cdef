//! What the servers over one store say to each other: hints, "look there" and never the thing itself. Whoever hears one reads
//! the store, so that a hint that is lost, doubled, late or out of order costs time and nothing else.
//!
//! One server alone is on [`LocalBus`], where nobody else is. It knows no wire: how a hint gets to another process is the
//! business of whoever implements [`Bus`].

use std::pin::Pin;

use lanchat_model::{AccountId, AccountName, DeviceId, RoomId, Seq};

use crate::event::LogoutReason;

/// Where to look. A closed list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The log of a room goes this far.
    Grew {
        /// Which room.
        room: RoomId,
        /// Its last position, or one that was.
        head: Seq,
    },
    /// An account is in other rooms than before.
    Memberships {
        /// Which account.
        account: AccountId,
    },
    /// Devices of an account are logged out; their sessions are over.
    LoggedOut {
        /// Which account.
        account: AccountId,
        /// Which of its devices.
        devices: Devices,
        /// Why.
        why: LogoutReason,
    },
    /// Presence of somebody changed.
    Presence,
    /// Somebody is typing. The only hint that is the thing itself: no store keeps it.
    Typing {
        /// Where.
        room: RoomId,
        /// Who.
        name: AccountName,
    },
    /// What holds for the whole site changed: whether there is space.
    Notice,
}

/// Devices of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Devices {
    /// All.
    All,
    /// These, at most `limits::DEVICES_PER_ACCOUNT_MAX`.
    These(Vec<DeviceId>),
}

impl Devices {
    /// Whether a device is one of them.
    pub fn has(&self, device: DeviceId) -> bool {
        match self {
            Self::All => true,
            Self::These(devices) => devices.contains(&device),
        }
    }
}

/// The way to the other servers over the same store, and from them.
pub trait Bus: Send + Sync {
    /// Says a hint to the others, soon. It neither waits nor fails: it is called between a commit and its ack. A bus with a
    /// bound drops what is beyond it.
    fn announce(&self, hint: &Hint);
    /// The next hint of another server, never one of this server's own. A bus that can lose hints asks the store from time to
    /// time what they would have said, and gives that too. Cancel safe.
    fn heard(&self) -> Pin<Box<dyn Future<Output = Hint> + Send + '_>>;
}

/// The bus of one server alone.
#[derive(Clone, Copy, Debug)]
pub struct LocalBus;

impl Bus for LocalBus {
    fn announce(&self, _: &Hint) {}

    fn heard(&self) -> Pin<Box<dyn Future<Output = Hint> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}
