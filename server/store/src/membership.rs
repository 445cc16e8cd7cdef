//! Memberships in SQL: who is in a room, and whether there is space for more.

use lanchat_hub::permit::{Role, Standing};
use lanchat_model::{AccountId, RoomId, limits};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::row::limit_value;

/// Returns whether the server may have one more group room in use.
pub(crate) fn has_space_for_group(conn: &Connection) -> rusqlite::Result<bool> {
    let mut statement =
        conn.prepare_cached("SELECT count(*) FROM rooms WHERE name IS NOT NULL AND members > 0")?;
    let in_use: i64 = statement.query_row([], |row| row.get(0))?;
    Ok(in_use < limit_value(limits::ROOMS_MAX))
}

/// Returns whether a room has no members.
pub(crate) fn is_empty(conn: &Connection, room: RoomId) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM rooms WHERE id = ?1 AND members = 0")?.exists([room.0])
}

/// Removes rooms whose first join never came, because the server died in between.
pub(crate) fn remove_never_entered(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute(
        "DELETE FROM rooms WHERE made_by IS NOT NULL AND members = 0
         AND NOT EXISTS (SELECT 1 FROM entries WHERE entries.room = rooms.id)",
        [],
    )
    .map(drop)
}

/// Returns whether an account may be in one more group room.
pub(crate) fn has_space(conn: &Connection, account: AccountId) -> rusqlite::Result<bool> {
    Ok(count(conn, account, false)? < limit_value(limits::GROUPS_PER_ACCOUNT_MAX))
}

/// Returns whether an account may have one more private chat.
pub(crate) fn has_space_for_chat(conn: &Connection, account: AccountId) -> rusqlite::Result<bool> {
    Ok(count(conn, account, true)? < limit_value(limits::PRIVATE_CHATS_PER_ACCOUNT_MAX))
}

/// Counts the private chats, or the group rooms, that an account is in.
fn count(conn: &Connection, account: AccountId, private: bool) -> rusqlite::Result<i64> {
    conn.prepare_cached(
        "SELECT count(*) FROM memberships JOIN rooms ON rooms.id = memberships.room
         WHERE memberships.account = ?1 AND (rooms.name IS NULL) = ?2",
    )?
    .query_row((account.0, private), |row| row.get(0))
}

/// Returns whether an account is in a room.
pub(crate) fn is_member(conn: &Connection, room: RoomId, account: AccountId) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM memberships WHERE room = ?1 AND account = ?2")?
        .exists([room.0, account.0])
}

/// Returns an account's standing in a room. An account that does not exist is a non-member everywhere.
pub(crate) fn standing(conn: &Connection, room: RoomId, account: AccountId) -> rusqlite::Result<Standing> {
    let mut statement = conn.prepare_cached(
        "SELECT admin, EXISTS (SELECT 1 FROM memberships WHERE room = ?1 AND account = ?2)
         FROM accounts WHERE id = ?2",
    )?;
    let found = |row: &Row<'_>| Ok(Standing { role: Role::of(row.get(0)?), is_member: row.get(1)? });
    let found = statement.query_row([room.0, account.0], found).optional()?;
    Ok(found.unwrap_or(Standing { role: Role::Member, is_member: false }))
}

/// Makes an account that is not in a room a member.
pub(crate) fn enter(conn: &Connection, room: RoomId, account: AccountId) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO memberships (room, account) VALUES (?1, ?2)")?
        .execute([room.0, account.0])?;
    Ok(())
}

/// Ends a membership.
pub(crate) fn leave(conn: &Connection, room: RoomId, account: AccountId) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM memberships WHERE room = ?1 AND account = ?2")?
        .execute([room.0, account.0])?;
    Ok(())
}
