//! The logs: `port::Log` in SQL. The only place that takes a `seq`.

use std::sync::Arc;

use lanchat_hub::failpoint;
use lanchat_hub::port::{Answer, Appended, Draft, Log};
use lanchat_hub::{Body, Entry, WireForm};
use lanchat_model::{AccountId, AccountName, ClientId, MessageText, RoomId, Seq, Timestamp, limits};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::rooms::{enter, has_space, is_group, is_member, leave};
use crate::row::{invalid, limit_value, parsed, seq, seq_value, timestamp};
use crate::sqlite::SqliteStore;

impl Log for SqliteStore {
    fn append(&self, drafts: Vec<Draft>) -> Answer<'_, Vec<Appended>> {
        self.write(move |conn, clock| drafts.into_iter().map(|draft| append(conn, draft, clock())).collect())
    }

    fn read_after(&self, room: RoomId, after: Seq, limit: usize) -> Answer<'_, Vec<Arc<Entry>>> {
        self.read(move |conn| {
            // Wrong in a test build: a page that begins one too late.
            let after = if failpoint::on("store::page_off_by_one") { after.next() } else { after };
            let oldest_first = select_entry!("WHERE room = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3");
            read(conn, oldest_first, room, after, limit)
        })
    }

    fn read_before(&self, room: RoomId, before: Seq, limit: usize) -> Answer<'_, Vec<Arc<Entry>>> {
        self.read(move |conn| {
            let latest_first = select_entry!("WHERE room = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3");
            let mut page = read(conn, latest_first, room, before, limit)?;
            page.reverse();
            Ok(page)
        })
    }
}

/// Selects what [`entry_of`] reads.
macro_rules! select_entry {
    ($rest:literal) => {
        concat!(
            "SELECT room, seq, client_id, accounts.name, at_ms, kind, body
             FROM entries JOIN accounts ON accounts.id = entries.sender ",
            $rest
        )
    };
}
use select_entry;

/// An entry without its place.
pub(crate) struct NewEntry {
    /// The room.
    pub(crate) room: RoomId,
    /// Who wrote it.
    pub(crate) author: AccountId,
    /// The author's name.
    pub(crate) author_name: AccountName,
    /// The author's id for it.
    pub(crate) client_id: ClientId,
    /// When it was taken.
    pub(crate) at: Timestamp,
    /// What it says.
    pub(crate) body: Body,
}

