//! Devices and their tokens in SQL: their part of `port::Accounts`. The token rule is in PROTOCOL §4 and ADR 9.

use lanchat_hub::port::{
    Account, AddedDevice, Generation, NewDevice, NewPassword, NotResumed, Recognised, TokenHash, TokenLeft,
    TokenRecord,
};
use lanchat_model::{AccountId, DeviceId, Timestamp, limits};
use rusqlite::{Connection, OptionalExtension, params};

use crate::account_row::account_by_id;
use crate::clock::Lived;
use crate::row::{limit_value, parsed};

/// When a device is made: by the wall clock, to show its owner, and in the life of the server, for its age.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) wall: Timestamp,
    pub(crate) lived: Lived,
}

/// Makes a device, unless the password has changed since `known`.
pub(crate) fn add_device(
    conn: &Connection,
    account: AccountId,
    known: Generation,
    device: &NewDevice,
    now: Moment,
) -> rusqlite::Result<Option<AddedDevice>> {
    if is_generation(conn, account, known)? {
        insert_device(conn, account, device, now).map(Some)
    } else {
        Ok(None)
    }
}

/// Makes a device, and evicts others if there are too many.
fn insert_device(
    conn: &Connection,
    account: AccountId,
    device: &NewDevice,
    now: Moment,
) -> rusqlite::Result<AddedDevice> {
    // Devices whose tokens are worthless go first. With the new device there are at most `DEVICES_PER_ACCOUNT_MAX`.
    let evicted = conn
        .prepare_cached(
            "DELETE FROM devices WHERE id IN (
                 SELECT id FROM devices WHERE account = ?1
                 ORDER BY copied, used_ms DESC, id DESC LIMIT -1 OFFSET ?2)
             RETURNING id",
        )?
        .query_map([account.0, limit_value(limits::DEVICES_PER_ACCOUNT_MAX) - 1], |row| {
            row.get(0).map(DeviceId)
        })?
        .collect::<Result<_, _>>()?;
    let device = conn
        .prepare_cached(
            "INSERT INTO devices (account, label, token, series, created_ms, used_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
        )?
        .query_row(
            params![account.0, device.label, device.token.hash, device.token.series, now.wall.0, now.lived.0],
            |row| row.get(0).map(DeviceId),
        )?;
    Ok(AddedDevice { device, evicted })
}

/// Reuses the device with this label, or makes it, unless the password has changed since `known`.
pub(crate) fn use_device(
    conn: &Connection,
    account: AccountId,
    known: Generation,
    device: &NewDevice,
    now: Moment,
) -> rusqlite::Result<Option<AddedDevice>> {
    if !is_generation(conn, account, known)? {
        return Ok(None);
    }
    let again = conn
        .prepare_cached(
            "UPDATE devices SET token = ?3, next_token = NULL, series = ?4, copied = 0, used_ms = ?5
             WHERE id = (SELECT id FROM devices WHERE account = ?1 AND label = ?2
                         ORDER BY used_ms DESC, id DESC LIMIT 1)
             RETURNING id",
        )?
        .query_row(
            params![account.0, device.label, device.token.hash, device.token.series, now.lived.0],
            |row| row.get(0).map(DeviceId),
        )
        .optional()?;
    let Some(device) = again else { return insert_device(conn, account, device, now).map(Some) };
    // From now on a spent token belongs to no device.
    conn.prepare_cached("DELETE FROM spent_tokens WHERE device = ?1")?.execute([device.0])?;
    Ok(Some(AddedDevice { device, evicted: Vec::new() }))
}

pub(crate) fn remove_device(conn: &Connection, device: DeviceId) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM devices WHERE id = ?1")?.execute([device.0])?;
    Ok(())
}

fn is_generation(conn: &Connection, account: AccountId, known: Generation) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM accounts WHERE id = ?1 AND generation = ?2")?
        .exists([account.0, known.0])
}

