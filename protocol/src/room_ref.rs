//! How a frame names a room.

use std::fmt;
use std::str::FromStr;

use lanchat_model::{AccountName, BadName, RoomName};

/// `lobby` is a group room; `@ana` is the private chat with ana, as the reader of the frame sees it (PROTOCOL §5).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RoomRef {
    /// A group room.
    Group(RoomName),
    /// The private chat with this account.
    Private(AccountName),
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
            Self::Private(peer) => write!(f, "@{peer}"),
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
}
