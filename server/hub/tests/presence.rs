//! How often presence is announced: the first visit after a calm at once, changes that follow soon only once they last.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod memory_store;
mod people;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lanchat_hub::port::Accounts;
use lanchat_hub::{
    Command, Credentials, Event, Hub, HubOptions, PresenceNews, PresenceState, Reply, Session,
};
use lanchat_model::limits;
use memory_store::MemoryStore;
use people::{PASSWORD, here, newcomer};
use tokio::time::{advance, timeout};

async fn hub() -> (Hub, Arc<MemoryStore>) {
    let store = MemoryStore::new();
    (Hub::open(store.clone(), HubOptions::default()).await.unwrap(), store)
}

async fn enter(hub: &Hub, credentials: Credentials) -> Session {
    let mut session = hub.authenticate(credentials, &here()).await.unwrap().0;
    let command = Command::Attach { epoch: None, cursors: BTreeMap::new(), tail: 0 };
    assert!(matches!(session.submit(command).await.unwrap(), Reply::Attached { .. }));
    session
}

fn login(name: &str) -> Credentials {
    Credentials::Login { name: name.parse().unwrap(), password: PASSWORD.into(), device: None }
}

/// Connects, and leaves on purpose at once.
async fn visit(hub: &Hub, name: &str) {
    let mut session = enter(hub, login(name)).await;
    session.leave_on_purpose();
}

/// Returns what is announced about somebody until nothing more is ready.
async fn told_of(reader: &mut Session, who: &str) -> Vec<PresenceState> {
    let mut found = Vec::new();
    // This is longer than presence may wait for other changes: the clock is paused.
    while timeout(limits::PRESENCE_WAIT_MAX * 2, reader.ready()).await.is_ok() {
        for event in reader.next_batch().await.unwrap() {
            let Event::Presence(news) = event else { continue };
            let of_them = news.changes.iter().filter(|(name, _)| name.as_str() == who);
            found.extend(of_them.map(|(_, state)| state.clone()));
        }
    }
    found
}

async fn listed(reader: &mut Session, who: &str) -> Option<PresenceState> {
    let Reply::Members { members, .. } = reader.submit(Command::Members { room: None }).await.unwrap() else {
        panic!("no members")
    };
    members.into_iter().find(|member| member.name.as_str() == who).map(|member| member.state)
}

/// Makes a reader, and an account `ci` that has been gone for a long time.
async fn scene(hub: &Hub) -> Session {
    let ana = enter(hub, newcomer("ana")).await;
    enter(hub, newcomer("ci")).await.leave_on_purpose();
    advance(limits::PRESENCE_CALM_MAX * 2).await;
    ana
}

