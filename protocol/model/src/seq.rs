//! Positions in a room's log.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::integer::Integer;

/// A position in one room's log. Entries are numbered 1, 2, 3 … without holes; 0 is "before the first".
///
/// Bounded by [`Integer::MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Integer", into = "u64")]
pub struct Seq(u64);

/// Why a number is not a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a seq is an integer from 0 to 9007199254740991")]
pub struct BadSeq;

impl Seq {
    /// Before the first entry.
    pub const ZERO: Self = Self(0);
    /// The largest position.
    pub const MAX: Self = Self(Integer::MAX);

    /// Returns the position after this one; stays at [`Seq::MAX`].
    pub const fn next(self) -> Self {
        if self.0 < Self::MAX.0 { Self(self.0 + 1) } else { self }
    }

    /// Returns the position `count` before this one, at least [`Seq::ZERO`].
    pub const fn back(self, count: u64) -> Self {
        Self(self.0.saturating_sub(count))
    }

    /// Returns the position as a number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for Seq {
    type Error = BadSeq;

    fn try_from(value: u64) -> Result<Self, BadSeq> {
        if value <= Self::MAX.0 { Ok(Self(value)) } else { Err(BadSeq) }
    }
}

impl From<Integer> for Seq {
    fn from(integer: Integer) -> Self {
        Self(integer.get())
    }
}

impl From<Seq> for u64 {
    fn from(seq: Seq) -> u64 {
        seq.0
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_bounded_at_both_ends() {
        assert_eq!(Seq::ZERO.back(5), Seq::ZERO);
        assert_eq!(Seq::MAX.next(), Seq::MAX);
        assert_eq!(Seq::try_from(1 << 53), Err(BadSeq));
        assert_eq!(Seq::try_from(41).unwrap().next().get(), 42);
    }
}
