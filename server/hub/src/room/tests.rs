//! Tests of [`Room`].

use lanchat_model::{AccountName, ClientId, MessageText, Timestamp};

use super::*;
use crate::announcer::Announcer;
use crate::bus::LocalBus;
use crate::entry::{Body, Subject};
use crate::mailbox::Waiting;
use crate::registry::Registry;

fn name() -> AccountName {
    "ana".parse().unwrap()
}

fn entry(seq: u64) -> Arc<Entry> {
    Arc::new(Entry {
        room: RoomId(1),
        seq: Seq::try_from(seq).unwrap(),
        client_id: ClientId::from_bytes([0; 16]),
        author: AccountId(1),
        author_name: name(),
        at: Timestamp(0),
        body: Body::Joined(Subject { account: AccountId(1), name: name() }),
    })
}

fn reader(registry: &Arc<Registry>, account: i64) -> (SessionId, AccountId, Arc<Mailbox>) {
    let place = registry.reserve(10).unwrap();
    let (session, mailbox) =
        registry.enter(AccountId(account), lanchat_model::DeviceId(account), 1, place).unwrap();
    (session, AccountId(account), mailbox)
}

/// Returns the rooms that a session was told about.
fn dirty(mailbox: &Mailbox) -> Vec<RoomId> {
    let mut waiting = Waiting::default();
    mailbox.swap(&mut waiting);
    waiting.dirty
}

/// Returns the seqs that a session reads after `cursor`, or `None` if it has to read the store.
fn read(room: &Room, reader: (SessionId, ReaderKey), cursor: Seq) -> Option<Vec<u64>> {
    let mut found = Vec::new();
    let read = room.read_after(reader, cursor, usize::MAX, |piece| match piece {
        Piece::Run(run) => found.extend(run.entries().iter().map(|entry| entry.seq.get())),
        Piece::Entry(entry) => found.push(entry.seq.get()),
    });
    (!matches!(read, Read::Behind(_))).then_some(found)
}

#[test]
fn who_is_expelled_reads_nothing_even_with_an_old_cursor() {
    let (registry, room) = (Arc::new(Registry::default()), Room::new(RoomId(1), Seq::ZERO, &Arc::default()));
    let readers = [reader(&registry, 1), reader(&registry, 2)];
    let [one, other] = readers
        .each_ref()
        .map(|(session, account, mailbox)| (*session, room.attach(*session, *account, mailbox)));
    room.expel(readers[0].1);
    room.advance(&[entry(1)]);
    assert_eq!(read(&room, one, Seq::ZERO), Some(vec![]));
    assert_eq!(read(&room, other, Seq::ZERO), Some(vec![1]));
    assert!(dirty(&readers[0].2).is_empty() && !dirty(&readers[1].2).is_empty());
}

#[test]
fn who_has_the_place_of_one_expelled_is_not_taken_for_it() {
    let (registry, room) = (Arc::new(Registry::default()), Room::new(RoomId(1), Seq::ZERO, &Arc::default()));
    let (ana, bob) = (reader(&registry, 1), reader(&registry, 2));
    let anas = room.attach(ana.0, ana.1, &ana.2);
    room.expel(ana.1);
    let bobs = room.attach(bob.0, bob.1, &bob.2);
    assert_eq!(anas, bobs, "the place is used again");
    room.advance(&[entry(1)]);
    assert_eq!(read(&room, (ana.0, anas), Seq::ZERO), Some(vec![]));
    assert!(!room.detach(ana.0, anas) && room.is_read_by(bob.0, bobs));
}

#[test]
fn a_reader_is_told_once_until_it_reads() {
    let (registry, room) = (Arc::new(Registry::default()), Room::new(RoomId(1), Seq::ZERO, &Arc::default()));
    let (session, account, mailbox) = reader(&registry, 1);
    let key = room.attach(session, account, &mailbox);
    for seq in 1..=2 {
        room.advance(&[entry(seq)]);
    }
    assert_eq!(dirty(&mailbox), [RoomId(1)]);
    assert_eq!(read(&room, (session, key), Seq::ZERO), Some(vec![1, 2]));
    room.advance(&[entry(3)]);
    assert_eq!(dirty(&mailbox), [RoomId(1)]);
}

