//! The logs: `port::Log` in SQL.

use std::sync::Arc;

use lanchat_hub::Entry;
use lanchat_hub::failpoint;
use lanchat_hub::port::{Answer, Appended, Draft, Log};
use lanchat_model::{RoomId, Seq, limits};
use rusqlite::{Connection, OptionalExtension};

use crate::batch::Batch;
use crate::entry_row::{entry_of, select_entry};
use crate::row::{limit_value, seq, seq_value};
use crate::sqlite::SqliteStore;

impl Log for SqliteStore {
    fn append(&self, drafts: Vec<Draft>) -> Answer<'_, Vec<Appended>> {
        self.write_more(move |conn, clock| Batch::begin(conn, clock())?.append(drafts))
    }

    fn read_after(&self, room: RoomId, after: Seq, limit: usize) -> Answer<'_, Vec<Arc<Entry>>> {
        self.read(move |conn| {
            // Wrong on purpose in a test build: the page begins one entry too late.
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

/// Reads a page in the order of the statement: at most `limit` entries and `bytes_max` on the wire, but always at least
/// one entry if there is one. Rows beyond the page are not read.
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
