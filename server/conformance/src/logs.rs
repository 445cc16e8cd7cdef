//! Cases of `port::Log`.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails fails the test")]
#![allow(missing_docs, reason = "the name of a case says what a store must do")]

use std::sync::Arc;

use lanchat_hub::port::{Appended, Draft, Moved, Store};
use lanchat_hub::{Body, Entry, Refusal};
use lanchat_model::{MessageText, RoomId, RoomName, Seq, limits};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::scene::{
    Person, append, draft, facts, fresh, fresh_name, group, join, joined, left, message, person, seqs,
};

/// Makes somebody in a room of their own, whose log has one entry.
async fn author(store: &dyn Store) -> (Person, RoomId) {
    let ana = person(store, "ana").await;
    let room = group(store, &fresh_name("room")).await.id;
    assert_eq!(join(store, &ana, room).await.seq.get(), 1);
    (ana, room)
}

/// Appends messages with these texts.
async fn say(store: &dyn Store, author: &Person, room: RoomId, texts: impl Iterator<Item = String>) {
    let drafts = texts.map(|text| draft(author, room, message(&text))).collect();
    assert!(
        store.append(drafts).await.unwrap().iter().all(|answer| matches!(answer, Appended::Fresh { .. }))
    );
}

fn at(seq: u64) -> Seq {
    Seq::try_from(seq).unwrap()
}

pub async fn drafts_are_numbered_in_order(store: Arc<dyn Store>) {
    let (ana, room) = author(&*store).await;
    let elsewhere = group(&*store, &fresh_name("room")).await.id;
    let action = Body::Message { text: MessageText::parse("waves\n🦀").unwrap(), action: true };
    let drafts = vec![
        draft(&ana, room, message("one")),
        draft(&ana, elsewhere, joined(&ana)),
        draft(&ana, room, action.clone()),
        draft(&ana, elsewhere, message("there")),
        draft(&ana, room, left(&ana)),
    ];
    let ids: Vec<_> = drafts.iter().map(|draft| draft.client_id).collect();
    let entries: Vec<_> = store.append(drafts).await.unwrap().into_iter().map(fresh).collect();
    assert_eq!(seqs(&entries), [2, 1, 3, 2, 4]);
    assert_eq!(entries.iter().map(|entry| entry.client_id).collect::<Vec<_>>(), ids);

    let log = store.read_after(room, Seq::ZERO, 10).await.unwrap();
    assert_eq!(seqs(&log), [1, 2, 3, 4]);
    assert_eq!(log[2].body, action);
    for (read, answered) in log[1..].iter().zip([&entries[0], &entries[2], &entries[4]]) {
        assert_eq!(facts(read), facts(answered));
    }
}

pub async fn a_resend_is_answered_as_the_first_time(store: Arc<dyn Store>) {
    let (ana, room) = author(&*store).await;
    let post = draft(&ana, room, message("once"));
    let first = fresh(append(&*store, post.clone()).await);
    for _ in 0..2 {
        let Appended::Again(again) = append(&*store, post.clone()).await else { panic!("not a resend") };
        assert_eq!(facts(&again), facts(&first));
    }
    // The same holds after the author has left: an acknowledged post stays acknowledged.
    append(&*store, draft(&ana, room, left(&ana))).await;
    assert!(matches!(append(&*store, post).await, Appended::Again(_)));
    assert_eq!(seqs(&store.read_after(room, Seq::ZERO, 10).await.unwrap()), [1, 2, 3]);
}

pub async fn a_resend_in_the_same_batch_is_one_entry(store: Arc<dyn Store>) {
    let (ana, room) = author(&*store).await;
    let post = draft(&ana, room, message("once"));
    let answers = store.append(vec![post.clone(), post]).await.unwrap();
    let [Appended::Fresh { entry: first, .. }, Appended::Again(again)] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!(facts(first), facts(again));
}

pub async fn an_id_stands_for_one_post_of_one_author(store: Arc<dyn Store>) {
    let (ana, room) = author(&*store).await;
    let bo = person(&*store, "bo").await;
    join(&*store, &bo, room).await;
    let lobby = store.group(RoomName::lobby()).await.unwrap().unwrap().id;
    let post = draft(&ana, room, message("this"));
    let text = MessageText::parse("this").unwrap();
    fresh(append(&*store, post.clone()).await);
    let others = [
        Draft { body: message("that"), ..post.clone() },
        Draft { body: Body::Message { text, action: true }, ..post.clone() },
        Draft { room: lobby, ..post.clone() },
        Draft { body: left(&ana), ..post.clone() },
    ];
    for other in others {
        assert!(matches!(append(&*store, other).await, Appended::Refused(Refusal::IdReused)));
    }
    let same_id = Draft { author: bo.id, author_name: bo.name.clone(), ..post };
    assert_eq!(fresh(append(&*store, same_id).await).seq, at(4), "ids of different authors are different");
}

