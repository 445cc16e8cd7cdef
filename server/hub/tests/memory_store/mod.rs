//! A store in memory: the hub's ports without a disk, so that the hub can be tested with a paused clock. It answers at
//! once and never fails, unless told to. Its content is lost when it is dropped.

#![allow(dead_code, reason = "each test uses its part of it")]

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use lanchat_hub::port::*;
use lanchat_hub::{Body, Entry, Subject};
use lanchat_model::*;
use tokio::sync::Semaphore;

use state::{State, index, page};

mod state;

pub(crate) struct MemoryStore(Mutex<State>);

/// A gate holds answers back, so that something else can happen in between.
#[derive(Clone)]
pub(crate) struct Gate {
    open: Arc<Semaphore>,
    asked: Arc<Semaphore>,
}

impl Gate {
    fn closed() -> Self {
        Self { open: Arc::new(Semaphore::new(0)), asked: Arc::new(Semaphore::new(0)) }
    }

    pub(crate) fn open(&self) {
        self.open.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// Waits for one more question whose answer it holds back.
    pub(crate) async fn asked(&self) {
        self.asked.acquire().await.expect("it is never closed").forget();
    }
}

fn answer<'a, T: Send + 'a>(value: T) -> Answer<'a, T> {
    Box::pin(std::future::ready(Ok(value)))
}

/// Answers once the gate that was set at the time of the question is open.
fn answer_behind<'a, T: Send + 'a>(gate: Option<Gate>, value: T) -> Answer<'a, T> {
    outcome_behind(gate, Ok(value))
}

fn outcome_behind<'a, T: Send + 'a>(gate: Option<Gate>, outcome: Result<T, StoreError>) -> Answer<'a, T> {
    Box::pin(async move {
        if let Some(gate) = gate {
            gate.asked.add_permits(1);
            drop(gate.open.acquire().await);
        }
        outcome
    })
}

fn full<'a, T: Send + 'a>() -> Answer<'a, T> {
    Box::pin(std::future::ready(Err(StoreError::Full)))
}

