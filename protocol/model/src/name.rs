//! Names: parsed, folded, and then valid for as long as they exist.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::invisible::is_invisible;
use crate::limits;

/// The room that exists on every server and that everybody is in.
pub const LOBBY: &str = "lobby";

/// Names that could pass for the server or for a command, and therefore belong to nobody.
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

/// Names that a new account cannot take, even with other separators, digits for letters, or a number at the end
/// ([`skeleton`]). Accounts of earlier versions may have them.
const RESERVED_LOOKS: [&str; 10] =
    ["daemon", "moderators", "notice", "ops", "owner", "staff", "superuser", "support", "sysadmin", "sysop"];

/// Words that may not be a separate part of a name, as they suggest the server: `server-notice`, `the.admin`.
const RESERVED_PARTS: [&str; 10] = [
    "admin",
    "administrator",
    "lanchat",
    "moderator",
    "operator",
    "root",
    "server",
    "superuser",
    "sysadmin",
    "system",
];

/// Words that may not stand at either end of a name, as they suggest the server: `adminbob`, `netadmin`.
const RESERVED_ENDS: [&str; 2] = ["admin", "lanchat"];

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
    #[error("a name uses only the letters a to z, digits, '.', '_' and '-'")]
    Character,
    /// On the reserved list.
    #[error("this name is reserved for the server")]
    Reserved,
    /// Nothing but punctuation.
    #[error("a name has at least one letter or digit")]
    NoLetter,
    /// A display name that could pass for a line of the server.
    #[error("a display name cannot hold a colon")]
    Colon,
    /// A display name with control, direction or invisible characters.
    #[error("a display name cannot hold control, direction or invisible characters")]
    Invisible,
}

/// Folds a name to `[a-z0-9._-]`, in lower case, and checks that its length is in `least..=limits::NAME_CHARS_MAX`.
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
            /// Returns the folded name.
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
    /// The name with which somebody logs in: `[a-z0-9._-]{2,32}`, folded to lower case, not reserved.
    AccountName, least 2, reserved RESERVED
}
folded_name! {
    /// The name of a group room: `[a-z0-9._-]{1,32}`, folded to lower case.
    RoomName, least 1, reserved [""; 0]
}

/// Returns a name reduced for comparison with the reserved ones: without separators, and with one sign for all letters
/// and digits that can stand for each other. Coarser than [`AccountName::looks`], since reserved names are few. Never
/// shown.
fn skeleton(name: &str) -> String {
    let sign = |c: char| match c {
        '0' => 'o',
        '1' | 'i' | '|' | '!' => 'l',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        '8' => 'b',
        other => other,
    };
    let lower = name.chars().flat_map(char::to_lowercase);
    let signs: String = lower.map(sign).filter(|c| c.is_alphanumeric()).collect();
    signs.replace("rn", "m").replace("vv", "w")
}

/// Returns whether a name could pass for that of the server, or of the person who runs it.
fn looks_reserved(name: &str) -> bool {
    let is = |text: &str, list: &[&str]| {
        let text = skeleton(text);
        !text.is_empty() && list.iter().any(|reserved| skeleton(reserved) == text)
    };
    let is_reserved = |text: &str| is(text, &RESERVED) || is(text, &RESERVED_LOOKS);
    let whole = skeleton(name);
    let ends = RESERVED_ENDS.map(skeleton);
    is_reserved(name)
        || is_reserved(name.trim_matches(|c: char| !c.is_alphabetic()))
        || name.split(|c: char| !c.is_alphanumeric()).any(|part| is(part, &RESERVED_PARTS))
        || ends.iter().any(|end| whole.starts_with(end) || whole.ends_with(end))
}

impl AccountName {
    /// Parses the name of an existing account, as the server sends it. An earlier version may have allowed one that is
    /// now reserved or too short.
    ///
    /// # Errors
    /// [`BadName`] for what is not a name in any version.
    pub fn existing(text: &str) -> Result<Self, BadName> {
        fold(text, 1).map(Self)
    }

    /// Returns the name as it looks at a glance, for comparison: without separators at its ends, with one sign for
    /// those inside, and one for each group that is easily confused: `1` and `l`, `rn` and `m` (UTS #39), `0` and `o`,
    /// `vv` and `w`. Coarse enough for `bi1l` and `bill.`, and fine enough for a class of pupils: `anna1` looks like
    /// `annal`, but not like `anna2`.
    ///
    /// Stores keep it in an index, so changing it requires a migration.
    pub fn looks(&self) -> String {
        let is_separator = |c: char| matches!(c, '.' | '_' | '-');
        let mut looks = String::with_capacity(self.0.len());
        for c in self.0.trim_matches(is_separator).chars() {
            match c {
                '0' => looks.push('o'),
                '1' => looks.push('l'),
                separator if is_separator(separator) => {
                    if !looks.ends_with('.') {
                        looks.push('.');
                    }
                }
                other => looks.push(other),
            }
        }
        looks.replace("rn", "m").replace("vv", "w")
    }

