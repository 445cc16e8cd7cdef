//! A room in memory: the tail of its log, and the sessions that read it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lanchat_model::{AccountId, RoomId, Seq, limits};
use slab::Slab;

use crate::entry::{Entry, Run};
use crate::failpoint;
use crate::mailbox::Mailbox;
use crate::rings::Rings;
use crate::session_id::SessionId;

/// A room that at least one session is attached to.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) id: RoomId,
    state: Mutex<State>,
    rings: Arc<Rings>,
}

#[derive(Debug)]
struct State {
    /// The last committed `seq`, as far as this process knows.
    head: Seq,
    tail: Tail,
    /// When the tail was last written, by [`Rings::writing`].
    written: u64,
    /// The readers to wake. They are contiguous in memory, because a room mostly wakes all of them. Bounded by the
    /// sessions of the server.
    readers: Slab<Reader>,
}

/// The last entries, without holes, ending at the head. Bounded by `limits::RING_ENTRIES_MAX` and
/// `limits::RING_BYTES_MAX`. The oldest entries go first, and a reader that needs them reads the store. All tails
/// together are bounded by `limits::RINGS_BYTES_MAX`.
#[derive(Debug, Default)]
struct Tail {
    runs: VecDeque<Arc<Run>>,
    entries: usize,
    /// The size by [`Entry::wire_weight`].
    bytes: usize,
}

/// A piece of a room's tail: a whole run, unless the reader's cursor is inside it.
pub(crate) enum Piece<'a> {
    Run(&'a Arc<Run>),
    Entry(&'a Arc<Entry>),
}

/// A session that reads the room.
#[derive(Debug)]
struct Reader {
    session: SessionId,
    account: AccountId,
    mailbox: Arc<Mailbox>,
    /// Whether the session was told and has not read since. It need not be told again.
    told: bool,
}

/// The key of a reader in its room. Another session may get the key after the reader was expelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReaderKey(usize);

/// The result of reading a room at a cursor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Nothing is newer, or the session is no longer attached.
    CaughtUp,
    /// The next entries were handed out.
    Entries,
    /// The ring does not go back that far: read the store, up to this `seq`. Later entries are committed but not
    /// announced, and the reader may have left the room by then.
    Behind(Seq),
}

impl Room {
    pub(crate) fn new(id: RoomId, head: Seq, rings: &Arc<Rings>) -> Self {
        let state = State { head, tail: Tail::default(), written: 0, readers: Slab::new() };
        Self { id, state: Mutex::new(state), rings: Arc::clone(rings) }
    }

    /// Adds entries that were just committed together, and wakes the readers that were not told since they last read.
    /// Returns how many it woke. The sequencer calls it, in commit order.
    pub(crate) fn advance(&self, entries: &[Arc<Entry>]) -> usize {
        let mut state = self.lock();
        let (known, held) = (state.head, state.tail.bytes);
        let readers = u32::try_from(state.readers.len()).unwrap_or(u32::MAX);
        for run in runs(entries.iter().filter(|entry| entry.seq > known), readers) {
            if run.first() != state.head.next() {
                // Entries between were committed before this room was in memory. The store has them.
                state.tail = Tail::default();
            }
            state.head = run.last();
            state.tail.push(run);
        }
        if state.head > known {
            self.rings.resized(held, state.tail.bytes);
            state.written = self.rings.writing();
        }
        // Wakes even if the head was known: a session that read it from the store before this call did not tell the
        // others.
        state.wake(self.id)
    }

    /// Notes that the log has grown, without the entries: readers get them from the store. Wakes them like
    /// [`Room::advance`].
    pub(crate) fn grew_to(&self, head: Seq) {
        let mut state = self.lock();
        if head > state.head {
            state.head = head;
            self.forget(&mut state);
            state.wake(self.id);
        }
    }

    /// Forgets the tail up to an entry that has changed. A reader that has not read that far reads the store.
    pub(crate) fn forget_up_to(&self, target: Seq) {
        let mut state = self.lock();
        let held = state.tail.bytes;
        state.tail.forget_up_to(target);
        self.rings.resized(held, state.tail.bytes);
    }

    /// Takes over a head that was read from the store. The entries up to it were committed before the room was in
    /// memory, or [`Room::advance`] is about to bring them. Does not wake anybody.
    pub(crate) fn raise_head(&self, head: Seq) {
        let mut state = self.lock();
        if head > state.head {
            state.head = head;
            self.forget(&mut state);
        }
    }

    /// Returns when the tail was last written, by [`Rings::writing`], or `None` if it is empty.
    pub(crate) fn written(&self) -> Option<u64> {
        let state = self.lock();
        (state.tail.bytes > 0).then_some(state.written)
    }

    /// Forgets the tail. A reader that needs it reads the store.
    pub(crate) fn forget_tail(&self) {
        self.forget(&mut self.lock());
    }

    fn forget(&self, state: &mut State) {
        self.rings.resized(state.tail.bytes, 0);
        state.tail = Tail::default();
    }

    /// Returns the head.
    pub(crate) fn head(&self) -> Seq {
        self.lock().head
    }

    /// Returns the head that was announced to a reader, or `None` if the session is not a reader.
    pub(crate) fn head_for(&self, session: SessionId, key: ReaderKey) -> Option<Seq> {
        let mut state = self.lock();
        state.reader(session, key).is_some().then_some(state.head)
    }

