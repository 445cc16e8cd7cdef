//! A room, as one account sees it.

use std::fmt;
use std::str::FromStr;

use crate::name::{AccountName, BadName, RoomName};

/// `lobby` is a group room; `@ana` is the private chat with ana, as the other person in it sees it (PROTOCOL §5).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RoomRef {
    /// A group room.
    Group(RoomName),
    /// The private chat with this account.
    Private(AccountName),
}

impl RoomRef {
    /// Returns the room that everybody is in.
    pub fn lobby() -> Self {
        Self::Group(RoomName::lobby())
    }

    /// Parses the name of a room as the server writes it. It may be the private chat with an account of an earlier
    /// version ([`AccountName::existing`]).
    ///
    /// # Errors
    /// [`BadName`] for what a server never writes.
    pub fn existing(text: &str) -> Result<Self, BadName> {
        match text.strip_prefix('@') {
            Some(peer) => AccountName::existing(peer).map(Self::Private),
            None => text.parse().map(Self::Group),
        }
    }

    /// Returns whether this is a private chat.
    pub const fn is_private(&self) -> bool {
        matches!(self, Self::Private(_))
    }

    /// Returns the name of a group room; `None` for a private chat.
    pub const fn group(&self) -> Option<&RoomName> {
        match self {
            Self::Group(name) => Some(name),
            Self::Private(_) => None,
        }
    }

    /// Returns the account that a private chat is with; `None` for a group room.
    pub const fn peer(&self) -> Option<&AccountName> {
        match self {
            Self::Group(_) => None,
            Self::Private(peer) => Some(peer),
        }
    }
}

impl FromStr for RoomRef {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        match text.strip_prefix('@') {
            Some(peer) => peer.parse().map(Self::Private),
            None => text.strip_prefix('#').unwrap_or(text).parse().map(Self::Group),
        }
    }
}

impl fmt::Display for RoomRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(name) => name.fmt(f),
            Self::Private(peer) => f.pad(&format!("@{peer}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_and_private_chats_are_told_apart_by_the_at_sign() {
        assert_eq!("Lobby".parse(), Ok(RoomRef::Group(RoomName::lobby())));
        assert_eq!("#lobby".parse(), Ok(RoomRef::Group(RoomName::lobby())));
        assert_eq!("@Ana".parse::<RoomRef>().unwrap().to_string(), "@ana");
        assert_eq!("@".parse::<RoomRef>(), Err(BadName::Empty));
    }

    #[test]
    fn a_chat_with_an_account_of_an_earlier_version_is_a_room_though_none_can_be_begun() {
        for room in ["@admin", "@x"] {
            assert!(room.parse::<RoomRef>().is_err(), "{room}");
            let chat = RoomRef::existing(room).unwrap();
            assert_eq!((chat.to_string().as_str(), chat.is_private()), (room, true));
        }
        assert_eq!(RoomRef::existing("@ana"), "@ana".parse());
        assert_eq!(RoomRef::existing("lobby"), Ok(RoomRef::lobby()));
        for bad in ["", "@", "a b", "@@ana", "#lobby", "@\u{430}na"] {
            assert!(RoomRef::existing(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_room_fills_a_column_as_its_text_would() {
        for room in ["lobby", "@ana"] {
            assert_eq!(format!("{:<8}|", room.parse::<RoomRef>().unwrap()), format!("{room:<8}|"));
        }
    }
}