    /// Checks whether a new account may have this name. An existing account keeps its name.
    ///
    /// # Errors
    /// [`BadName`] when it is made of punctuation alone, or passes for the server's.
    pub fn check_new(&self) -> Result<(), BadName> {
        if !self.0.contains(|c: char| c.is_ascii_alphanumeric()) {
            return Err(BadName::NoLetter);
        }
        if looks_reserved(&self.0) { Err(BadName::Reserved) } else { Ok(()) }
    }
}

impl RoomName {
    /// Checks whether a new room may have this name.
    ///
    /// # Errors
    /// [`BadName`] when it is made of punctuation alone.
    pub fn check_new(&self) -> Result<(), BadName> {
        if self.0.contains(|c: char| c.is_ascii_alphanumeric()) { Ok(()) } else { Err(BadName::NoLetter) }
    }

    /// Returns the name of the [`LOBBY`].
    pub fn lobby() -> Self {
        Self(LOBBY.into())
    }

    /// Returns whether this is the [`LOBBY`].
    pub fn is_lobby(&self) -> bool {
        &*self.0 == LOBBY
    }
}

/// The colons of all scripts, and what looks like one (UTS 39 confusables of U+003A), except signs used in spelling,
/// such as the visarga and the Lisu tones.
const COLONS: [char; 17] = [
    ':', '\u{2d0}', '\u{2f8}', '\u{589}', '\u{5c3}', '\u{703}', '\u{704}', '\u{1365}', '\u{1366}',
    '\u{16ec}', '\u{1803}', '\u{1804}', '\u{1809}', '\u{205a}', '\u{2236}', '\u{a6f4}', '\u{a789}',
];

/// The name that somebody likes to be called: any script, one line, at most [`limits::DISPLAY_NAME_CHARS_MAX`]
/// characters. Shown next to the account name, never instead of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayName(Arc<str>);

impl DisplayName {
    /// Checks whether a new account may have this display name. An existing account keeps its own.
    ///
    /// # Errors
    /// [`BadName`] when it holds something that [`is_invisible`], or a colon, as lines from the server do, or when it
    /// passes for the server's name. Letters of other scripts and forms are compared after Unicode's compatibility
    /// decomposition.
    pub fn check_new(&self) -> Result<(), BadName> {
        if self.0.chars().any(is_invisible) {
            return Err(BadName::Invisible);
        }
        let plain: String = self.0.nfkd().filter(|c| !is_combining_mark(*c)).map(latin).collect();
        if plain.contains(COLONS) {
            return Err(BadName::Colon);
        }
        if looks_reserved(&plain) { Err(BadName::Reserved) } else { Ok(()) }
    }

    /// Returns the name as text.
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
        // Other invisible characters are refused for a new account, but earlier versions accepted some of them.
        if text.chars().any(char::is_control) {
            return Err(BadName::Invisible);
        }
        Ok(Self(text.into()))
    }
}

