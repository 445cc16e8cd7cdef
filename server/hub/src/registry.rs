//! Who is here: the sessions by account, and the rooms that somebody reads.
//!
//! Lock order: registry, then room, then mailbox. Never two rooms at once, and no lock across an await.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use lanchat_model::{AccountId, DeviceId, RoomId, Seq, limits};

use crate::account_places::AccountPlaces;
use crate::event::LogoutReason;
use crate::mailbox::Mailbox;
use crate::rings::Rings;
use crate::room::{ReaderKey, Room};

/// A session, for as long as this process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionId(u64);

/// A place that is kept for a session until it enters; given up when dropped before.
#[derive(Debug)]
pub(crate) struct Place(Option<Arc<Registry>>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(registry) = self.0.take() {
            registry.lock().count -= 1;
        }
    }
}

/// The whereabouts of everybody.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    state: Mutex<State>,
    rings: Arc<Rings>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    /// Bounded by the sessions that are allowed. One flat map: nearly all accounts have one session.
    sessions: BTreeMap<(AccountId, SessionId), (DeviceId, Arc<Mailbox>)>,
    /// Sessions, and places that are kept for them.
    count: usize,
    /// How often sessions were told that they are over.
    logouts: u64,
    /// Rooms with at least one reader: bounded by sessions × rooms per account.
    rooms: HashMap<RoomId, Arc<Room>>,
    /// Accounts whose last session ended while posts of theirs were waiting: these count against whoever comes back.
    /// Bounded by those posts: see [`State::left_behind`].
    left: HashMap<AccountId, Weak<AccountPlaces>>,
}

impl Registry {
    /// Keeps a place for a session, unless `limit` are taken already. Before anything is stored for its sake.
    pub(crate) fn reserve(self: &Arc<Self>, limit: usize) -> Option<Place> {
        let mut state = self.lock();
        if state.count >= limit {
            return None;
        }
        state.count += 1;
        Some(Place(Some(Arc::clone(self))))
    }

    /// Whether so many places are free.
    pub(crate) fn has_spare(&self, limit: usize, places: usize) -> bool {
        self.lock().count.saturating_add(places) <= limit
    }

    /// How often [`Registry::end_sessions`] was called. While it stays the same, nobody was logged out.
    pub(crate) fn logouts(&self) -> u64 {
        self.lock().logouts
    }

    /// Whether an account has so many sessions that its tokens open no more.
    pub(crate) fn is_full(&self, account: AccountId) -> bool {
        self.sessions_of(account) >= limits::SESSIONS_BY_TOKEN_MAX
    }

    /// Whether a login by password may make one session more of an account than it has.
    pub(crate) fn has_space(&self, account: AccountId) -> bool {
        self.sessions_of(account) < limits::SESSIONS_PER_ACCOUNT_MAX
    }

    /// Adds a session in its place, unless the account has `most`.
    pub(crate) fn enter(
        &self,
        account: AccountId,
        device: DeviceId,
        most: usize,
        mut place: Place,
    ) -> Option<(SessionId, Arc<Mailbox>)> {
        let mut state = self.lock();
        let others = state.of(account).count();
        if others >= most {
            // The place is given up under the same lock.
            drop(state);
            return None;
        }
        let beside = state.of(account).next().map(|(_, (_, mailbox))| Arc::clone(&mailbox.of_account));
        let of_account = beside.or_else(|| state.left.remove(&account)?.upgrade());
        // From here on the place is given up by `exit`.
        place.0 = None;
        state.last += 1;
        let (id, mailbox) = (SessionId(state.last), Arc::new(Mailbox::of(of_account.unwrap_or_default())));
        state.sessions.insert((account, id), (device, Arc::clone(&mailbox)));
        Some((id, mailbox))
    }

    /// Removes a session and detaches it from its rooms.
    pub(crate) fn exit(
        &self,
        account: AccountId,
        session: SessionId,
        rooms: impl Iterator<Item = (RoomId, ReaderKey)>,
    ) {
        let mut state = self.lock();
        for (room, key) in rooms {
            state.detach(session, room, key);
        }
        if let Some((_, mailbox)) = state.sessions.remove(&(account, session)) {
            state.count -= 1;
            if mailbox.of_account.has_posts() && state.of(account).next().is_none() {
                state.left_behind(account, &mailbox.of_account);
            }
        }
    }

    /// How many sessions there are.
    pub(crate) fn count(&self) -> usize {
        self.lock().count
    }

    /// How many sessions an account has.
    pub(crate) fn sessions_of(&self, account: AccountId) -> usize {
        self.lock().of(account).count()
    }

    /// The room, made from its stored head if nobody reads it yet, with the session as a reader.
    ///
    /// A head that the caller read *before* this call may be stale: it reads again and calls [`Room::raise_head`].
    pub(crate) fn attach(
        &self,
        session: SessionId,
        account: AccountId,
        mailbox: &Arc<Mailbox>,
        room: RoomId,
        head: Seq,
    ) -> (Arc<Room>, ReaderKey) {
        let mut state = self.lock();
        let room = state.rooms.entry(room).or_insert_with(|| Arc::new(Room::new(room, head, &self.rings)));
        let key = room.attach(session, account, mailbox);
        (Arc::clone(room), key)
    }

