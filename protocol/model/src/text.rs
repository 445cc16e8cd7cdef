//! Texts that people write: checked once, at the edge, and carried as proof of the check.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;

use crate::limits;

/// Why a text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadText {
    /// Nothing, or only white space.
    #[error("the text is empty")]
    Empty,
    /// Over the limit for its kind.
    #[error("the text is too long: it has {bytes} bytes, and {limit} are allowed")]
    TooLong {
        /// The length that was given, in bytes of UTF-8.
        bytes: usize,
        /// The largest length, in bytes of UTF-8.
        limit: usize,
    },
    /// Under the least length for its kind.
    #[error("the text is too short: it has {bytes} bytes, and {least} are needed")]
    TooShort {
        /// The length that was given, in bytes of UTF-8.
        bytes: usize,
        /// The least length, in bytes of UTF-8.
        least: usize,
    },
    /// U+0000, which C libraries, terminals and databases each cut differently.
    #[error("the text holds a NUL character")]
    Nul,
    /// A control character other than tab and newline (C0, ISO 6429): it would affect a terminal, and takes six bytes
    /// on the wire.
    #[error("the text holds a control character other than tab and newline")]
    Control,
}

/// Checks what every text has been checked for since the first release, so that all stored texts pass.
fn check(text: &str, limit: usize) -> Result<(), BadText> {
    if text.len() > limit {
        return Err(BadText::TooLong { bytes: text.len(), limit });
    }
    if text.contains('\0') {
        return Err(BadText::Nul);
    }
    if text.trim().is_empty() {
        return Err(BadText::Empty);
    }
    Ok(())
}

/// As [`check`], and refuses control characters. U+007F and those of C1 pass: they take one or two bytes on the wire,
/// and are made visible wherever a text is shown.
fn check_new(text: &str, limit: usize) -> Result<(), BadText> {
    check(text, limit)?;
    let is_control = |byte: u8| byte < b' ' && !matches!(byte, b'\t' | b'\n');
    // Without an early return, which the compiler could not vectorise: nearly every text is read to its end anyway.
    let has_control = text.bytes().fold(false, |found, byte| found | is_control(byte));
    if has_control { Err(BadText::Control) } else { Ok(()) }
}

/// Returns the text with each line end, `\r\n` and `\r` included, as `\n`: pasted text means the same on every system.
fn with_newlines(text: &str) -> Cow<'_, str> {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n").into() } else { text.into() }
}

/// Returns how many bytes `text` takes as a JSON string (RFC 8259 §7), without its quotes.
fn encoded_len(text: &str) -> usize {
    let escape = |byte: u8| {
        let is_short = matches!(byte, b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c);
        let is_long = byte < b' ' && !is_short;
        u8::from(is_short) + 5 * u8::from(is_long)
    };
    // Summed in bytes, over pieces whose sum fits into a byte, for speed: this runs for every post.
    let escapes = |piece: &[u8]| usize::from(piece.iter().fold(0, |sum, byte| sum + escape(*byte)));
    text.len() + text.as_bytes().chunks(32).map(escapes).sum::<usize>()
}

/// The body of a message: not blank, no control characters except tab and newline, at most
/// [`limits::MESSAGE_BYTES_MAX`]. Otherwise as its author wrote it: how to show it safely on a terminal is decided
/// where it is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageText {
    text: Arc<str>,
    encoded_len: u32,
}

impl MessageText {
    /// Checks `text`. Line ends become `\n`.
    ///
    /// # Errors
    /// [`BadText`] when it is blank, holds a control character, or is over the limit.
    pub fn parse(text: &str) -> Result<Self, BadText> {
        let text = with_newlines(text);
        check_new(&text, limits::MESSAGE_BYTES_MAX)?;
        Ok(Self::of(&text))
    }

