//! Logins and logouts: tokens, passwords and devices, with a paused clock and a store in memory.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod memory_store;
mod people;

use std::sync::Arc;

use lanchat_hub::port::Rooms;
use lanchat_hub::{
    Command, Credentials, Error, Event, Hub, HubOptions, LogoutReason, Refusal, Reply, Session, Source,
    Welcome,
};
use lanchat_model::{Password, RoomName, limits};
use memory_store::MemoryStore;
use people::{PASSWORD, here, newcomer};
use tokio::task::JoinSet;
use tokio::time::timeout;

const NEW_PASSWORD: &str = "battery staple";

type Begun = Result<(Session, Welcome), Error>;

async fn hub() -> (Hub, Arc<MemoryStore>) {
    let store = MemoryStore::new();
    (Hub::open(store.clone(), HubOptions::default()).await.unwrap(), store)
}

async fn register(hub: &Hub, name: &str) -> (Session, Welcome) {
    hub.authenticate(newcomer(name), &here()).await.unwrap()
}

async fn log_in(hub: &Hub, password: &str) -> Begun {
    let password = password.into();
    hub.authenticate(Credentials::Login { name: "ana".parse().unwrap(), password, device: None }, &here())
        .await
}

async fn resume(hub: &Hub, token: &str) -> Begun {
    hub.authenticate(Credentials::Resume { token: token.into() }, &here()).await
}

fn refusal(begun: Begun) -> Refusal {
    match begun {
        Err(Error::Refused(refusal)) => refusal,
        Err(other) => panic!("a fault: {other}"),
        Ok((_, welcome)) => panic!("{} was let in", welcome.name),
    }
}

fn passwd(old: &str, new: &str, renew: bool) -> Command {
    Command::ChangePassword { old: old.into(), new: Password::parse(new).unwrap(), renew }
}

/// Changes the password. Returns the token in the answer, if there is one.
async fn change_password(session: &mut Session, renew: bool) -> Option<String> {
    match session.submit(passwd(PASSWORD, NEW_PASSWORD, renew)).await.unwrap() {
        Reply::PasswordChanged { token } => token,
        other => panic!("not changed: {other:?}"),
    }
}