    /// Ends the reading of one room.
    pub(crate) fn detach(&self, session: SessionId, room: RoomId, key: ReaderKey) {
        self.lock().detach(session, room, key);
    }

    /// The room, if somebody reads it.
    pub(crate) fn room(&self, room: RoomId) -> Option<Arc<Room>> {
        self.lock().rooms.get(&room).cloned()
    }

    /// Keeps the tails of all rooms together within `limits::RINGS_BYTES_MAX`: those that were written longest ago go. To be
    /// called whenever one was written. It looks at every room only after a quarter of the bound was written since the last
    /// time.
    pub(crate) fn trim_tails(&self) {
        if !self.rings.is_full() {
            return;
        }
        let rooms: Vec<Arc<Room>> = self.lock().rooms.values().cloned().collect();
        let mut tails: Vec<_> = rooms.iter().filter_map(|room| Some((room.written()?, room))).collect();
        tails.sort_unstable_by_key(|(written, _)| *written);
        for (_, room) in tails {
            if self.rings.has_room() {
                return;
            }
            room.forget_tail();
        }
    }

    /// What the tails of all rooms hold, in bytes.
    #[cfg(test)]
    pub(crate) fn tail_bytes(&self) -> usize {
        self.rings.bytes()
    }

    /// The accounts that read a room.
    pub(crate) fn accounts_in(&self, room: RoomId) -> BTreeSet<AccountId> {
        self.room(room).map(|room| room.accounts()).unwrap_or_default()
    }

    /// Tells the sessions of an account that their rooms are other ones now.
    pub(crate) fn memberships_changed(&self, account: AccountId) {
        for (_, (_, mailbox)) in self.lock().of(account) {
            mailbox.leave(|waiting| waiting.memberships_changed = true);
        }
    }

    /// Tells the sessions of an account that they are over, and why: those that `ends` says.
    ///
    /// Whoever calls it has changed the store first: a session that enters too late for this word sees that the count of
    /// calls is another one than before its login was proved, and asks the store.
    pub(crate) fn end_sessions(
        &self,
        account: AccountId,
        why: LogoutReason,
        ends: impl Fn(SessionId, DeviceId) -> bool,
    ) {
        let mut state = self.lock();
        state.logouts += 1;
        for (id, (_, mailbox)) in state.of(account).filter(|(id, (device, _))| ends(*id, *device)) {
            tracing::debug!(session = id.0, ?why, "logged out");
            mailbox.log_out(why);
        }
    }

    /// Wakes everybody: presence changed, or what holds for the server.
    pub(crate) fn touch_all(&self) {
        for (_, mailbox) in self.lock().sessions.values() {
            mailbox.leave(|waiting| waiting.latest_changed = true);
        }
    }

    /// Every change under this lock is one insertion or removal: a panic leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The sessions of an account.
    fn of(&self, account: AccountId) -> impl Iterator<Item = (SessionId, &(DeviceId, Arc<Mailbox>))> {
        let all = (account, SessionId(u64::MIN))..=(account, SessionId(u64::MAX));
        self.sessions.range(all).map(|((_, id), session)| (*id, session))
    }

    /// Remembers what an account has under way, whose last session has ended.
    fn left_behind(&mut self, account: AccountId, places: &Arc<AccountPlaces>) {
        if self.left.len() >= limits::CLIENTS_DEFAULT {
            // What is left is no more than the posts that wait.
            self.left.retain(|_, places| places.strong_count() > 0);
        }
        self.left.insert(account, Arc::downgrade(places));
    }

    /// A room that nobody reads leaves memory; its log is in the store.
    fn detach(&mut self, session: SessionId, room: RoomId, key: ReaderKey) {
        if self.rooms.get(&room).is_some_and(|found| found.detach(session, key)) {
            self.rooms.remove(&room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(registry: &Arc<Registry>) -> (SessionId, Arc<Mailbox>) {
        let place = registry.reserve(usize::MAX).unwrap();
        registry.enter(AccountId(1), DeviceId(1), usize::MAX, place).unwrap()
    }

    #[tokio::test]
    async fn what_an_account_has_under_way_counts_after_its_sessions_are_gone() {
        let registry = Arc::new(Registry::default());
        let (first, mailbox) = enter(&registry);
        let post = mailbox.of_account.post().await;
        registry.exit(AccountId(1), first, std::iter::empty());
        let (second, next) = enter(&registry);
        assert!(Arc::ptr_eq(&mailbox.of_account, &next.of_account), "its share is the same");
        drop(post);
        registry.exit(AccountId(1), second, std::iter::empty());
        assert!(registry.lock().left.is_empty(), "nothing is under way");
    }
}
