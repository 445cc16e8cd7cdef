//! Accounts and devices: `port::Accounts` in SQL.

use lanchat_hub::port::{
    Account, Accounts, AddedDevice, Answer, Away, Draft, Generation, NewAccount, NewDevice, NewPassword,
    NotResumed, PasswordHash, PresenceRecord, Recognised, Registered, TokenRecord,
};
use lanchat_hub::{Body, Subject};
use lanchat_model::{AccountId, AccountName, AwayReason, ClientId, DeviceId, LOBBY, RoomId, limits};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::account_row::{account_of, select_account};
use crate::batch::Batch;
use crate::devices::{self, Moment};
use crate::membership::enter;
use crate::row::{limit_value, parsed};
use crate::sqlite::SqliteStore;

impl Accounts for SqliteStore {
    fn register(&self, account: NewAccount, device: NewDevice) -> Answer<'_, Option<Registered>> {
        let lived = self.lived();
        self.write_more(move |conn, clock| register(conn, account, &device, Moment { wall: clock(), lived }))
    }

    fn mistaken_for(&self, name: AccountName) -> Answer<'_, Option<AccountName>> {
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(MISTAKEN_FOR)?;
            statement.query_row([name.as_str(), name.looks().as_str()], |row| parsed(row, 0)).optional()
        })
    }

    fn account(&self, name: AccountName) -> Answer<'_, Option<Account>> {
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(select_account!("WHERE name = ?1"))?;
            statement.query_row([name.as_str()], account_of).optional()
        })
    }

    fn add_device(
        &self,
        account: AccountId,
        known: Generation,
        device: NewDevice,
    ) -> Answer<'_, Option<AddedDevice>> {
        let lived = self.lived();
        // It follows a password check that took longer than the wait.
        self.write_deferred(move |conn, clock| {
            devices::add_device(conn, account, known, &device, Moment { wall: clock(), lived })
        })
    }

    fn use_device(
        &self,
        account: AccountId,
        known: Generation,
        device: NewDevice,
    ) -> Answer<'_, Option<AddedDevice>> {
        let lived = self.lived();
        self.write_deferred(move |conn, clock| {
            devices::use_device(conn, account, known, &device, Moment { wall: clock(), lived })
        })
    }

    fn resume(
        &self,
        token: TokenRecord,
        next: TokenRecord,
    ) -> Answer<'_, Result<(Account, DeviceId), NotResumed>> {
        let lived = self.lived();
        self.write(move |conn, _| devices::resume(conn, &token, &next, lived))
    }

    fn recognise(&self, token: TokenRecord) -> Answer<'_, Recognised> {
        let lived = self.lived();
        self.read(move |conn| devices::recognise(conn, &token, lived))
    }

    fn remove_device(&self, device: DeviceId) -> Answer<'_, ()> {
        self.write(move |conn, _| devices::remove_device(conn, device))
    }

    fn set_password(&self, new: NewPassword) -> Answer<'_, bool> {
        self.write(move |conn, _| devices::set_password(conn, &new))
    }

    fn renew_hash(&self, account: AccountId, known: Generation, phc: PasswordHash) -> Answer<'_, ()> {
        self.write_deferred(move |conn, _| {
            conn.prepare_cached("UPDATE accounts SET phc = ?3 WHERE id = ?1 AND generation = ?2")?
                .execute(params![account.0, known.0, phc.0])?;
            Ok(())
        })
    }

    fn set_admin(&self, name: AccountName) -> Answer<'_, bool> {
        self.write(move |conn, _| {
            let mut statement = conn.prepare_cached("UPDATE accounts SET admin = 1 WHERE name = ?1")?;
            Ok(statement.execute([name.as_str()])? > 0)
        })
    }

    fn set_away(&self, account: AccountId, away: Option<Away>) -> Answer<'_, ()> {
        // Somebody waits for it, but not for long. Frequent changes share commits.
        self.write_deferred(move |conn, _| {
            let reason = away.as_ref().and_then(|away| away.reason.as_ref()).map(AwayReason::as_str);
            conn.prepare_cached("UPDATE accounts SET away = ?2, away_reason = ?3 WHERE id = ?1")?
                .execute(params![account.0, away.is_some(), reason])?;
            Ok(())
        })
    }

    fn set_presence(&self, records: Vec<PresenceRecord>) -> Answer<'_, ()> {
        self.write_deferred(move |conn, _| {
            let mut statement =
                conn.prepare_cached("UPDATE accounts SET online = ?2, last_seen_ms = ?3 WHERE id = ?1")?;
            for PresenceRecord { account, online, at } in records {
                statement.execute(params![account.0, online, at.0])?;
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

/// A name as it looks at a glance, computed as `AccountName::looks` does. It is the indexed expression, character for
/// character.
macro_rules! looks {
    () => {
        "replace(replace(replace(replace(trim(
             replace(replace(replace(replace(replace(replace(replace(name, '_', '.'), '-', '.'),
             '..', '.'), '..', '.'), '..', '.'), '..', '.'), '..', '.'), '.'),
             '0', 'o'), '1', 'l'), 'rn', 'm'), 'vv', 'w')"
    };
}

const MISTAKEN_FOR: &str =
    concat!("SELECT name FROM accounts WHERE ", looks!(), " = ?2 ORDER BY name <> ?1 LIMIT 1");

fn register(
    conn: &Connection,
    account: NewAccount,
    device: &NewDevice,
    now: Moment,
) -> rusqlite::Result<Option<Registered>> {
    let mut statement = conn.prepare_cached(concat!(
        "INSERT INTO accounts (name, display_name, phc, admin, created_ms)
         SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE ",
        looks!(),
        " = ?6)
         RETURNING id, generation"
    ))?;
    let values = params![
        account.name.as_str(),
        account.display_name.as_str(),
        account.phc.0,
        account.admin,
        now.wall.0,
        account.name.looks()
    ];
    let made = |row: &Row<'_>| Ok((AccountId(row.get(0)?), Generation(row.get(1)?)));
    let Some((id, generation)) = statement.query_row(values, made).optional()? else {
        return Ok(None);
    };
    let added = devices::add_device(conn, id, generation, device, now)?;
    let device = added.ok_or(rusqlite::Error::QueryReturnedNoRows)?.device;
    let (lobby, client_id) = conn
        .prepare_cached("SELECT id, randomblob(16) FROM rooms WHERE name = ?1")?
        .query_row([LOBBY], |row| Ok((RoomId(row.get(0)?), ClientId::from_bytes(row.get(1)?))))?;
    enter(conn, lobby, id)?;
    let author_name = account.name.clone();
    let body = Body::Joined(Subject { account: id, name: author_name.clone() });
    let draft = Draft { room: lobby, author: id, author_name, client_id, body };
    let joined = Batch::begin(conn, now.wall)?.push(&draft)?;
    // A new account cannot have used an id that was drawn a moment ago.
    let entry = joined.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    let account = Account {
        id,
        name: account.name,
        display_name: account.display_name,
        admin: account.admin,
        phc: account.phc,
        generation,
        created: now.wall,
        last_seen: None,
        away: None,
    };
    Ok(Some(Registered { account, device, entry }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::migrate::{MIGRATIONS, migrate};

    #[test]
    fn how_a_name_looks_is_looked_up_in_its_index() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, Path::new(""), MIGRATIONS).unwrap();
        let plan = format!("EXPLAIN QUERY PLAN {MISTAKEN_FOR}");
        let how: String = conn.query_row(&plan, ["ana", "ana"], |row| row.get("detail")).unwrap();
        assert!(how.contains("USING INDEX accounts_by_looks"), "{how}");
    }
}
