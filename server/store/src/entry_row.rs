//! An entry as a row: its columns, and what is read from them.

use lanchat_hub::{Body, Entry, Subject};
use lanchat_model::{AccountId, AccountName, ClientId, MessageText, RoomId};
use rusqlite::Row;
use rusqlite::types::Type;

use crate::row::{invalid, parsed, seq, timestamp};

/// Selects what [`entry_of`] reads.
macro_rules! select_entry {
    ($rest:literal) => {
        concat!(
            "SELECT room, seq, client_id, sender, author.name, at_ms, kind,
                 iif(long IS NULL, body, (SELECT text FROM long_texts WHERE id = long)), whom, subject.name
             FROM entries JOIN accounts AS author ON author.id = entries.sender
             LEFT JOIN accounts AS subject ON subject.id = entries.whom ",
            $rest
        )
    };
}
pub(crate) use select_entry;

/// Reads an entry from a row of [`select_entry`].
pub(crate) fn entry_of(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let (author, author_name): (_, AccountName) = (AccountId(row.get(3)?), parsed(row, 4)?);
    // If nobody else is named, the entry is about its author.
    let subject = || match row.get(8)? {
        Some(account) => Ok(Subject { account: AccountId(account), name: parsed(row, 9)? }),
        None => Ok(Subject { account: author, name: author_name.clone() }),
    };
    let body = body_of(row, subject)?;
    Ok(Entry {
        room: RoomId(row.get(0)?),
        seq: seq(row, 1)?,
        client_id: ClientId::from_bytes(row.get(2)?),
        author,
        author_name,
        at: timestamp(row, 5)?,
        body,
    })
}

/// This program does not know the kind of an entry. The row is damaged, since a newer database is not opened.
#[derive(Debug, thiserror::Error)]
#[error("unknown kind of entry")]
struct UnknownKind;

fn body_of(row: &Row<'_>, subject: impl FnOnce() -> rusqlite::Result<Subject>) -> rusqlite::Result<Body> {
    let action = match row.get_ref(6)?.as_str()? {
        "message" => false,
        "action" => true,
        "joined" => return Ok(Body::Joined(subject()?)),
        "left" => return Ok(Body::Left(subject()?)),
        _ => return Err(invalid(6, Type::Text, UnknownKind)),
    };
    let text = row.get_ref(7)?.as_str()?;
    let text = MessageText::stored(text).map_err(|error| invalid(7, Type::Text, error))?;
    Ok(Body::Message { text, action })
}

/// Returns the values of the columns `kind` and `body`.
pub(crate) fn columns(body: &Body) -> (&'static str, Option<&str>) {
    match body {
        Body::Message { text, action: false } => ("message", Some(text.as_str())),
        Body::Message { text, action: true } => ("action", Some(text.as_str())),
        Body::Joined(_) => ("joined", None),
        Body::Left(_) => ("left", None),
    }
}