/// Some stores keep long and short texts in different places.
pub async fn texts_of_all_lengths_are_kept_as_they_were_posted(store: Arc<dyn Store>) {
    let (ana, room) = author(&*store).await;
    let texts: Vec<_> = [1, 799, 800, 801, 1002, 5000, limits::MESSAGE_BYTES_MAX - 1]
        .map(|length| "é".repeat(length / 2) + "!")
        .into();
    let posts: Vec<_> = texts.iter().map(|text| draft(&ana, room, message(text))).collect();
    for post in &posts {
        fresh(append(&*store, post.clone()).await);
    }
    let log = store.read_after(room, at(1), 100).await.unwrap();
    let kept: Vec<_> = log.iter().map(|entry| entry.body.clone()).collect();
    assert_eq!(kept, posts.iter().map(|post| post.body.clone()).collect::<Vec<_>>());
    let before = store.read_before(room, Seq::MAX, 100).await.unwrap();
    assert_eq!(before.last().unwrap().body, posts.last().unwrap().body);
    for post in &posts {
        assert!(matches!(append(&*store, post.clone()).await, Appended::Again(_)));
        let other = Draft { body: message(&"x".repeat(2000)), ..post.clone() };
        assert!(matches!(append(&*store, other).await, Appended::Refused(Refusal::IdReused)));
    }
    assert_eq!(store.read_after(room, at(1), 100).await.unwrap().len(), posts.len());
}

pub async fn only_members_write(store: Arc<dyn Store>) {
    let (ana, room) = author(&*store).await;
    let bo = person(&*store, "bo").await;
    assert!(matches!(
        append(&*store, draft(&bo, room, message("hi"))).await,
        Appended::Refused(Refusal::NotAMember)
    ));
    assert!(matches!(append(&*store, draft(&bo, room, left(&bo))).await, Appended::Unchanged));
    assert!(matches!(append(&*store, draft(&ana, room, joined(&ana))).await, Appended::Unchanged));
    let nowhere = RoomId(i64::MAX);
    for body in [message("hi"), joined(&bo)] {
        assert!(matches!(
            append(&*store, draft(&bo, nowhere, body)).await,
            Appended::Refused(Refusal::NotAMember)
        ));
    }
    // Within one batch, each draft sees the effect of the drafts before it.
    let bodies = [joined(&bo), message("hi"), left(&bo), message("again")];
    let drafts = bodies.map(|body| draft(&bo, room, body)).into();
    let answers = store.append(drafts).await.unwrap();
    let [
        Appended::Fresh { moved: Moved::Entered(entered), .. },
        Appended::Fresh { moved: Moved::Head, .. },
        Appended::Fresh { entry: last, moved: Moved::Left(gone) },
        Appended::Refused(Refusal::NotAMember),
    ] = &answers[..]
    else {
        panic!("{answers:?}")
    };
    assert_eq!((*entered, *gone), (bo.id, bo.id), "each says what it moved");
    assert_eq!(last.seq, at(4), "a refusal takes no place in the log");
}

pub async fn pages_are_bounded_in_entries(store: Arc<dyn Store>) {
    let (ana, room) = author(&*store).await;
    say(&*store, &ana, room, (2..=10).map(|n| format!("line {n}"))).await;
    let after = async |seq, limit| seqs(&store.read_after(room, at(seq), limit).await.unwrap());
    let before = async |seq, limit| seqs(&store.read_before(room, at(seq), limit).await.unwrap());
    assert_eq!(after(0, 3).await, [1, 2, 3]);
    assert_eq!(after(8, 3).await, [9, 10]);
    assert_eq!(after(10, 3).await, [0; 0]);
    assert_eq!(before(10, 3).await, [7, 8, 9]);
    assert_eq!(before(3, 3).await, [1, 2]);
    assert_eq!(before(1, 3).await, [0; 0]);
    assert_eq!(before(Seq::MAX.get(), 2).await, [9, 10]);
    assert_eq!(after(0, 0).await, [0; 0]);
    assert_eq!(store.read_after(RoomId(i64::MAX), Seq::ZERO, 3).await.unwrap().len(), 0);
}