/// Puts an entry at the end of a log. Whether it may be there was decided before.
pub(crate) fn push(conn: &Connection, entry: NewEntry) -> rusqlite::Result<Entry> {
    let NewEntry { room, author, author_name, client_id, at, body } = entry;
    let place = conn
        .prepare_cached("UPDATE rooms SET head = head + 1 WHERE id = ?1 RETURNING head")?
        .query_row([room.0], |row| seq(row, 0))?;
    let (kind, text) = columns(&body)?;
    conn.prepare_cached(
        "INSERT INTO entries (room, seq, sender, client_id, at_ms, kind, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![room.0, seq_value(place), author.0, client_id.as_bytes(), at.0, kind, text])?;
    Ok(Entry { room, seq: place, client_id, author: author_name, at, body, form: WireForm::default() })
}

fn append(conn: &Connection, draft: Draft, at: Timestamp) -> rusqlite::Result<Appended> {
    // First of all: a resend of what was stored is answered as before, even by somebody who has
    // left since.
    if let Some(entry) = stored(conn, draft.author, draft.client_id)? {
        if failpoint::on("store::dedupe_off") {
            return doubled(conn, draft, at);
        }
        let same = entry.room == draft.room && entry.body == draft.body;
        return Ok(if same { Appended::Again(Arc::new(entry)) } else { Appended::IdReused });
    }
    let Draft { room, author, author_name, client_id, body } = draft;
    let member = is_member(conn, room, author)?;
    match &body {
        Body::Joined | Body::Left if member == (body == Body::Joined) => return Ok(Appended::Unchanged),
        Body::Joined if !is_group(conn, room)? => return Ok(Appended::NotAMember),
        Body::Joined if !has_space(conn, author)? => return Ok(Appended::TooManyRooms),
        Body::Joined => enter(conn, room, author)?,
        Body::Left => leave(conn, room, author)?,
        _ if !member => return Ok(Appended::NotAMember),
        _ => {}
    }
    let entry = NewEntry { room, author, author_name, client_id, at, body };
    push(conn, entry).map(|entry| Appended::Fresh(Arc::new(entry)))
}

/// Wrong, for a test build: a resend is a second post, and its author is told nothing of it.
fn doubled(conn: &Connection, draft: Draft, at: Timestamp) -> rusqlite::Result<Appended> {
    let Draft { room, author, author_name, client_id, body } = draft;
    let other = ClientId::from_bytes(conn.query_row("SELECT randomblob(16)", [], |row| row.get(0))?);
    let entry = push(conn, NewEntry { room, author, author_name, client_id: other, at, body })?;
    Ok(Appended::Fresh(Arc::new(Entry { client_id, ..entry })))
}

/// The entry that an author posted under an id.
fn stored(conn: &Connection, author: AccountId, client_id: ClientId) -> rusqlite::Result<Option<Entry>> {
    let mut statement = conn.prepare_cached(select_entry!("WHERE sender = ?1 AND client_id = ?2"))?;
    statement.query_row(params![author.0, client_id.as_bytes()], entry_of).optional()
}

/// A page, in the order of the statement: at most `limit` entries and `limits::PAGE_BYTES_MAX` of
/// bodies, but one entry in any case. Rows beyond the page are not read.
fn read(
    conn: &Connection,
    sql: &str,
    room: RoomId,
    from: Seq,
    limit: usize,
) -> rusqlite::Result<Vec<Arc<Entry>>> {
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([room.0, seq_value(from), limit_value(limit)], entry_of)?;
    let (mut page, mut bytes) = (Vec::new(), 0);
    for entry in rows {
        let entry = entry?;
        bytes += entry.body.weight();
        if bytes > limits::PAGE_BYTES_MAX && !page.is_empty() {
            break;
        }
        page.push(Arc::new(entry));
    }
    Ok(page)
}

fn entry_of(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        room: RoomId(row.get(0)?),
        seq: seq(row, 1)?,
        client_id: ClientId::from_bytes(row.get(2)?),
        author: parsed(row, 3)?,
        at: timestamp(row, 4)?,
        body: body_of(row)?,
        form: WireForm::default(),
    })
}

/// A kind of entry that this program does not know.
#[derive(Debug, thiserror::Error)]
#[error("unknown kind of entry")]
struct UnknownKind;

fn body_of(row: &Row<'_>) -> rusqlite::Result<Body> {
    let action = match row.get_ref(5)?.as_str()? {
        "message" => false,
        "action" => true,
        "joined" => return Ok(Body::Joined),
        "left" => return Ok(Body::Left),
        _ => return Err(invalid(5, Type::Text, UnknownKind)),
    };
    let text = row.get_ref(6)?.as_str()?;
    let text = MessageText::parse(text).map_err(|error| invalid(6, Type::Text, error))?;
    Ok(Body::Message { text, action })
}

/// What stands in `kind` and `body`.
fn columns(body: &Body) -> rusqlite::Result<(&'static str, Option<&str>)> {
    match body {
        Body::Message { text, action: false } => Ok(("message", Some(text.as_str()))),
        Body::Message { text, action: true } => Ok(("action", Some(text.as_str()))),
        Body::Joined => Ok(("joined", None)),
        Body::Left => Ok(("left", None)),
        // The hub may add kinds; one that this schema has no word for must not be kept as another
        // one.
        _ => Err(rusqlite::Error::ToSqlConversionFailure(Box::new(UnknownKind))),
    }
}
