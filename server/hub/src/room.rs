//! A room in memory: the tail of its log, and the sessions that read it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lanchat_model::{AccountId, RoomId, Seq, limits};
use slab::Slab;

use crate::entry::Entry;
use crate::failpoint;
use crate::mailbox::Mailbox;
use crate::registry::SessionId;

/// A room that at least one session is attached to.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) id: RoomId,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The last position that was committed, as far as this process knows.
    head: Seq,
    /// The last entries, without holes, ending at `head`. Bounded by `limits::RING_ENTRIES_MAX` and
    /// `limits::RING_BYTES_MAX`; the oldest leave first, and who needs those reads the store.
    tail: VecDeque<Arc<Entry>>,
    tail_bytes: usize,
    /// Who is to be woken, in one run of memory: waking all is what a room does most. Bounded by the sessions of the
    /// server.
    readers: Slab<Reader>,
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
    /// The ring does not go back that far: read the store.
    Behind,
}

impl Room {
    pub(crate) fn new(id: RoomId, head: Seq) -> Self {
        let state = State { head, tail: VecDeque::new(), tail_bytes: 0, readers: Slab::new() };
        Self { id, state: Mutex::new(state) }
    }

    /// Takes in an entry that was just committed. Called by the sequencer, in commit order; it wakes the readers once
    /// the whole batch is in, by [`Room::wake`].
    pub(crate) fn advance(&self, entry: &Arc<Entry>) {
        let mut state = self.lock();
        if entry.seq <= state.head {
            return;
        }
        if entry.seq != state.head.next() {
            // Something between was committed before this room was in memory. The store has it.
            state.tail.clear();
            state.tail_bytes = 0;
        }
        state.head = entry.seq;
        state.tail_bytes += entry.body.weight();
        state.tail.push_back(Arc::clone(entry));
        while state.tail.len() > limits::RING_ENTRIES_MAX || state.tail_bytes > limits::RING_BYTES_MAX {
            let Some(oldest) = state.tail.pop_front() else { break };
            state.tail_bytes -= oldest.body.weight();
        }
    }

    /// Wakes the readers that were not told since they last read.
    pub(crate) fn wake(&self) {
        for (_, reader) in &mut self.lock().readers {
            if !reader.told {
                reader.told = true;
                reader.mailbox.leave(|waiting| waiting.dirty.push(self.id));
            }
        }
    }

    /// Learns of a head that was read from the store: entries that were committed before the room was in memory.
    pub(crate) fn raise_head(&self, head: Seq) {
        let mut state = self.lock();
        if head > state.head {
            state.head = head;
            state.tail.clear();
            state.tail_bytes = 0;
        }
    }

    /// The last position.
    pub(crate) fn head(&self) -> Seq {
        self.lock().head
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
    pub(crate) fn touch(&self) {
        for (_, reader) in &self.lock().readers {
            reader.mailbox.leave(|waiting| waiting.latest_changed = true);
        }
    }

    /// Hands what comes after `cursor` to `take`, at most `limit` entries. From now on the reader is told of news again.
    pub(crate) fn read_after(
        &self,
        (session, key): (SessionId, ReaderKey),
        cursor: Seq,
        limit: usize,
        take: impl FnMut(&Arc<Entry>),
    ) -> Read {
        let mut state = self.lock();
        let Some(reader) = state.reader(session, key) else { return Read::CaughtUp };
        reader.told = false;
        if cursor >= state.head {
            return Read::CaughtUp;
        }
        // tail holds seqs head - len + 1 ..= head.
        let missing = state.head.get() - cursor.get();
        let skip = match state.tail.len().checked_sub(usize::try_from(missing).unwrap_or(usize::MAX)) {
            Some(skip) => skip,
            // Wrong in a test build: what the ring has lost is lost.
            None if failpoint::on("hub::ring_overrun") => 0,
            None => return Read::Behind,
        };
        state.tail.iter().skip(skip).take(limit).for_each(take);
        Read::Entries
    }

    /// Nothing panics while the lock is held; if it did, the tail is still a run of committed entries.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The reader in a place, if it still is this session.
    fn reader(&mut self, session: SessionId, key: ReaderKey) -> Option<&mut Reader> {
        self.readers.get_mut(key.0).filter(|reader| reader.session == session)
    }
}

#[cfg(test)]
mod tests {
    use lanchat_model::{AccountName, ClientId, Timestamp};

