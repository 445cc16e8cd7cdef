//! Between columns and the nouns: what is read is parsed again, so that a damaged row is an error
//! and not a value.

use std::error::Error;
use std::str::FromStr;

use lanchat_model::{Seq, Timestamp};
use rusqlite::Row;
use rusqlite::types::Type;

/// The text of a column, parsed.
pub(crate) fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: Error + Send + Sync + 'static,
{
    row.get_ref(column)?.as_str()?.parse().map_err(|error| invalid(column, Type::Text, error))
}

/// The position in a column.
pub(crate) fn seq(row: &Row<'_>, column: usize) -> rusqlite::Result<Seq> {
    let value: i64 = row.get(column)?;
    u64::try_from(value)
        .map_err(|error| invalid(column, Type::Integer, error))
        .and_then(|value| Seq::try_from(value).map_err(|error| invalid(column, Type::Integer, error)))
}

/// The point in time in a column.
pub(crate) fn timestamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp)
}

/// A position, for a column. Positions are below 2^53.
pub(crate) fn seq_value(seq: Seq) -> i64 {
    seq.get().cast_signed()
}

/// A number of rows, for a `LIMIT`. More than there can be is all of them.
pub(crate) fn limit_value(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A value that the schema cannot rule out and that is none of ours.
pub(crate) fn invalid(
    column: usize,
    kind: Type,
    error: impl Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))
}
