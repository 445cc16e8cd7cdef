//! A room in memory: the tail of its log, and the sessions that read it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lanchat_model::{AccountId, RoomId, Seq, limits};
use slab::Slab;

use crate::entry::{Entry, Run};
use crate::failpoint;
use crate::mailbox::Mailbox;
use crate::registry::SessionId;
use crate::rings::Rings;

/// A room that at least one session is attached to.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) id: RoomId,
    state: Mutex<State>,
    rings: Arc<Rings>,
}

#[derive(Debug)]
struct State {
    /// The last position that was committed, as far as this process knows.
    head: Seq,
    tail: Tail,
    /// When the tail was written last, by [`Rings::writing`].
    written: u64,
    /// Who is to be woken, in one run of memory: waking all is what a room does most. Bounded by the sessions of the
    /// server.
    readers: Slab<Reader>,
}

/// The last entries, without holes, ending at the head. Bounded by `limits::RING_ENTRIES_MAX` and
/// `limits::RING_BYTES_MAX`; the oldest leave first, and who needs those reads the store. All tails together are bounded by
/// `limits::RINGS_BYTES_MAX`.
#[derive(Debug, Default)]
struct Tail {
    runs: VecDeque<Arc<Run>>,
    entries: usize,
    /// By [`Entry::wire_weight`].
    bytes: usize,
}

/// What a session reads of a room's tail: a whole run wherever it stands before one.
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
    /// Word was left and the session has not read since: it needs no second one.
    told: bool,
}

/// The place of a reader in its room. Another session may have it after the reader was expelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReaderKey(usize);

/// What a session reads of a room at a cursor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Nothing is newer, or the session is not attached any more.
    CaughtUp,
    /// The next entries were handed out.
    Entries,
    /// The ring does not go back that far: read the store, up to this position. What is beyond it was committed and not
    /// announced: by then the reader may not be in the room any more.
    Behind(Seq),
}

impl Room {
    pub(crate) fn new(id: RoomId, head: Seq, rings: &Arc<Rings>) -> Self {
        let state = State { head, tail: Tail::default(), written: 0, readers: Slab::new() };
        Self { id, state: Mutex::new(state), rings: Arc::clone(rings) }
    }

    /// Takes in entries that were just committed together, and wakes the readers that were not told since they last
    /// read, so many as it returns. Called by the sequencer, in commit order.
    pub(crate) fn advance(&self, entries: &[Arc<Entry>]) -> usize {
        let mut state = self.lock();
        let (known, held) = (state.head, state.tail.bytes);
        let readers = u32::try_from(state.readers.len()).unwrap_or(u32::MAX);
        for run in runs(entries.iter().filter(|entry| entry.seq > known), readers) {
            if run.first() != state.head.next() {
                // Something between was committed before this room was in memory. The store has it.
                state.tail = Tail::default();
            }
            state.head = run.last();
            state.tail.push(run);
        }
        if state.head > known {
            self.rings.resized(held, state.tail.bytes);
            state.written = self.rings.writing();
        }
        // Also when the head was known: whoever read it from the store between commit and this call told nobody else.
        state.wake(self.id)
    }

    /// Takes in that the log goes further, without the entries: those who read it read the store. Wakes them as
    /// [`Room::advance`] does.
    pub(crate) fn grew_to(&self, head: Seq) {
        let mut state = self.lock();
        if head > state.head {
            state.head = head;
            self.forget(&mut state);
            state.wake(self.id);
        }
    }

    /// Lets go of what is in memory up to an entry that is not what it was: who has not read that far reads the store.
    pub(crate) fn forget_up_to(&self, target: Seq) {
        let mut state = self.lock();
        let held = state.tail.bytes;
        state.tail.forget_up_to(target);
        self.rings.resized(held, state.tail.bytes);
    }

    /// Learns of a head that was read from the store: of entries that were committed before the room was in memory, or that
    /// [`Room::advance`] is about to bring. Wakes nobody.
    pub(crate) fn raise_head(&self, head: Seq) {
        let mut state = self.lock();
        if head > state.head {
            state.head = head;
            self.forget(&mut state);
        }
    }

    /// When the tail was written last, by [`Rings::writing`]; `None`: it is empty.
    pub(crate) fn written(&self) -> Option<u64> {
        let state = self.lock();
        (state.tail.bytes > 0).then_some(state.written)
    }

    /// Forgets the tail: who needs it reads the store.
    pub(crate) fn forget_tail(&self) {
        self.forget(&mut self.lock());
    }

    fn forget(&self, state: &mut State) {
        self.rings.resized(state.tail.bytes, 0);
        state.tail = Tail::default();
    }

    /// The last position.
    pub(crate) fn head(&self) -> Seq {
        self.lock().head
    }

    /// The last position that was announced to a reader. `None`: it is none.
    pub(crate) fn head_for(&self, session: SessionId, key: ReaderKey) -> Option<Seq> {
        let mut state = self.lock();
        state.reader(session, key).is_some().then_some(state.head)
    }

    /// Adds a reader. From now on it is woken.
    pub(crate) fn attach(&self, session: SessionId, account: AccountId, mailbox: &Arc<Mailbox>) -> ReaderKey {
        let reader = Reader { session, account, mailbox: Arc::clone(mailbox), told: false };
        ReaderKey(self.lock().readers.insert(reader))
    }

    /// Removes a reader, and tells whether nobody is left.
    pub(crate) fn detach(&self, session: SessionId, key: ReaderKey) -> bool {
        let mut state = self.lock();
        if state.reader(session, key).is_some() {
            state.readers.remove(key.0);
        }
        state.readers.is_empty()
    }

    /// Removes all sessions of an account that left the room. What comes after is not theirs to see.
    pub(crate) fn expel(&self, account: AccountId) {
        self.lock().readers.retain(|_, reader| reader.account != account);
    }

    /// Whether the session is a reader.
    pub(crate) fn is_read_by(&self, session: SessionId, key: ReaderKey) -> bool {
        self.lock().reader(session, key).is_some()
    }

    /// The accounts that read it.
    pub(crate) fn accounts(&self) -> BTreeSet<AccountId> {
        self.lock().readers.iter().map(|(_, reader)| reader.account).collect()
    }

    /// Wakes all readers for something that is not in the log.
    pub(crate) fn wake_readers(&self) {
        for (_, reader) in &self.lock().readers {
            reader.mailbox.leave(|waiting| waiting.latest_changed = true);
        }
    }

    /// Hands what comes after `cursor` to `take`, until `bytes` are reached. From now on the reader is told of news again.
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
        // Wrong in a test build: what the ring has lost is lost.
        if missing > state.tail.entries && !failpoint::on("hub::ring_overrun") {
            return Read::Behind(state.head);
        }
        state.tail.read_after(cursor, bytes, take);
        Read::Entries
    }

    /// Nothing panics while the lock is held; if it did, the tail is still a run of committed entries.
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
    /// Wakes the readers that were not told since they last read: so many as it returns.
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

    /// The reader in a place, if it still is this session.
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
                // Somebody who came in the middle of it.
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

/// Cuts entries into runs: where one would be too large, and where there is a hole. So many read the room.
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
