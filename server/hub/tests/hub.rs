//! The hub through its public interface, with a paused clock and a store in memory.

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
use people::{here, newcomer};
use talk::{
    attach, drain, hub, lobby, log_in, notices, outcomes, post, presence_of, private, register, texts,
};
use tokio::time::{advance, timeout};

#[tokio::test(start_paused = true)]
async fn a_post_is_acknowledged_and_read_by_everybody_in_order() {
    let (hub, _) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    let (mut bob, _) = register(&hub, "bob").await;
    attach(&mut ana).await;
    attach(&mut bob).await;
    for number in 1..=5 {
        ana.submit(post(lobby(), number, &format!("line {number}"))).await.unwrap();
    }
    let (seen_by_ana, seen_by_bob) = (drain(&mut ana).await, drain(&mut bob).await);
    assert_eq!(texts(&seen_by_ana), texts(&seen_by_bob));
    assert_eq!(texts(&seen_by_bob).len(), 5);
    let acks = seen_by_ana.iter().filter(|event| matches!(event, Event::Ack { .. })).count();
    assert_eq!(acks, 5);
}

#[tokio::test(start_paused = true)]
async fn what_is_said_between_login_and_attach_is_read() {
    let (hub, _) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    let (mut bob, _) = register(&hub, "bob").await;
    // Nobody reads the lobby yet, so it is not in memory.
    bob.submit(post(lobby(), 1, "early")).await.unwrap();
    drain(&mut bob).await;
    let command = Command::Attach { epoch: None, cursors: BTreeMap::new(), tail: 1 };
    let Reply::Attached { rooms, .. } = ana.submit(command).await.unwrap() else { panic!("not attached") };
    assert_eq!((rooms[0].from.get(), rooms[0].head.get()), (2, 3));
    assert_eq!(texts(&drain(&mut ana).await), [(lobby(), 3, "early".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_resend_has_the_same_ack_and_one_copy() {
    let (hub, _) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    attach(&mut ana).await;
    for _ in 0..2 {
        ana.submit(post(lobby(), 7, "once")).await.unwrap();
    }
    ana.submit(post(lobby(), 7, "another text")).await.unwrap();
    let events = drain(&mut ana).await;
    let acked: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Ack { entry, .. } => Some(entry.seq),
            _ => None,
        })
        .collect();
    assert_eq!(acked.len(), 2);
    assert_eq!(acked[0], acked[1]);
    assert_eq!(texts(&events).len(), 1);
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Refused { error: Error::Refused(Refusal::IdReused), .. }))
    );
}

#[tokio::test(start_paused = true)]
async fn a_reader_far_behind_the_ring_reads_everything_once_in_order() {
    let (hub, _) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    let (mut slow, _) = register(&hub, "slow").await;
    attach(&mut ana).await;
    attach(&mut slow).await;
    let count = 3 * limits::RING_ENTRIES_MAX as u128;
    for number in 0..count {
        while !ana.has_credit() {
            drain(&mut ana).await;
        }
        ana.submit(post(lobby(), number, "x")).await.unwrap();
    }
    drain(&mut ana).await;
    let seqs: Vec<u64> = texts(&drain(&mut slow).await).into_iter().map(|(_, seq, _)| seq).collect();
    assert_eq!(seqs.len() as u128, count);
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "no gap, no double");
}

