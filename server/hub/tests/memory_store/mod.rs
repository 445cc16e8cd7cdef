//! A store in memory: the hub's ports without a disk, so that the hub is tested with a paused clock.
//! It answers at once and never fails, unless told to. What it keeps is gone when it is dropped.

#![allow(dead_code, reason = "each test uses its part of it")]

use std::sync::{Arc, Mutex, MutexGuard};

use lanchat_hub::port::*;
use lanchat_hub::{Body, Entry, Subject};
use lanchat_model::*;
use tokio::sync::Semaphore;

use state::{Device, State, index};

mod state;

#[derive(Default)]
pub(crate) struct MemoryStore(Mutex<State>);

/// Holds answers back, so that something else can happen in between.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn open(&self) {
        self.0.add_permits(Semaphore::MAX_PERMITS / 2);
    }
}

fn answer<'a, T: Send + 'a>(value: T) -> Answer<'a, T> {
    Box::pin(std::future::ready(Ok(value)))
}

/// Answers when the gate that stood there at the time of the question is open.
fn answer_behind<'a, T: Send + 'a>(gate: Option<Gate>, value: T) -> Answer<'a, T> {
    Box::pin(async move {
        if let Some(gate) = gate {
            drop(gate.0.acquire().await);
        }
        Ok(value)
    })
}

fn full<'a, T: Send + 'a>() -> Answer<'a, T> {
    Box::pin(std::future::ready(Err(StoreError::Full)))
}

impl MemoryStore {
    pub(crate) fn new() -> Arc<Self> {
        let store = Self::default();
        store.lock().rooms.push((RoomKind::Group(RoomName::lobby()), Vec::new()));
        Arc::new(store)
    }

    /// Holds back what is answered to questions about logins, memberships and `away` that are asked until
    /// [`MemoryStore::let_pass`].
    pub(crate) fn hold(&self) -> Gate {
        let gate = Gate(Arc::new(Semaphore::new(0)));
        self.lock().gate = Some(gate.clone());
        gate
    }

    /// Answers at once what is asked from now on.
    pub(crate) fn let_pass(&self) {
        self.lock().gate = None;
    }

    /// As an earlier version left it.
    pub(crate) fn set_hash(&self, name: &str, phc: &str) {
        let mut state = self.lock();
        let found = state.accounts.iter_mut().find(|account| account.name.as_str() == name);
        found.expect("there is such an account").phc = PasswordHash(phc.into());
    }

    /// Gives an account a name that an earlier version allowed.
    pub(crate) fn rename(&self, name: &str, to: &str) {
        let mut state = self.lock();
        let found = state.accounts.iter_mut().find(|account| account.name.as_str() == name);
        found.expect("there is such an account").name = to.parse().expect("it is a name");
    }

    pub(crate) fn fill_disk(&self, full: bool) {
        self.lock().disk_is_full = full;
    }

    /// Lets go of the beginning of a log, up to the entry at `first`.
    pub(crate) fn prune(&self, room: RoomId, first: Seq) {
        self.lose(room, first);
        self.lock().firsts.insert(room, first);
    }

    /// As a damaged disk would: nothing says that the beginning is gone.
    pub(crate) fn lose(&self, room: RoomId, first: Seq) {
        self.lock().rooms[index(room.0)].1.retain(|entry| entry.seq >= first);
    }

    /// How many drafts were appended together, each time.
    pub(crate) fn batches(&self) -> Vec<usize> {
        self.lock().batches.clone()
    }

    /// How often something was written for a token.
    pub(crate) fn resumes(&self) -> usize {
        self.lock().resumes
    }

    /// How many rooms there are; their ids are `0..rooms()`.
    pub(crate) fn rooms(&self) -> usize {
        self.lock().rooms.len()
    }

    /// Another store, with the same content.
    pub(crate) fn fork(&self) -> Arc<Self> {
        Arc::new(Self(Mutex::new(self.lock().clone())))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics in the store")
    }
}

