//! Accounts and devices: `port::Accounts` in SQL.

use lanchat_hub::Body;
use lanchat_hub::port::{
    Account, Accounts, Answer, Away, Draft, NewAccount, NewDevice, NotResumed, PasswordHash, PresenceRecord,
    Registered, TokenHash,
};
use lanchat_model::{
    AccountId, AccountName, AwayReason, ClientId, DeviceId, LOBBY, RoomId, Timestamp, limits,
};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use crate::batch::Batch;
use crate::rooms::enter;
use crate::row::{invalid, limit_value, parsed, timestamp};
use crate::sqlite::SqliteStore;

impl Accounts for SqliteStore {
    fn register(&self, account: NewAccount, device: NewDevice) -> Answer<'_, Option<Registered>> {
        self.write(move |conn, clock| register(conn, account, &device, clock()))
    }

    fn account(&self, name: AccountName) -> Answer<'_, Option<Account>> {
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(select_account!("WHERE name = ?1"))?;
            statement.query_row([name.as_str()], account_of).optional()
        })
    }

    fn add_device(&self, account: AccountId, device: NewDevice) -> Answer<'_, DeviceId> {
        // Behind a password that took longer to check.
        self.write_in_company(move |conn, clock| add_device(conn, account, &device, clock()))
    }

    fn resume(
        &self,
        token: TokenHash,
        next: TokenHash,
    ) -> Answer<'_, Result<(Account, DeviceId), NotResumed>> {
        self.write(move |conn, clock| resume(conn, &token, &next, clock()))
    }

    fn recognise(&self, token: TokenHash) -> Answer<'_, Option<(Account, DeviceId)>> {
        let now = self.now();
        self.read(move |conn| {
            let Some(holder) = holder_of(conn, &token)?.filter(|holder| !holder.is_idle(now)) else {
                return Ok(None);
            };
            Ok(Some((account_by_id(conn, holder.account)?, holder.device)))
        })
    }

    fn remove_device(&self, device: DeviceId) -> Answer<'_, ()> {
        self.write(move |conn, _| remove_device(conn, device))
    }

    fn set_password(&self, account: AccountId, phc: PasswordHash, keep: Option<DeviceId>) -> Answer<'_, ()> {
        self.write(move |conn, _| {
            conn.prepare_cached("UPDATE accounts SET phc = ?2 WHERE id = ?1")?
                .execute(params![account.0, phc.0])?;
            if let Some(device) = keep {
                conn.prepare_cached("DELETE FROM devices WHERE account = ?1 AND id <> ?2")?
                    .execute([account.0, device.0])?;
            }
            Ok(())
        })
    }

    fn set_admin(&self, name: AccountName) -> Answer<'_, bool> {
        self.write(move |conn, _| {
            let mut statement = conn.prepare_cached("UPDATE accounts SET admin = 1 WHERE name = ?1")?;
            Ok(statement.execute([name.as_str()])? > 0)
        })
    }

    fn set_presence(&self, records: Vec<PresenceRecord>) -> Answer<'_, ()> {
        self.write_in_company(move |conn, _| {
            let mut statement = conn.prepare_cached(
                "UPDATE accounts SET online = :online, away = :away, away_reason = :reason, last_seen_ms = :at
                 WHERE id = :account",
            )?;
            for PresenceRecord { account, online, away, at } in records {
                statement.execute(named_params! {
                    ":account": account.0,
                    ":online": online,
                    ":away": away.is_some(),
                    ":reason": away.as_ref().and_then(|away| away.reason.as_ref()).map(AwayReason::as_str),
                    ":at": at.0,
                })?;
            }
            Ok(())
        })
    }

    fn online_at_last(&self) -> Answer<'_, Vec<Account>> {
        self.read(move |conn| {
            let mut statement =
                conn.prepare_cached(select_account!("WHERE online = 1 ORDER BY id LIMIT ?1"))?;
            statement.query_map([limit_value(limits::PRESENCE_ACCOUNTS_MAX)], account_of)?.collect()
        })
    }
}

/// Selects what [`account_of`] reads.
macro_rules! select_account {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, display_name, admin, phc, created_ms, last_seen_ms, away, away_reason
             FROM accounts ",
            $rest
        )
    };
}
use select_account;

fn account_of(row: &Row<'_>) -> rusqlite::Result<Account> {
    let reason = row.get_ref(8)?.as_str_or_null()?;
    let reason = reason.map(AwayReason::parse).transpose().map_err(|error| invalid(8, Type::Text, error))?;
    let away: bool = row.get(7)?;
    Ok(Account {
        id: AccountId(row.get(0)?),
        name: parsed(row, 1)?,
        display_name: parsed(row, 2)?,
        admin: row.get(3)?,
        phc: PasswordHash(row.get(4)?),
        created: timestamp(row, 5)?,
        last_seen: row.get::<_, Option<i64>>(6)?.map(Timestamp),
        away: away.then_some(Away { reason }),
    })
}