/// Returns why the session ended, if it did.
async fn end_of(session: &mut Session) -> Option<LogoutReason> {
    while timeout(limits::PRESENCE_WAIT_MAX * 2, session.ready()).await.is_ok() {
        for event in session.next_batch().await.unwrap() {
            if let Event::LoggedOut(why) = event {
                return Some(why);
            }
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_copied_token_ends_every_session_of_its_device_and_both_sides_are_told_why() {
    let (hub, _) = hub().await;
    let (mut elsewhere, welcome) = register(&hub, "ana").await;
    // The thief copied the token that the owner had before this resume, and comes second.
    let (mut owner, of_owner) = resume(&hub, &welcome.token).await.unwrap();
    let (mut thief, of_thief) = resume(&hub, &welcome.token).await.unwrap();
    let (mut other, _) = log_in(&hub, PASSWORD).await.unwrap();
    assert_eq!(refusal(resume(&hub, &of_owner.token).await), Refusal::TokenCopied);
    for session in [&mut elsewhere, &mut owner, &mut thief] {
        assert_eq!(end_of(session).await, Some(LogoutReason::TokenCopied));
    }
    assert_eq!(end_of(&mut other).await, None, "it is another device");
    // The next client is refused too, even with the newest token.
    assert_eq!(refusal(resume(&hub, &of_thief.token).await), Refusal::TokenCopied);
    assert!(log_in(&hub, PASSWORD).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_is_warned_by_the_thief_is_the_owner_too() {
    let (hub, _) = hub().await;
    let (owner, welcome) = register(&hub, "ana").await;
    let (owner_again, second) = resume(&hub, &welcome.token).await.unwrap();
    let (owner_once_more, third) = resume(&hub, &second.token).await.unwrap();
    drop((owner, owner_again, owner_once_more));
    // The copy is detected while no session exists.
    assert_eq!(refusal(resume(&hub, &welcome.token).await), Refusal::TokenCopied);
    let refused = refusal(resume(&hub, &third.token).await);
    assert_eq!(refused, Refusal::TokenCopied);
    assert!(refused.to_string().contains("change it"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_new_password_leaves_this_very_session_and_one_fresh_token() {
    let (hub, _) = hub().await;
    let (mut other, of_other) = register(&hub, "ana").await;
    let (mut owner, of_owner) = log_in(&hub, PASSWORD).await.unwrap();
    // The thief has a copy of the file of the owner's device, with the very token that the owner has.
    let (mut thief, of_thief) = resume(&hub, &of_owner.token).await.unwrap();
    let fresh = change_password(&mut owner, true).await.expect("it was asked for");
    for session in [&mut other, &mut thief] {
        assert_eq!(end_of(session).await, Some(LogoutReason::PasswordChanged));
    }
    assert_eq!(end_of(&mut owner).await, None);
    for token in [&of_other.token, &of_owner.token, &of_thief.token] {
        assert_eq!(refusal(resume(&hub, token).await), Refusal::BadToken);
    }
    assert_eq!(refusal(log_in(&hub, PASSWORD).await), Refusal::WrongPassword);
    assert!(resume(&hub, &fresh).await.is_ok());
    assert_eq!(end_of(&mut owner).await, None, "what the thief tried has ended nothing");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_token_keeps_its_own_if_it_is_its_own_alone() {
    let (hub, _) = hub().await;
    let (mut owner, of_owner) = register(&hub, "ana").await;
    assert_eq!(change_password(&mut owner, false).await, None);
    let (_thief, of_thief) = resume(&hub, &of_owner.token).await.expect("nobody had used it");
    // Now somebody has used the token, while the session to which it was given exists.
    let back = owner.submit(passwd(NEW_PASSWORD, PASSWORD, false)).await.unwrap();
    assert!(matches!(back, Reply::PasswordChanged { token: None }));
    for token in [&of_owner.token, &of_thief.token] {
        assert_eq!(refusal(resume(&hub, token).await), Refusal::BadToken);
    }
}

#[tokio::test(start_paused = true)]
async fn the_session_of_an_evicted_device_ends_and_changes_no_password() {
    let (hub, _) = hub().await;
    let (mut first, _) = register(&hub, "ana").await;
    let mut others = Vec::new();
    for _ in 0..limits::DEVICES_PER_ACCOUNT_MAX {
        others.push(log_in(&hub, PASSWORD).await.unwrap().0);
    }
    // The session has not read that it is logged out.
    let refused = first.submit(passwd(PASSWORD, NEW_PASSWORD, true)).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(_)), "{refused:?}");
    assert_eq!(end_of(&mut first).await, Some(LogoutReason::TooManyDevices));
    for session in &mut others {
        assert_eq!(end_of(session).await, None);
    }
    assert!(log_in(&hub, PASSWORD).await.is_ok());
}

/// Does something while a login waits between two of its steps, for each pair of steps. Returns the outcome of the
/// login.
async fn while_under_way(
    store: &MemoryStore,
    login: impl Future<Output = Begun>,
    change: impl Future,
) -> Begun {
    let gate = store.hold();
    let mut login = Box::pin(login);
    // The login is held at a gate, or was refused.
    let early = timeout(limits::PRESENCE_WAIT_MAX, &mut login).await;
    store.let_pass();
    assert!(early.is_err(), "it is under way");
    change.await;
    gate.open();
    login.await
}

#[tokio::test(start_paused = true)]
async fn a_login_with_the_old_password_that_is_under_way_is_refused() {
    let (hub, store) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    let change = async { change_password(&mut ana, true).await };
    let begun = while_under_way(&store, log_in(&hub, PASSWORD), change).await;
    assert_eq!(refusal(begun), Refusal::WrongPassword);
    assert_eq!(hub.online(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_resume_that_is_under_way_does_not_outlive_a_new_password() {
    let (hub, store) = hub().await;
    let (_, of_other) = register(&hub, "ana").await;
    let (mut ana, of_ana) = log_in(&hub, PASSWORD).await.unwrap();
    // The login is by another device, which is removed, or by the same one, which stays.
    let change = async { change_password(&mut ana, true).await };
    assert_eq!(
        refusal(while_under_way(&store, resume(&hub, &of_other.token), change).await),
        Refusal::BadToken
    );
    drop(ana);
    let (mut ana, of_ana) = match resume(&hub, &of_ana.token).await {
        Err(_) => log_in(&hub, NEW_PASSWORD).await.unwrap(),
        Ok(_) => panic!("the token was replaced"),
    };
    let change = async { ana.submit(passwd(NEW_PASSWORD, PASSWORD, true)).await.unwrap() };
    assert_eq!(
        refusal(while_under_way(&store, resume(&hub, &of_ana.token), change).await),
        Refusal::BadToken
    );
    assert_eq!(hub.online(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_resume_that_is_under_way_does_not_outlive_a_log_out() {
    let (hub, store) = hub().await;
    let (mut ana, welcome) = register(&hub, "ana").await;
    let change = async { ana.submit(Command::Logout).await.unwrap() };
    let begun = while_under_way(&store, resume(&hub, &welcome.token), change).await;
    assert_eq!(refusal(begun), Refusal::BadToken);
}

#[tokio::test(start_paused = true)]
async fn a_password_is_changed_by_one_session_at_a_time() {
    let (hub, store) = hub().await;
    let (mut one, _) = register(&hub, "ana").await;
    let (mut other, _) = log_in(&hub, PASSWORD).await.unwrap();
    let gate = store.hold();
    let mut slower = Box::pin(other.submit(passwd(PASSWORD, "another one yet", true)));
    assert!(timeout(limits::PRESENCE_WAIT_MAX, &mut slower).await.is_err());
    store.let_pass();
    let refused = one.submit(passwd(PASSWORD, NEW_PASSWORD, true)).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::Busy(_))), "{refused:?}");
    gate.open();
    slower.await.unwrap();
    assert!(log_in(&hub, "another one yet").await.is_ok());
}

/// Guesses at an account, from a source of its own.
fn guess(hub: &Hub, name: &str, from: &str) -> impl Future<Output = Begun> + Send + use<> {
    let (hub, name, source) = (hub.clone(), name.parse().unwrap(), Source(from.into()));
    let credentials = Credentials::Login { name, password: "not this one".into(), device: None };
    async move { hub.authenticate(credentials, &source).await }
}

#[tokio::test(start_paused = true)]
async fn guesses_at_the_same_moment_are_counted_before_they_are_checked() {
    let (hub, _) = hub().await;
    let (_ana, _) = register(&hub, "ana").await;
    for name in ["ana", "nobody"] {
        let mut guesses = JoinSet::new();
        (0..15).for_each(|_| drop(guesses.spawn(guess(&hub, name, "10.0.0.9"))));
        let refusals: Vec<_> = guesses.join_all().await.into_iter().map(refusal).collect();
        let checked = refusals.iter().filter(|refusal| **refusal == Refusal::WrongPassword).count();
        assert_eq!(checked, limits::LOGIN_FAILURES_FREE as usize, "{name}: {refusals:?}");
        assert!(refusals.iter().all(|refusal| !matches!(refusal, Refusal::Busy(_))), "{name}: {refusals:?}");
    }
}

/// She guesses at her own account and at others, from five sources, with more guesses at once than there are places.
#[tokio::test(start_paused = true)]
async fn a_right_password_gets_in_through_a_flood_of_guesses() {
    let (hub, _) = hub().await;
    let (ana, _) = register(&hub, "ana").await;
    let mut flood = JoinSet::new();
    for number in 0..5 * limits::HASH_QUEUE_MAX {
        let name = if number % 2 == 0 { "ana".to_owned() } else { format!("somebody-{number}") };
        flood.spawn(guess(&hub, &name, &format!("10.0.0.{}", number % 5)));
    }
    tokio::task::yield_now().await;
    for source in ["10.0.1.1", "127.0.0.1"].map(|from| Source(from.into())) {
        let credentials =
            Credentials::Login { name: "ana".parse().unwrap(), password: PASSWORD.into(), device: None };
        assert!(hub.authenticate(credentials, &source).await.is_ok(), "from {source:?}");
    }
    drop(ana);
    assert!(flood.join_all().await.into_iter().all(|begun| begun.is_err()));
}

/// There are more addresses than places, in one network, and the store does not answer yet.
#[tokio::test(start_paused = true)]
async fn who_is_refused_for_the_crowd_costs_the_store_nothing() {
    let (hub, store) = hub().await;
    let gate = store.hold();
    let mut flood = JoinSet::new();
    for number in 0..2 * limits::HASH_QUEUE_MAX {
        flood.spawn(guess(&hub, &format!("somebody-{number}"), &format!("10.0.0.{number}")));
    }
    let refused = flood.join_next().await.expect("somebody is refused").unwrap();
    assert!(matches!(refusal(refused), Refusal::Busy(_)));
    gate.open();
    flood.shutdown().await;
}

/// Each attempt costs a hash, and does not end any session of an account that has all its sessions.
#[tokio::test(start_paused = true)]
async fn right_passwords_that_open_no_session_are_counted() {
    let (hub, _) = hub().await;
    let (first, mut welcome) = register(&hub, "ana").await;
    let mut sessions = vec![first];
    while let Ok((session, next)) = resume(&hub, &welcome.token).await {
        sessions.push(session);
        welcome = next;
    }
    // The last sessions are reserved for those who know the password.
    while let Ok((session, _)) = log_in(&hub, PASSWORD).await {
        sessions.push(session);
    }
    assert_eq!(sessions.len(), limits::SESSIONS_PER_ACCOUNT_MAX);
    for from in ["10.0.0.1", "10.0.0.2"].map(|from| Source(from.into())) {
        let log_in =
            || Credentials::Login { name: "ana".parse().unwrap(), password: PASSWORD.into(), device: None };
        for _ in 0..limits::LOGIN_FAILURES_FREE {
            assert_eq!(refusal(hub.authenticate(log_in(), &from).await), Refusal::TooManySessions);
        }
        let refused = refusal(hub.authenticate(log_in(), &from).await);
        assert!(matches!(refused, Refusal::SlowDown(_)), "from {from:?}: {refused:?}");
    }
}

/// Anybody may make up tokens, or show a token without end. After the first, tokens are only looked up.
#[tokio::test(start_paused = true)]
async fn for_a_token_that_opens_no_session_nothing_is_written() {
    let (hub, store) = hub().await;
    let (first, mut welcome) = register(&hub, "ana").await;
    for number in 0..100 {
        assert_eq!(refusal(resume(&hub, &format!("{number:064}")).await), Refusal::BadToken);
    }
    assert_eq!(store.resumes(), 1);
    let mut sessions = vec![first];
    while sessions.len() < limits::SESSIONS_BY_TOKEN_MAX {
        let (session, next) = resume(&hub, &welcome.token).await.unwrap();
        sessions.push(session);
        welcome = next;
    }
    let before = store.resumes();
    for _ in 0..100 {
        assert_eq!(refusal(resume(&hub, &welcome.token).await), Refusal::TooManySessions);
    }
    assert_eq!(store.resumes(), before);
    sessions.pop();
    assert!(resume(&hub, &welcome.token).await.is_ok(), "the token is as good as before");
}

/// There are more addresses than the hub remembers.
#[tokio::test(start_paused = true)]
async fn whoever_comes_from_everywhere_has_nobody_else_forgotten() {
    let (hub, _) = hub().await;
    let (_ana, _) = register(&hub, "ana").await;
    let (_eve, mut welcome) = register(&hub, "eve").await;
    for number in 0..limits::LOGIN_SOURCES_MAX + 100 {
        let from = Source(format!("10.{}.{}.9", number / 256, number % 256).into());
        let token = Credentials::Resume { token: welcome.token };
        welcome = hub.authenticate(token, &from).await.unwrap().1;
    }
    assert!(hub.knows(&here()));
    // These are as many guesses as very many addresses have together.
    for from in 0..limits::LOGIN_FRESH_BURST {
        let guessed = guess(&hub, "ana", &format!("172.16.0.{from}")).await;
        assert_eq!(refusal(guessed), Refusal::WrongPassword);
    }
    assert!(matches!(refusal(guess(&hub, "ana", "172.16.1.1").await), Refusal::SlowDown(_)));
    assert!(log_in(&hub, PASSWORD).await.is_ok(), "from where she was before");
}

#[tokio::test(start_paused = true)]
async fn registrations_that_are_refused_are_counted_by_source() {
    let (hub, _) = hub().await;
    let (_ana, _) = register(&hub, "ana").await;
    for _ in 0..limits::LOGIN_SOURCE_BURST {
        assert_eq!(refusal(hub.authenticate(newcomer("ana"), &here()).await), Refusal::NameTaken);
    }
    let refused = refusal(hub.authenticate(newcomer("bo"), &here()).await);
    assert!(matches!(refused, Refusal::SlowDown(_)), "{refused:?}");
    assert!(hub.authenticate(newcomer("bo"), &Source("10.0.0.1".into())).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_old_hash_of_another_form_of_a_password_is_renewed() {
    let (hub, store) = hub().await;
    let (composed, decomposed) = ("contrase\u{f1}a", "contrasen\u{303}a");
    let (_ana, _) = register(&hub, "ana").await;
    // This is the hash that an earlier version made of the decomposed form.
    store.set_hash(
        "ana",
        "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$SKEA3dyahwPKt2146QrpR+d8sqe3SYXU+aPXsPwLZ0g",
    );
    assert_eq!(refusal(log_in(&hub, composed).await), Refusal::WrongPassword);
    assert!(log_in(&hub, decomposed).await.is_ok());
    assert!(log_in(&hub, composed).await.is_ok(), "it was hashed anew");
}

#[tokio::test(start_paused = true)]
async fn names_that_pass_for_the_server_are_made_by_nobody_and_old_ones_stay() {
    let (hub, store) = hub().await;
    for name in ["server.", "_server_", "sysadmin", "adm1n", "..", "--"] {
        let refused = refusal(hub.authenticate(newcomer(name), &here()).await);
        assert!(matches!(refused, Refusal::NotANewName(_)), "{name}: {refused:?}");
    }
    let (mut ana, _) = register(&hub, "ana").await;
    let room: RoomName = "..".parse().unwrap();
    let join = || Command::Join { room: room.clone(), tail: 0 };
    assert!(matches!(ana.submit(join()).await.unwrap_err(), Error::Refused(Refusal::NotANewName(_))));
    // The room is from an earlier version.
    store.open_group(room.clone(), lanchat_model::AccountId(0)).await.unwrap();
    assert!(matches!(ana.submit(join()).await.unwrap(), Reply::Room(_)));
    store.rename("ana", "server.");
    let credentials =
        Credentials::Login { name: "server.".parse().unwrap(), password: PASSWORD.into(), device: None };
    assert!(hub.authenticate(credentials, &here()).await.is_ok());
}

/// A taken name is refused before its password is checked.
#[tokio::test(start_paused = true)]
async fn names_are_looked_at_before_passwords() {
    let (hub, _) = hub().await;
    let (_ana, _) = register(&hub, "ana").await;
    let register = async |name: &str| {
        let credentials = Credentials::Register {
            name: name.parse().unwrap(),
            display_name: name.parse().unwrap(),
            password: "".into(),
            device: None,
        };
        refusal(hub.authenticate(credentials, &here()).await)
    };
    assert_eq!(register("ana").await, Refusal::NameTaken);
    assert_eq!(register("ana_").await, Refusal::NameLooksTaken("ana".parse().unwrap()));
    assert!(matches!(register("server.").await, Refusal::NotANewName(_)));
    assert!(matches!(register("bob").await, Refusal::BadPassword(_)));
}

/// A hash finishes even on a core that another program keeps busy: its thread is nice, but has the usual policy.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_thread_that_hashes_gives_way_and_does_not_starve() {
    let (hub, _) = hub().await;
    register(&hub, "ana").await;
    // Fields 19 and 41 of proc_pid_stat(5), counted after the name, which is field 2.
    let scheduling = |path: std::path::PathBuf| {
        let stat = std::fs::read_to_string(path.join("stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        Some((fields.get(16)?.parse::<i32>().ok()?, fields.get(38)?.parse::<i32>().ok()?))
    };
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let found: Vec<(i32, i32)> = threads.filter_map(|thread| scheduling(thread.unwrap().path())).collect();
    assert!(found.contains(&(10, 0)), "niceness 10, SCHED_OTHER: {found:?}");
    assert!(found.iter().all(|(_, policy)| *policy == 0), "{found:?}");
}
