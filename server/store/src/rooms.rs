//! Rooms and marks: `port::Rooms` in SQL.

use std::fmt::Write as _;
use std::time::Duration;

use lanchat_hub::port::{
    Answer, Generation, GroupRecord, MemberRecord, MembershipRecord, Opened, RoomKind, RoomRecord, Rooms,
};
use lanchat_model::{AccountId, DeviceId, RoomId, RoomName, Seq, Timestamp, limits};
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use crate::devices::is_current;
use crate::membership::{enter, has_space, has_space_for_chat, has_space_for_group, is_member};
use crate::row::{limit_value, parsed, seq, seq_value};
use crate::sqlite::SqliteStore;

/// How old `devices.used_ms` may be before a mark updates it: a day, so that most marks write one row instead of two.
const USED_STEP_MS: i64 = 24 * 3600 * 1000;

impl Rooms for SqliteStore {
    fn group(&self, name: RoomName) -> Answer<'_, Option<RoomRecord>> {
        self.read(move |conn| group(conn, &name))
    }

    fn open_group(&self, name: RoomName, account: AccountId) -> Answer<'_, Opened> {
        self.write_more(move |conn, clock| open_group(conn, &name, account, clock()))
    }

    fn open_private(&self, one: AccountId, other: AccountId) -> Answer<'_, Option<RoomRecord>> {
        self.write_more(move |conn, _| open_private(conn, one, other))
    }

    fn private(&self, one: AccountId, other: AccountId) -> Answer<'_, Option<RoomRecord>> {
        self.read(move |conn| private(conn, one, other))
    }

    fn memberships(&self, account: AccountId, device: DeviceId) -> Answer<'_, Vec<MembershipRecord>> {
        self.read(move |conn| memberships(conn, account, device))
    }

    fn memberships_if_current(
        &self,
        account: AccountId,
        device: DeviceId,
        known: Generation,
    ) -> Answer<'_, Option<Vec<MembershipRecord>>> {
        self.read(move |conn| {
            // Both come from one state of the database: a client logged out between the two reads loses a session, not
            // a right.
            let current = is_current(conn, device, known)?;
            current.then(|| memberships(conn, account, device)).transpose()
        })
    }

    fn groups(&self, asker: AccountId) -> Answer<'_, Vec<GroupRecord>> {
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(select_room!(
                ", EXISTS (SELECT 1 FROM memberships WHERE room = rooms.id AND account = ?1)",
                "WHERE rooms.name IS NOT NULL AND rooms.members > 0 ORDER BY rooms.name LIMIT ?2"
            ))?;
            let values = params![asker.0, limit_value(limits::ROOMS_MAX)];
            let record = |row: &Row<'_>| Ok(GroupRecord { room: room_of(row)?, joined: row.get(9)? });
            statement.query_map(values, record)?.collect()
        })
    }

    fn members(&self, room: RoomId, first: Vec<AccountId>) -> Answer<'_, Vec<MemberRecord>> {
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(
                "SELECT accounts.id, name, display_name, last_seen_ms
                 FROM memberships JOIN accounts ON accounts.id = memberships.account
                 WHERE room = :room
                 ORDER BY accounts.id NOT IN (SELECT value FROM json_each(:first)), name LIMIT :limit",
            )?;
            let values = named_params! {
                ":room": room.0,
                ":first": json(&first),
                ":limit": limit_value(limits::MEMBERS_PAGE_MAX),
            };
            statement.query_map(values, member_of)?.collect()
        })
    }

    fn mark(&self, device: DeviceId, room: RoomId, seq: Seq) -> Answer<'_, ()> {
        let lived = self.lived();
        self.write(move |conn, _| {
            // Nothing happens for a device that was removed meanwhile. The mark stops at the head: nobody has seen what
            // is not in the log.
            conn.prepare_cached(
                "INSERT INTO marks (device, room, seq)
                 SELECT devices.id, rooms.id, min(head.seq, ?3)
                 FROM devices, rooms, (SELECT coalesce(max(seq), 0) AS seq FROM entries WHERE room = ?2) AS head
                 WHERE devices.id = ?1 AND rooms.id = ?2
                 ON CONFLICT (device, room) DO UPDATE SET seq = excluded.seq WHERE excluded.seq > seq",
            )?
            .execute([device.0, room.0, seq_value(seq)])?;
            conn.prepare_cached("UPDATE devices SET used_ms = ?2 WHERE id = ?1 AND used_ms < ?3")?
                .execute([device.0, lived.0, lived.0.saturating_sub(USED_STEP_MS)])?;
            Ok(())
        })
    }
}

fn memberships(
    conn: &Connection,
    account: AccountId,
    device: DeviceId,
) -> rusqlite::Result<Vec<MembershipRecord>> {
    let mut statement = conn.prepare_cached(select_room!(
        ", coalesce(marks.seq, 0)",
        "JOIN memberships ON memberships.room = rooms.id
         LEFT JOIN marks ON marks.room = rooms.id AND marks.device = ?2
         WHERE memberships.account = ?1 ORDER BY rooms.id"
    ))?;
    let record = |row: &Row<'_>| Ok(MembershipRecord { room: room_of(row)?, mark: seq(row, 9)? });
    statement.query_map([account.0, device.0], record)?.collect()
}