fn register(
    conn: &Connection,
    account: NewAccount,
    device: &NewDevice,
    now: Timestamp,
) -> rusqlite::Result<Option<Registered>> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO accounts (name, display_name, phc, admin, created_ms) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (name) DO NOTHING RETURNING id",
    )?;
    let values =
        params![account.name.as_str(), account.display_name.as_str(), account.phc.0, account.admin, now.0];
    let Some(id) = statement.query_row(values, |row| row.get(0).map(AccountId)).optional()? else {
        return Ok(None);
    };
    let device = add_device(conn, id, device, now)?;
    let (lobby, client_id) = conn
        .prepare_cached("SELECT id, randomblob(16) FROM rooms WHERE name = ?1")?
        .query_row([LOBBY], |row| Ok((RoomId(row.get(0)?), ClientId::from_bytes(row.get(1)?))))?;
    enter(conn, lobby, id)?;
    let (author_name, body) = (account.name.clone(), Body::Joined);
    let draft = Draft { room: lobby, author: id, author_name, client_id, body };
    let joined = Batch::begin(conn, now)?.push(&draft)?;
    // An id that was drawn a moment ago cannot have been used by an account that is as young.
    let entry = joined.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    let account = Account {
        id,
        name: account.name,
        display_name: account.display_name,
        admin: account.admin,
        phc: account.phc,
        created: now,
        last_seen: None,
        away: None,
    };
    Ok(Some(Registered { account, device, entry }))
}

fn add_device(
    conn: &Connection,
    account: AccountId,
    device: &NewDevice,
    now: Timestamp,
) -> rusqlite::Result<DeviceId> {
    // The new one makes `DEVICES_PER_ACCOUNT_MAX`.
    conn.prepare_cached(
        "DELETE FROM devices WHERE id IN (
             SELECT id FROM devices WHERE account = ?1
             ORDER BY last_used_ms DESC, id DESC LIMIT -1 OFFSET ?2)",
    )?
    .execute([account.0, limit_value(limits::DEVICES_PER_ACCOUNT_MAX) - 1])?;
    conn.prepare_cached(
        "INSERT INTO devices (account, label, token, created_ms, last_used_ms) VALUES (?1, ?2, ?3, ?4, ?4)
         RETURNING id",
    )?
    .query_row(params![account.0, device.label, device.token, now.0], |row| row.get(0).map(DeviceId))
}

fn remove_device(conn: &Connection, device: DeviceId) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM devices WHERE id = ?1")?.execute([device.0])?;
    Ok(())
}

/// A device, found by a token that it may use.
struct Holder {
    device: DeviceId,
    account: AccountId,
    used_next: bool,
    last_used: Timestamp,
}

impl Holder {
    /// Whether the device was not used for so long that its tokens are worth nothing.
    fn is_idle(&self, now: Timestamp) -> bool {
        let idle = now.0.saturating_sub(self.last_used.0);
        u128::try_from(idle).is_ok_and(|idle| idle > limits::DEVICE_IDLE_MAX.as_millis())
    }
}

fn holder_of(conn: &Connection, token: &TokenHash) -> rusqlite::Result<Option<Holder>> {
    conn.prepare_cached(
        "SELECT id, account, token <> ?1, last_used_ms FROM devices WHERE token = ?1 OR next_token = ?1",
    )?
    .query_row([token], |row| {
        Ok(Holder {
            device: DeviceId(row.get(0)?),
            account: AccountId(row.get(1)?),
            used_next: row.get(2)?,
            last_used: timestamp(row, 3)?,
        })
    })
    .optional()
}

fn account_by_id(conn: &Connection, id: AccountId) -> rusqlite::Result<Account> {
    conn.prepare_cached(select_account!("WHERE id = ?1"))?.query_row([id.0], account_of)
}

fn resume(
    conn: &Connection,
    token: &TokenHash,
    next: &TokenHash,
    now: Timestamp,
) -> rusqlite::Result<Result<(Account, DeviceId), NotResumed>> {
    let Some(holder) = holder_of(conn, token)? else {
        return Ok(Err(remove_copied(conn, token)?));
    };
    if holder.is_idle(now) {
        remove_device(conn, holder.device)?;
        return Ok(Err(NotResumed::Unknown));
    }
    if holder.used_next {
        rotate(conn, holder.device)?;
    }
    conn.prepare_cached("UPDATE devices SET next_token = ?2, last_used_ms = ?3 WHERE id = ?1")?
        .execute(params![holder.device.0, next, now.0])?;
    Ok(Ok((account_by_id(conn, holder.account)?, holder.device)))
}

/// Makes the next token the current one, and the current one a spent one.
fn rotate(conn: &Connection, device: DeviceId) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO spent_tokens (device, rotation, token)
         SELECT id, rotation, token FROM devices WHERE id = ?1",
    )?
    .execute([device.0])?;
    conn.prepare_cached(
        "UPDATE devices SET token = next_token, next_token = NULL, rotation = rotation + 1 WHERE id = ?1",
    )?
    .execute([device.0])?;
    conn.prepare_cached(
        "DELETE FROM spent_tokens WHERE device = ?1
         AND rotation < (SELECT rotation FROM devices WHERE id = ?1) - ?2",
    )?
    .execute([device.0, limit_value(limits::SPENT_TOKENS_PER_DEVICE_MAX)])?;
    Ok(())
}

/// Removes the device whose spent token somebody kept.
fn remove_copied(conn: &Connection, token: &TokenHash) -> rusqlite::Result<NotResumed> {
    let replaced = conn
        .prepare_cached(
            "SELECT devices.id, accounts.id, accounts.name FROM spent_tokens
             JOIN devices ON devices.id = spent_tokens.device JOIN accounts ON accounts.id = devices.account
             WHERE spent_tokens.token = ?1",
        )?
        .query_row([token], |row| {
            let (device, account) = (DeviceId(row.get(0)?), AccountId(row.get(1)?));
            Ok(NotResumed::Replaced { account, name: parsed(row, 2)?, device })
        })
        .optional()?;
    if let Some(NotResumed::Replaced { device, .. }) = &replaced {
        remove_device(conn, *device)?;
    }
    Ok(replaced.unwrap_or(NotResumed::Unknown))
}
