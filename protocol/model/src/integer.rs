//! Integers on the wire: one rule for all of them (PROTOCOL §2).

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// An integer on the wire, from 0 to [`Integer::MAX`], written in digits alone.
///
/// A fraction or an exponent is refused even where the value is an integer: a number that became a fraction on the way
/// may not be the intended one, and near the limit several integers share one floating-point value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integer(u64);

impl Integer {
    /// 2^53 − 1, the largest integer that every JSON reader represents exactly (RFC 7493 §2.2).
    pub const MAX: u64 = (1 << 53) - 1;

    /// Returns the value.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Digits;

        impl Visitor<'_> for Digits {
            type Value = Integer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an integer from 0 to {} in digits alone", Integer::MAX)
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Integer, E> {
                match value {
                    0..=Integer::MAX => Ok(Integer(value)),
                    _ => Err(E::invalid_value(Unexpected::Unsigned(value), &self)),
                }
            }
        }

        from.deserialize_u64(Digits)
    }
}
