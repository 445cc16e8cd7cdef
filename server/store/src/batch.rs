//! Appends drafts to logs, a batch at a time: a transaction does not ask again for what it has read. Only this module
//! assigns a `seq`.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

use lanchat_hub::permit::{Act, RoomPolicy, Scope, Standing, may};
use lanchat_hub::port::{Appended, Draft, Moved};
use lanchat_hub::{Body, Entry, Refusal, Subject, failpoint};
use lanchat_model::{AccountId, ClientId, LOBBY, RoomId, Seq, Timestamp};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};

use crate::entry_row::columns;
use crate::membership::{enter, has_space, has_space_for_group, is_empty, leave, standing};
use crate::row::{seq, seq_value};

/// Longer texts are stored outside the logs. With the rest of the entry they would exceed the 1002 bytes of a row that
/// SQLite keeps in a page of 4 KiB (fileformat2.html §1.6).
const TEXT_BYTES_IN_LOG_MAX: usize = 800;

/// A room's state, as a batch knows it.
#[derive(Clone, Copy)]
struct Ground {
    /// The last `seq` of its log.
    head: Seq,
    /// The messages in it.
    said: i64,
    policy: RoomPolicy,
}

/// A batch of drafts on its way into the logs, inside a transaction. Nobody else writes during the transaction, so only
/// the batch itself changes heads and memberships. The number of drafts bounds both maps.
pub(crate) struct Batch<'c> {
    conn: &'c Connection,
    /// The time of every entry in the batch, which is one commit.
    at: Timestamp,
    grounds: HashMap<RoomId, Option<Ground>>,
    standings: HashMap<(RoomId, AccountId), Standing>,
    post: CachedStatement<'c>,
    insert: CachedStatement<'c>,
}