impl Accounts for MemoryStore {
    fn register(&self, new: NewAccount, device: NewDevice) -> Answer<'_, Option<Registered>> {
        let mut state = self.lock();
        if state.disk_is_full {
            return full();
        }
        if state.accounts.iter().any(|account| account.name.looks() == new.name.looks()) {
            return answer(None);
        }
        let id = AccountId(state.accounts.len() as i64);
        let account = Account {
            id,
            name: new.name.clone(),
            display_name: new.display_name,
            admin: new.admin,
            phc: new.phc,
            generation: Generation(0),
            created: Timestamp(0),
            last_seen: None,
            away: None,
        };
        state.accounts.push(account.clone());
        let client_id = ClientId::from_bytes([0xff - id.0 as u8; 16]);
        let body = Body::Joined(Subject { account: id, name: new.name.clone() });
        let draft = Draft { room: RoomId(0), author: id, author_name: new.name, client_id, body };
        let Appended::Fresh { entry, .. } = state.append(draft) else {
            panic!("a new account was in the lobby")
        };
        state.devices.push(Device::new(id, device.token));
        let device = DeviceId(state.devices.len() as i64 - 1);
        answer(Some(Registered { account, device, entry }))
    }

    fn mistaken_for(&self, name: AccountName) -> Answer<'_, Option<AccountName>> {
        let state = self.lock();
        let alike = state.accounts.iter().filter(|account| account.name.looks() == name.looks());
        let first = alike.map(|account| account.name.clone()).min_by_key(|other| *other != name);
        answer_behind(state.gate.clone(), first)
    }

    fn account(&self, name: AccountName) -> Answer<'_, Option<Account>> {
        let state = self.lock();
        answer_behind(state.gate.clone(), state.accounts.iter().find(|account| account.name == name).cloned())
    }

    fn add_device(
        &self,
        account: AccountId,
        known: Generation,
        device: NewDevice,
    ) -> Answer<'_, Option<AddedDevice>> {
        let mut state = self.lock();
        if state.disk_is_full {
            return full();
        }
        if state.accounts[index(account.0)].generation != known {
            return answer(None);
        }
        let of_account = (0..state.devices.len()).filter(|id| {
            let device = &state.devices[*id];
            device.account == account && !device.gone
        });
        let mut evicted: Vec<_> = of_account.map(|id| DeviceId(id as i64)).collect();
        evicted.truncate((evicted.len() + 1).saturating_sub(limits::DEVICES_PER_ACCOUNT_MAX));
        evicted.iter().for_each(|device| state.remove(*device));
        state.devices.push(Device::new(account, device.token));
        let device = DeviceId(state.devices.len() as i64 - 1);
        answer_behind(state.gate.clone(), Some(AddedDevice { device, evicted }))
    }

    fn resume(
        &self,
        token: TokenRecord,
        next: TokenRecord,
    ) -> Answer<'_, Result<(Account, DeviceId), NotResumed>> {
        let mut state = self.lock();
        if state.disk_is_full {
            return full();
        }
        state.resumes += 1;
        let found = state.holder(token.hash).filter(|found| !state.devices[*found].copied);
        let Some(found) = found else {
            return answer_behind(state.gate.clone(), Err(state.not_resumed(token)));
        };
        let device = &mut state.devices[found];
        (device.current, device.next, device.series) = (token.hash, Some(next.hash), Some(next.series));
        let account = device.account;
        let found = (state.accounts[index(account.0)].clone(), DeviceId(found as i64));
        answer_behind(state.gate.clone(), Ok(found))
    }

    fn recognise(&self, token: TokenRecord) -> Answer<'_, Recognised> {
        let state = self.lock();
        if let Some(found) = state.holder(token.hash).filter(|found| !state.devices[*found].copied) {
            let account = state.accounts[index(state.devices[found].account.0)].clone();
            return answer(Recognised::Device(account, DeviceId(found as i64)));
        }
        // What is copied is marked again each time.
        let is_copied = !matches!(state.clone().not_resumed(token), NotResumed::Unknown);
        answer(if is_copied { Recognised::ToBeKept } else { Recognised::Nothing(NotResumed::Unknown) })
    }

    fn remove_device(&self, device: DeviceId) -> Answer<'_, ()> {
        self.lock().remove(device);
        answer(())
    }

    fn set_password(&self, new: NewPassword) -> Answer<'_, bool> {
        let mut state = self.lock();
        let NewPassword { account, known, phc, device: own, token } = new;
        if !state.is_current(own, known) {
            return answer(false);
        }
        let changed = &mut state.accounts[index(account.0)];
        (changed.phc, changed.generation) = (phc, Generation(known.0 + 1));
        for device in (0..state.devices.len()).map(|id| DeviceId(id as i64)) {
            if device != own && state.devices[index(device.0)].account == account {
                state.remove(device);
            }
        }
        let device = &mut state.devices[index(own.0)];
        (device.current, device.series) = match token {
            TokenLeft::Fresh(token) => (token.hash, Some(token.series)),
            TokenLeft::Given(token) if token == device.next.unwrap_or(device.current) => (token, None),
            TokenLeft::Given(_) => ([0; 32], None),
        };
        device.next = None;
        answer(true)
    }

    fn renew_hash(&self, account: AccountId, known: Generation, phc: PasswordHash) -> Answer<'_, ()> {
        let mut state = self.lock();
        let account = &mut state.accounts[index(account.0)];
        if account.generation == known {
            account.phc = phc;
        }
        answer(())
    }

    fn set_admin(&self, name: AccountName) -> Answer<'_, bool> {
        let mut state = self.lock();
        let found = state.accounts.iter_mut().find(|account| account.name == name);
        answer(found.map(|account| account.admin = true).is_some())
    }

    fn set_away(&self, account: AccountId, away: Option<Away>) -> Answer<'_, ()> {
        let mut state = self.lock();
        if state.disk_is_full {
            return full();
        }
        state.accounts[index(account.0)].away = away;
        answer_behind(state.gate.clone(), ())
    }

    fn set_presence(&self, records: Vec<PresenceRecord>) -> Answer<'_, ()> {
        let mut state = self.lock();
        if state.disk_is_full {
            return full();
        }
        for PresenceRecord { account, online, at } in records {
            if online {
                state.online.insert(account)
            } else {
                state.online.remove(&account)
            };
            state.accounts[index(account.0)].last_seen = Some(at);
        }
        answer(())
    }

    fn online_at_last(&self) -> Answer<'_, Vec<Account>> {
        let state = self.lock();
        answer(state.online.iter().map(|id| state.accounts[index(id.0)].clone()).collect())
    }
}

