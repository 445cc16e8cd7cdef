//! The logs: `port::Log` in SQL.

use std::sync::Arc;

use lanchat_hub::failpoint;
use lanchat_hub::port::{Answer, Appended, Draft, Log};
use lanchat_hub::{Body, Entry, Subject};
use lanchat_model::{AccountId, AccountName, ClientId, MessageText, RoomId, Seq, limits};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::batch::Batch;
use crate::row::{invalid, limit_value, parsed, seq, seq_value, timestamp};
use crate::sqlite::SqliteStore;

impl Log for SqliteStore {
    fn append(&self, drafts: Vec<Draft>) -> Answer<'_, Vec<Appended>> {
        self.write_more(move |conn, clock| Batch::begin(conn, clock())?.append(drafts))
    }

    fn read_after(&self, room: RoomId, after: Seq, limit: usize) -> Answer<'_, Vec<Arc<Entry>>> {
        self.read(move |conn| {
            // Wrong in a test build: a page that begins one too late.
            let after = if failpoint::on("store::page_off_by_one") { after.next() } else { after };
            let oldest_first = select_entry!("WHERE room = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3");
            read(conn, oldest_first, (room, after), limit, limits::REPLAY_PAGE_BYTES_MAX)
        })
    }

    fn read_before(&self, room: RoomId, before: Seq, limit: usize) -> Answer<'_, Vec<Arc<Entry>>> {
        self.read(move |conn| {
            let latest_first = select_entry!("WHERE room = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3");
            let mut page = read(conn, latest_first, (room, before), limit, limits::PAGE_BYTES_MAX)?;
            page.reverse();
            Ok(page)
        })
    }

    fn first(&self, room: RoomId) -> Answer<'_, Seq> {
        self.read(move |conn| {
            let mut statement = conn.prepare_cached("SELECT first FROM rooms WHERE id = ?1")?;
            let found = statement.query_row([room.0], |row| seq(row, 0)).optional()?;
            Ok(found.unwrap_or(Seq::ZERO.next()))
        })
    }
}

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
use select_entry;

/// A page, in the order of the statement: at most `limit` entries and `bytes_max` on the wire, but one entry in any case. Rows
/// beyond the page are not read.
fn read(
    conn: &Connection,
    sql: &str,
    (room, from): (RoomId, Seq),
    limit: usize,
    bytes_max: usize,
) -> rusqlite::Result<Vec<Arc<Entry>>> {
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([room.0, seq_value(from), limit_value(limit)], entry_of)?;
    let (mut page, mut bytes) = (Vec::new(), 0);
    for entry in rows {
        let entry = entry?;
        bytes += entry.wire_bytes_max();
        if bytes > bytes_max && !page.is_empty() {
            break;
        }
        page.push(Arc::new(entry));
    }
    Ok(page)
}

fn entry_of(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let (author, author_name): (_, AccountName) = (AccountId(row.get(3)?), parsed(row, 4)?);
    // Nobody else is named: it is about the author.
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

/// A kind of entry that this program does not know: the row is damaged, since a newer database is not opened.
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

/// What stands in `kind` and `body`.
pub(crate) fn columns(body: &Body) -> (&'static str, Option<&str>) {
    match body {
        Body::Message { text, action: false } => ("message", Some(text.as_str())),
        Body::Message { text, action: true } => ("action", Some(text.as_str())),
        Body::Joined(_) => ("joined", None),
        Body::Left(_) => ("left", None),
    }
}
