//! The refusals: what can be wrong with a request, as a closed list.

use std::time::Duration;

use lanchat_model::{AccountName, BadName, BadText};

/// What was wrong with the request. A closed list; each door maps it in one `match` without a wildcard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody else has this name.
    #[error("This name is taken. Choose another one, or log in if it is yours.")]
    NameTaken,
    /// Somebody else has a name that looks like this one.
    #[error("This name looks like {0}, which is taken. Choose another one, or log in as {0} if that is you.")]
    NameLooksTaken(AccountName),
    /// No new account may have this name or display name.
    #[error(transparent)]
    NotANewName(#[from] BadName),
    /// The new password is not allowed.
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
    /// The server does not accept new accounts.
    #[error("This server takes no new accounts. Ask whoever runs it for one.")]
    RegistrationClosed,
    /// Too many attempts.
    #[error("Too many failed attempts. Wait {}, then try again.", seconds(.0))]
    SlowDown(Duration),
    /// Too many requests at once.
    #[error("The server is busy. Try again in a moment.")]
    Busy(Duration),
    /// The server has as many sessions as allowed.
    #[error("The server is full. Try again later.")]
    ServerFull,
    /// The account has as many sessions as allowed.
    #[error("This account is logged in too many times at once. Leave on another device, then try again.")]
    TooManySessions,
    /// There is no such room, or the asker may not see it.
    #[error("There is no such room. /rooms lists them, /join makes one.")]
    NoSuchRoom,
    /// There is no such account.
    #[error("Nobody here has this name. /who lists who is online.")]
    NoSuchAccount,
    /// The asker is not in the room.
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
    /// One of the two has too many private chats.
    #[error("You or they have as many private chats as an account can have. Meet in a room.")]
    TooManyChats,
    /// The client id was used for another post.
    #[error("This id was used for another message. Give every message an id of its own.")]
    IdReused,
    /// Too many cursors.
    #[error("More cursors than an account can have rooms. Send those of your rooms only.")]
    TooManyCursors,
}

/// Returns how long to wait, in words. It is rounded up, so that a peer that waits that long is not told again.
fn seconds(wait: &Duration) -> String {
    match wait.as_secs() + 1 {
        1 => "1 second".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}
