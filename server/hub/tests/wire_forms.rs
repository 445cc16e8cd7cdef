//! Bytes that many readers get: one form for each wire and variant, shared by the readers of that form.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod memory_store;
mod people;
mod talk;

use std::borrow::Cow;
use std::sync::Arc;

use lanchat_hub::{Event, PresenceNews, Run, Session, Side, WireVariant};
use lanchat_model::RoomRef;
use talk::{attach, drain, hub, lobby, log_in, post, private, register};

static OF_ONE_DOOR: WireVariant = WireVariant::for_all("one door");
static OF_ANOTHER_DOOR: WireVariant = WireVariant::for_all("another door");
static OF_ONE_SIDE: WireVariant = WireVariant::for_one_side("one side");
static OF_THE_OTHER_SIDE: WireVariant = WireVariant::for_one_side("the other side");

/// Returns the last run that a session reads of a room, and from which side it sees the room.
async fn last_run(session: &mut Session, of: &RoomRef) -> (Side, Arc<Run>) {
    let runs = drain(session).await.into_iter().filter_map(|event| match event {
        Event::Run { room, side, run } if room == *of => Some((side, run)),
        _ => None,
    });
    runs.last().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_door_never_gets_the_bytes_of_another_one() {
    let (hub, _store) = hub().await;
    let ((mut ana, _), (mut bob, _)) = (register(&hub, "ana").await, register(&hub, "bob").await);
    attach(&mut ana).await;
    attach(&mut bob).await;
    ana.submit(post(lobby(), 1, "hello")).await.unwrap();
    let ((_, anas), (_, bobs)) = (last_run(&mut ana, &lobby()).await, last_run(&mut bob, &lobby()).await);
    assert!(Arc::ptr_eq(&anas, &bobs));
    let one = anas.wire_form(&OF_ONE_DOOR, || b"one".to_vec());
    let another = bobs.wire_form(&OF_ANOTHER_DOOR, || b"another".to_vec());
    assert_eq!((&*one, &*another), (&b"one"[..], &b"another"[..]));
    let again = bobs.wire_form(&OF_ONE_DOOR, || panic!("it was made before"));
    assert!(std::ptr::eq(&*one, &*again), "shared, not copied");
}

#[tokio::test(start_paused = true)]
async fn nor_does_it_get_them_of_presence() {
    let (hub, _store) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    attach(&mut ana).await;
    drain(&mut ana).await;
    let (_bob, _) = register(&hub, "bob").await;
    let news = drain(&mut ana).await.into_iter().find_map(|event| match event {
        Event::Presence(news) => Some(news),
        _ => None,
    });
    let news: Arc<PresenceNews> = news.unwrap();
    let one = news.wire_form(&OF_ONE_DOOR, || b"one".to_vec());
    let another = news.wire_form(&OF_ANOTHER_DOOR, || b"another".to_vec());
    assert_eq!((&*one, &*another), (&b"one"[..], &b"another"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_private_chat_has_a_form_for_each_side_where_somebody_is_there_twice() {
    let (hub, _store) = hub().await;
    let ((mut ana, _), (mut bob, _)) = (register(&hub, "ana").await, register(&hub, "bob").await);
    attach(&mut ana).await;
    attach(&mut bob).await;
    // The room begins with this post, and its readers come later.
    ana.submit(post(private("bob"), 1, "hello")).await.unwrap();
    drain(&mut ana).await;
    drain(&mut bob).await;
    ana.submit(post(private("bob"), 2, "anybody?")).await.unwrap();
    let (anas_side, run) = last_run(&mut ana, &private("bob")).await;
    let (bobs_side, _) = last_run(&mut bob, &private("ana")).await;
    assert_eq!((anas_side, bobs_side), (Side::One, Side::Other));
    for number in [1, 2] {
        let form = run.wire_form(&OF_ONE_SIDE, || vec![number]);
        assert!(matches!(form, Cow::Owned(_)), "nobody else gets the same");
        assert_eq!(*form, [number]);
    }

    let (mut phone, _) = log_in(&hub, "ana").await;
    attach(&mut phone).await;
    bob.submit(post(private("ana"), 3, "here")).await.unwrap();
    let (side, phones) = last_run(&mut phone, &private("bob")).await;
    let (_, anas) = last_run(&mut ana, &private("bob")).await;
    let (_, bobs) = last_run(&mut bob, &private("ana")).await;
    assert_eq!(side, anas_side);
    let one = anas.wire_form(&OF_ONE_SIDE, || b"from bob".to_vec());
    let other = bobs.wire_form(&OF_THE_OTHER_SIDE, || b"to ana".to_vec());
    assert_eq!((&*one, &*other), (&b"from bob"[..], &b"to ana"[..]));
    let shared = phones.wire_form(&OF_ONE_SIDE, || panic!("it was made before"));
    assert!(std::ptr::eq(&*one, &*shared));
}