impl<'c> Batch<'c> {
    /// Begins a batch whose entries get the time `at`.
    pub(crate) fn begin(conn: &'c Connection, at: Timestamp) -> rusqlite::Result<Self> {
        // The client id identifies a resend, and leads to the first post.
        let post = conn.prepare_cached(
            "INSERT INTO posts (client_id, sender, room, seq) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (client_id, sender) DO NOTHING",
        )?;
        let insert = conn.prepare_cached(
            "INSERT INTO entries (room, seq, sender, client_id, at_ms, kind, said, target, whom, body, long)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?;
        Ok(Self { conn, at, grounds: HashMap::new(), standings: HashMap::new(), post, insert })
    }

    /// Appends `drafts` in order, and returns the outcome of each.
    pub(crate) fn append(mut self, drafts: Vec<Draft>) -> rusqlite::Result<Vec<Appended>> {
        drafts.iter().map(|draft| self.take(draft)).collect()
    }

    fn take(&mut self, draft: &Draft) -> rusqlite::Result<Appended> {
        match draft.body {
            Body::Message { .. } => self.say(draft),
            Body::Joined(Subject { account, .. }) => self.change_membership(draft, account, true),
            Body::Left(Subject { account, .. }) => self.change_membership(draft, account, false),
        }
    }

    fn say(&mut self, draft: &Draft) -> rusqlite::Result<Appended> {
        if let Err(refusal) = self.permitted(draft)? {
            // A resend of an accepted draft gets the answer of that time.
            return self.again(draft)?.map_or_else(|| Ok(Appended::Refused(refusal)), Ok);
        }
        match self.push(draft)? {
            Some(entry) => Ok(Appended::Fresh { entry, moved: Moved::Head }),
            None if failpoint::on("store::dedupe_off") => self.doubled(draft),
            // The id is taken, so there is a post, and the default is never used.
            None => self.again(draft)?.map_or_else(id_reused, Ok),
        }
    }

    /// Begins or ends the membership of `subject`, by the author of the draft.
    fn change_membership(
        &mut self,
        draft: &Draft,
        subject: AccountId,
        joins: bool,
    ) -> rusqlite::Result<Appended> {
        if let Some(answer) = self.again(draft)? {
            return Ok(answer);
        }
        if let Err(refusal) = self.permitted(draft)? {
            return Ok(Appended::Refused(refusal));
        }
        let room = draft.room;
        let standing = self.standing(room, subject)?;
        if standing.is_member == joins {
            return Ok(Appended::Unchanged);
        }
        if !joins {
            leave(self.conn, room, subject)?;
        } else if !has_space(self.conn, subject)?
            || (is_empty(self.conn, room)? && !has_space_for_group(self.conn)?)
        {
            return Ok(Appended::Refused(Refusal::TooManyRooms));
        } else {
            enter(self.conn, room, subject)?;
        }
        self.standings.insert((room, subject), Standing { is_member: joins, ..standing });
        let moved = if joins { Moved::Entered(subject) } else { Moved::Left(subject) };
        self.push(draft)?.map_or_else(id_reused, |entry| Ok(Appended::Fresh { entry, moved }))
    }

    /// Returns the answer to a resend: the same as the first time, even for somebody who has left since. Returns `None`
    /// if the draft is not a resend.
    ///
    /// If the entry has since been changed, deleted or pruned, there is no text left to compare, and the room decides.
    fn again(&self, draft: &Draft) -> rusqlite::Result<Option<Appended>> {
        let (kind, text) = columns(&draft.body);
        let mut statement = self.conn.prepare_cached(
            "SELECT posts.seq, kept.at_ms,
                 posts.room = ?3 AND (kept.seq IS NOT posts.seq OR kept.kind = 'gone' OR (
                     kept.kind = ?4 AND kept.target IS ?5 AND kept.whom IS ?6
                     AND (kept.edit IS NOT NULL
                         OR iif(kept.long IS NULL, kept.body,
                             (SELECT text FROM long_texts WHERE id = kept.long)) IS ?7)))
             FROM posts LEFT JOIN entries AS kept ON kept.room = posts.room AND kept.seq =
                 (SELECT min(seq) FROM entries WHERE room = posts.room AND seq >= posts.seq)
             WHERE posts.client_id = ?1 AND posts.sender = ?2",
        )?;
        let values = params![
            draft.client_id.as_bytes(),
            draft.author.0,
            draft.room.0,
            kind,
            target_of(draft),
            whom_of(draft),
            text
        ];
        let answer = |row: &Row<'_>| {
            if !row.get::<_, bool>(2)? {
                return id_reused();
            }
            let at = row.get::<_, Option<i64>>(1)?.map_or(self.at, Timestamp);
            Ok(Appended::Again(self.entry(draft, seq(row, 0)?, at)))
        };
        statement.query_row(values, answer).optional()
    }

    /// Posts a resend a second time and hides this from its author. Wrong on purpose, for a test build.
    fn doubled(&mut self, draft: &Draft) -> rusqlite::Result<Appended> {
        let client_id = draft.client_id;
        let other = self.conn.query_row("SELECT randomblob(16)", [], |row| row.get(0))?;
        let pushed = self.push(&Draft { client_id: ClientId::from_bytes(other), ..draft.clone() })?;
        let told = |entry: Arc<Entry>| {
            let entry = Arc::new(Entry { client_id, ..Entry::clone(&entry) });
            Ok(Appended::Fresh { entry, moved: Moved::Head })
        };
        pushed.map_or_else(id_reused, told)
    }

    /// Puts a draft at the end of its log, without checking permissions. Returns `None` if its author has already used
    /// the id.
    pub(crate) fn push(&mut self, draft: &Draft) -> rusqlite::Result<Option<Arc<Entry>>> {
        let Draft { room, author, client_id, body, .. } = draft;
        let ground = ground(self.conn, &mut self.grounds, *room)?;
        let ground = ground.as_mut().ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        let place = ground.head.next();
        if self.post.execute(params![client_id.as_bytes(), author.0, room.0, seq_value(place)])? == 0 {
            return Ok(None);
        }
        let said = ground.said + i64::from(body.is_said());
        let (kind, text) = columns(body);
        let apart = text.filter(|text| text.len() > TEXT_BYTES_IN_LOG_MAX);
        let long = apart.map(|text| keep_apart(self.conn, text)).transpose()?;
        self.insert.execute(params![
            room.0,
            seq_value(place),
            author.0,
            client_id.as_bytes(),
            self.at.0,
            kind,
            said,
            target_of(draft),
            whom_of(draft),
            text.filter(|_| long.is_none()),
            long
        ])?;
        (ground.head, ground.said) = (place, said);
        Ok(Some(self.entry(draft, place, self.at)))
    }