/// Selects what [`room_of`] reads in columns 0 to 8, and perhaps more columns after it.
macro_rules! select_room {
    ($more:literal, $rest:literal) => {
        concat!(
            "SELECT rooms.id, rooms.name,
             (SELECT coalesce(max(seq), 0) FROM entries WHERE entries.room = rooms.id), rooms.members,
             one.id, one.name, other.id, other.name, rooms.first",
            $more,
            " FROM rooms
             LEFT JOIN accounts AS one ON one.id = rooms.one
             LEFT JOIN accounts AS other ON other.id = rooms.other ",
            $rest
        )
    };
}
use select_room;

fn room_of(row: &Row<'_>) -> rusqlite::Result<RoomRecord> {
    let kind = match row.get_ref(1)?.as_str_or_null()? {
        Some(_) => RoomKind::Group(parsed(row, 1)?),
        None => RoomKind::Private([
            (AccountId(row.get(4)?), parsed(row, 5)?),
            (AccountId(row.get(6)?), parsed(row, 7)?),
        ]),
    };
    let members: u32 = row.get(3)?;
    let (first, head) = (seq(row, 8)?, seq(row, 2)?);
    Ok(RoomRecord { id: RoomId(row.get(0)?), kind, first, head, members: members.into() })
}

fn member_of(row: &Row<'_>) -> rusqlite::Result<MemberRecord> {
    Ok(MemberRecord {
        id: AccountId(row.get(0)?),
        name: parsed(row, 1)?,
        display_name: parsed(row, 2)?,
        last_seen: row.get::<_, Option<i64>>(3)?.map(Timestamp),
    })
}

fn group(conn: &Connection, name: &RoomName) -> rusqlite::Result<Option<RoomRecord>> {
    let mut statement = conn.prepare_cached(select_room!("", "WHERE rooms.name = ?1"))?;
    statement.query_row([name.as_str()], room_of).optional()
}

fn open_group(
    conn: &Connection,
    name: &RoomName,
    account: AccountId,
    now: Timestamp,
) -> rusqlite::Result<Opened> {
    let found = group(conn, name)?;
    if let Some(room) = found.clone()
        && is_member(conn, room.id, account)?
    {
        return Ok(Opened::Room(room));
    }
    let is_in_use = found.as_ref().is_some_and(|room| room.members > 0);
    if !has_space(conn, account)? || !(is_in_use || has_space_for_group(conn)?) {
        return Ok(Opened::TooManyRooms);
    }
    if let Some(room) = found {
        return Ok(Opened::Room(room));
    }
    if let Some(wait) = made_too_many(conn, account, now)? {
        return Ok(Opened::TooManyMade(wait));
    }
    conn.prepare_cached("INSERT INTO rooms (name, made_by, made_ms) VALUES (?1, ?2, ?3)")?
        .execute(params![name.as_str(), account.0, now.0])?;
    Ok(group(conn, name)?.map_or(Opened::TooManyRooms, Opened::Room))
}

/// Returns how long an account has to wait until it may make a room again, or `None`. A room from the future was made
/// before the clock was corrected, and does not count.
fn made_too_many(
    conn: &Connection,
    account: AccountId,
    now: Timestamp,
) -> rusqlite::Result<Option<Duration>> {
    let within = i64::try_from(limits::ROOMS_MADE_WITHIN.as_millis()).unwrap_or(i64::MAX);
    let since = now.0.saturating_sub(within);
    let mut statement = conn.prepare_cached(
        "SELECT made_ms FROM rooms WHERE made_by = ?1 AND made_ms > ?2 AND made_ms <= ?3
         ORDER BY made_ms DESC LIMIT 1 OFFSET ?4",
    )?;
    let nth = limit_value(limits::ROOMS_MADE_PER_DAY_MAX) - 1;
    let oldest = statement.query_row(params![account.0, since, now.0, nth], |row| row.get::<_, i64>(0));
    let wait = |made: i64| Duration::from_millis(u64::try_from(made.saturating_sub(since)).unwrap_or(0));
    Ok(oldest.optional()?.map(wait))
}

fn private(conn: &Connection, one: AccountId, other: AccountId) -> rusqlite::Result<Option<RoomRecord>> {
    let mut statement =
        conn.prepare_cached(select_room!("", "WHERE rooms.one = min(?1, ?2) AND rooms.other = max(?1, ?2)"))?;
    statement.query_row([one.0, other.0], room_of).optional()
}

fn open_private(conn: &Connection, one: AccountId, other: AccountId) -> rusqlite::Result<Option<RoomRecord>> {
    if let Some(room) = private(conn, one, other)? {
        return Ok(Some(room));
    }
    if !has_space_for_chat(conn, one)? || !has_space_for_chat(conn, other)? {
        return Ok(None);
    }
    let room = conn
        .prepare_cached("INSERT INTO rooms (one, other) VALUES (min(?1, ?2), max(?1, ?2)) RETURNING id")?
        .query_row([one.0, other.0], |row| row.get(0).map(RoomId))?;
    enter(conn, room, one)?;
    enter(conn, room, other)?;
    private(conn, one, other)
}

/// Ids as a JSON array: the form in which SQL takes a list as one value.
fn json(ids: &[AccountId]) -> String {
    let mut list = String::from("[");
    for (place, id) in ids.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(list, "{comma}{}", id.0);
    }
    list.push(']');
    list
}