/// Returns the Latin letter that a Cyrillic or Greek one looks like (from UTS #39, those that can spell the reserved
/// names).
fn latin(c: char) -> char {
    match c {
        'а' | 'А' | 'α' | 'Α' => 'a',
        'с' | 'С' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'Е' | 'ε' | 'Ε' => 'e',
        'һ' | 'Н' | 'Η' => 'h',
        'і' | 'І' | 'ι' | 'Ι' | 'ӏ' | 'Ӏ' | 'ı' => 'i',
        'м' | 'М' | 'Μ' => 'm',
        'п' | 'Ν' => 'n',
        'о' | 'О' | 'ο' | 'Ο' => 'o',
        'р' | 'Р' | 'ρ' | 'Ρ' => 'p',
        'г' => 'r',
        'ѕ' | 'Ѕ' => 's',
        'т' | 'Т' | 'τ' | 'Τ' => 't',
        'ѵ' | 'ν' => 'v',
        'у' | 'У' | 'γ' | 'Υ' => 'y',
        other => other,
    }
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
    fn names_that_are_mistaken_for_each_other_look_the_same() {
        let looks = |name: &str| name.parse::<AccountName>().unwrap().looks();
        for (one, other) in [
            ("bill", "bi1l"),
            ("bill", "bill."),
            ("bill", "_Bi1l_"),
            ("anna.b", "anna__b"),
            ("anna1", "annal"),
            ("modern", "modem"),
            ("bob", "b0b"),
            ("vvendy", "wendy"),
        ] {
            assert_eq!(looks(one), looks(other), "{one} and {other}");
        }
        for (one, other) in [
            ("anna1", "anna2"),
            ("anna1", "anna11"),
            ("anna-1-12", "anna-11-2"),
            ("anna", "anna1"),
            ("lia", "ila"),
            ("b.ill", "bill"),
            ("kai", "kal"),
        ] {
            assert_ne!(looks(one), looks(other), "{one} and {other}");
        }
        let class: std::collections::BTreeSet<String> =
            (1..=40).map(|n| looks(&format!("anna{n}"))).collect();
        assert_eq!(class.len(), 40);
    }

    #[test]
    fn nobody_new_passes_for_the_server() {
        let check = |name: &str| name.parse::<AccountName>().unwrap().check_new();
        for name in [
            "server.",
            "_server_",
            "s.e.r.v.e.r",
            "sysadmin",
            "5y5adm1n",
            "adm1n",
            "r00t",
            "admin2",
            "7root",
            "lanchat-",
            "1anchat",
            "the-admin",
            "server-notice",
            "adminbob",
            "adrnin",
            "real.system",
            "netadmin",
        ] {
            assert_eq!(check(name), Err(BadName::Reserved), "{name}");
        }
        for name in ["..", "--", "_._"] {
            assert_eq!(check(name), Err(BadName::NoLetter), "{name}");
            assert_eq!(name.parse::<RoomName>().unwrap().check_new(), Err(BadName::NoLetter), "{name}");
        }
        for name in
            ["ana", "bob_", "badminton", "observer", "systematic", "beetroot", "host-guest-7", "77", "allan"]
        {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        assert_eq!("server".parse::<RoomName>().unwrap().check_new(), Ok(()), "a room speaks for nobody");
    }

    #[test]
    fn nobody_new_is_called_as_a_line_of_the_server() {
        let check = |name: &str| name.parse::<DisplayName>().unwrap().check_new();
        for name in ["Bob: online, administers this server", "Bob\u{ff1a} online", "Bob\u{2236}"] {
            assert_eq!(check(name), Err(BadName::Colon), "{name}");
        }
        for colon in
            ['\u{703}', '\u{1365}', '\u{1366}', '\u{1804}', '\u{16ec}', '\u{a6f4}', '\u{fe13}', '\u{fe55}']
        {
            assert_eq!(check(&format!("Bob{colon} online")), Err(BadName::Colon), "{colon:?}");
        }
        for name in ["Server", "S e r v e r", "\u{410}dmin", "\u{ff33}ystem", "L\u{e4}nchat", "*** admin ***"]
        {
            assert_eq!(check(name), Err(BadName::Reserved), "{name}");
        }
        for name in ["Ána Мария 花子", "O'Neil \"Bo\" Jr.", "🦀", "Сервантес", "Νίκος", "दुःख", "ꓡꓲ ꓢꓴꓽ"]
        {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn display_names_take_any_script_but_nothing_invisible() {
        let check = |name: &str| name.parse::<DisplayName>()?.check_new();
        for good in ["Ána Мария 花子", "한글", "ខ្មែរ", "Rene\u{301}"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["a\u{202e}b", "a\u{1b}[2J", "a\nb", "\u{200b}x", "a\u{85}b"] {
            assert_eq!(check(bad), Err(BadName::Invisible), "{bad:?}");
        }
        // Fillers, selectors, shorthand controls, tags and blanks, alone or in the middle.
        for c in [
            '\u{34f}',
            '\u{115f}',
            '\u{1160}',
            '\u{17b4}',
            '\u{180b}',
            '\u{180f}',
            '\u{2065}',
            '\u{2800}',
            '\u{3164}',
            '\u{ffa0}',
            '\u{fff0}',
            '\u{1bca0}',
            '\u{1d173}',
            '\u{e0100}',
        ] {
            for bad in [c.to_string(), format!("a{c}b"), c.to_string().repeat(3)] {
                assert_eq!(check(&bad), Err(BadName::Invisible), "{bad:?}");
                assert!(
                    bad.parse::<DisplayName>().is_ok(),
                    "an account of an earlier version keeps it: {bad:?}"
                );
            }
        }
    }
}
