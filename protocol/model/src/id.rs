//! Identifiers: small integers inside a server, 128-bit values where two parties must agree.

use std::fmt;
use std::str::FromStr;

use crate::hex;

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub i64);
    };
}

row_id! {
    /// An account, inside one server. Never on the wire, where accounts go by name.
    AccountId
}
row_id! {
    /// A device: one login of one account that holds a token of its own.
    DeviceId
}
row_id! {
    /// A room, inside one server. Never on the wire, where rooms go by name.
    RoomId
}

impl RoomId {
    /// No room: a store numbers its rooms from 0.
    pub const NONE: Self = Self(-1);
}

/// Why a 128-bit id was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 32 lower-case hex digits, for example a UUID without its hyphens")]
pub struct BadId;

macro_rules! wide_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Returns the id made of these bytes, most significant first.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Returns the bytes, most significant first.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                hex::parse(text).map(Self).ok_or(BadId)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex::write(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

wide_id! {
    /// The id that a client gives to a post, and reuses for every resend of it (PROTOCOL §6).
    ///
    /// UUIDv7, which is time-ordered, is recommended: it keeps accesses to the index that finds resends local. Any
    /// 128-bit value works.
    ClientId
}
wide_id! {
    /// The id of a server: made once, together with its key, and carried in its certificate and its advert.
    ServerId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let text = "0123456789abcdef0123456789abcdef";
        assert_eq!(text.parse::<ClientId>().unwrap().to_string(), text);
        for bad in ["", "0123", &text.to_uppercase(), &format!("{text}0"), "0123456789abcdef-123456789abcdef"]
        {
            assert_eq!(bad.parse::<ClientId>(), Err(BadId), "{bad}");
        }
    }
}
