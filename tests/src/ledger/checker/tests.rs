//! Tests the checker on runs with one violation each: a checker that never finds anything proves nothing.

use super::*;

fn entry(seq: u64, post: &str) -> Entry {
    Entry { seq, author: "ana".into(), id: post.into(), post: post.into() }
}

fn joined(seq: u64) -> Entry {
    Entry { seq, author: "ana".into(), id: "-".into(), post: "joined".into() }
}

fn sent(id: &str) -> Line {
    Line::Sent { room: "lobby".into(), id: id.into() }
}

fn acked(id: &str, seq: u64) -> Line {
    Line::Acked { room: "lobby".into(), id: id.into(), seq }
}

fn seen(entry: Entry) -> Line {
    Line::Seen { room: "lobby".into(), entry }
}

/// Returns a correct run: ana came, posted three messages and got their acks; bob was shown everything.
fn honest() -> Evidence {
    let log = vec![joined(1), entry(2, "a"), entry(3, "b"), entry(4, "c")];
    let written = ["a", "b", "c"].map(sent).into_iter();
    let written = written.chain([acked("a", 2), acked("b", 3), acked("c", 4), acked("c", 4)]);
    let shown = std::iter::once(Line::Epoch("e".into())).chain(log.iter().cloned().map(seen));
    Evidence {
        writers: BTreeMap::from([("ana".into(), written.collect())]),
        readers: BTreeMap::from([("bob".into(), shown.collect())]),
        rooms_of: BTreeMap::new(),
        logs: BTreeMap::from([("lobby".into(), log)]),
    }
}

/// Returns what the checker says after `spoil` has changed the evidence.
fn after(spoil: impl FnOnce(&mut Vec<Line>, &mut Vec<Line>, &mut Vec<Entry>)) -> Vec<Violation> {
    let Evidence { mut writers, mut readers, mut logs, rooms_of } = honest();
    spoil(writers.get_mut("ana").unwrap(), readers.get_mut("bob").unwrap(), logs.get_mut("lobby").unwrap());
    check(&Evidence { writers, readers, rooms_of, logs })
}

fn bob() -> (String, String) {
    ("bob".into(), "lobby".into())
}

#[test]
fn an_honest_run_is_clean() {
    assert_eq!(check(&honest()), []);
}

#[test]
fn an_acknowledged_post_that_is_gone_is_lost() {
    let found = after(|_, shown, log| {
        log.pop();
        shown.pop();
    });
    assert_eq!(found[0], Violation::LostAck { id: "c".into() });
}

#[test]
fn a_second_ack_must_say_the_same() {
    let found = after(|written, _, _| written.push(acked("c", 9)));
    assert_eq!(found, [Violation::MovedAck { id: "c".into(), acked: 9, stored: 4 }]);
}

#[test]
fn a_post_in_the_log_twice_is_doubled_whatever_id_the_second_copy_has() {
    let found = after(|_, shown, log| {
        let copy = Entry { id: "other".into(), ..entry(5, "c") };
        log.push(copy.clone());
        shown.push(seen(copy));
    });
    assert_eq!(found, [Violation::Doubled { id: "c".into() }]);
}

#[test]
fn a_post_that_was_resent_to_the_end_must_be_there() {
    let found = after(|written, _, _| written.push(sent("d")));
    assert_eq!(found, [Violation::Unsettled { id: "d".into() }]);
}

#[test]
fn a_log_has_no_holes() {
    let found = after(|_, _, log| log[3].seq = 5);
    assert_eq!(found[0], Violation::BrokenLog { room: "lobby".into(), expected: 4 });
}

#[test]
fn a_reader_misses_nothing_in_between_and_nothing_at_the_end() {
    let (reader, room) = bob();
    let hole = Violation::Hole { reader, room, expected: 3 };
    assert_eq!(after(|_, shown, _| drop(shown.remove(3))), std::slice::from_ref(&hole));
    assert_eq!(after(|_, shown, _| shown.truncate(3)), [hole]);
}

#[test]
fn a_reader_is_shown_nothing_twice() {
    let (reader, room) = bob();
    let found = after(|_, shown, _| shown.push(seen(entry(3, "b"))));
    assert_eq!(found, [Violation::Repeated { reader, room, seq: 3 }]);
}

#[test]
fn what_is_shown_is_in_the_log() {
    let (reader, room) = bob();
    let found = after(|_, shown, _| shown.push(seen(entry(5, "never stored"))));
    assert_eq!(found, [Violation::Phantom { reader, room, seq: 5 }]);
    let (reader, room) = bob();
    let found = after(|_, shown, _| shown[3] = seen(entry(3, "something else")));
    assert_eq!(found, [Violation::Phantom { reader, room, seq: 3 }]);
}

#[test]
fn posts_of_one_author_keep_their_order() {
    let found = after(|written, _, _| written.swap(0, 1));
    assert_eq!(found, [Violation::Reordered { earlier: "b".into(), later: "a".into() }]);
}

#[test]
fn nothing_is_in_the_log_that_nobody_sent_so() {
    let altered = |seq| Violation::Altered { room: "lobby".into(), seq };
    let found = after(|_, shown, log| {
        log[1].id = "z".into();
        shown[2] = seen(log[1].clone());
    });
    assert_eq!(found, [altered(2)]);
    let found = after(|_, shown, log| {
        log.push(entry(5, "x"));
        shown.push(seen(entry(5, "x")));
    });
    assert_eq!(found, [altered(5)]);
}

#[test]
fn who_is_not_in_a_room_learns_nothing_of_it() {
    let mut evidence = honest();
    evidence.rooms_of.insert("bob".into(), BTreeSet::new());
    let (reader, room) = bob();
    assert_eq!(check(&evidence)[0], Violation::Leaked { reader, room });
}

#[test]
fn the_epoch_stays() {
    let found = after(|written, _, _| written.push(Line::Epoch("f".into())));
    assert_eq!(found, [Violation::EpochChanged]);
}