    /// Checks a text that an earlier release accepted, perhaps with control characters.
    ///
    /// # Errors
    /// [`BadText`] when it is blank, holds NUL, or is over the limit: no release accepted that.
    pub fn stored(text: &str) -> Result<Self, BadText> {
        let text = with_newlines(text);
        check(&text, limits::MESSAGE_BYTES_MAX)?;
        Ok(Self::of(&text))
    }

    fn of(text: &str) -> Self {
        Self { text: text.into(), encoded_len: u32::try_from(encoded_len(text)).unwrap_or(u32::MAX) }
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns how many bytes it takes as a JSON string, without the quotes: wire limits are counted in these.
    pub fn encoded_len(&self) -> usize {
        self.encoded_len as usize
    }
}

impl fmt::Debug for MessageText {
    /// Shows the length only: message bodies must not reach logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageText({} bytes)", self.text.len())
    }
}

/// Why somebody is away: not blank, no control characters except tab and newline, at most
/// [`limits::AWAY_REASON_BYTES_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwayReason(Arc<str>);

impl AwayReason {
    /// Checks `text`. Line ends become `\n`.
    ///
    /// # Errors
    /// [`BadText`] when it is blank, holds a control character, or is over the limit.
    pub fn parse(text: &str) -> Result<Self, BadText> {
        let text = with_newlines(text);
        check_new(&text, limits::AWAY_REASON_BYTES_MAX)?;
        Ok(Self(text.trim().into()))
    }

