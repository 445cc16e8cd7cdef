//! The content of the store in memory, and what can be read of it at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use lanchat_hub::permit::{Act, Role, Standing, may};
use lanchat_hub::port::*;
use lanchat_hub::{Body, Entry, Refusal, Subject};
use lanchat_model::*;

use super::Gate;

#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) accounts: Vec<Account>,
    /// How their names look.
    looks: Vec<String>,
    pub(super) devices: Vec<Device>,
    pub(super) rooms: Vec<Room>,
    /// The first `seq` of each log that has lost its beginning.
    pub(super) firsts: HashMap<RoomId, Seq>,
    /// The rooms of each account.
    seats: BTreeSet<(AccountId, RoomId)>,
    pub(super) marks: HashMap<(DeviceId, RoomId), Seq>,
    pub(super) posts: BTreeMap<(AccountId, ClientId), Arc<Entry>>,
    pub(super) online: BTreeSet<AccountId>,
    pub(super) disk_is_full: bool,
    /// How many rooms each account made; a test is shorter than a day.
    pub(super) made: HashMap<AccountId, usize>,
    /// How many drafts came together, each time.
    pub(super) batches: Vec<usize>,
    /// How often something was written for a token.
    pub(super) resumes: usize,
    /// How often devices were used. It serves as the time, as far as devices are concerned.
    uses: u64,
    /// While there is a gate, questions about logins, memberships and `away` take effect at once, and are answered when
    /// it opens.
    pub(super) gate: Option<Gate>,
    /// The same for drafts.
    pub(super) gate_of_logs: Option<Gate>,
}

#[derive(Clone)]
pub(super) struct Room {
    pub(super) kind: RoomKind,
    pub(super) log: Vec<Arc<Entry>>,
    pub(super) members: BTreeSet<AccountId>,
}

impl Room {
    fn new(kind: RoomKind) -> Self {
        Self { kind, log: Vec::new(), members: BTreeSet::new() }
    }

    pub(super) fn is_group(&self) -> bool {
        matches!(self.kind, RoomKind::Group(_))
    }
}

#[derive(Clone)]
pub(super) struct Device {
    pub(super) account: AccountId,
    label: Option<String>,
    /// `None` if older tokens than the present one reveal nothing.
    pub(super) series: Option<TokenHash>,
    pub(super) current: TokenHash,
    pub(super) next: Option<TokenHash>,
    pub(super) gone: bool,
    pub(super) copied: bool,
    used: u64,
}

impl Device {
    pub(super) fn holds(&self, token: TokenHash) -> bool {
        !self.gone && (token == self.current || Some(token) == self.next)
    }
}

pub(super) fn index(id: i64) -> usize {
    usize::try_from(id).expect("ids of this store are indices")
}

impl State {
    /// Makes an unused store, with a lobby.
    pub(super) fn new() -> Self {
        Self { rooms: vec![Room::new(RoomKind::Group(RoomName::lobby()))], ..Self::default() }
    }

    pub(super) fn room(&self, room: RoomId) -> Option<&Room> {
        self.rooms.get(usize::try_from(room.0).ok()?)
    }

    pub(super) fn log(&self, room: RoomId) -> &[Arc<Entry>] {
        self.room(room).map_or(&[], |room| &room.log)
    }

    pub(super) fn record(&self, id: RoomId) -> RoomRecord {
        let Room { kind, log, members } = &self.rooms[index(id.0)];
        let (first, head, members) = (self.first(id), head(log), members.len() as u64);
        RoomRecord { id, kind: kind.clone(), first, head, members }
    }

    /// Returns the lowest `seq` that a log keeps.
    pub(super) fn first(&self, room: RoomId) -> Seq {
        self.firsts.get(&room).copied().unwrap_or(Seq::ZERO.next())
    }

    pub(super) fn find(&self, kind: &RoomKind) -> Option<RoomRecord> {
        let found = self.rooms.iter().position(|known| known.kind == *kind)?;
        Some(self.record(RoomId(found as i64)))
    }

    pub(super) fn open(&mut self, kind: RoomKind) -> RoomRecord {
        self.find(&kind).unwrap_or_else(|| {
            self.rooms.push(Room::new(kind));
            self.record(RoomId(self.rooms.len() as i64 - 1))
        })
    }

    pub(super) fn pair(&self, one: AccountId, other: AccountId) -> RoomKind {
        let mut pair = [one, other].map(|id| (id, self.accounts[index(id.0)].name.clone()));
        pair.sort();
        RoomKind::Private(pair)
    }

