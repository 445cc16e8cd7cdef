//! What the servers over one store tell each other: hints, which say "look there" and never carry the thing itself. A
//! server that receives a hint reads the store, so a lost, duplicate, late or reordered hint costs only time.
//!
//! A single server uses [`LocalBus`], which has no other end. This module does not know the wire: an implementation of
//! [`Bus`] decides how a hint reaches another process.

use std::pin::Pin;

use lanchat_model::{AccountId, AccountName, DeviceId, RoomId, Seq};

use crate::event::LogoutReason;

/// Where to look. A closed list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The log of a room has grown.
    Grew {
        /// The room.
        room: RoomId,
        /// Its head, or an earlier head.
        head: Seq,
    },
    /// The rooms that an account is in have changed.
    Memberships {
        /// The account.
        account: AccountId,
    },
    /// Some devices of an account are logged out, and their sessions are over.
    LoggedOut {
        /// The account.
        account: AccountId,
        /// The devices.
        devices: Devices,
        /// The reason.
        why: LogoutReason,
    },
    /// Somebody's presence changed.
    Presence,
    /// Somebody is typing. This is the only hint that carries the thing itself, because no store keeps it.
    Typing {
        /// The room.
        room: RoomId,
        /// The account's name.
        name: AccountName,
    },
    /// The notice for the whole site changed: whether there is disk space.
    Notice,
}

/// Devices of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Devices {
    /// All devices.
    All,
    /// These, at most `limits::DEVICES_PER_ACCOUNT_MAX`.
    These(Vec<DeviceId>),
}

impl Devices {
    /// Returns whether a device is one of them.
    pub fn has(&self, device: DeviceId) -> bool {
        match self {
            Self::All => true,
            Self::These(devices) => devices.contains(&device),
        }
    }
}

/// The connection to and from the other servers over the same store.
pub trait Bus: Send + Sync {
    /// Sends a hint to the others, soon. It must neither wait nor fail, because it is called between a commit and its
    /// ack. A bounded bus drops what does not fit.
    fn announce(&self, hint: &Hint);
    /// Waits for the next hint of another server, never one of this server's own. A bus that can lose hints also reads
    /// the store from time to time, and returns the hints that may be lost. Cancel safe.
    fn heard(&self) -> Pin<Box<dyn Future<Output = Hint> + Send + '_>>;
}

/// The bus of a single server.
#[derive(Clone, Copy, Debug)]
pub struct LocalBus;

impl Bus for LocalBus {
    fn announce(&self, _: &Hint) {}

    fn heard(&self) -> Pin<Box<dyn Future<Output = Hint> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}
