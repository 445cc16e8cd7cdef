//! What PROTOCOL.md promises for rare moments: for clients that left, were away, or are told late.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod memory_store;
mod people;
mod talk;

use std::collections::BTreeMap;

use lanchat_hub::port::Accounts;
use lanchat_hub::{
    Command, Credentials, Error, Event, Hub, HubOptions, Notice, PresenceState, Refusal, Reply,
};
use lanchat_model::{RoomName, RoomRef, Seq, limits};
use memory_store::MemoryStore;
use people::here;
use talk::{
    attach, drain, hub, lobby, log_in, notices, outcomes, post, presence_of, private, register, texts,
};
use tokio::time::timeout;

/// In a room that others are in, in one that everybody has left, and in one where the first post still waits for the
/// disk.
#[tokio::test(start_paused = true)]
async fn a_resend_by_somebody_who_left_is_answered_as_the_first_time() {
    let store = MemoryStore::new();
    let mut hub = Hub::open(store.clone(), HubOptions::default()).await.unwrap();
    let (mut bob, _) = register(&hub, "bob").await;
    let (mut ana, welcome) = register(&hub, "ana").await;
    attach(&mut ana).await;
    let [den, attic] = ["den", "attic"].map(|name| name.parse::<RoomName>().unwrap());
    bob.submit(Command::Join { room: den.clone(), tail: 0 }).await.unwrap();
    drop(bob);
    let den_view = RoomRef::Group(den.clone());
    let attic_view = RoomRef::Group(attic.clone());
    let mut acked = Vec::new();
    for (number, room) in [(1, &den), (2, &attic)] {
        ana.submit(Command::Join { room: room.clone(), tail: 0 }).await.unwrap();
        ana.submit(post(RoomRef::Group(room.clone()), number, "once")).await.unwrap();
        // In between, nothing was read or acknowledged.
        ana.submit(Command::Leave { room: room.clone() }).await.unwrap();
        ana.submit(post(RoomRef::Group(room.clone()), number, "once")).await.unwrap();
        let answers = outcomes(&drain(&mut ana).await);
        assert_eq!(answers.len(), 2);
        assert_eq!(answers[0], answers[1]);
        acked.push(answers[0].clone());
    }
    assert_eq!(acked, [Ok(3), Ok(2)], "behind who joined");
    for _ in 0..2 {
        for (number, view) in [(1, &den_view), (2, &attic_view)] {
            ana.submit(post(view.clone(), number, "once")).await.unwrap();
            ana.submit(post(view.clone(), number, "another text")).await.unwrap();
            ana.submit(post(view.clone(), 7, "new")).await.unwrap();
        }
        let nowhere = RoomRef::Group("nowhere".parse().unwrap());
        ana.submit(post(nowhere.clone(), 1, "once")).await.unwrap();
        ana.submit(post(nowhere, 8, "new")).await.unwrap();
        let events = drain(&mut ana).await;
        let (reused, stranger) = (Err(Refusal::IdReused), Err(Refusal::NotAMember));
        let expected = [&acked[0], &reused, &stranger, &acked[1], &reused, &stranger, &reused, &stranger];
        assert_eq!(outcomes(&events).iter().collect::<Vec<_>>(), expected);
        assert!(texts(&events).is_empty(), "who left reads nothing");

        // The same holds once the room is no longer in memory.
        drop(ana);
        hub.close().await;
        hub = Hub::open(store.clone(), HubOptions::default()).await.unwrap();
        let resume = Credentials::Resume { token: welcome.token.clone() };
        ana = hub.authenticate(resume, &here()).await.unwrap().0;
        attach(&mut ana).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_that_was_used_begins_no_private_chat() {
    let (hub, _) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    let (mut bob, _) = register(&hub, "bob").await;
    attach(&mut bob).await;
    drain(&mut bob).await;
    // The first post still waits for the disk.
    ana.submit(post(lobby(), 1, "once")).await.unwrap();
    let refused = ana.submit(post(private("bob"), 1, "once")).await.unwrap_err();
    assert_eq!(refused, Error::Refused(Refusal::IdReused));
    assert!(!drain(&mut bob).await.iter().any(|event| matches!(event, Event::Room(_))));
    ana.submit(post(private("bob"), 2, "hello")).await.unwrap();
    assert_eq!(outcomes(&drain(&mut ana).await), [Ok(3), Ok(1)]);
}

/// A device without a mark in a chat is shown all of it, whatever tail it asks for. So the first words of a chat reach
/// even a reader who was away.
#[tokio::test(start_paused = true)]
async fn a_private_chat_that_began_while_its_reader_was_away_is_delivered_from_its_first_line() {
    let (hub, _) = hub().await;
    let (bob, welcome) = register(&hub, "bob").await;
    drop(bob);
    let (mut ana, _) = register(&hub, "ana").await;
    // This is more than the tail that a group room would show.
    let count = limits::JOIN_TAIL_DEFAULT + 10;
    for number in 0..count {
        ana.submit(post(private("bob"), number.into(), "psst")).await.unwrap();
        drain(&mut ana).await;
    }
    let resume = Credentials::Resume { token: welcome.token };
    let (mut known, _) = hub.authenticate(resume, &here()).await.unwrap();
    let (mut fresh, _) = log_in(&hub, "bob").await;
    let lobby_alone = BTreeMap::from([(lobby(), Seq::ZERO)]);
    let beyond = BTreeMap::from([(private("ana"), Seq::MAX)]);
    for bob in [&mut known, &mut fresh] {
        for (cursors, tail) in [(lobby_alone.clone(), 0), (BTreeMap::new(), 50), (beyond.clone(), 0)] {
            let attach = Command::Attach { epoch: None, cursors, tail };
            let Reply::Attached { rooms, .. } = bob.submit(attach).await.unwrap() else { panic!() };
            let chat = rooms.iter().find(|room| room.room == private("ana")).unwrap();
            assert_eq!((chat.from.get(), chat.head.get()), (0, count));
            let of_chat = texts(&drain(bob).await).into_iter().filter(|(room, ..)| *room == private("ana"));
            assert_eq!(of_chat.count() as u64, count);
        }
    }

    // What a device has seen is not new to it; the other device has seen nothing.
    let seen = Seq::try_from(count - 3).unwrap();
    known.submit(Command::Mark { room: private("ana"), seq: seen }).await.unwrap();
    for (bob, tail, from) in [(&mut known, 0, count - 3), (&mut fresh, 0, 0)] {
        let attach = Command::Attach { epoch: None, cursors: BTreeMap::new(), tail };
        let Reply::Attached { rooms, .. } = bob.submit(attach).await.unwrap() else { panic!() };
        assert_eq!(rooms.iter().find(|room| room.room == private("ana")).unwrap().from.get(), from);
    }
    let attach = Command::Attach { epoch: None, cursors: BTreeMap::new(), tail: 20 };
    let Reply::Attached { rooms, .. } = known.submit(attach).await.unwrap() else { panic!() };
    let chat = rooms.iter().find(|room| room.room == private("ana")).unwrap();
    assert_eq!(chat.from.get(), count - 20, "a tail shows what was seen, too");
}

/// Only the outcome for a room is announced, not each step on the way (PROTOCOL §5, `room_gone`).
#[tokio::test(start_paused = true)]
async fn a_room_that_is_left_and_entered_again_before_a_session_is_told_goes_on() {
    let (hub, _) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    let (mut bob, _) = register(&hub, "bob").await;
    let (mut phone, _) = log_in(&hub, "ana").await;
    let den: RoomName = "den".parse().unwrap();
    let join = || Command::Join { room: den.clone(), tail: 0 };
    let leave = || Command::Leave { room: den.clone() };
    let view = RoomRef::Group(den.clone());
    for session in [&mut ana, &mut bob] {
        session.submit(join()).await.unwrap();
    }
    attach(&mut phone).await;
    drain(&mut phone).await;
    let of_rooms = |events: &[Event]| {
        let told = |event: &Event| match event {
            Event::Room(state) => Some(Some(state.room.clone())),
            Event::RoomGone(_) => Some(None),
            _ => None,
        };
        events.iter().filter_map(told).collect::<Vec<_>>()
    };

    ana.submit(leave()).await.unwrap();
    bob.submit(post(view.clone(), 1, "gone?")).await.unwrap();
    drain(&mut bob).await;
    ana.submit(join()).await.unwrap();
    let events = drain(&mut phone).await;
    assert!(of_rooms(&events).is_empty());
    let seqs: Vec<u64> = events.iter().flat_map(Event::entries).map(|entry| entry.seq.get()).collect();
    assert_eq!(seqs, [3, 4, 5], "left, what was said meanwhile, and joined");

    ana.submit(leave()).await.unwrap();
    assert_eq!(of_rooms(&drain(&mut phone).await), [None]);
    ana.submit(join()).await.unwrap();
    assert_eq!(of_rooms(&drain(&mut phone).await), [Some(view)]);
}

/// A `join` by a session that was not yet told what another device did to the room (PROTOCOL §5).
#[tokio::test(start_paused = true)]
async fn a_join_starts_where_its_session_was_told_that_the_room_is() {
    let (hub, _) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    let (mut bob, _) = register(&hub, "bob").await;
    let (mut phone, _) = log_in(&hub, "ana").await;
    attach(&mut phone).await;
    let [den, attic] = ["den", "attic"].map(|name| name.parse::<RoomName>().unwrap());
    let join = |room: &RoomName| Command::Join { room: room.clone(), tail: 0 };
    for number in 0..3 {
        bob.submit(join(&den)).await.unwrap();
        bob.submit(post(RoomRef::Group(den.clone()), number, "x")).await.unwrap();
    }
    drain(&mut bob).await;
    let from_of = |reply: Reply| {
        let Reply::Room(state) = reply else { panic!("no room") };
        (state.from.get(), state.head.get())
    };
    let seqs = |events: &[Event]| -> Vec<u64> {
        assert!(!events.iter().any(|event| matches!(event, Event::Room(_) | Event::RoomGone(_))));
        events.iter().flat_map(Event::entries).map(|entry| entry.seq.get()).collect()
    };

    // Not told that the room has come: it starts as asked.
    drain(&mut phone).await;
    ana.submit(join(&den)).await.unwrap();
    assert_eq!(from_of(phone.submit(join(&den)).await.unwrap()), (5, 5));
    assert!(seqs(&drain(&mut phone).await).is_empty());

    // Not told that the room was left: it continues, even if another request has noticed that first.
    for (is_noticed, head) in [(false, 8), (true, 11)] {
        drain(&mut ana).await;
        ana.submit(Command::Leave { room: den.clone() }).await.unwrap();
        bob.submit(post(RoomRef::Group(den.clone()), head.into(), "gone?")).await.unwrap();
        drain(&mut bob).await;
        if is_noticed {
            phone.submit(join(&attic)).await.unwrap();
        }
        let (from, at) = from_of(phone.submit(join(&den)).await.unwrap());
        assert_eq!((from, at), (head - 3, head));
        let events = drain(&mut phone).await;
        assert!(
            seqs(&events).ends_with(&[head - 2, head - 1, head]),
            "left, what was said meanwhile, and joined"
        );
    }
}

/// The hub refuses what it can decide by itself, without asking the store.
#[tokio::test(start_paused = true)]
async fn what_may_not_be_is_refused_before_the_store_is_asked() {
    let (hub, store) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    let before = store.batches();
    let leave = Command::Leave { room: RoomName::lobby() };
    assert_eq!(ana.submit(leave).await.unwrap_err(), Error::Refused(Refusal::LobbyStays));
    let stranger = RoomRef::Group("den".parse().unwrap());
    for command in [
        Command::Leave { room: "den".parse().unwrap() },
        Command::History { room: stranger.clone(), before: None, limit: 10 },
        Command::Mark { room: stranger.clone(), seq: Seq::ZERO },
        Command::Typing { room: stranger },
    ] {
        assert_eq!(ana.submit(command).await.unwrap_err(), Error::Refused(Refusal::NotAMember));
    }
    assert_eq!(store.batches(), before);
}

#[tokio::test(start_paused = true)]
async fn away_and_back_are_stored_before_they_are_answered() {
    let (hub, store) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    for is_away in [true, false] {
        let gate = store.hold();
        let mut asked =
            Box::pin(ana.submit(if is_away { Command::Away { reason: None } } else { Command::Back }));
        let early = timeout(limits::PRESENCE_WAIT_MAX * 2, &mut asked).await;
        assert!(early.is_err(), "answered before the store has it");
        store.let_pass();
        gate.open();
        assert!(matches!(asked.await, Ok(Reply::Done)));
        let kept = store.account("ana".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(kept.away.is_some(), is_away);
    }
}

#[tokio::test(start_paused = true)]
async fn away_that_cannot_be_stored_is_refused_and_told_to_nobody() {
    let (hub, store) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    let (mut bob, _) = register(&hub, "bob").await;
    attach(&mut ana).await;
    drain(&mut ana).await;
    store.fill_disk(true);
    let away = || Command::Away { reason: None };
    assert_eq!(bob.submit(away()).await.unwrap_err(), Error::ReadOnly);
    let told = drain(&mut ana).await;
    assert!(presence_of(&told, "bob").is_empty());
    assert_eq!(notices(&told), [Notice::ReadOnly]);
    store.fill_disk(false);
    bob.submit(away()).await.unwrap();
    assert_eq!(presence_of(&drain(&mut ana).await, "bob"), [PresenceState::Away(None)]);
}

/// Before delivery begins, a session is not told how its rooms grow. A mark is cut to the present head, not to the head
/// at login.
#[tokio::test(start_paused = true)]
async fn a_mark_is_cut_to_the_head_as_it_is_also_before_delivery_begins() {
    let (hub, _) = hub().await;
    let (mut bob, _) = register(&hub, "bob").await;
    let (mut ana, _) = register(&hub, "ana").await;
    for number in 0..5 {
        ana.submit(post(lobby(), number, "x")).await.unwrap();
    }
    drain(&mut ana).await;
    let mut marked = Vec::new();
    for seq in [4, 100] {
        let seq = Seq::try_from(seq).unwrap();
        bob.submit(Command::Mark { room: lobby(), seq }).await.unwrap();
        let attach = Command::Attach { epoch: None, cursors: BTreeMap::new(), tail: 0 };
        let Reply::Attached { rooms, .. } = bob.submit(attach).await.unwrap() else { panic!("no rooms") };
        marked.push((rooms[0].mark.get(), rooms[0].head.get()));
    }
    assert_eq!(marked, [(4, 7), (7, 7)], "two arrivals and five lines");
}

/// A session that attaches between a commit and its announcement has already read the head. The others are told all the
/// same.
#[tokio::test(start_paused = true)]
async fn who_attaches_between_a_commit_and_its_word_keeps_it_from_nobody() {
    let (hub, store) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    let (mut bob, _) = register(&hub, "bob").await;
    let (mut carol, _) = register(&hub, "carol").await;
    attach(&mut bob).await;
    drain(&mut bob).await;
    let gate = store.hold_drafts();
    ana.submit(post(lobby(), 1, "hello")).await.unwrap();
    assert!(texts(&drain(&mut bob).await).is_empty(), "the store has it, and has not said so");
    store.let_pass();
    attach(&mut carol).await;
    gate.open();
    assert_eq!(texts(&drain(&mut bob).await), [(lobby(), 4, "hello".to_owned())]);
}
