//! Names: parsed, folded, and then valid for as long as they exist.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::limits;

/// The room that exists on every server and that everybody is in.
pub const LOBBY: &str = "lobby";

/// Names that could pass for the server or for a command, and are therefore nobody's.
const RESERVED: [&str; 16] = [
    "admin",
    "administrator",
    "all",
    "everyone",
    "guest",
    "here",
    "host",
    "irc",
    "lanchat",
    "lobby",
    "moderator",
    "operator",
    "room",
    "root",
    "server",
    "system",
];

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadName {
    /// No character at all.
    #[error("a name cannot be empty")]
    Empty,
    /// Under the least length.
    #[error("a name has at least {0} characters")]
    TooShort(usize),
    /// Over the limit.
    #[error("a name has at most {0} characters")]
    TooLong(usize),
    /// A character outside `a-z 0-9 . _ -`.
    #[error("a name is made of the letters a to z, digits, '.', '_' and '-'")]
    Character,
    /// On the reserved list.
    #[error("this name is reserved")]
    Reserved,
    /// A display name with control, direction or invisible characters.
    #[error("a display name cannot hold control, direction or invisible characters")]
    Invisible,
}

/// `[a-z0-9._-]`, upper case folded, of a length in `least..=limits::NAME_CHARS_MAX`.
fn fold(text: &str, least: usize) -> Result<Arc<str>, BadName> {
    if text.is_empty() {
        return Err(BadName::Empty);
    }
    if text.chars().count() > limits::NAME_CHARS_MAX {
        return Err(BadName::TooLong(limits::NAME_CHARS_MAX));
    }
    let folded = text.to_ascii_lowercase();
    if !folded.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-')) {
        return Err(BadName::Character);
    }
    if folded.len() < least {
        return Err(BadName::TooShort(least));
    }
    Ok(folded.into())
}

macro_rules! folded_name {
    ($(#[$doc:meta])* $name:ident, least $least:expr, reserved $reserved:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The folded name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                let folded = fold(text, $least)?;
                if $reserved.contains(&&*folded) { Err(BadName::Reserved) } else { Ok(Self(folded)) }
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

folded_name! {
    /// The name that somebody logs in with: `[a-z0-9._-]{2,32}`, folded to lower case, not reserved.
    AccountName, least 2, reserved RESERVED
}
folded_name! {
    /// The name of a group room: `[a-z0-9._-]{1,32}`, folded to lower case.
    RoomName, least 1, reserved [""; 0]
}

impl RoomName {
    /// The name of the [`LOBBY`].
    pub fn lobby() -> Self {
        Self(LOBBY.into())
    }

    /// Whether this is the [`LOBBY`].
    pub fn is_lobby(&self) -> bool {
        &*self.0 == LOBBY
    }
}

/// What somebody likes to be called: any script, one line, at most [`limits::DISPLAY_NAME_CHARS_MAX`] characters.
/// Shown beside the account name, never in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayName(Arc<str>);

impl DisplayName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DisplayName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BadName::Empty);
        }
        if text.chars().count() > limits::DISPLAY_NAME_CHARS_MAX {
            return Err(BadName::TooLong(limits::DISPLAY_NAME_CHARS_MAX));
        }
        if text.chars().any(is_invisible) {
            return Err(BadName::Invisible);
        }
        Ok(Self(text.into()))
    }
}

/// Control characters, and the format characters that hide text or turn its direction (UAX #9, UTR #36 §3).
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_names_are_folded_and_bounded() {
        assert_eq!("Ana.B-1_".parse::<AccountName>().unwrap().as_str(), "ana.b-1_");
        let refused = [
            ("", BadName::Empty),
            ("a", BadName::TooShort(2)),
            (&"a".repeat(33), BadName::TooLong(32)),
            ("ana maria", BadName::Character),
            ("аna", BadName::Character), // Cyrillic а
            ("ana\u{202e}", BadName::Character),
            ("Admin", BadName::Reserved),
        ];
        for (text, why) in refused {
            assert_eq!(text.parse::<AccountName>(), Err(why), "{text:?}");
        }
        assert!("a".repeat(32).parse::<AccountName>().is_ok());
    }

    #[test]
    fn display_names_take_any_script_but_nothing_invisible() {
        assert!("Ána Мария 花子".parse::<DisplayName>().is_ok());
        for bad in ["a\u{202e}b", "a\u{1b}[2J", "a\nb", "\u{200b}x"] {
            assert_eq!(bad.parse::<DisplayName>(), Err(BadName::Invisible), "{bad:?}");
        }
    }
}
