//! An account as a row: its columns, and what is read from them.

use lanchat_hub::port::{Account, Away, Generation, PasswordHash};
use lanchat_model::{AccountId, AwayReason, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, Row};

use crate::row::{invalid, parsed, timestamp};

/// Selects what [`account_of`] reads.
macro_rules! select_account {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, display_name, admin, phc, created_ms, last_seen_ms, away, away_reason, generation
             FROM accounts ",
            $rest
        )
    };
}
pub(crate) use select_account;

/// Reads an account from a row of [`select_account`].
pub(crate) fn account_of(row: &Row<'_>) -> rusqlite::Result<Account> {
    let reason = row.get_ref(8)?.as_str_or_null()?;
    let reason = reason.map(AwayReason::stored).transpose().map_err(|error| invalid(8, Type::Text, error))?;
    let away: bool = row.get(7)?;
    Ok(Account {
        id: AccountId(row.get(0)?),
        name: parsed(row, 1)?,
        display_name: parsed(row, 2)?,
        admin: row.get(3)?,
        phc: PasswordHash(row.get(4)?),
        generation: Generation(row.get(9)?),
        created: timestamp(row, 5)?,
        last_seen: row.get::<_, Option<i64>>(6)?.map(Timestamp),
        away: away.then_some(Away { reason }),
    })
}

/// Returns the account with this id.
pub(crate) fn account_by_id(conn: &Connection, id: AccountId) -> rusqlite::Result<Account> {
    conn.prepare_cached(select_account!("WHERE id = ?1"))?.query_row([id.0], account_of)
}