    /// Adds a reader, which is woken from now on.
    pub(crate) fn attach(&self, session: SessionId, account: AccountId, mailbox: &Arc<Mailbox>) -> ReaderKey {
        let reader = Reader { session, account, mailbox: Arc::clone(mailbox), told: false };
        ReaderKey(self.lock().readers.insert(reader))
    }

    /// Removes a reader, and returns whether no reader is left.
    pub(crate) fn detach(&self, session: SessionId, key: ReaderKey) -> bool {
        let mut state = self.lock();
        if state.reader(session, key).is_some() {
            state.readers.remove(key.0);
        }
        state.readers.is_empty()
    }

    /// Removes all sessions of an account that left the room. They must not see later entries.
    pub(crate) fn expel(&self, account: AccountId) {
        self.lock().readers.retain(|_, reader| reader.account != account);
    }

    /// Returns whether the session is a reader.
    pub(crate) fn is_read_by(&self, session: SessionId, key: ReaderKey) -> bool {
        self.lock().reader(session, key).is_some()
    }

    /// Returns the accounts that read the room.
    pub(crate) fn accounts(&self) -> BTreeSet<AccountId> {
        self.lock().readers.iter().map(|(_, reader)| reader.account).collect()
    }

    /// Wakes all readers for a change outside the log.
    pub(crate) fn wake_readers(&self) {
        for (_, reader) in &self.lock().readers {
            reader.mailbox.leave(|waiting| waiting.latest_changed = true);
        }
    }

    /// Passes what comes after `cursor` to `take`, until `bytes` are reached. From now on the reader is told about new
    /// entries again.
    pub(crate) fn read_after(
        &self,
        (session, key): (SessionId, ReaderKey),
        cursor: Seq,
        bytes: usize,
        take: impl FnMut(Piece<'_>),
    ) -> Read {
        let mut state = self.lock();
        let Some(reader) = state.reader(session, key) else { return Read::CaughtUp };
        reader.told = false;
        if cursor >= state.head {
            return Read::CaughtUp;
        }
        let missing = usize::try_from(state.head.get() - cursor.get()).unwrap_or(usize::MAX);
        // Wrong on purpose in a test build: what the ring has lost is lost.
        if missing > state.tail.entries && !failpoint::on("hub::ring_overrun") {
            return Read::Behind(state.head);
        }
        state.tail.read_after(cursor, bytes, take);
        Read::Entries
    }

    /// Locks the room. Nothing panics while the lock is held. Even after a panic, the tail would be a run of committed
    /// entries.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let held = self.lock().tail.bytes;
        self.rings.resized(held, 0);
    }
}

impl State {
    /// Wakes the readers that were not told since they last read. Returns how many it woke.
    fn wake(&mut self, room: RoomId) -> usize {
        let mut woken = 0;
        for (_, reader) in &mut self.readers {
            if !reader.told {
                reader.told = true;
                reader.mailbox.leave(|waiting| waiting.dirty.push(room));
                woken += 1;
            }
        }
        woken
    }

    /// Returns the reader with this key, if it is still this session.
    fn reader(&mut self, session: SessionId, key: ReaderKey) -> Option<&mut Reader> {
        self.readers.get_mut(key.0).filter(|reader| reader.session == session)
    }
}

impl Tail {
    fn push(&mut self, run: Run) {
        self.entries += run.entries().len();
        self.bytes += weight(&run);
        self.runs.push_back(Arc::new(run));
        while self.entries > limits::RING_ENTRIES_MAX || self.bytes > limits::RING_BYTES_MAX {
            let Some(oldest) = self.runs.pop_front() else { break };
            self.dropped(&oldest);
        }
    }

    fn forget_up_to(&mut self, target: Seq) {
        while let Some(oldest) = self.runs.pop_front_if(|run| run.first() <= target) {
            self.dropped(&oldest);
        }
    }

    fn dropped(&mut self, run: &Run) {
        self.entries -= run.entries().len();
        self.bytes -= weight(run);
    }

    fn read_after(&self, cursor: Seq, bytes_max: usize, mut take: impl FnMut(Piece<'_>)) {
        let (mut bytes, seen) = (0, self.runs.partition_point(|run| run.last() <= cursor));
        for run in self.runs.range(seen..) {
            if run.first() > cursor {
                take(Piece::Run(run));
            } else {
                // The reader's cursor is inside the run.
                run.entries()
                    .iter()
                    .filter(|entry| entry.seq > cursor)
                    .for_each(|entry| take(Piece::Entry(entry)));
            }
            bytes += weight(run);
            if bytes >= bytes_max {
                return;
            }
        }
    }
}

fn weight(run: &Run) -> usize {
    run.entries().iter().map(|entry| entry.wire_weight()).sum()
}

/// Cuts entries into runs, where a run would be too large and where there is a hole. `readers` is the number of the
/// room's readers.
fn runs<'a>(entries: impl Iterator<Item = &'a Arc<Entry>>, readers: u32) -> Vec<Run> {
    let (mut runs, mut bytes): (Vec<Run>, usize) = (Vec::new(), 0);
    for entry in entries {
        bytes += entry.wire_weight();
        match runs.last_mut() {
            Some(run) if bytes <= limits::RUN_BYTES_MAX && entry.seq == run.last().next() => {
                run.push(Arc::clone(entry));
            }
            _ => {
                bytes = entry.wire_weight();
                runs.push(Run::of(Arc::clone(entry), readers));
            }
        }
    }
    runs
}

#[cfg(test)]
mod tests;
