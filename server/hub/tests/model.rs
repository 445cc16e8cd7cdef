//! The hub against a reference hub. Whatever people, devices and connections do, both have the same logs, and every
//! device sees what it should of them, once and in order (I2, I4, I5, I6).
//!
//! The steps are random, and so is who reads when. A failure is shrunk, printed, and kept in `model.regressions`. The
//! next run tries it first.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod memory_store;
mod reference_hub;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lanchat_hub::{
    Body, Command, Credentials, Entry, Error, Event, Hub, HubOptions, Post, Refusal, Reply, RoomState,
    Session, Source,
};
use lanchat_model::{ClientId, MessageText, RoomId, RoomRef, Seq, limits};
use memory_store::MemoryStore;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use reference_hub::{Account, Outcome, ReferenceHub, Room, Said};
use tokio::time::timeout;

const ACCOUNTS: usize = 3;
const DEVICES: usize = 2 * ACCOUNTS;
const GROUPS: [&str; 3] = ["lobby", "den", "attic"];
/// These take about 20 seconds of CI; `LANCHAT_LEDGER=long` runs twenty times as many.
const CASES: u32 = 200;

/// A step. Devices and rooms are numbers; a device with an even number and the next one belong to one account.
#[derive(Clone, Debug)]
enum Step {
    /// Reconnects with its token and its cursors; any connection that it had is lost.
    Connect {
        device: usize,
        tail: u64,
    },
    Drop {
        device: usize,
    },
    Join {
        device: usize,
        group: usize,
        tail: u64,
    },
    Leave {
        device: usize,
        group: usize,
    },
    /// Pipelines posts to a group room, or to the private chat with one of the other two.
    Post {
        device: usize,
        target: usize,
        count: usize,
    },
    /// Resends an earlier post of the account; with `changed`, the same id for another text.
    Again {
        device: usize,
        nth: usize,
        changed: bool,
    },
    /// Reads this many batches; without this step, a connected device does not read.
    Read {
        device: usize,
        batches: usize,
    },
    /// The server stops and starts.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let device = || 0..DEVICES;
    let (group, tail) = (1..GROUPS.len(), 0..20_u64);
    prop_oneof![
        4 => (device(), tail.clone()).prop_map(|(device, tail)| Step::Connect { device, tail }),
        2 => device().prop_map(|device| Step::Drop { device }),
        4 => (device(), group.clone(), tail)
            .prop_map(|(device, group, tail)| Step::Join { device, group, tail }),
        3 => (device(), group).prop_map(|(device, group)| Step::Leave { device, group }),
        8 => (device(), 0..GROUPS.len() + ACCOUNTS - 1, 1..8_usize)
            .prop_map(|(device, target, count)| Step::Post { device, target, count }),
        1 => (device(), 0..GROUPS.len(), Just(limits::RING_ENTRIES_MAX + 50))
            .prop_map(|(device, target, count)| Step::Post { device, target, count }),
        4 => (device(), any::<usize>(), prop::bool::weighted(0.2))
            .prop_map(|(device, nth, changed)| Step::Again { device, nth, changed }),
        8 => (device(), 1..4_usize).prop_map(|(device, batches)| Step::Read { device, batches }),
        1 => Just(Step::Restart),
    ]
}

fn name(account: Account) -> String {
    format!("user{account}")
}

fn view(room: Room, of: Account) -> RoomRef {
    match room {
        Room::Group(group) => RoomRef::Group(GROUPS[group].parse().unwrap()),
        Room::Private(one, other) => {
            RoomRef::Private(name(if one == of { other } else { one }).parse().unwrap())
        }
    }
}

fn room(view: &RoomRef, of: Account) -> Room {
    match view {
        RoomRef::Group(group) => Room::Group(GROUPS.iter().position(|name| *name == group.as_str()).unwrap()),
        RoomRef::Private(peer) => {
            private(of, (0..ACCOUNTS).find(|account| name(*account) == peer.as_str()).unwrap())
        }
    }
}

fn private(one: Account, other: Account) -> Room {
    Room::Private(one.min(other), one.max(other))
}