    pub(super) fn is_member(&self, room: RoomId, account: AccountId) -> bool {
        self.seats.contains(&(account, room))
    }

    pub(super) fn enter(&mut self, room: RoomId, account: AccountId) {
        self.seats.insert((account, room));
        self.rooms[index(room.0)].members.insert(account);
    }

    fn leave(&mut self, room: RoomId, account: AccountId) {
        self.seats.remove(&(account, room));
        self.rooms[index(room.0)].members.remove(&account);
    }

    pub(super) fn rooms_of(&self, account: AccountId) -> impl Iterator<Item = RoomId> {
        let all = (account, RoomId(i64::MIN))..=(account, RoomId(i64::MAX));
        self.seats.range(all).map(|(_, room)| *room)
    }

    /// Counts the group rooms, or the private chats, that an account is in.
    pub(super) fn count(&self, account: AccountId, groups: bool) -> usize {
        self.rooms_of(account).filter(|room| self.rooms[index(room.0)].is_group() == groups).count()
    }

    pub(super) fn has_space(&self, account: AccountId) -> bool {
        self.count(account, true) < limits::GROUPS_PER_ACCOUNT_MAX
    }

    pub(super) fn has_space_for_group(&self) -> bool {
        let in_use = self.rooms.iter().filter(|room| room.is_group() && !room.members.is_empty());
        in_use.count() < limits::ROOMS_MAX
    }

    /// Stores an account, unless its name looks like another's.
    pub(super) fn add_account(&mut self, new: NewAccount) -> Option<Account> {
        let looks = new.name.looks();
        if self.looks.contains(&looks) {
            return None;
        }
        self.looks.push(looks);
        let account = Account {
            id: AccountId(self.accounts.len() as i64),
            name: new.name,
            display_name: new.display_name,
            admin: new.admin,
            phc: new.phc,
            generation: Generation(0),
            created: Timestamp(0),
            last_seen: None,
            away: None,
        };
        self.accounts.push(account.clone());
        Some(account)
    }

    /// Finds the accounts whose names look like this one.
    pub(super) fn alike(&self, name: &AccountName) -> impl Iterator<Item = &Account> {
        let looks = name.looks();
        self.accounts.iter().zip(&self.looks).filter(move |(_, of)| **of == looks).map(|(account, _)| account)
    }

    pub(super) fn rename(&mut self, name: &str, to: AccountName) {
        let found = self.accounts.iter().position(|account| account.name.as_str() == name);
        let found = found.expect("there is such an account");
        self.looks[found] = to.looks();
        self.accounts[found].name = to;
    }

    pub(super) fn add_device(&mut self, account: AccountId, new: NewDevice) -> DeviceId {
        let TokenRecord { hash: current, series } = new.token;
        self.uses += 1;
        self.devices.push(Device {
            account,
            label: new.label,
            series: Some(series),
            current,
            next: None,
            gone: false,
            copied: false,
            used: self.uses,
        });
        DeviceId(self.devices.len() as i64 - 1)
    }

    /// Finds the last used device of an account with this label.
    pub(super) fn device_called(&self, account: AccountId, label: &str) -> Option<usize> {
        let is_called = |device: &Device| {
            device.account == account && !device.gone && device.label.as_deref() == Some(label)
        };
        let called = (0..self.devices.len()).filter(|id| is_called(&self.devices[*id]));
        called.max_by_key(|id| self.devices[*id].used)
    }

    /// Notes that a device is used now.
    pub(super) fn use_device(&mut self, device: usize) -> &mut Device {
        self.uses += 1;
        let device = &mut self.devices[device];
        device.used = self.uses;
        device
    }

    /// Evicts devices of an account to make room for one more: those with worthless tokens first, then those unused for
    /// longest.
    pub(super) fn evict(&mut self, account: AccountId) -> Vec<DeviceId> {
        let mut kept: Vec<usize> = (0..self.devices.len()).collect();
        kept.retain(|id| self.devices[*id].account == account && !self.devices[*id].gone);
        kept.sort_by_key(|id| (self.devices[*id].copied, std::cmp::Reverse(self.devices[*id].used)));
        let evicted = kept.split_off(kept.len().min(limits::DEVICES_PER_ACCOUNT_MAX - 1));
        evicted.into_iter().map(|id| DeviceId(id as i64)).inspect(|id| self.remove(*id)).collect()
    }