/// Returns whether a client that proved the password of `known` may use a device.
pub(crate) fn is_current(conn: &Connection, device: DeviceId, known: Generation) -> rusqlite::Result<bool> {
    conn.prepare_cached(
        "SELECT 1 FROM devices JOIN accounts ON accounts.id = devices.account
         WHERE devices.id = ?1 AND copied = 0 AND generation = ?2",
    )?
    .exists([device.0, known.0])
}

/// Replaces the password, removes all other devices, and leaves this one a single token.
pub(crate) fn set_password(conn: &Connection, new: &NewPassword) -> rusqlite::Result<bool> {
    let NewPassword { account, known, phc, device, token } = new;
    if !is_current(conn, *device, *known)? {
        return Ok(false);
    }
    conn.prepare_cached("UPDATE accounts SET phc = ?2, generation = generation + 1 WHERE id = ?1")?
        .execute(params![account.0, phc.0])?;
    conn.prepare_cached("DELETE FROM devices WHERE account = ?1 AND id <> ?2")?
        .execute([account.0, device.0])?;
    // A client that presents a spent token from now on was logged out by the change. That is not a sign of a copy.
    conn.prepare_cached("DELETE FROM spent_tokens WHERE device = ?1")?.execute([device.0])?;
    match token {
        TokenLeft::Fresh(token) => conn
            .prepare_cached("UPDATE devices SET token = ?2, next_token = NULL, series = ?3 WHERE id = ?1")?
            .execute(params![device.0, token.hash, token.series])?,
        // The next token is unused, and so is the current token of a device that was never resumed. Otherwise no token
        // may be left: it becomes 256 random bits that nobody knows. The next resume begins a new series.
        TokenLeft::Given(token) => conn
            .prepare_cached(
                "UPDATE devices SET next_token = NULL, series = NULL,
                     token = iif(?2 IS coalesce(next_token, token), ?2, randomblob(32)) WHERE id = ?1",
            )?
            .execute(params![device.0, token])?,
    };
    Ok(true)
}

/// A device that was found by one of its two tokens.
struct Holder {
    device: DeviceId,
    account: AccountId,
    used_next: bool,
    copied: bool,
    used: Lived,
    /// [`TokenRecord::series`]; `None` if an earlier version made its tokens.
    series: Option<TokenHash>,
}

impl Holder {
    /// Returns whether the device has been unused for so long that its tokens are worthless.
    fn is_idle(&self, now: Lived) -> bool {
        let idle = now.0.saturating_sub(self.used.0);
        u128::try_from(idle).is_ok_and(|idle| idle > limits::DEVICE_IDLE_MAX.as_millis())
    }
}

fn holder_of(conn: &Connection, token: &TokenHash) -> rusqlite::Result<Option<Holder>> {
    conn.prepare_cached(
        "SELECT id, account, token <> ?1, copied, used_ms, series FROM devices
         WHERE token = ?1 OR next_token = ?1",
    )?
    .query_row([token], |row| {
        Ok(Holder {
            device: DeviceId(row.get(0)?),
            account: AccountId(row.get(1)?),
            used_next: row.get(2)?,
            copied: row.get(3)?,
            used: Lived(row.get(4)?),
            series: row.get(5)?,
        })
    })
    .optional()
}

/// Returns what [`resume`] would make of a token.
pub(crate) fn recognise(conn: &Connection, token: &TokenRecord, now: Lived) -> rusqlite::Result<Recognised> {
    if let Some(holder) = holder_of(conn, &token.hash)?.filter(|holder| !holder.copied) {
        return Ok(if holder.is_idle(now) {
            Recognised::ToBeKept
        } else {
            Recognised::Device(account_by_id(conn, holder.account)?, holder.device)
        });
    }
    Ok(match copied(conn, token)? {
        Some(Copied { is_marked: false, .. }) => Recognised::ToBeKept,
        found => Recognised::Nothing(found.map_or(NotResumed::Unknown, |copied| copied.what)),
    })
}