fn said(entry: &Entry) -> (Account, Said) {
    let author = (0..ACCOUNTS).find(|account| name(*account) == entry.author_name.as_str()).unwrap();
    let said = match &entry.body {
        Body::Joined(_) => Said::Joined,
        Body::Left(_) => Said::Left,
        Body::Message { text, .. } => {
            Said::Message(u128::from_be_bytes(*entry.client_id.as_bytes()), text.as_str().to_owned())
        }
    };
    (author, said)
}

/// The state that a client keeps, and its connection.
struct Device {
    account: Account,
    token: String,
    cursors: BTreeMap<RoomRef, Seq>,
    link: Option<Link>,
}

struct Link {
    session: Session,
    /// Posts without an answer, and the answer expected for each.
    expected: VecDeque<(u128, Outcome)>,
    /// Group rooms that another device of the account has entered or left since this one last read. Until it reads
    /// again, it may be wrong about them.
    stale: BTreeSet<Room>,
}

struct World {
    hub: Hub,
    store: Arc<MemoryStore>,
    reference: ReferenceHub,
    devices: Vec<Device>,
    posts: Vec<(Account, Room, u128, String)>,
}

/// Makes a store with the accounts and devices, and their tokens. It is made once, since hashing passwords takes longer
/// than a case.
async fn cast() -> (Arc<MemoryStore>, Vec<String>) {
    let store = MemoryStore::new();
    let hub = Hub::open(store.clone(), HubOptions::default()).await.unwrap();
    let (here, password) = (Source("127.0.0.1".into()), "correct horse");
    let mut tokens = Vec::new();
    for account in 0..ACCOUNTS {
        let name = name(account);
        let register = Credentials::Register {
            name: name.parse().unwrap(),
            display_name: name.parse().unwrap(),
            password: password.into(),
            device: None,
        };
        let login =
            Credentials::Login { name: name.parse().unwrap(), password: password.into(), device: None };
        for credentials in [register, login] {
            tokens.push(hub.authenticate(credentials, &here).await.unwrap().1.token);
        }
    }
    (store, tokens)
}