    pub(super) fn holder(&self, token: TokenHash) -> Option<usize> {
        self.devices.iter().position(|device| device.holds(token))
    }

    pub(super) fn remove(&mut self, device: DeviceId) {
        self.devices[index(device.0)].gone = true;
    }

    /// Returns why a token resumes nothing, and marks its device if it was copied.
    pub(super) fn not_resumed(&mut self, token: TokenRecord) -> NotResumed {
        let of_series = |device: &Device| !device.gone && device.series == Some(token.series);
        let found = self.devices.iter().position(of_series).or(self.holder(token.hash));
        let Some(found) = found else { return NotResumed::Unknown };
        let device = DeviceId(found as i64);
        let found = &mut self.devices[found];
        found.copied = true;
        let account = found.account;
        NotResumed::Copied { account, name: self.accounts[index(account.0)].name.clone(), device }
    }

    pub(super) fn is_current(&self, device: DeviceId, known: Generation) -> bool {
        let device = &self.devices[index(device.0)];
        !device.gone && !device.copied && self.accounts[index(device.account.0)].generation == known
    }

    pub(super) fn memberships_of(&self, account: AccountId, device: DeviceId) -> Vec<MembershipRecord> {
        let mark = |room| self.marks.get(&(device, room)).copied().unwrap_or_default();
        self.rooms_of(account)
            .map(|room| MembershipRecord { room: self.record(room), mark: mark(room) })
            .collect()
    }

    pub(super) fn append(&mut self, draft: Draft) -> Appended {
        if let Some(known) = self.posts.get(&(draft.author, draft.client_id)) {
            let same = known.room == draft.room && known.body == draft.body;
            return if same {
                Appended::Again(Arc::clone(known))
            } else {
                Appended::Refused(Refusal::IdReused)
            };
        }
        if let Err(refusal) = self.permitted(&draft) {
            return Appended::Refused(refusal);
        }
        let room = draft.room;
        let moved = match draft.body {
            Body::Message { .. } => Moved::Head,
            Body::Joined(Subject { account, .. }) => {
                if self.is_member(room, account) {
                    return Appended::Unchanged;
                }
                let is_empty = self.rooms[index(room.0)].members.is_empty();
                if !self.has_space(account) || (is_empty && !self.has_space_for_group()) {
                    return Appended::Refused(Refusal::TooManyRooms);
                }
                self.enter(room, account);
                Moved::Entered(account)
            }
            Body::Left(Subject { account, .. }) => {
                if !self.is_member(room, account) {
                    return Appended::Unchanged;
                }
                self.leave(room, account);
                Moved::Left(account)
            }
        };
        let log = &mut self.rooms[index(room.0)].log;
        let entry = Arc::new(Entry {
            room,
            seq: head(log).next(),
            client_id: draft.client_id,
            author: draft.author,
            author_name: draft.author_name,
            at: Timestamp(0),
            body: draft.body,
        });
        log.push(Arc::clone(&entry));
        self.posts.insert((draft.author, draft.client_id), Arc::clone(&entry));
        Appended::Fresh { entry, moved }
    }

    fn permitted(&self, draft: &Draft) -> Result<(), Refusal> {
        let Some(room) = self.room(draft.room) else { return Err(Refusal::NotAMember) };
        let standing = |account: AccountId| Standing {
            role: Role::of(self.accounts[index(account.0)].admin),
            is_member: room.members.contains(&account),
        };
        let others = draft.body.subject().filter(|subject| subject.account != draft.author);
        let target = others.map(|subject| standing(subject.account));
        may(standing(draft.author), Act::of(draft.author, &draft.body), target, (&room.kind).into())
    }
}

fn head(log: &[Arc<Entry>]) -> Seq {
    log.last().map_or(Seq::ZERO, |entry| entry.seq)
}

/// Returns as many of the entries, in order, as fit a page of at most `bytes_max`.
pub(super) fn page<'a>(
    entries: impl Iterator<Item = &'a Arc<Entry>>,
    limit: usize,
    bytes_max: usize,
) -> Vec<Arc<Entry>> {
    let (mut page, mut bytes) = (Vec::new(), 0);
    for entry in entries.take(limit) {
        bytes += entry.wire_bytes_max();
        if bytes > bytes_max && !page.is_empty() {
            break;
        }
        page.push(Arc::clone(entry));
    }
    page
}
