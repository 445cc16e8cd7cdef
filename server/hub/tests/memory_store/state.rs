//! What the store in memory keeps, and what one look at it finds.

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
    pub(super) devices: Vec<Device>,
    pub(super) rooms: Vec<(RoomKind, Vec<Arc<Entry>>)>,
    /// Of the logs that have lost their beginning.
    pub(super) firsts: HashMap<RoomId, Seq>,
    pub(super) memberships: BTreeSet<(RoomId, AccountId)>,
    pub(super) marks: HashMap<(DeviceId, RoomId), Seq>,
    pub(super) posts: BTreeMap<(AccountId, ClientId), Arc<Entry>>,
    pub(super) online: BTreeSet<AccountId>,
    pub(super) disk_is_full: bool,
    /// Rooms that an account made: a test is shorter than a day.
    pub(super) made: HashMap<AccountId, usize>,
    /// How many drafts came together, each time.
    pub(super) batches: Vec<usize>,
    /// How often something was written for a token.
    pub(super) resumes: usize,
    /// What is asked about logins, memberships and `away` while there is one is done at once, and answered when it opens.
    pub(super) gate: Option<Gate>,
}

#[derive(Clone)]
pub(super) struct Device {
    pub(super) account: AccountId,
    /// `None`: older tokens than the one it has say nothing.
    pub(super) series: Option<TokenHash>,
    pub(super) current: TokenHash,
    pub(super) next: Option<TokenHash>,
    pub(super) gone: bool,
    pub(super) copied: bool,
}

impl Device {
    pub(super) fn new(account: AccountId, TokenRecord { hash: current, series }: TokenRecord) -> Self {
        Self { account, series: Some(series), current, next: None, gone: false, copied: false }
    }

    pub(super) fn holds(&self, token: TokenHash) -> bool {
        !self.gone && (token == self.current || Some(token) == self.next)
    }
}

pub(super) fn index(id: i64) -> usize {
    usize::try_from(id).expect("ids of this store are indices")
}

impl State {
    pub(super) fn record(&self, room: RoomId) -> RoomRecord {
        let (kind, log) = &self.rooms[index(room.0)];
        let members = self.memberships.iter().filter(|(of, _)| *of == room).count() as u64;
        RoomRecord { id: room, kind: kind.clone(), first: self.first(room), head: head(log), members }
    }

    /// The lowest position that a log keeps.
    pub(super) fn first(&self, room: RoomId) -> Seq {
        self.firsts.get(&room).copied().unwrap_or(Seq::ZERO.next())
    }

    pub(super) fn find(&self, kind: &RoomKind) -> Option<RoomRecord> {
        let found = self.rooms.iter().position(|(known, _)| known == kind)?;
        Some(self.record(RoomId(found as i64)))
    }

    pub(super) fn open(&mut self, kind: RoomKind) -> RoomRecord {
        if self.find(&kind).is_none() {
            self.rooms.push((kind.clone(), Vec::new()));
        }
        self.find(&kind).expect("it was just made")
    }

    pub(super) fn pair(&self, one: AccountId, other: AccountId) -> RoomKind {
        let mut pair = [one, other].map(|id| (id, self.accounts[index(id.0)].name.clone()));
        pair.sort();
        RoomKind::Private(pair)
    }

    pub(super) fn holder(&self, token: TokenHash) -> Option<usize> {
        self.devices.iter().position(|device| device.holds(token))
    }

    pub(super) fn remove(&mut self, device: DeviceId) {
        self.devices[index(device.0)].gone = true;
    }

    /// Why a token is no device's, with what follows from that.
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
        let mine = self.memberships.iter().filter(|(_, member)| *member == account).map(|(room, _)| *room);
        let mark = |room| self.marks.get(&(device, room)).copied().unwrap_or_default();
        mine.map(|room| MembershipRecord { room: self.record(room), mark: mark(room) }).collect()
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
        let (changed, moved) = match draft.body {
            Body::Message { .. } => (true, Moved::Head),
            Body::Joined(Subject { account, .. }) => {
                (self.memberships.insert((draft.room, account)), Moved::Entered(account))
            }
            Body::Left(Subject { account, .. }) => {
                (self.memberships.remove(&(draft.room, account)), Moved::Left(account))
            }
        };
        if !changed {
            return Appended::Unchanged;
        }
        let log = &mut self.rooms[index(draft.room.0)].1;
        let entry = Arc::new(Entry {
            room: draft.room,
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
        if draft.room == RoomId::NONE {
            return Err(Refusal::NotAMember);
        }
        let policy = (&self.rooms[index(draft.room.0)].0).into();
        let standing = |account: AccountId| Standing {
            role: Role::of(self.accounts[index(account.0)].admin),
            is_member: self.memberships.contains(&(draft.room, account)),
        };
        let others = draft.body.subject().filter(|subject| subject.account != draft.author);
        let target = others.map(|subject| standing(subject.account));
        may(standing(draft.author), Act::of(draft.author, &draft.body), target, policy)
    }
}

fn head(log: &[Arc<Entry>]) -> Seq {
    log.last().map_or(Seq::ZERO, |entry| entry.seq)
}