impl Rooms for MemoryStore {
    fn group(&self, name: RoomName) -> Answer<'_, Option<RoomRecord>> {
        answer(self.lock().find(&RoomKind::Group(name)))
    }

    fn open_group(&self, name: RoomName, account: AccountId) -> Answer<'_, Opened> {
        let mut state = self.lock();
        let kind = RoomKind::Group(name);
        let is_there = state.find(&kind).is_some();
        let groups = state.memberships.iter().filter(|(room, member)| {
            *member == account && matches!(state.rooms[index(room.0)].0, RoomKind::Group(_))
        });
        let made = state.made.get(&account).copied().unwrap_or(0);
        if groups.count() >= limits::GROUPS_PER_ACCOUNT_MAX {
            return answer(Opened::TooManyRooms);
        }
        if !is_there && made >= limits::ROOMS_MADE_PER_DAY_MAX {
            return answer(Opened::TooManyMade(limits::ROOMS_MADE_WITHIN));
        }
        if !is_there {
            state.made.insert(account, made + 1);
        }
        answer(Opened::Room(state.open(kind)))
    }

    fn open_private(&self, one: AccountId, other: AccountId) -> Answer<'_, Option<RoomRecord>> {
        let mut state = self.lock();
        let kind = state.pair(one, other);
        let room = state.open(kind);
        state.memberships.extend([(room.id, one), (room.id, other)]);
        answer(Some(room))
    }

    fn private(&self, one: AccountId, other: AccountId) -> Answer<'_, Option<RoomRecord>> {
        let state = self.lock();
        answer(state.find(&state.pair(one, other)))
    }

    fn memberships(&self, account: AccountId, device: DeviceId) -> Answer<'_, Vec<MembershipRecord>> {
        let state = self.lock();
        answer_behind(state.gate.clone(), state.memberships_of(account, device))
    }

    fn memberships_if_current(
        &self,
        account: AccountId,
        device: DeviceId,
        known: Generation,
    ) -> Answer<'_, Option<Vec<MembershipRecord>>> {
        let state = self.lock();
        let mine = state.is_current(device, known).then(|| state.memberships_of(account, device));
        answer_behind(state.gate.clone(), mine)
    }

    fn groups(&self, asker: AccountId) -> Answer<'_, Vec<GroupRecord>> {
        let state = self.lock();
        let groups = (0..state.rooms.len()).map(|id| state.record(RoomId(id as i64)));
        let groups = groups.filter(|room| matches!(room.kind, RoomKind::Group(_)) && room.members > 0);
        let line =
            |room: RoomRecord| GroupRecord { joined: state.memberships.contains(&(room.id, asker)), room };
        answer(groups.map(line).collect())
    }

    fn members(&self, room: RoomId, _first: Vec<AccountId>) -> Answer<'_, Vec<MemberRecord>> {
        let state = self.lock();
        let of_room = state.memberships.iter().filter(|(of, _)| *of == room);
        let member = |account: &Account| MemberRecord {
            id: account.id,
            name: account.name.clone(),
            display_name: account.display_name.clone(),
            last_seen: account.last_seen,
        };
        answer(of_room.map(|(_, id)| member(&state.accounts[index(id.0)])).collect())
    }

    fn mark(&self, device: DeviceId, room: RoomId, seq: Seq) -> Answer<'_, ()> {
        let mut state = self.lock();
        let mark = state.marks.entry((device, room)).or_default();
        *mark = seq.max(*mark);
        answer(())
    }
}