#[tokio::test(start_paused = true)]
async fn a_private_message_waits_for_its_reader_on_each_device() {
    let (hub, _) = hub().await;
    let (bob, _) = register(&hub, "bob").await;
    drop(bob);
    let (mut ana, _) = register(&hub, "ana").await;
    ana.submit(post(private("bob"), 1, "for later")).await.unwrap();
    drain(&mut ana).await;
    for _ in 0..2 {
        let (mut bob, welcome) = log_in(&hub, "bob").await;
        let room = welcome.rooms.iter().find(|room| room.room == private("ana")).unwrap();
        assert_eq!((room.head.get(), room.mark), (1, Seq::ZERO));
        let cursors = BTreeMap::from([(private("ana"), room.mark)]);
        bob.submit(Command::Attach { epoch: None, cursors, tail: 0 }).await.unwrap();
        assert_eq!(texts(&drain(&mut bob).await), [(private("ana"), 1, "for later".to_owned())]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_private_chat_that_opens_under_a_session_is_delivered_from_its_first_line() {
    let (hub, _) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    let (mut bob, _) = register(&hub, "bob").await;
    attach(&mut bob).await;
    // This is more than the tail that a group room would show.
    let count = limits::JOIN_TAIL_DEFAULT as usize + 20;
    for number in 0..count {
        ana.submit(post(private("bob"), number as u128, "psst")).await.unwrap();
        drain(&mut ana).await;
    }
    let events = drain(&mut bob).await;
    assert!(events.iter().any(|event| matches!(event, Event::Room(state) if state.room == private("ana"))));
    assert_eq!(texts(&events).len(), count);
}

#[tokio::test(start_paused = true)]
async fn a_session_has_so_many_posts_under_way_and_no_more() {
    let (hub, _) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    let mut number = 0;
    while ana.has_credit() && number < 1000 {
        ana.submit(post(lobby(), number, "x")).await.unwrap();
        number += 1;
    }
    assert_eq!(number as usize, limits::UNACKED_PER_SESSION_MAX);
    drain(&mut ana).await;
    assert!(ana.has_credit(), "an answer gives the place back");
}

#[tokio::test(start_paused = true)]
async fn who_left_sees_nothing_that_comes_after() {
    let (hub, _) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    let (mut bob, _) = register(&hub, "bob").await;
    attach(&mut bob).await;
    let den: RoomName = "den".parse().unwrap();
    for session in [&mut ana, &mut bob] {
        session.submit(Command::Join { room: den.clone(), tail: 50 }).await.unwrap();
    }
    drain(&mut bob).await;
    bob.submit(Command::Leave { room: den.clone() }).await.unwrap();
    ana.submit(post(RoomRef::Group(den.clone()), 1, "bob is gone")).await.unwrap();
    drain(&mut ana).await;
    assert!(texts(&drain(&mut bob).await).is_empty());
    let view = RoomRef::Group(den);
    bob.submit(post(view.clone(), 2, "let me in")).await.unwrap();
    assert_eq!(outcomes(&drain(&mut bob).await), [Err(Refusal::NotAMember)]);
    for command in [
        Command::History { room: view.clone(), before: None, limit: 10 },
        Command::Mark { room: view.clone(), seq: Seq::ZERO },
        Command::Typing { room: view },
    ] {
        assert_eq!(bob.submit(command).await.unwrap_err(), Error::Refused(Refusal::NotAMember));
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_told_to_the_author_and_shown_to_nobody() {
    let (hub, store) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    attach(&mut ana).await;
    store.fill_disk(true);
    ana.submit(post(lobby(), 1, "lost?")).await.unwrap();
    let events = drain(&mut ana).await;
    assert!(events.iter().any(|event| matches!(event, Event::Refused { error: Error::ReadOnly, .. })));
    assert!(texts(&events).is_empty());
    store.fill_disk(false);
    ana.submit(post(lobby(), 1, "lost?")).await.unwrap();
    assert_eq!(texts(&drain(&mut ana).await).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn everybody_is_told_once_that_nothing_is_taken_and_once_that_it_is_again() {
    let (hub, store) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    let (mut bob, _) = register(&hub, "bob").await;
    let (mut late, _) = register(&hub, "late").await;
    attach(&mut ana).await;
    attach(&mut bob).await;
    store.fill_disk(true);
    for number in 1..=3 {
        ana.submit(post(lobby(), number, "lost?")).await.unwrap();
        assert_eq!(notices(&drain(&mut bob).await), vec![Notice::ReadOnly; usize::from(number == 1)]);
    }
    attach(&mut late).await;
    assert_eq!(notices(&drain(&mut late).await), [Notice::ReadOnly], "who comes later is told too");
    advance(limits::WRITE_PROBE * 3).await;
    assert!(notices(&drain(&mut bob).await).is_empty(), "it is full still");

    // Nobody posts, so the hub has to find out by itself.
    store.fill_disk(false);
    advance(limits::WRITE_PROBE).await;
    for session in [&mut bob, &mut late] {
        assert_eq!(notices(&drain(session).await), [Notice::Writable]);
    }
    assert!(
        notices(&drain(&mut ana).await).is_empty(),
        "who read nothing all the while missed nothing that holds"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_that_is_back_in_time_is_not_announced() {
    let (hub, _) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    attach(&mut ana).await;
    let (bob, _) = register(&hub, "bob").await;
    assert_eq!(presence_of(&drain(&mut ana).await, "bob"), [PresenceState::Online]);
    drop(bob);
    advance(limits::FLAP - std::time::Duration::from_secs(1)).await;
    let (bob, _) = log_in(&hub, "bob").await;
    advance(limits::FLAP * 2).await;
    assert!(presence_of(&drain(&mut ana).await, "bob").is_empty(), "a flap is no news");
    drop(bob);
    advance(limits::FLAP * 2).await;
    let told = presence_of(&drain(&mut ana).await, "bob");
    assert!(matches!(told[..], [PresenceState::Offline(Some(_))]), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_wakes_a_session_once_and_lets_it_wait_for_its_acks() {
    let (hub, _) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    attach(&mut ana).await;
    drain(&mut ana).await;
    hub.drain();
    ana.ready().await;
    assert!(ana.is_draining());
    drain(&mut ana).await;
    // Otherwise it would spin instead of waiting, and keep the commit from running.
    assert!(timeout(std::time::Duration::from_secs(1), ana.ready()).await.is_err());
    let (late, _) = register(&hub, "late").await;
    assert!(late.is_draining());
}

#[tokio::test(start_paused = true)]
async fn each_session_is_told_what_changed_since_it_came() {
    let (hub, _) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    attach(&mut ana).await;
    let (mut bob, _) = register(&hub, "bob").await;
    attach(&mut bob).await;
    let (_carl, _) = register(&hub, "carl").await;
    let (anas, bobs) = (drain(&mut ana).await, drain(&mut bob).await);
    assert_eq!(presence_of(&anas, "bob"), [PresenceState::Online]);
    assert_eq!(presence_of(&anas, "carl"), [PresenceState::Online]);
    assert_eq!(presence_of(&bobs, "carl"), [PresenceState::Online]);
    assert!(presence_of(&bobs, "bob").is_empty(), "he was here before he listened");
}

#[tokio::test(start_paused = true)]
async fn presence_that_the_store_did_not_take_is_kept_for_it() {
    let (hub, store) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    let (mut bob, _) = register(&hub, "bob").await;
    attach(&mut ana).await;
    drain(&mut ana).await;
    store.fill_disk(true);
    bob.leave_on_purpose();
    drop(bob);
    drain(&mut ana).await;
    assert_eq!(store.online_at_last().await.unwrap().len(), 2);
    store.fill_disk(false);
    ana.submit(Command::Away { reason: None }).await.unwrap();
    drain(&mut ana).await;
    let kept = store.online_at_last().await.unwrap();
    assert!(kept.len() == 1 && kept[0].name.as_str() == "ana", "{kept:?}");
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_is_announced_at_once_and_several_sessions_are_one_presence() {
    let (hub, _) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    attach(&mut ana).await;
    let (mut bob, _) = register(&hub, "bob").await;
    let (mut laptop, _) = log_in(&hub, "bob").await;
    assert_eq!(presence_of(&drain(&mut ana).await, "bob"), [PresenceState::Online]);
    laptop.leave_on_purpose();
    drop(laptop);
    assert!(presence_of(&drain(&mut ana).await, "bob").is_empty());
    bob.leave_on_purpose();
    drop(bob);
    assert!(matches!(presence_of(&drain(&mut ana).await, "bob")[..], [PresenceState::Offline(_)]));
}

#[tokio::test(start_paused = true)]
async fn away_outlives_a_restart_and_a_restart_is_not_announced() {
    let store = MemoryStore::new();
    let hub = Hub::open(store.clone(), HubOptions::default()).await.unwrap();
    let (mut bob, _) = register(&hub, "bob").await;
    bob.submit(Command::Away { reason: None }).await.unwrap();
    let (ana, _) = register(&hub, "ana").await;
    drop((ana, bob));
    hub.close().await;

    let hub = Hub::open(store, HubOptions::default()).await.unwrap();
    let (mut ana, _) = log_in(&hub, "ana").await;
    attach(&mut ana).await;
    let (_bob, _) = log_in(&hub, "bob").await;
    assert!(presence_of(&drain(&mut ana).await, "bob").is_empty());
    let Reply::Members { members, total, .. } = ana.submit(Command::Members { room: None }).await.unwrap()
    else {
        panic!("no members");
    };
    assert_eq!(total, 2);
    assert_eq!(members[1].state, PresenceState::Away(None));
}

#[tokio::test(start_paused = true)]
async fn typing_reaches_the_room_and_nobody_else() {
    let (hub, _) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    let (mut bob, _) = register(&hub, "bob").await;
    let (mut eve, _) = register(&hub, "eve").await;
    for session in [&mut ana, &mut bob, &mut eve] {
        attach(session).await;
    }
    ana.submit(post(private("bob"), 1, "hi")).await.unwrap();
    drain(&mut ana).await;
    drain(&mut bob).await;
    ana.submit(Command::Typing { room: private("bob") }).await.unwrap();
    let typing =
        |events: Vec<Event>| events.into_iter().filter(|event| matches!(event, Event::Typing { .. })).count();
    assert_eq!(typing(drain(&mut bob).await), 1);
    assert_eq!(typing(drain(&mut eve).await), 0);
    assert_eq!(typing(drain(&mut ana).await), 0);
}

/// The posts that answer a batch form one batch, instead of many small ones that each wake everybody again.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_many_readers_say_at_once_is_committed_together() {
    const READERS: usize = 400;
    // An account has a bounded number of sessions.
    const ACCOUNTS: usize = 20;
    let store = MemoryStore::new();
    let options = HubOptions { clients_max: READERS + 1, ..HubOptions::default() };
    let hub = Hub::open(store.clone(), options).await.unwrap();
    let mut tokens = Vec::new();
    for number in 0..ACCOUNTS {
        tokens.push(register(&hub, &format!("reader{number}")).await.1.token);
    }
    let (mut ana, _) = register(&hub, "ana").await;
    let mut readers = Vec::new();
    for number in 1..=READERS {
        let resume = Credentials::Resume { token: tokens[number % ACCOUNTS].clone() };
        let (mut reader, _) = hub.authenticate(resume, &here()).await.unwrap();
        attach(&mut reader).await;
        readers.push(tokio::spawn(async move {
            while texts(&reader.next_batch().await.unwrap()).is_empty() {
                reader.ready().await;
            }
            reader.submit(post(lobby(), number as u128, "me")).await.unwrap();
            while reader.has_unacked() {
                reader.ready().await;
                reader.next_batch().await.unwrap();
            }
        }));
    }
    let asked = tokio::spawn(async move { ana.submit(post(lobby(), 0, "who is here?")).await.map(drop) });
    asked.await.unwrap().unwrap();
    for reader in readers {
        reader.await.unwrap();
    }
    let batches = store.batches();
    assert_eq!(batches.iter().sum::<usize>(), 1 + READERS, "{batches:?}");
    assert_eq!(batches.len(), 2, "{batches:?}");
}

#[tokio::test(start_paused = true)]
async fn a_full_server_says_so() {
    let options = HubOptions { clients_max: 1, registration_open: true };
    let hub = Hub::open(MemoryStore::new(), options).await.unwrap();
    let (ana, welcome) = register(&hub, "ana").await;
    let resume = || Credentials::Resume { token: welcome.token.clone() };
    let refused = hub.authenticate(resume(), &here()).await.err().unwrap();
    assert_eq!(refused, Error::Refused(Refusal::ServerFull));
    let refused = hub.authenticate(newcomer("bob"), &here()).await.err().unwrap();
    assert_eq!(refused, Error::Refused(Refusal::ServerFull));
    drop(ana);
    // Nothing was stored for the refused session.
    assert!(hub.authenticate(newcomer("bob"), &here()).await.is_ok());
    assert!(hub.authenticate(resume(), &here()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn cursors_of_another_epoch_are_not_believed() {
    let (hub, _) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    let cursors = BTreeMap::from([(lobby(), Seq::ZERO)]);
    for (epoch, from) in [("another", 1), ("epoch-1", 0)] {
        let command = Command::Attach { epoch: Some(epoch.into()), cursors: cursors.clone(), tail: 0 };
        let Reply::Attached { rooms, .. } = ana.submit(command).await.unwrap() else {
            panic!("not attached")
        };
        assert_eq!(rooms[0].from.get(), from, "{epoch}");
    }
}
