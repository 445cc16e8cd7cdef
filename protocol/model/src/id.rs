//! Identifiers: small integers inside a server, 128-bit values where two parties must agree.

use std::fmt;
use std::str::FromStr;

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub i64);
    };
}

row_id! {
    /// An account, inside one server. Never on the wire: peers know accounts by name.
    AccountId
}
row_id! {
    /// A device: one login of one account that holds a token of its own.
    DeviceId
}
row_id! {
    /// A room, inside one server. Never on the wire: peers know rooms by name.
    RoomId
}

impl RoomId {
    /// No room: stores give theirs numbers from 0 on.
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
            /// The id made of these bytes, most significant first.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The bytes, most significant first.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                parse_hex(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
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
    /// The id that a client gives to a post, and keeps for every resend of it (PROTOCOL §6).
    ///
    /// Time-ordered (UUIDv7) by advice, so that the index that finds resends stays local; any 128-bit value works.
    ClientId
}
wide_id! {
    /// The id of a server: made once, with its key, and carried in its certificate and its advert.
    ServerId
}

/// Exactly 32 lower-case hex digits: one spelling per id, so that an echo is the text that was sent.
fn parse_hex(text: &str) -> Result<[u8; 16], BadId> {
    let digits = text.as_bytes();
    if digits.len() != 32 {
        return Err(BadId);
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Ok(bytes)
}

/// The inverse of [`parse_hex`], in one piece: each message that is stored, delivered or acknowledged has an id, and a
/// call of the formatter for each byte was a fifteenth of what the server does for it.
fn write_hex(bytes: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0xf)];
    }
    f.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
}

fn nibble(digit: u8) -> Result<u8, BadId> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(BadId),
    }
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
