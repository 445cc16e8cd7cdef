//! The registry: the sessions by account, and the rooms that somebody reads.
//!
//! Lock order: registry, then room, then mailbox. Two rooms are never locked at once, and no lock is held across an
//! await.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use lanchat_model::{AccountId, DeviceId, RoomId, Seq, limits};

use crate::account_slots::AccountSlots;
use crate::event::LogoutReason;
use crate::mailbox::Mailbox;
use crate::rings::Rings;
use crate::room::{ReaderKey, Room};
use crate::session_id::SessionId;

/// A slot that is reserved for a session until it enters; returned if dropped before that.
#[derive(Debug)]
pub(crate) struct SessionSlot(Option<Arc<Registry>>);

impl Drop for SessionSlot {
    fn drop(&mut self) {
        if let Some(registry) = self.0.take() {
            registry.lock().count -= 1;
        }
    }
}

/// All sessions and the rooms that they read.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    state: Mutex<State>,
    rings: Arc<Rings>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    /// Bounded by the allowed number of sessions. One flat map, because nearly all accounts have one session.
    sessions: BTreeMap<(AccountId, SessionId), (DeviceId, Arc<Mailbox>)>,
    /// The number of sessions and of slots reserved for them.
    count: usize,
    /// How often [`Registry::end_sessions`] was called.
    logouts: u64,
    /// Rooms with at least one reader: bounded by sessions × rooms per account.
    rooms: HashMap<RoomId, Arc<Room>>,
    /// Accounts whose last session ended while posts of theirs were waiting: these posts count against the account's
    /// next sessions. Bounded by the waiting posts: see [`State::left_behind`].
    left: HashMap<AccountId, Weak<AccountSlots>>,
}

impl Registry {
    /// Reserves a slot for a session, unless `limit` are already taken. To be called before anything is stored for the
    /// session.
    pub(crate) fn reserve(self: &Arc<Self>, limit: usize) -> Option<SessionSlot> {
        let mut state = self.lock();
        if state.count >= limit {
            return None;
        }
        state.count += 1;
        Some(SessionSlot(Some(Arc::clone(self))))
    }

    /// Returns whether this many slots are free.
    pub(crate) fn has_spare(&self, limit: usize, slots: usize) -> bool {
        self.lock().count.saturating_add(slots) <= limit
    }

    /// Returns how often [`Registry::end_sessions`] was called. While the count stays the same, nobody was logged out.
    pub(crate) fn logouts(&self) -> u64 {
        self.lock().logouts
    }

    /// Returns whether an account has so many sessions that its tokens cannot open more.
    pub(crate) fn is_full(&self, account: AccountId) -> bool {
        self.sessions_of(account) >= limits::SESSIONS_BY_TOKEN_MAX
    }

    /// Returns whether a login by password may make one more session of an account.
    pub(crate) fn has_space(&self, account: AccountId) -> bool {
        self.sessions_of(account) < limits::SESSIONS_PER_ACCOUNT_MAX
    }

    /// Adds a session in its slot, unless the account already has `most`.
    pub(crate) fn enter(
        &self,
        account: AccountId,
        device: DeviceId,
        most: usize,
        mut slot: SessionSlot,
    ) -> Option<(SessionId, Arc<Mailbox>)> {
        let mut state = self.lock();
        let others = state.of(account).count();
        if others >= most {
            // Dropping the slot takes the same lock.
            drop(state);
            return None;
        }
        let beside = state.of(account).next().map(|(_, (_, mailbox))| Arc::clone(&mailbox.of_account));
        let of_account = beside.or_else(|| state.left.remove(&account)?.upgrade());
        // From here on, `exit` returns the slot.
        slot.0 = None;
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

    /// Returns the number of sessions and reserved slots.
    pub(crate) fn count(&self) -> usize {
        self.lock().count
    }

    /// Returns how many sessions an account has.
    pub(crate) fn sessions_of(&self, account: AccountId) -> usize {
        self.lock().of(account).count()
    }

    /// Makes the session a reader of a room, and returns the room. It is made from its stored head if nobody reads it
    /// yet.
    ///
    /// A head that the caller read *before* this call may be stale: the caller reads it again and calls
    /// [`Room::raise_head`].
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

    /// Ends a session's reading of one room.
    pub(crate) fn detach(&self, session: SessionId, room: RoomId, key: ReaderKey) {
        self.lock().detach(session, room, key);
    }

    /// Returns the room, if somebody reads it.
    pub(crate) fn room(&self, room: RoomId) -> Option<Arc<Room>> {
        self.lock().rooms.get(&room).cloned()
    }

    /// Keeps the tails of all rooms together within `limits::RINGS_BYTES_MAX`: those that were written longest ago go.
    /// To be called whenever a tail was written. It scans all rooms only after a quarter of the bound was written since
    /// the last scan.
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

    /// Returns the size of all tails, in bytes.
    #[cfg(test)]
    pub(crate) fn tail_bytes(&self) -> usize {
        self.rings.bytes()
    }

    /// Returns the accounts that read a room.
    pub(crate) fn accounts_in(&self, room: RoomId) -> BTreeSet<AccountId> {
        self.room(room).map(|room| room.accounts()).unwrap_or_default()
    }

    /// Tells the sessions of an account that their rooms have changed.
    pub(crate) fn memberships_changed(&self, account: AccountId) {
        for (_, (_, mailbox)) in self.lock().of(account) {
            mailbox.leave(|waiting| waiting.memberships_changed = true);
        }
    }

    /// Tells those sessions of an account that `ends` selects that they are over, and why.
    ///
    /// The caller must change the store first. A session that enters too late to be told sees that the count of calls
    /// has changed since its login was proved, and reads the store.
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

    /// Wakes every session: presence or the server's notice changed.
    pub(crate) fn touch_all(&self) {
        for (_, mailbox) in self.lock().sessions.values() {
            mailbox.leave(|waiting| waiting.latest_changed = true);
        }
    }

    /// Locks the registry. Every change under this lock is one insertion or removal, so a panic leaves nothing half
    /// done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns the sessions of an account.
    fn of(&self, account: AccountId) -> impl Iterator<Item = (SessionId, &(DeviceId, Arc<Mailbox>))> {
        let all = (account, SessionId(u64::MIN))..=(account, SessionId(u64::MAX));
        self.sessions.range(all).map(|((_, id), session)| (*id, session))
    }

    /// Remembers the posts that an account has under way after its last session has ended.
    fn left_behind(&mut self, account: AccountId, slots: &Arc<AccountSlots>) {
        if self.left.len() >= limits::CLIENTS_DEFAULT {
            // The entries that stay are at most as many as the posts that wait.
            self.left.retain(|_, slots| slots.strong_count() > 0);
        }
        self.left.insert(account, Arc::downgrade(slots));
    }

    /// Removes a reader. A room without readers leaves memory; its log is in the store.
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
        let slot = registry.reserve(usize::MAX).unwrap();
        registry.enter(AccountId(1), DeviceId(1), usize::MAX, slot).unwrap()
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
