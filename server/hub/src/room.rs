//! A room in memory: the tail of its log, and the sessions that read it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lanchat_model::{AccountId, RoomId, Seq, limits};

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
    /// Who is to be woken. Bounded by the sessions of the server.
    attached: HashMap<SessionId, (AccountId, Arc<Mailbox>)>,
}

/// What a session reads of a room at a cursor.
#[derive(Debug)]
pub(crate) enum Read {
    /// Nothing is newer, or the session is not attached any more.
    CaughtUp,
    /// The next entries.
    Entries(Vec<Arc<Entry>>),
    /// The ring does not go back that far: read the store.
    Behind,
}

impl Room {
    pub(crate) fn new(id: RoomId, head: Seq) -> Self {
        let state = State { head, tail: VecDeque::new(), tail_bytes: 0, attached: HashMap::new() };
        Self { id, state: Mutex::new(state) }
    }

    /// Takes in an entry that was just committed, and wakes the readers. Called by the sequencer, in commit order.
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
        for (_, mailbox) in state.attached.values() {
            mailbox.leave(|waiting| {
                waiting.dirty.insert(self.id);
            });
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
    pub(crate) fn attach(&self, session: SessionId, account: AccountId, mailbox: &Arc<Mailbox>) {
        self.lock().attached.insert(session, (account, Arc::clone(mailbox)));
    }

    /// Removes a reader, and tells whether nobody is left.
    pub(crate) fn detach(&self, session: SessionId) -> bool {
        let mut state = self.lock();
        state.attached.remove(&session);
        state.attached.is_empty()
    }

    /// Removes all sessions of an account that left the room. What comes after is not theirs to see.
    pub(crate) fn expel(&self, account: AccountId) {
        self.lock().attached.retain(|_, (attached, _)| *attached != account);
    }

    /// Whether the session is a reader.
    pub(crate) fn is_read_by(&self, session: SessionId) -> bool {
        self.lock().attached.contains_key(&session)
    }

    /// The accounts that read it.
    pub(crate) fn accounts(&self) -> BTreeSet<AccountId> {
        self.lock().attached.values().map(|(account, _)| *account).collect()
    }

    /// Wakes all readers for something that is not in the log.
    pub(crate) fn touch(&self) {
        for (_, mailbox) in self.lock().attached.values() {
            mailbox.leave(|waiting| waiting.latest_changed = true);
        }
    }

    /// What comes after `cursor`, at most `limit` entries.
    pub(crate) fn read_after(&self, session: SessionId, cursor: Seq, limit: usize) -> Read {
        let state = self.lock();
        if cursor >= state.head || !state.attached.contains_key(&session) {
            return Read::CaughtUp;
        }
        // tail holds seqs head - len + 1 ..= head.
        let missing = state.head.get() - cursor.get();
        let Some(skip) = state.tail.len().checked_sub(usize::try_from(missing).unwrap_or(usize::MAX)) else {
            // Wrong in a test build: what the ring has lost is lost.
            let lost = failpoint::on("hub::ring_overrun");
            return if lost {
                Read::Entries(state.tail.iter().take(limit).cloned().collect())
            } else {
                Read::Behind
            };
        };
        Read::Entries(state.tail.iter().skip(skip).take(limit).cloned().collect())
    }

    /// Nothing panics while the lock is held; if it did, the tail is still a run of committed entries.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use lanchat_model::{AccountName, ClientId, Timestamp};

    use super::*;
    use crate::entry::{Body, WireForm};
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

    #[test]
    fn who_is_expelled_reads_nothing_even_with_an_old_cursor() {
        let (registry, room) = (Arc::new(Registry::default()), Room::new(RoomId(1), Seq::ZERO));
        let readers = [reader(&registry, 1), reader(&registry, 2)];
        for (session, account, mailbox) in &readers {
            room.attach(*session, *account, mailbox);
        }
        room.expel(readers[0].1);
        room.advance(&entry(1));
        assert!(matches!(room.read_after(readers[0].0, Seq::ZERO, 10), Read::CaughtUp));
        assert!(
            matches!(room.read_after(readers[1].0, Seq::ZERO, 10), Read::Entries(found) if found.len() == 1)
        );
        assert!(readers[0].2.take().dirty.is_empty() && !readers[1].2.take().dirty.is_empty());
    }

    #[test]
    fn a_hole_before_an_entry_sends_readers_to_the_store() {
        let (registry, room) = (Arc::new(Registry::default()), Room::new(RoomId(1), Seq::ZERO));
        let (session, account, mailbox) = reader(&registry, 1);
        room.attach(session, account, &mailbox);
        room.advance(&entry(1));
        room.advance(&entry(3));
        assert!(matches!(room.read_after(session, Seq::ZERO, 10), Read::Behind));
        assert!(
            matches!(room.read_after(session, entry(2).seq, 10), Read::Entries(found) if found[0].seq.get() == 3)
        );
    }
}