impl MemoryStore {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State::new())))
    }

    /// Holds back the answers to questions about logins, memberships and `away` that are asked before
    /// [`MemoryStore::let_pass`].
    pub(crate) fn hold(&self) -> Gate {
        let gate = Gate::closed();
        self.lock().gate = Some(gate.clone());
        gate
    }

    /// Holds back the answers about drafts: what is in the logs is not announced yet.
    pub(crate) fn hold_drafts(&self) -> Gate {
        let gate = Gate::closed();
        self.lock().gate_of_logs = Some(gate.clone());
        gate
    }

    /// Answers questions from now on at once.
    pub(crate) fn let_pass(&self) {
        let mut state = self.lock();
        (state.gate, state.gate_of_logs) = (None, None);
    }

    /// Sets a hash that an earlier version made.
    pub(crate) fn set_hash(&self, name: &str, phc: &str) {
        let mut state = self.lock();
        let found = state.accounts.iter_mut().find(|account| account.name.as_str() == name);
        found.expect("there is such an account").phc = PasswordHash(phc.into());
    }

    /// Gives an account a name that an earlier version allowed.
    pub(crate) fn rename(&self, name: &str, to: &str) {
        self.lock().rename(name, to.parse().expect("it is a name"));
    }

    pub(crate) fn fill_disk(&self, full: bool) {
        self.lock().disk_is_full = full;
    }

    /// Prunes the beginning of a log, before the entry at `first`.
    pub(crate) fn prune(&self, room: RoomId, first: Seq) {
        self.lose(room, first);
        self.lock().firsts.insert(room, first);
    }

    /// Loses the beginning of a log as a damaged disk would: nothing records that it is gone.
    pub(crate) fn lose(&self, room: RoomId, first: Seq) {
        self.lock().rooms[index(room.0)].log.retain(|entry| entry.seq >= first);
    }

    /// Returns how many drafts were appended together, each time.
    pub(crate) fn batches(&self) -> Vec<usize> {
        self.lock().batches.clone()
    }

    /// Returns how often something was written for a token.
    pub(crate) fn resumes(&self) -> usize {
        self.lock().resumes
    }

    /// Returns how many rooms there are; their ids are `0..rooms()`.
    pub(crate) fn rooms(&self) -> usize {
        self.lock().rooms.len()
    }

    /// Returns all that is kept of a log, which may be too long for a page.
    pub(crate) fn whole_log(&self, room: RoomId) -> Vec<Arc<Entry>> {
        self.lock().log(room).to_vec()
    }

    /// Returns another store, with the same content.
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
        let Some(account) = state.add_account(new) else { return answer(None) };
        let (id, author_name) = (account.id, account.name.clone());
        let client_id = ClientId::from_bytes([0xff - id.0 as u8; 16]);
        let body = Body::Joined(Subject { account: id, name: author_name.clone() });
        let draft = Draft { room: RoomId(0), author: id, author_name, client_id, body };
        let Appended::Fresh { entry, .. } = state.append(draft) else {
            panic!("a new account was in the lobby")
        };
        let device = state.add_device(id, device);
        answer(Some(Registered { account, device, entry }))
    }

    fn mistaken_for(&self, name: AccountName) -> Answer<'_, Option<AccountName>> {
        let state = self.lock();
        let alike = state.alike(&name).map(|account| account.name.clone());
        let first = alike.min_by_key(|other| *other != name);
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
        let evicted = state.evict(account);
        let device = state.add_device(account, device);
        answer_behind(state.gate.clone(), Some(AddedDevice { device, evicted }))
    }

    fn use_device(
        &self,
        account: AccountId,
        known: Generation,
        device: NewDevice,
    ) -> Answer<'_, Option<AddedDevice>> {
        let mut state = self.lock();
        let label = device.label.as_deref().unwrap_or_default();
        let Some(again) = state.device_called(account, label) else {
            drop(state);
            return self.add_device(account, known, device);
        };
        if state.disk_is_full {
            return full();
        }
        if state.accounts[index(account.0)].generation != known {
            return answer(None);
        }
        let TokenRecord { hash, series } = device.token;
        let device = state.use_device(again);
        (device.current, device.next, device.series, device.copied) = (hash, None, Some(series), false);
        answer(Some(AddedDevice { device: DeviceId(again as i64), evicted: Vec::new() }))
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
        let device = state.use_device(found);
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
        // A copied device is marked again each time.
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
        let found = state.find(&kind);
        if let Some(room) = found.clone().filter(|room| state.is_member(room.id, account)) {
            return answer(Opened::Room(room));
        }
        let is_in_use = found.as_ref().is_some_and(|room| room.members > 0);
        if !state.has_space(account) || !(is_in_use || state.has_space_for_group()) {
            return answer(Opened::TooManyRooms);
        }
        if found.is_none() {
            let made = state.made.entry(account).or_default();
            if *made >= limits::ROOMS_MADE_PER_DAY_MAX {
                return answer(Opened::TooManyMade(limits::ROOMS_MADE_WITHIN));
            }
            *made += 1;
        }
        answer(Opened::Room(state.open(kind)))
    }

    fn open_private(&self, one: AccountId, other: AccountId) -> Answer<'_, Option<RoomRecord>> {
        let mut state = self.lock();
        let kind = state.pair(one, other);
        let has_space = |of| state.count(of, false) < limits::PRIVATE_CHATS_PER_ACCOUNT_MAX;
        if state.find(&kind).is_none() && !(has_space(one) && has_space(other)) {
            return answer(None);
        }
        let room = state.open(kind).id;
        [one, other].into_iter().for_each(|account| state.enter(room, account));
        answer(Some(state.record(room)))
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
        let named = |room: RoomRecord| match room.kind.clone() {
            RoomKind::Group(name) if room.members > 0 => Some((name, room)),
            RoomKind::Group(_) | RoomKind::Private(_) => None,
        };
        let mut groups: Vec<_> = groups.filter_map(named).collect();
        groups.sort_by(|one, other| one.0.cmp(&other.0));
        let line =
            |(_, room): (RoomName, RoomRecord)| GroupRecord { joined: state.is_member(room.id, asker), room };
        answer(groups.into_iter().map(line).take(limits::ROOMS_MAX).collect())
    }

    fn members(&self, room: RoomId, first: Vec<AccountId>) -> Answer<'_, Vec<MemberRecord>> {
        let (state, first) = (self.lock(), BTreeSet::from_iter(first));
        let of_room = state.room(room).into_iter().flat_map(|room| &room.members);
        let member = |id: &AccountId| {
            let Account { name, display_name, last_seen, .. } = state.accounts[index(id.0)].clone();
            MemberRecord { id: *id, name, display_name, last_seen }
        };
        let mut members: Vec<_> = of_room.map(member).collect();
        members.sort_by_key(|member| (!first.contains(&member.id), member.name.clone()));
        members.truncate(limits::MEMBERS_PAGE_MAX);
        answer(members)
    }

    fn mark(&self, device: DeviceId, room: RoomId, seq: Seq) -> Answer<'_, ()> {
        let mut state = self.lock();
        let seen = seq.min(state.log(room).last().map_or(Seq::ZERO, |entry| entry.seq));
        if !state.devices[index(device.0)].gone {
            let mark = state.marks.entry((device, room)).or_default();
            *mark = seen.max(*mark);
        }
        answer(())
    }
}

impl Log for MemoryStore {
    fn append(&self, drafts: Vec<Draft>) -> Answer<'_, Vec<Appended>> {
        let mut state = self.lock();
        if state.disk_is_full {
            return outcome_behind(state.gate_of_logs.clone(), Err(StoreError::Full));
        }
        state.batches.push(drafts.len());
        let appended = drafts.into_iter().map(|draft| state.append(draft)).collect();
        answer_behind(state.gate_of_logs.clone(), appended)
    }

    fn read_after(&self, room: RoomId, after: Seq, limit: usize) -> Answer<'_, Vec<Arc<Entry>>> {
        let state = self.lock();
        answer(page(
            state.log(room).iter().filter(|entry| entry.seq > after),
            limit,
            limits::REPLAY_PAGE_BYTES_MAX,
        ))
    }

    fn read_before(&self, room: RoomId, before: Seq, limit: usize) -> Answer<'_, Vec<Arc<Entry>>> {
        let state = self.lock();
        let mut latest = page(
            state.log(room).iter().rev().filter(|entry| entry.seq < before),
            limit,
            limits::PAGE_BYTES_MAX,
        );
        latest.reverse();
        answer(latest)
    }

    fn first(&self, room: RoomId) -> Answer<'_, Seq> {
        answer(self.lock().first(room))
    }
}

impl Store for MemoryStore {
    fn epoch(&self) -> Answer<'_, String> {
        answer("epoch-1".into())
    }

    fn check_space(&self) -> Answer<'_, ()> {
        let full = self.lock().disk_is_full;
        Box::pin(std::future::ready(if full { Err(StoreError::Full) } else { Ok(()) }))
    }

    fn close(&self) -> Answer<'_, ()> {
        answer(())
    }

    fn failed(&self) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}