    use super::*;
    use crate::entry::{Body, WireForm};
    use crate::mailbox::Waiting;
    use crate::registry::Registry;

    fn entry(seq: u64) -> Arc<Entry> {
        Arc::new(Entry {
            room: RoomId(1),
            seq: Seq::try_from(seq).unwrap(),
            client_id: ClientId::from_bytes([0; 16]),
            author: "ana".parse::<AccountName>().unwrap(),
            at: Timestamp(0),
            body: Body::Joined,
            form: WireForm::default(),
        })
    }

    fn reader(registry: &Arc<Registry>, account: i64) -> (SessionId, AccountId, Arc<Mailbox>) {
        let place = registry.reserve(10).unwrap();
        let (session, mailbox) = registry.enter(AccountId(account), lanchat_model::DeviceId(account), place);
        (session, AccountId(account), mailbox)
    }

    /// The rooms that a session was told of.
    fn dirty(mailbox: &Mailbox) -> Vec<RoomId> {
        let mut waiting = Waiting::default();
        mailbox.swap(&mut waiting);
        waiting.dirty
    }

    /// The seqs that a session reads after `cursor`; none: it has to read the store.
    fn read(room: &Room, reader: (SessionId, ReaderKey), cursor: Seq) -> Option<Vec<u64>> {
        let mut found = Vec::new();
        let read = room.read_after(reader, cursor, 10, |entry| found.push(entry.seq.get()));
        (read != Read::Behind).then_some(found)
    }

    #[test]
    fn who_is_expelled_reads_nothing_even_with_an_old_cursor() {
        let (registry, room) = (Arc::new(Registry::default()), Room::new(RoomId(1), Seq::ZERO));
        let readers = [reader(&registry, 1), reader(&registry, 2)];
        let [one, other] = readers
            .each_ref()
            .map(|(session, account, mailbox)| (*session, room.attach(*session, *account, mailbox)));
        room.expel(readers[0].1);
        room.advance(&entry(1));
        room.wake();
        assert_eq!(read(&room, one, Seq::ZERO), Some(vec![]));
        assert_eq!(read(&room, other, Seq::ZERO), Some(vec![1]));
        assert!(dirty(&readers[0].2).is_empty() && !dirty(&readers[1].2).is_empty());
    }

    #[test]
    fn who_has_the_place_of_one_expelled_is_not_taken_for_it() {
        let (registry, room) = (Arc::new(Registry::default()), Room::new(RoomId(1), Seq::ZERO));
        let (ana, bob) = (reader(&registry, 1), reader(&registry, 2));
        let anas = room.attach(ana.0, ana.1, &ana.2);
        room.expel(ana.1);
        let bobs = room.attach(bob.0, bob.1, &bob.2);
        assert_eq!(anas, bobs, "the place is used again");
        room.advance(&entry(1));
        assert_eq!(read(&room, (ana.0, anas), Seq::ZERO), Some(vec![]));
        assert!(!room.detach(ana.0, anas) && room.is_read_by(bob.0, bobs));
    }

    #[test]
    fn a_reader_is_told_once_until_it_reads() {
        let (registry, room) = (Arc::new(Registry::default()), Room::new(RoomId(1), Seq::ZERO));
        let (session, account, mailbox) = reader(&registry, 1);
        let key = room.attach(session, account, &mailbox);
        for seq in 1..=2 {
            room.advance(&entry(seq));
            room.wake();
        }
        assert_eq!(dirty(&mailbox), [RoomId(1)]);
        assert_eq!(read(&room, (session, key), Seq::ZERO), Some(vec![1, 2]));
        room.advance(&entry(3));
        room.wake();
        assert_eq!(dirty(&mailbox), [RoomId(1)]);
    }

    #[test]
    fn a_hole_before_an_entry_sends_readers_to_the_store() {
        let (registry, room) = (Arc::new(Registry::default()), Room::new(RoomId(1), Seq::ZERO));
        let (session, account, mailbox) = reader(&registry, 1);
        let reader = (session, room.attach(session, account, &mailbox));
        room.advance(&entry(1));
        room.advance(&entry(3));
        assert_eq!(read(&room, reader, Seq::ZERO), None);
        assert_eq!(read(&room, reader, entry(2).seq), Some(vec![3]));
    }
}