impl World {
    async fn new(store: &MemoryStore, tokens: &[String]) -> Self {
        let store = store.fork();
        let hub = Hub::open(store.clone(), HubOptions::default()).await.unwrap();
        let mut reference = ReferenceHub::default();
        (0..ACCOUNTS).for_each(|account| reference.join(account, Room::Group(0)));
        let devices = tokens.iter().enumerate().map(|(number, token)| Device {
            account: number / 2,
            token: token.clone(),
            cursors: BTreeMap::new(),
            link: None,
        });
        Self { hub, store, reference, devices: devices.collect(), posts: Vec::new() }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Connect { device, tail } => self.connect(device, tail).await,
            Step::Drop { device } => self.devices[device].link = None,
            Step::Join { device, group, tail } => self.join(device, Room::Group(group), tail).await,
            Step::Leave { device, group } => self.leave(device, Room::Group(group)).await,
            Step::Post { device, target, count } => {
                let account = self.devices[device].account;
                let room = match target.checked_sub(GROUPS.len()) {
                    None => Room::Group(target),
                    Some(other) => private(account, (account + 1 + other) % ACCOUNTS),
                };
                for _ in 0..count {
                    let id = self.posts.len() as u128;
                    let text = format!("text {id}");
                    self.posts.push((account, room, id, text.clone()));
                    self.post(device, room, id, text).await;
                }
            }
            Step::Again { device, nth, changed } => {
                let account = self.devices[device].account;
                let own: Vec<_> = self.posts.iter().filter(|(author, ..)| *author == account).collect();
                let Some((_, room, id, text)) = own.get(nth % own.len().max(1)) else { return };
                let text = if changed { "another text".to_owned() } else { text.clone() };
                self.post(device, *room, *id, text).await;
            }
            Step::Read { device, batches } => {
                for _ in 0..batches {
                    self.read(device).await;
                }
            }
            Step::Restart => {
                self.devices.iter_mut().for_each(|device| device.link = None);
                self.hub.close().await;
                self.hub = Hub::open(self.store.clone(), HubOptions::default()).await.unwrap();
            }
        }
    }

    async fn connect(&mut self, number: usize, tail: u64) {
        let device = &mut self.devices[number];
        device.link = None;
        let token = Credentials::Resume { token: device.token.clone() };
        let (mut session, welcome) = self.hub.authenticate(token, &Source("here".into())).await.unwrap();
        device.token = welcome.token;
        let cursors = device.cursors.clone();
        let attach = Command::Attach { epoch: Some("epoch-1".into()), cursors: cursors.clone(), tail };
        let Reply::Attached { rooms, .. } = session.submit(attach).await.unwrap() else { panic!() };
        device.cursors.clear();
        for state in &rooms {
            let from = cursors.get(&state.room).copied().unwrap_or_else(|| match state.room {
                RoomRef::Group(_) => state.head.back(tail),
                // Devices in this test do not set marks.
                RoomRef::Private(_) => Seq::ZERO,
            });
            assert_eq!(state.from, from, "delivery goes on where it ended: {state:?}");
            assert!(state.head.get() <= self.reference.head(room(&state.room, device.account)));
            device.cursors.insert(state.room.clone(), state.from);
        }
        let told: BTreeSet<Room> = rooms.iter().map(|state| room(&state.room, device.account)).collect();
        assert_eq!(told, self.reference.rooms(device.account), "all own rooms and no others");
        device.link = Some(Link { session, expected: VecDeque::new(), stale: BTreeSet::new() });
    }

    async fn join(&mut self, number: usize, group: Room, tail: u64) {
        let device = &mut self.devices[number];
        let (account, Some(link)) = (device.account, &mut device.link) else { return };
        let RoomRef::Group(name) = view(group, account) else { panic!() };
        let Reply::Room(RoomState { room: view, from, head, .. }) =
            link.session.submit(Command::Join { room: name, tail }).await.unwrap()
        else {
            panic!()
        };
        let was_member = self.reference.is_member(account, group);
        self.reference.join(account, group);
        match device.cursors.get(&view) {
            Some(cursor) if was_member && !link.stale.contains(&group) => assert_eq!(from, *cursor),
            _ => assert!(from <= head && head.get() <= self.reference.head(group)),
        }
        device.cursors.insert(view, from);
        if !was_member {
            self.others_are_stale(number, group);
        }
    }

    async fn leave(&mut self, number: usize, group: Room) {
        let device = &mut self.devices[number];
        let (account, Some(link)) = (device.account, &mut device.link) else { return };
        let RoomRef::Group(name) = view(group, account) else { panic!() };
        let is_member = self.reference.is_member(account, group);
        match link.session.submit(Command::Leave { room: name }).await {
            Ok(Reply::Done) => {
                self.reference.leave(account, group);
                device.cursors.remove(&view(group, account));
                self.others_are_stale(number, group);
            }
            Err(Error::Refused(Refusal::NotAMember)) => assert!(!is_member || link.stale.contains(&group)),
            other => panic!("{other:?}"),
        }
    }

    fn others_are_stale(&mut self, number: usize, group: Room) {
        for (other, device) in self.devices.iter_mut().enumerate() {
            if let Some(link) = &mut device.link
                && other != number
                && other / 2 == number / 2
            {
                link.stale.insert(group);
            }
        }
    }

    async fn post(&mut self, number: usize, room: Room, id: u128, text: String) {
        while self.devices[number].link.as_ref().is_some_and(|link| !link.session.has_credit()) {
            self.read(number).await;
        }
        let device = &mut self.devices[number];
        let (account, Some(link)) = (device.account, &mut device.link) else { return };
        let (client_id, message) =
            (ClientId::from_bytes(id.to_be_bytes()), MessageText::parse(&text).unwrap());
        let post = Command::Post(Post { room: view(room, account), client_id, text: message, action: false });
        match link.session.submit(post).await {
            Ok(Reply::Admitted) => {
                link.expected.push_back((id, self.reference.post(account, room, id, &text)));
            }
            Err(Error::Refused(Refusal::NotAMember)) => {
                assert!(!self.reference.is_member(account, room) || link.stale.contains(&room));
            }
            other => panic!("{other:?}"),
        }
    }

    /// Reads one batch. Returns `false` if there is nothing to read.
    async fn read(&mut self, number: usize) -> bool {
        let Device { account, cursors, link: Some(link), .. } = &mut self.devices[number] else {
            return false;
        };
        // The clock stands still until no task has anything to do.
        if timeout(Duration::from_millis(1), link.session.ready()).await.is_err() {
            return false;
        }
        for event in link.session.next_batch().await.unwrap() {
            look_at(event, *account, cursors, link, &self.reference);
        }
        link.stale.clear();
        true
    }

    /// Reconnects all devices, and has them read everything.
    async fn settle(&mut self) {
        for number in 0..DEVICES {
            if self.devices[number].link.is_none() {
                self.connect(number, 5).await;
            }
        }
        for number in 0..DEVICES {
            while self.read(number).await {}
            let Device { account, cursors, link, .. } = &self.devices[number];
            assert!(link.as_ref().unwrap().expected.is_empty(), "every post is answered");
            let seen = cursors.iter().map(|(view, cursor)| (room(view, *account), cursor.get()));
            let heads = self.reference.rooms(*account).into_iter();
            let heads = heads.map(|room| (room, self.reference.head(room)));
            assert_eq!(seen.collect::<BTreeMap<_, _>>(), heads.collect(), "all is seen by {number}");
        }
        let mut kept: Vec<Vec<(Account, Said)>> = Vec::new();
        for id in 0.. {
            if id as usize >= self.store.rooms() {
                break;
            }
            let log = self.store.whole_log(RoomId(id));
            kept.push(log.iter().map(|entry| said(entry)).collect());
        }
        let mut meant: Vec<_> = self.reference.logs.values().cloned().collect();
        let text = |log: &Vec<(Account, Said)>| format!("{log:?}");
        kept.retain(|log| !log.is_empty());
        kept.sort_by_key(text);
        meant.sort_by_key(text);
        assert_eq!(kept, meant, "the logs are the same");
    }
}