    /// Returns the entry that a draft becomes at this `seq`.
    fn entry(&self, draft: &Draft, place: Seq, at: Timestamp) -> Arc<Entry> {
        Arc::new(Entry {
            room: draft.room,
            seq: place,
            client_id: draft.client_id,
            author: draft.author,
            author_name: draft.author_name.clone(),
            at,
            body: draft.body.clone(),
        })
    }

    /// Checks against the current rows whether the author of a draft may do what it does.
    fn permitted(&mut self, draft: &Draft) -> rusqlite::Result<Result<(), Refusal>> {
        let Draft { room, author, ref body, .. } = *draft;
        let actor = self.standing(room, author)?;
        let target = match body.subject().filter(|subject| subject.account != author) {
            Some(subject) => Some(self.standing(room, subject.account)?),
            None => None,
        };
        let Some(Ground { policy, .. }) = *ground(self.conn, &mut self.grounds, room)? else {
            return Ok(Err(Refusal::NotAMember));
        };
        Ok(may(actor, Act::of(author, body), target, policy))
    }

    fn standing(&mut self, room: RoomId, account: AccountId) -> rusqlite::Result<Standing> {
        match self.standings.entry((room, account)) {
            Slot::Occupied(known) => Ok(*known.get()),
            Slot::Vacant(unknown) => Ok(*unknown.insert(standing(self.conn, room, account)?)),
        }
    }
}

/// Returns the value of the column `target`.
fn target_of(draft: &Draft) -> Option<i64> {
    draft.body.target().map(seq_value)
}

/// Returns the value of the column `whom`: `None` if the draft is about its author or about no account.
fn whom_of(draft: &Draft) -> Option<i64> {
    let others = draft.body.subject().filter(|subject| subject.account != draft.author);
    others.map(|subject| subject.account.0)
}

fn id_reused() -> rusqlite::Result<Appended> {
    Ok(Appended::Refused(Refusal::IdReused))
}

/// Stores a text outside the logs, and returns the id by which an entry refers to it.
fn keep_apart(conn: &Connection, text: &str) -> rusqlite::Result<i64> {
    conn.prepare_cached("INSERT INTO long_texts (text) VALUES (?1)")?.insert([text])
}

/// Returns what a batch knows of a room, and reads it once. `None` if there is no such room.
fn ground<'g>(
    conn: &Connection,
    known: &'g mut HashMap<RoomId, Option<Ground>>,
    room: RoomId,
) -> rusqlite::Result<&'g mut Option<Ground>> {
    match known.entry(room) {
        Slot::Occupied(known) => Ok(known.into_mut()),
        Slot::Vacant(unknown) => Ok(unknown.insert(ground_of(conn, room)?)),
    }
}

fn ground_of(conn: &Connection, room: RoomId) -> rusqlite::Result<Option<Ground>> {
    let mut statement = conn.prepare_cached(
        // One row by its key, and the last row of its log by the log's key, without a third lookup to find the last
        // one.
        "SELECT name, coalesce(seq, 0), coalesce(said, 0) FROM rooms LEFT JOIN entries ON room = rooms.id
         WHERE rooms.id = ?1 ORDER BY seq DESC LIMIT 1",
    )?;
    let found = |row: &Row<'_>| {
        let scope = match row.get_ref(0)?.as_str_or_null()? {
            Some(LOBBY) => Scope::Lobby,
            Some(_) => Scope::Group,
            None => Scope::Private,
        };
        Ok(Ground { head: seq(row, 1)?, said: row.get(2)?, policy: scope.into() })
    };
    statement.query_row([room.0], found).optional()
}