impl Log for MemoryStore {
    fn append(&self, drafts: Vec<Draft>) -> Answer<'_, Vec<Appended>> {
        let mut state = self.lock();
        if state.disk_is_full {
            return full();
        }
        state.batches.push(drafts.len());
        let appended = drafts.into_iter().map(|draft| state.append(draft)).collect();
        answer_behind(state.gate.clone(), appended)
    }

    fn read_after(&self, room: RoomId, after: Seq, limit: usize) -> Answer<'_, Vec<Arc<Entry>>> {
        let state = self.lock();
        let log = state.rooms[index(room.0)].1.iter();
        answer(log.filter(|entry| entry.seq > after).take(limit).cloned().collect())
    }

    fn read_before(&self, room: RoomId, before: Seq, limit: usize) -> Answer<'_, Vec<Arc<Entry>>> {
        let state = self.lock();
        let older: Vec<_> =
            state.rooms[index(room.0)].1.iter().filter(|entry| entry.seq < before).cloned().collect();
        answer(older[older.len().saturating_sub(limit)..].to_vec())
    }

    fn first(&self, room: RoomId) -> Answer<'_, Seq> {
        answer(self.lock().first(room))
    }
}

impl Store for MemoryStore {
    fn epoch(&self) -> Answer<'_, String> {
        answer("epoch-1".into())
    }

    fn probe(&self) -> Answer<'_, ()> {
        let full = self.lock().disk_is_full;
        Box::pin(std::future::ready(if full { Err(StoreError::Full) } else { Ok(()) }))
    }

    fn checkpoint(&self) -> Answer<'_, ()> {
        answer(())
    }
}
