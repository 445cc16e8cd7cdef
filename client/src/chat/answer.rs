//! The outcomes of requests.

use std::collections::BTreeSet;

use lanchat_client::{RequestError, SendError, Sentence};
use lanchat_model::{ClientId, RoomRef, Seq};
use lanchat_protocol::{Attached, ErrorCode, History, Members, RoomState, Rooms, Whois};

use crate::repl::Verdict;

/// The outcome of a request.
pub(super) enum Answered {
    /// Nobody is logged in yet, and nobody tried.
    Nobody,
    /// The kept token is no longer valid.
    Expired { account: String, reason: Sentence },
    /// A login; delivery has started.
    LoggedIn(Result<Attached, RequestError>),
    /// The question whether a new account can have a name.
    NameOfAccount(Result<(), RequestError>),
    /// Entering a room; with its last lines, if it was entered before.
    Joined(Result<(RoomState, Option<History>), RequestError>),
    /// Leaving a room.
    Left(RoomRef, Result<(), RequestError>),
    /// The answer to `/rooms`.
    Rooms(Result<Rooms, RequestError>),
    /// The answer to `/who`.
    Members(Result<Members, RequestError>),
    /// The answer to `/history`.
    History(Result<History, RequestError>),
    /// The answer to `/history` when there is nothing older to show: the last lines.
    Repeat(History),
    /// The answer to `/show`: the room, the position and the page.
    Whole(String, Seq, Result<History, RequestError>),
    /// The answer to `/servers`.
    Servers(Vec<String>),
    /// The answer to `/whois`.
    Whois(Result<Whois, RequestError>),
    /// The names that an unknown name may have meant.
    Names(Meant, BTreeSet<String>),
    /// Turning to a private chat: the room, and its last lines if there are any.
    Turned(RoomRef, Result<Option<History>, RequestError>),
    /// The answer to `/logout`.
    LoggedOut(Result<(), RequestError>),
    /// A request that is answered by a few words.
    Done(&'static str, Result<(), RequestError>),
    /// Whether a message was put into the outbox.
    Sent { room: String, text: String, outcome: Result<ClientId, SendError> },
    /// Everything that was sent is answered.
    Settled(Result<(), SendError>),
}

/// A name as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// A room that does not exist, or that the user is not in.
    Room(String),
    /// A room that was made by entering it.
    NewRoom(String),
    /// A person who does not exist.
    Person(String),
}

impl Answered {
    /// Returns what this means for an editor that waits for the verdict on a password.
    pub(super) fn verdict(&self) -> Verdict {
        let refused = match self {
            Self::NameOfAccount(Err(error)) if is_about_the_name(error) => return Verdict::NameRefused,
            Self::LoggedIn(Err(error)) | Self::Done(_, Err(error)) => error,
            _ => return Verdict::Settled,
        };
        match refused {
            RequestError::Refused { code: ErrorCode::WrongPassword | ErrorCode::BadPassword, .. } => {
                Verdict::PasswordRefused
            }
            _ => Verdict::Settled,
        }
    }
}

/// Returns whether a registration would be refused with any password.
pub(super) fn is_about_the_name(error: &RequestError) -> bool {
    use ErrorCode::{BadName, NameReserved, NameTaken, RegistrationClosed};
    matches!(
        error,
        RequestError::Refused { code: BadName | NameReserved | NameTaken | RegistrationClosed, .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refused_password_is_asked_for_again() {
        let reason = || Sentence::Server(String::new());
        let refused = |code| RequestError::Refused { code, reason: reason(), retry_after: None };
        for code in [ErrorCode::WrongPassword, ErrorCode::BadPassword] {
            assert_eq!(Answered::LoggedIn(Err(refused(code))).verdict(), Verdict::PasswordRefused);
            assert_eq!(Answered::Done("", Err(refused(code))).verdict(), Verdict::PasswordRefused);
        }
        assert_eq!(Answered::LoggedIn(Err(refused(ErrorCode::NoSuchRoom))).verdict(), Verdict::Settled);
        assert_eq!(Answered::Nobody.verdict(), Verdict::Settled);
    }
}