/// Finds the device of a token, and gives it `next` as the token to use from now on.
pub(crate) fn resume(
    conn: &Connection,
    token: &TokenRecord,
    next: &TokenRecord,
    now: Lived,
) -> rusqlite::Result<Result<(Account, DeviceId), NotResumed>> {
    let Some(holder) = holder_of(conn, &token.hash)?.filter(|holder| !holder.copied) else {
        return Ok(Err(not_resumed(conn, token)?));
    };
    if holder.is_idle(now) {
        remove_device(conn, holder.device)?;
        return Ok(Err(NotResumed::Unknown));
    }
    rotate(conn, &holder, token, next, now)?;
    Ok(Ok((account_by_id(conn, holder.account)?, holder.device)))
}

/// Gives a device its next token. When the next token is used for the first time, it replaces the current one.
/// Otherwise it is itself replaced, unused: its answer was lost, or another holder of the current one has it.
///
/// SQLite writes to the index of each column that a statement sets, whether or not its value changes, and each index is
/// another page. So only what changes is set: when all devices reconnect at once, this is most of what is written.
fn rotate(
    conn: &Connection,
    holder: &Holder,
    token: &TokenRecord,
    next: &TokenRecord,
    now: Lived,
) -> rusqlite::Result<()> {
    let device = holder.device.0;
    if holder.series.as_ref() != Some(&next.series) {
        retire(conn, holder)?;
        conn.prepare_cached("UPDATE devices SET series = ?2 WHERE id = ?1")?
            .execute(params![device, next.series])?;
    }
    if holder.used_next {
        conn.prepare_cached("UPDATE devices SET token = ?2, next_token = ?3, used_ms = ?4 WHERE id = ?1")?
            .execute(params![device, token.hash, next.hash, now.0])?;
    } else {
        conn.prepare_cached("UPDATE devices SET next_token = ?2, used_ms = ?3 WHERE id = ?1")?
            .execute(params![device, next.hash, now.0])?;
    }
    Ok(())
}

/// Keeps the token that a resume replaces, current or next, if it has no series because an earlier version made it.
/// That is one token for each device; from then on its tokens have a series.
fn retire(conn: &Connection, holder: &Holder) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO spent_tokens (device, rotation, token)
         SELECT id, rotation, iif(?2, token, next_token) FROM devices
         WHERE id = ?1 AND series IS NULL AND (?2 OR next_token IS NOT NULL)",
    )?
    .execute(params![holder.device.0, holder.used_next])?;
    Ok(())
}

/// A device one of whose tokens has been copied.
struct Copied {
    what: NotResumed,
    device: DeviceId,
    /// Whether the device is already marked as copied.
    is_marked: bool,
}

/// Finds the device that a token exposes as copied. The token is of the device's series but neither of its two, or is
/// an older one that an earlier version made for it, or belongs to a device that is already marked.
fn copied(conn: &Connection, token: &TokenRecord) -> rusqlite::Result<Option<Copied>> {
    conn.prepare_cached(
        "SELECT devices.id, accounts.id, accounts.name, devices.copied FROM devices
         JOIN accounts ON accounts.id = devices.account
         WHERE devices.id = (SELECT id FROM devices WHERE series = ?2
                             UNION ALL
                             SELECT device FROM spent_tokens WHERE token = ?1
                             UNION ALL
                             SELECT id FROM devices WHERE (token = ?1 OR next_token = ?1) AND copied = 1)",
    )?
    .query_row([&token.hash, &token.series], |row| {
        let (device, account) = (DeviceId(row.get(0)?), AccountId(row.get(1)?));
        let what = NotResumed::Copied { account, name: parsed(row, 2)?, device };
        Ok(Copied { what, device, is_marked: row.get(3)? })
    })
    .optional()
}

/// Returns why a token resumes nothing. The device of a copied token stays, so that its owner is told why too: the
/// owner may come later, with a token that was valid.
fn not_resumed(conn: &Connection, token: &TokenRecord) -> rusqlite::Result<NotResumed> {
    let Some(copied) = copied(conn, token)? else { return Ok(NotResumed::Unknown) };
    conn.prepare_cached("UPDATE devices SET copied = 1 WHERE id = ?1 AND copied = 0")?
        .execute([copied.device.0])?;
    Ok(copied.what)
}