#[tokio::test(start_paused = true)]
async fn visits_that_follow_each_other_are_one_pair() {
    let (hub, _) = hub().await;
    let mut ana = scene(&hub).await;
    told_of(&mut ana, "ci").await;
    let mut told = Vec::new();
    for _ in 0..20 {
        let mut ci = enter(&hub, login("ci")).await;
        told.extend(told_of(&mut ana, "ci").await);
        ci.leave_on_purpose();
        drop(ci);
        advance(Duration::from_secs(5)).await;
        told.extend(told_of(&mut ana, "ci").await);
    }
    assert!(matches!(told[..], [PresenceState::Online, PresenceState::Offline(_)]), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_stays_is_told_however_often_they_came_before() {
    let (hub, _) = hub().await;
    let mut ana = scene(&hub).await;
    for _ in 0..20 {
        visit(&hub, "ci").await;
    }
    told_of(&mut ana, "ci").await;
    let stays = enter(&hub, login("ci")).await;
    assert!(told_of(&mut ana, "ci").await.is_empty());
    advance(limits::ARRIVAL_LASTS).await;
    assert_eq!(told_of(&mut ana, "ci").await, [PresenceState::Online]);

    // The session is lost. The grace period for that is waited for once, not twice.
    drop(stays);
    advance(limits::FLAP).await;
    assert!(matches!(told_of(&mut ana, "ci").await[..], [PresenceState::Offline(_)]));
}

#[tokio::test(start_paused = true)]
async fn away_that_flutters_is_told_once_it_lasts() {
    let (hub, _) = hub().await;
    let mut ana = scene(&hub).await;
    told_of(&mut ana, "ci").await;
    let mut ci = enter(&hub, login("ci")).await;
    let mut told = 0;
    for number in 0..450 {
        let away = Command::Away { reason: None };
        ci.submit(if number % 2 == 0 { away } else { Command::Back }).await.unwrap();
        advance(Duration::from_millis(22)).await;
        told += told_of(&mut ana, "ci").await.len();
    }
    assert!((1..=4).contains(&told), "{told} lines of 450 changes");
    ci.submit(Command::Away { reason: None }).await.unwrap();
    advance(limits::FLAP).await;
    let told = told_of(&mut ana, "ci").await;
    assert_eq!(told, [PresenceState::Away(None)], "the latest value wins");
}

/// Somebody who looked before a change was announced believes what they saw, so they are told when it is over.
#[tokio::test(start_paused = true)]
async fn what_was_seen_in_a_list_is_put_right() {
    let (hub, _) = hub().await;
    let mut ana = scene(&hub).await;
    for _ in 0..5 {
        visit(&hub, "ci").await;
    }
    told_of(&mut ana, "ci").await;
    let mut ci = enter(&hub, login("ci")).await;
    assert_eq!(listed(&mut ana, "ci").await, Some(PresenceState::Online), "lists tell what is");
    ci.leave_on_purpose();
    drop(ci);
    assert!(told_of(&mut ana, "ci").await.is_empty());
    advance(limits::FLAP).await;
    assert!(matches!(told_of(&mut ana, "ci").await[..], [PresenceState::Offline(_)]));
}

#[tokio::test(start_paused = true)]
async fn after_a_calm_a_visit_is_told_at_once_again() {
    let (hub, _) = hub().await;
    let mut ana = scene(&hub).await;
    visit(&hub, "ci").await;
    told_of(&mut ana, "ci").await;
    advance(limits::PRESENCE_CALM_MAX).await;
    assert!(told_of(&mut ana, "ci").await.is_empty());
    visit(&hub, "ci").await;
    assert!(!told_of(&mut ana, "ci").await.is_empty());
}

/// Returns the seconds since somebody was last seen, by the last announcement.
fn seconds_since_seen(told: &[PresenceState]) -> u64 {
    let Some(PresenceState::Offline(Some(at))) = told.last() else { panic!("not offline: {told:?}") };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    u64::try_from(now - u128::try_from(at.0).unwrap()).unwrap() / 1000
}

/// The time is not when the loss was noticed, nor when it was announced. The test's clock stands still except when
/// advanced.
#[tokio::test(start_paused = true)]
async fn last_seen_is_when_something_came_last_from_any_session() {
    let (hub, _) = hub().await;
    let mut ana = scene(&hub).await;
    told_of(&mut ana, "ci").await;
    let mut desk = enter(&hub, login("ci")).await;
    let mut phone = enter(&hub, login("ci")).await;
    advance(Duration::from_secs(1000)).await;
    phone.heard();
    advance(Duration::from_secs(2000)).await;
    desk.heard();
    advance(Duration::from_secs(4000)).await;
    // The session that was heard last is lost first.
    drop(desk);
    advance(Duration::from_secs(100)).await;
    drop(phone);
    advance(limits::FLAP).await;
    let seconds = seconds_since_seen(&told_of(&mut ana, "ci").await);
    // A noted time does not move with the test's clock, and the test itself takes a while.
    assert!((4000..4000 + 600).contains(&seconds), "{seconds}");

    advance(limits::PRESENCE_CALM_MAX).await;
    let mut ci = enter(&hub, login("ci")).await;
    advance(Duration::from_secs(1000)).await;
    ci.heard();
    ci.leave_on_purpose();
    drop(ci);
    let seconds = seconds_since_seen(&told_of(&mut ana, "ci").await);
    assert!(seconds < 600, "a goodbye is heard: {seconds}");
}

/// For an account that was connected when the server stopped, and does not reconnect, the next start is not when it was
/// last seen.
#[tokio::test(start_paused = true)]
async fn last_seen_outlives_a_stop_of_the_server() {
    let (hub, store) = hub().await;
    drop(scene(&hub).await);
    let mut ci = enter(&hub, login("ci")).await;
    ci.heard();
    advance(Duration::from_secs(5000)).await;
    drop(ci);
    hub.close().await;
    let kept = store.account("ci".parse().unwrap()).await.unwrap().unwrap();
    advance(Duration::from_secs(3000)).await;

    let hub = Hub::open(store, HubOptions::default()).await.unwrap();
    let mut ana = enter(&hub, login("ana")).await;
    advance(limits::FLAP).await;
    let told = told_of(&mut ana, "ci").await;
    assert_eq!(told, [PresenceState::Offline(kept.last_seen)]);
    assert!((5000..5000 + 600).contains(&seconds_since_seen(&told)), "{told:?}");
}

/// Waits for the next piece of presence that is handed out.
async fn news(reader: &mut Session) -> Arc<PresenceNews> {
    loop {
        timeout(limits::PRESENCE_WAIT_MAX * 2, reader.ready()).await.unwrap();
        for event in reader.next_batch().await.unwrap() {
            if let Event::Presence(news) = event {
                return news;
            }
        }
    }
}

/// When everybody connects at once, encoding the news separately for each would take the square of their number.
#[tokio::test(start_paused = true)]
async fn what_is_told_in_a_crowd_is_made_once_for_all_who_stand_at_the_same_place() {
    let (hub, _) = hub().await;
    let mut first = [enter(&hub, newcomer("ana")).await, enter(&hub, login("ana")).await];
    for session in &mut first {
        while timeout(limits::PRESENCE_WAIT_MAX * 2, session.ready()).await.is_ok() {
            session.next_batch().await.unwrap();
        }
    }
    let mut second = enter(&hub, newcomer("bob")).await;
    let _third = enter(&hub, newcomer("cyd")).await;
    let [one, other] = &mut first;
    let told = news(one).await;
    assert_eq!(told.changes.len(), 2);
    assert_eq!(news(&mut second).await.changes.len(), 1, "it began later");
    assert!(Arc::ptr_eq(&told, &news(other).await));
}
