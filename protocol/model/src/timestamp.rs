//! Points in time, as numbers. Formatting is left to the code that shows them.

/// Milliseconds since 1970-01-01T00:00:00Z. For people only: the order of entries is their [`Seq`](crate::Seq).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub i64);
