//! Why the hub did not do what it was asked: a refusal (theirs) or a fault (ours).

use std::time::Duration;

use lanchat_model::{AccountName, BadName, BadText, limits};

use crate::port::StoreError;
use crate::turns::NoTurn;

/// What was wrong with the request. A closed list; each door maps it in one `match` without a wildcard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody has this name.
    #[error("This name is taken. Choose another one, or log in if it is yours.")]
    NameTaken,
    /// Somebody has a name that looks like this one.
    #[error("This name looks like {0}, which is taken. Choose another one, or log in as {0} if that is you.")]
    NameLooksTaken(AccountName),
    /// Nobody new may have this name, or be called so.
    #[error(transparent)]
    NotANewName(#[from] BadName),
    /// The new password is none.
    #[error(transparent)]
    BadPassword(#[from] BadText),
    /// Unknown name or wrong password.
    #[error("Wrong name or password.")]
    WrongPassword,
    /// The token is unknown, used up or revoked.
    #[error("This device is logged out. Log in with your password.")]
    BadToken,
    /// The token was used elsewhere too: somebody has a copy.
    #[error(
        "This device is logged out: its token was used in two places, so somebody may have copied it. Log in with your \
         password, then change it with /passwd."
    )]
    TokenCopied,
    /// The server takes no new accounts.
    #[error("This server takes no new accounts. Ask whoever runs it for one.")]
    RegistrationClosed,
    /// Too many attempts.
    #[error("Too many failed attempts. Wait {}, then try again.", seconds(.0))]
    SlowDown(Duration),
    /// Too much at once.
    #[error("The server is busy. Try again in a moment.")]
    Busy(Duration),
    /// As many sessions as allowed.
    #[error("The server is full. Try again later.")]
    ServerFull,
    /// The account has as many sessions as allowed.
    #[error("This account is logged in too many times at once. Leave on another device, then try again.")]
    TooManySessions,
    /// There is no such room, or it is not the asker's to see.
    #[error("There is no such room. /rooms lists them, /join makes one.")]
    NoSuchRoom,
    /// There is no such account.
    #[error("Nobody here has this name. /who lists who is online.")]
    NoSuchAccount,
    /// Not in the room.
    #[error("You are not in this room. Join it first.")]
    NotAMember,
    /// The role does not allow it.
    #[error("You may not do this. Ask whoever runs this server.")]
    Forbidden,
    /// The lobby cannot be left.
    #[error("Everybody is in the lobby; it cannot be left.")]
    LobbyStays,
    /// A private chat with oneself.
    #[error("A private chat needs somebody else. Give another name.")]
    NotWithYourself,
    /// Too many rooms.
    #[error("That would be too many rooms. Leave one first.")]
    TooManyRooms,
    /// Too many rooms made in a day.
    #[error(
        "You have made as many new rooms as an account can make in a day. Join one that is there, or come back later."
    )]
    TooManyMade(Duration),
    /// Too many private chats, of either side.
    #[error("You or they have as many private chats as an account can have. Meet in a room.")]
    TooManyChats,
    /// The id stands for another post.
    #[error("This id was used for another message. Give every message an id of its own.")]
    IdReused,
    /// Too many cursors.
    #[error("More cursors than an account can have rooms. Send those of your rooms only.")]
    TooManyCursors,
}

/// How long to wait, in words. Rounded up: who waits as long as told is not told again.
fn seconds(wait: &Duration) -> String {
    match wait.as_secs() + 1 {
        1 => "1 second".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}

/// Why the hub did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Theirs: the request was refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Ours: the disk is full.
    #[error("the disk is full")]
    ReadOnly,
    /// Ours: the log explains the number.
    #[error("fault {0}")]
    Fault(FaultId),
}

/// A number that is told to the peer and stands in the log beside the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultId(pub u32);

impl std::fmt::Display for FaultId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl Error {
    /// Logs `cause` under a fresh number. Peers get the number, never the cause.
    pub fn fault(cause: &dyn std::fmt::Display) -> Self {
        let mut bytes = [0; 4];
        // A number that is not random is still a number that the log explains.
        let _ = getrandom::fill(&mut bytes);
        let id = FaultId(u32::from_be_bytes(bytes));
        tracing::error!(fault = %id, %cause, "fault");
        Self::Fault(id)
    }
}

impl From<NoTurn> for Error {
    fn from(_: NoTurn) -> Self {
        Refusal::Busy(limits::HASH_AGAIN_AFTER).into()
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::ReadOnly,
            other => Self::fault(&other),
        }
    }
}