pub async fn pages_are_bounded_in_bytes(store: Arc<dyn Store>) {
    let (ana, room) = author(&*store).await;
    let each = limits::MESSAGE_BYTES_MAX + limits::ENTRY_OVERHEAD_BYTES_MAX;
    let (fit, fit_replay) = (limits::PAGE_BYTES_MAX / each, limits::REPLAY_PAGE_BYTES_MAX / each);
    let largest = "x".repeat(limits::MESSAGE_BYTES_MAX);
    say(&*store, &ana, room, (0..fit + 5).map(|_| largest.clone())).await;
    let head = fit as u64 + 6;
    // The first entry has hardly any weight.
    let oldest: Vec<u64> = (1..=fit_replay as u64 + 1).collect();
    assert_eq!(seqs(&store.read_after(room, Seq::ZERO, 500).await.unwrap()), oldest);
    let latest: Vec<u64> = (head + 1 - fit as u64..=head).collect();
    assert_eq!(seqs(&store.read_before(room, Seq::MAX, 500).await.unwrap()), latest);
}

/// Texts that earlier releases accepted, and that people may write, are counted as they are encoded on the wire.
pub async fn pages_are_bounded_as_they_are_encoded(store: Arc<dyn Store>) {
    for (character, length) in [("\u{1}", 6), ("\"", 2), ("\n\"", 2)] {
        let (ana, room) = author(&*store).await;
        let text = character.repeat(limits::MESSAGE_BYTES_MAX / character.len());
        let body = Body::Message { text: MessageText::stored(&text).unwrap(), action: false };
        let drafts = (0..48).map(|_| draft(&ana, room, body.clone())).collect();
        assert!(
            store.append(drafts).await.unwrap().iter().all(|answer| matches!(answer, Appended::Fresh { .. }))
        );
        let each = limits::MESSAGE_BYTES_MAX * length + limits::ENTRY_OVERHEAD_BYTES_MAX;
        let (fit, fit_replay) = (limits::PAGE_BYTES_MAX / each, limits::REPLAY_PAGE_BYTES_MAX / each);
        assert!(fit >= 2, "a page is more than one entry");
        let (mut after, mut before) = (at(1), Seq::MAX);
        let (mut forth, mut back) = (Vec::new(), Vec::new());
        while after < at(49) {
            let page = store.read_after(room, after, 200).await.unwrap();
            assert!((1..=fit_replay.max(1)).contains(&page.len()), "{} entries of {each} bytes", page.len());
            forth.extend(seqs(&page));
            after = page.last().unwrap().seq;
        }
        while before > at(2) {
            let page = store.read_before(room, before, 200).await.unwrap();
            assert!((1..=fit + 1).contains(&page.len()), "{} entries of {each} bytes", page.len());
            back.splice(0..0, seqs(&page));
            before = page[0].seq;
        }
        assert_eq!(forth, (2..=49).collect::<Vec<_>>());
        assert!(back.ends_with(&forth), "{back:?}");
    }
}

pub async fn many_authors_at_once_keep_their_order(store: Arc<dyn Store>) {
    const AUTHORS: usize = 16;
    const POSTS: usize = 40;
    let room = group(&*store, &fresh_name("room")).await.id;
    let start = Arc::new(Barrier::new(AUTHORS));
    let mut writing = JoinSet::new();
    for _ in 0..AUTHORS {
        let author = person(&*store, "ana").await;
        join(&*store, &author, room).await;
        let (store, start) = (Arc::clone(&store), Arc::clone(&start));
        writing.spawn(async move {
            start.wait().await;
            let mut acked = Vec::new();
            for n in 0..POSTS {
                let entry = fresh(append(&*store, draft(&author, room, message(&n.to_string()))).await);
                // An acknowledged entry can be read at once, by anybody.
                let page = store.read_after(room, entry.seq.back(1), 1).await.unwrap();
                assert_eq!(facts(&page[0]), facts(&entry));
                acked.push(entry.seq.get());
            }
            (author.name, acked)
        });
    }
    let acked = writing.join_all().await;
    let total = AUTHORS * (POSTS + 1);
    let mut log = Vec::new();
    while log.len() < total {
        let after = log.last().map_or(Seq::ZERO, |entry: &Arc<Entry>| entry.seq);
        log.extend(store.read_after(room, after, total + 1).await.unwrap());
    }
    assert_eq!(seqs(&log), (1..=total as u64).collect::<Vec<_>>());
    for (author, acked) in acked {
        let own = log.iter().filter(|entry| entry.author_name == author).skip(1);
        assert_eq!(own.map(|entry| entry.seq.get()).collect::<Vec<_>>(), acked, "in the order of the acks");
        assert!(acked.is_sorted());
    }
}
