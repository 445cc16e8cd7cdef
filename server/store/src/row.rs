//! Converts between columns and the model's types. What is read is parsed again, so that a damaged row is an error and
//! not a value.

use std::error::Error;
use std::str::FromStr;

use lanchat_model::{Seq, Timestamp};
use rusqlite::Row;
use rusqlite::types::Type;

/// Parses the text of a column.
pub(crate) fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: Error + Send + Sync + 'static,
{
    row.get_ref(column)?.as_str()?.parse().map_err(|error| invalid(column, Type::Text, error))
}

/// Reads a `seq` from a column.
pub(crate) fn seq(row: &Row<'_>, column: usize) -> rusqlite::Result<Seq> {
    let value: i64 = row.get(column)?;
    u64::try_from(value)
        .map_err(|error| invalid(column, Type::Integer, error))
        .and_then(|value| Seq::try_from(value).map_err(|error| invalid(column, Type::Integer, error)))
}

/// Reads a point in time from a column.
pub(crate) fn timestamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp)
}

/// Returns a `seq` as a column's value. Every `seq` is below 2^53.
pub(crate) fn seq_value(seq: Seq) -> i64 {
    seq.get().cast_signed()
}

/// Returns a number of rows as a `LIMIT`. A number too large for SQL means all rows.
pub(crate) fn limit_value(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Makes the error for a value that the schema cannot rule out but that we never write.
pub(crate) fn invalid(
    column: usize,
    kind: Type,
    error: impl Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))
}