    /// Checks a reason that an earlier release accepted, perhaps with control characters.
    ///
    /// # Errors
    /// [`BadText`] when it is blank, holds NUL, or is over the limit: no release accepted that.
    pub fn stored(text: &str) -> Result<Self, BadText> {
        check(text, limits::AWAY_REASON_BYTES_MAX)?;
        Ok(Self(text.trim().into()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A password of an acceptable length, on its way to the hash. Never printed, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Box<str>);

impl Password {
    /// Checks a *new* password, after [`TypedPassword::normalised`].
    ///
    /// # Errors
    /// [`BadText`] when it is shorter than [`limits::PASSWORD_BYTES_MIN`], longer than [`limits::PASSWORD_BYTES_MAX`],
    /// or holds a control character.
    pub fn parse(text: &str) -> Result<Self, BadText> {
        let text = &*normalised(text);
        if text.len() < limits::PASSWORD_BYTES_MIN {
            return Err(BadText::TooShort { bytes: text.len(), least: limits::PASSWORD_BYTES_MIN });
        }
        if text.len() > limits::PASSWORD_BYTES_MAX {
            return Err(BadText::TooLong { bytes: text.len(), limit: limits::PASSWORD_BYTES_MAX });
        }
        // Perhaps a line break that was pasted too, which nobody would type again.
        if text.chars().any(char::is_control) {
            return Err(BadText::Control);
        }
        Ok(Self(text.into()))
    }

    /// Returns the bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Returns the text, to send it inside TLS.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A password as somebody typed it to log in: of any length and form. Never printed, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct TypedPassword(Box<str>);

impl TypedPassword {
    /// Returns the password in the form in which it is hashed, which is the same for all keyboards: RFC 8265 §4.2
    /// `OpaqueString`.
    pub fn normalised(&self) -> Cow<'_, str> {
        normalised(&self.0)
    }

    /// Returns the text as it was typed.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for TypedPassword {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for TypedPassword {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for TypedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TypedPassword(…)")
    }
}

/// Applies the mapping rules of `OpaqueString` (RFC 8265 §4.2.2): spaces of other scripts become spaces, then form C;
/// width and case stay. Its list of allowed characters is not applied: it depends on the Unicode version, and an
/// accepted password must stay valid. A text too long to become a password in any form is returned unchanged, so that a
/// long line costs nothing.
fn normalised(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || text.len() > NORMALISED_BYTES_MAX {
        return Cow::Borrowed(text);
    }
    let spaced = text.chars().map(|c| if is_space(c) { ' ' } else { c });
    Cow::Owned(spaced.nfc().collect())
}

/// Form C shortens a text to a third at most (UAX #15 §14), so a text longer than this cannot become a password.
const NORMALISED_BYTES_MAX: usize = 4 * limits::PASSWORD_BYTES_MAX;

/// Returns whether a character is of general category `Zs`, except U+0020.
fn is_space(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_one_for_all_keyboards() {
        let same =
            ["p\u{e4}ss w\u{f6}rter", "pa\u{308}ss\u{3000}wo\u{308}rter", "p\u{e4}ss\u{a0}w\u{f6}rter"];
        for typed in same {
            assert_eq!(Password::parse(typed), Password::parse(same[0]), "{typed:?}");
            assert_eq!(TypedPassword::from(typed).normalised(), same[0]);
        }
        for other in ["P\u{e4}ss w\u{f6}rter", "\u{ff50}\u{e4}ss w\u{f6}rter", " p\u{e4}ss w\u{f6}rter"] {
            assert_ne!(Password::parse(other), Password::parse(same[0]), "{other:?}");
        }
        // The bounds apply to the hashed form: four letters with marks are twelve bytes, then eight.
        assert!(Password::parse(&"a\u{308}".repeat(4)).is_ok());
        assert!(matches!(Password::parse(&"a\u{308}".repeat(3)), Err(BadText::TooShort { bytes: 6, .. })));
        for pasted in ["long enough\n", "\u{1b}[200~long enough", "long\0enough"] {
            assert_eq!(Password::parse(pasted), Err(BadText::Control), "{pasted:?}");
        }
    }

    #[test]
    fn blank_long_and_nul_texts_are_refused_by_name() {
        assert_eq!(MessageText::parse(" \n\t"), Err(BadText::Empty));
        assert_eq!(MessageText::parse("a\0b"), Err(BadText::Nul));
        let long = "x".repeat(limits::MESSAGE_BYTES_MAX + 1);
        assert!(matches!(MessageText::parse(&long), Err(BadText::TooLong { .. })));
        assert!(MessageText::parse(&long[1..]).is_ok());
        assert!(matches!(Password::parse("short"), Err(BadText::TooShort { .. })));
    }

    #[test]
    fn control_characters_are_refused_and_ends_of_lines_are_one() {
        for byte in (1..0x20_u8).filter(|byte| !matches!(byte, b'\t' | b'\n' | b'\r')) {
            let text = format!("a{}b", char::from(byte));
            assert_eq!(MessageText::parse(&text), Err(BadText::Control), "{byte:#x}");
            assert_eq!(AwayReason::parse(&text), Err(BadText::Control), "{byte:#x}");
            assert_eq!(MessageText::stored(&text).unwrap().as_str(), text);
        }
        assert_eq!(MessageText::parse("a\tb\r\nc\rd\n").unwrap().as_str(), "a\tb\nc\nd\n");
        assert_eq!(MessageText::parse("\r\n"), Err(BadText::Empty));
        // A resend across an upgrade is still the same text.
        assert_eq!(MessageText::stored("a\r\nb"), MessageText::parse("a\r\nb"));
        assert!(MessageText::parse("a\u{7f}\u{9b}b").is_ok());
    }

    #[test]
    fn the_length_on_the_wire_counts_escapes() {
        let encoded = |text| MessageText::stored(text).unwrap().encoded_len();
        assert_eq!(encoded("é x"), 4);
        assert_eq!(encoded("\"\\\n\t"), 8);
        assert_eq!(encoded("\u{8}\u{c}\u{1}\u{1f}"), 16);
    }

    #[test]
    fn debug_shows_neither_bodies_nor_passwords() {
        let shown = format!(
            "{:?} {:?}",
            MessageText::parse("canary").unwrap(),
            Password::parse("canary-canary").unwrap()
        );
        assert!(!shown.contains("canary"), "{shown}");
    }
}
