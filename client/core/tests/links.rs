//! A link that is lost silently: how soon that is noticed, and what is sent to notice it. The test controls the clock.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::time::Duration;

use lanchat_client::Event;
use lanchat_model::limits;
use serde_json::json;
use support::{Fake, TestHome, ack, attached, next_of, room, within};
use tokio::time::{Instant, pause, resume, sleep};

/// The promised time, counted from typing.
const NOTICED_MAX: Duration = Duration::from_secs(15);

fn is_lost(event: &Event) -> bool {
    matches!(event, Event::Lost { .. })
}

#[tokio::test]
async fn a_post_that_is_not_answered_finds_out_that_the_link_is_lost() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, mut events, mut peer) = attached(&fake, &home.home).await;
    client.send("lobby", "is anybody there", false).await.unwrap();
    peer.expect("send").await;
    pause();
    let asked = Instant::now();
    peer.expect("ping").await;
    assert!(asked.elapsed() <= limits::LINK_ANSWER_MAX + Duration::from_secs(1), "{:?}", asked.elapsed());
    next_of(&mut events, "the loss", is_lost).await;
    assert!(asked.elapsed() <= NOTICED_MAX, "{:?}", asked.elapsed());
    assert!(asked.elapsed() >= limits::LINK_PROBE_MAX, "a slow link has its time: {:?}", asked.elapsed());
}

#[tokio::test]
async fn a_server_that_gives_a_sign_of_life_may_take_its_time() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, mut events, mut peer) = attached(&fake, &home.home).await;
    client.send("lobby", "slow disk", false).await.unwrap();
    let post = peer.expect("send").await;
    pause();
    for _ in 0..10 {
        let ping = peer.expect("ping").await;
        peer.send(json!({"type": "pong", "id": ping["id"]})).await;
        // The link is probed again only when something is sent.
        client.typing("lobby");
        peer.expect("typing").await;
        sleep(limits::LINK_QUIET + Duration::from_secs(1)).await;
        client.typing("lobby");
        peer.expect("typing").await;
    }
    resume();
    peer.send(ack(&post, 1)).await;
    let told =
        next_of(&mut events, "the ack", |event| is_lost(event) || matches!(event, Event::Acked { .. }));
    assert!(!is_lost(&told.await));
}

#[tokio::test]
async fn typing_after_silence_asks_at_once() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, mut events, mut peer) = attached(&fake, &home.home).await;
    pause();
    sleep(limits::LINK_QUIET).await;
    let asked = Instant::now();
    client.typing("lobby");
    peer.expect("typing").await;
    peer.expect("ping").await;
    next_of(&mut events, "the loss", is_lost).await;
    assert!(asked.elapsed() <= NOTICED_MAX, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_link_where_nobody_types_carries_nothing() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, _events, mut peer) = attached(&fake, &home.home).await;
    pause();
    // Less than the silence after which a server counts as gone.
    sleep(Duration::from_secs(70)).await;
    client.send("lobby", "the first in a long time", false).await.unwrap();
    peer.expect("send").await;
}

#[tokio::test]
async fn what_a_server_answers_in_turns_is_waited_for() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, _events, mut peer) = attached(&fake, &home.home).await;
    let joining = tokio::spawn({
        let client = client.clone();
        async move { client.join("dev", 5).await }
    });
    let join = peer.expect("join").await;
    pause();
    sleep(limits::READING_WAIT_MAX).await;
    resume();
    let mut state = room("dev", 0, 0);
    (state["type"], state["id"]) = (json!("room"), join["id"].clone());
    peer.send(state).await;
    assert_eq!(within("the room", joining).await.unwrap().unwrap().room, "dev");
}

#[tokio::test]
async fn whoever_types_does_not_wait_for_the_next_attempt() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, mut events, peer) = attached(&fake, &home.home).await;
    pause();
    drop(peer);
    let turned_away = async {
        loop {
            fake.turn_away().await;
        }
    };
    // The waits between attempts grow.
    let long = |event: &Event| matches!(event, Event::Retrying { retry_in, .. } if *retry_in >= Duration::from_secs(3));
    tokio::select! {
        _ = next_of(&mut events, "a long wait", long) => {}
        () = turned_away => {}
    }
    let typed = Instant::now();
    client.typing("lobby");
    let _peer = fake.accept().await;
    assert!(typed.elapsed() < Duration::from_secs(2), "{:?}", typed.elapsed());
}