/// Checks one event for a device: whether it is right, and whether it comes in order.
fn look_at(
    event: Event,
    account: Account,
    cursors: &mut BTreeMap<RoomRef, Seq>,
    link: &mut Link,
    reference: &ReferenceHub,
) {
    match event {
        Event::Run { room: ref view, .. } | Event::Entry { room: ref view, .. } => {
            let cursor = cursors.get_mut(view).unwrap_or_else(|| panic!("{view:?} was not announced"));
            for entry in event.entries() {
                assert_eq!(entry.seq, cursor.next(), "no gap, no double, in {view:?}");
                *cursor = entry.seq;
                let (room, seq) = (room(view, account), entry.seq.get());
                assert_eq!(said(entry), reference.logs[&room][seq as usize - 1]);
                assert!(reference.may_see(account, room, seq), "{account} sees {seq} of {view:?}");
            }
        }
        Event::Ack { entry, .. } => {
            let id = u128::from_be_bytes(*entry.client_id.as_bytes());
            assert_eq!(link.expected.pop_front(), Some((id, Outcome::Stored(entry.seq.get()))));
        }
        Event::Refused { client_id, error } => {
            let outcome = match error {
                Error::Refused(Refusal::NotAMember) => Outcome::NotAMember,
                Error::Refused(Refusal::IdReused) => Outcome::IdReused,
                other => panic!("{other:?}"),
            };
            let id = u128::from_be_bytes(*client_id.as_bytes());
            assert_eq!(link.expected.pop_front(), Some((id, outcome)));
        }
        Event::Room(state) => {
            let is_private = matches!(state.room, RoomRef::Private(_));
            assert!(!is_private || state.from == Seq::ZERO, "a private chat is new from its first line");
            cursors.insert(state.room, state.from);
        }
        Event::RoomGone(view) => drop(cursors.remove(&view)),
        _ => {}
    }
}

fn cases() -> u32 {
    if std::env::var("LANCHAT_LEDGER").is_ok_and(|size| size == "long") { CASES * 20 } else { CASES }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/model.regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_hub_does_what_the_reference_hub_does(steps in prop::collection::vec(step(), 1..80)) {
        static CAST: OnceLock<(Arc<MemoryStore>, Vec<String>)> = OnceLock::new();
        let runtime = || {
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
        };
        let (store, tokens) = CAST.get_or_init(|| runtime().block_on(cast()));
        runtime().block_on(async {
            let mut world = World::new(store, tokens).await;
            for step in steps {
                world.take(step).await;
            }
            world.settle().await;
        });
    }
}