#[test]
fn all_tails_together_are_bounded_and_the_oldest_go() {
    let registry = Arc::new(Registry::default());
    let announcer = Announcer::new(Arc::clone(&registry), Arc::new(LocalBus));
    let (session, account, mailbox) = reader(&registry, 1);
    let last = i64::try_from(2 * limits::RINGS_BYTES_MAX / limits::RING_BYTES_MAX).unwrap();
    let rooms: Vec<_> =
        (1..=last).map(|id| registry.attach(session, account, &mailbox, RoomId(id), Seq::ZERO)).collect();
    let long = Body::Message {
        text: MessageText::parse(&"x".repeat(limits::MESSAGE_BYTES_MAX)).unwrap(),
        action: false,
    };
    let count = (limits::RING_BYTES_MAX / limits::MESSAGE_BYTES_MAX) as u64;
    for id in 1..=last {
        for seq in 1..=count {
            let entry = Entry { room: RoomId(id), body: long.clone(), ..Entry::clone(&entry(seq)) };
            announcer.shows(&Arc::new(entry));
            assert!(registry.tail_bytes() <= limits::RINGS_BYTES_MAX);
        }
    }
    let found = |at: usize| read(&rooms[at].0, (session, rooms[at].1), entry(count - 1).seq);
    assert_eq!(found(0), None, "the store has it");
    assert_eq!(found(rooms.len() - 1), Some(vec![count]));

    let read = rooms.iter().map(|(room, key)| (room.id, *key));
    registry.exit(account, session, read.collect::<Vec<_>>().into_iter());
    drop(rooms);
    assert_eq!(registry.tail_bytes(), 0);
}

#[test]
fn a_hole_before_an_entry_sends_readers_to_the_store() {
    let (registry, room) = (Arc::new(Registry::default()), Room::new(RoomId(1), Seq::ZERO, &Arc::default()));
    let (session, account, mailbox) = reader(&registry, 1);
    let reader = (session, room.attach(session, account, &mailbox));
    room.advance(&[entry(1)]);
    room.advance(&[entry(3)]);
    assert_eq!(read(&room, reader, Seq::ZERO), None);
    assert_eq!(read(&room, reader, entry(2).seq), Some(vec![3]));
}

#[test]
fn what_was_committed_together_is_one_piece_but_for_who_came_in_between() {
    let (registry, room) = (Arc::new(Registry::default()), Room::new(RoomId(1), Seq::ZERO, &Arc::default()));
    let (session, account, mailbox) = reader(&registry, 1);
    let reader = (session, room.attach(session, account, &mailbox));
    room.advance(&[entry(1), entry(2), entry(3)]);
    let pieces = |cursor: Seq| {
        let mut found = Vec::new();
        room.read_after(reader, cursor, usize::MAX, |piece| {
            found.push(match piece {
                Piece::Run(run) => run.entries().len(),
                Piece::Entry(_) => 1,
            });
        });
        found
    };
    assert_eq!(pieces(Seq::ZERO), [3]);
    assert_eq!(pieces(entry(1).seq), [1, 1]);
    assert_eq!(pieces(entry(3).seq), [0; 0]);
}

#[test]
fn runs_and_the_tail_are_bounded() {
    let (registry, room) = (Arc::new(Registry::default()), Room::new(RoomId(1), Seq::ZERO, &Arc::default()));
    let (session, account, mailbox) = reader(&registry, 1);
    let reader = (session, room.attach(session, account, &mailbox));
    let most = limits::RING_ENTRIES_MAX as u64;
    let all: Vec<_> = (1..=most + 100).map(entry).collect();
    room.advance(&all);
    room.read_after(reader, entry(most).seq, usize::MAX, |piece| {
        assert!(
            matches!(piece, Piece::Entry(_))
                || matches!(piece, Piece::Run(run) if weight(run) <= limits::RUN_BYTES_MAX)
        );
    });
    assert_eq!(read(&room, reader, entry(99).seq), None, "the oldest have left");
    assert_eq!(read(&room, reader, entry(most).seq).map(|found| found.len()), Some(100));
}

/// A session that attaches may read the head between the commit and its announcement. The others must still be told.
#[test]
fn readers_are_told_of_entries_whose_head_somebody_knew_already() {
    let (registry, room) = (Arc::new(Registry::default()), Room::new(RoomId(1), Seq::ZERO, &Arc::default()));
    let (session, account, mailbox) = reader(&registry, 1);
    let key = room.attach(session, account, &mailbox);
    room.raise_head(entry(2).seq);
    assert!(dirty(&mailbox).is_empty());
    assert_eq!(room.advance(&[entry(1), entry(2)]), 1);
    assert_eq!(dirty(&mailbox), [RoomId(1)]);
    assert_eq!(read(&room, (session, key), Seq::ZERO), None, "the store has it");
}

#[test]
fn what_is_not_what_it_was_is_read_from_the_store() {
    let (registry, rings) = (Arc::new(Registry::default()), Arc::default());
    let room = Room::new(RoomId(1), Seq::ZERO, &rings);
    let (session, account, mailbox) = reader(&registry, 1);
    let reader = (session, room.attach(session, account, &mailbox));
    room.advance(&[entry(1), entry(2)]);
    room.advance(&[entry(3)]);
    room.forget_up_to(entry(2).seq);
    assert_eq!(read(&room, reader, entry(1).seq), None, "what was in one run with it goes too");
    assert_eq!(read(&room, reader, entry(2).seq), Some(vec![3]), "what came later stays");
    room.forget_up_to(entry(3).seq);
    assert_eq!(read(&room, reader, entry(2).seq), None);
    assert_eq!(rings.bytes(), 0, "what was let go of is held no longer");
    room.advance(&[entry(4)]);
    assert_eq!(read(&room, reader, entry(3).seq), Some(vec![4]), "and it goes on");
}
