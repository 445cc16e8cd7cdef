//! Texts that people write: checked once, at the edge, and carried as proof of the check.

use std::fmt;
use std::sync::Arc;

use crate::limits;

/// Why a text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadText {
    /// Nothing, or only white space.
    #[error("the text is empty")]
    Empty,
    /// Over the limit for its kind.
    #[error("the text is {bytes} bytes long; the limit is {limit}")]
    TooLong {
        /// The length that was given, in bytes of UTF-8.
        bytes: usize,
        /// The largest length, in bytes of UTF-8.
        limit: usize,
    },
    /// Under the least length for its kind.
    #[error("the text is {bytes} bytes long; at least {least} are needed")]
    TooShort {
        /// The length that was given, in bytes of UTF-8.
        bytes: usize,
        /// The least length, in bytes of UTF-8.
        least: usize,
    },
    /// U+0000, which C libraries, terminals and databases each cut differently.
    #[error("the text holds a NUL character")]
    Nul,
}

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

/// The body of a message: not blank, no NUL, at most [`limits::MESSAGE_BYTES_MAX`]. Otherwise as its author
/// wrote it: what may be shown on a terminal is decided where it is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageText(Arc<str>);

impl MessageText {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`BadText`] when it is blank, holds NUL, or is over the limit.
    pub fn parse(text: &str) -> Result<Self, BadText> {
        check(text, limits::MESSAGE_BYTES_MAX)?;
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MessageText {
    /// The length only: message bodies do not reach logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageText({} bytes)", self.0.len())
    }
}

/// Why somebody is away: not blank, no NUL, at most [`limits::AWAY_REASON_BYTES_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwayReason(Arc<str>);

impl AwayReason {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`BadText`] when it is blank, holds NUL, or is over the limit.
    pub fn parse(text: &str) -> Result<Self, BadText> {
        check(text, limits::AWAY_REASON_BYTES_MAX)?;
        Ok(Self(text.trim().into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A password of an acceptable length, on its way to the hash. Never printed, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Box<str>);

impl Password {
    /// Checks the length of a *new* password.
    ///
    /// # Errors
    /// [`BadText`] when it is shorter than [`limits::PASSWORD_BYTES_MIN`] or longer than
    /// [`limits::PASSWORD_BYTES_MAX`].
    pub fn parse(text: &str) -> Result<Self, BadText> {
        if text.len() < limits::PASSWORD_BYTES_MIN {
            return Err(BadText::TooShort { bytes: text.len(), least: limits::PASSWORD_BYTES_MIN });
        }
        if text.len() > limits::PASSWORD_BYTES_MAX {
            return Err(BadText::TooLong { bytes: text.len(), limit: limits::PASSWORD_BYTES_MAX });
        }
        Ok(Self(text.into()))
    }

    /// The bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The text, to send it inside TLS.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn debug_shows_neither_bodies_nor_passwords() {
        let shown = format!(
            "{:?} {:?}",
            MessageText::parse("canary").unwrap(),
            Password::parse("canary-canary").unwrap()
        );
        assert!(!shown.contains("canary"), "{shown}");
    }
}
