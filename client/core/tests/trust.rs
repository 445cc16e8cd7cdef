//! Tests which server the client talks to, and that it sends nothing to any other.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Arc;

use lanchat_certs::Identity;
use lanchat_client::{
    Client, ConnectError, Decision, Event, Home, HomeError, Options, RequestError, Target, connect, probe,
};
use lanchat_model::ServerId;
use serde_json::json;
use support::{Fake, Peer, TestHome, attached, hello, impostor, meet, next_of, room};
use tokio::net::TcpListener;

/// Meets the server once and pins it.
async fn befriend(fake: &Fake, home: &Home) {
    let (connection, _peer) = meet(fake, home).await;
    connection.unwrap().trust(home).unwrap();
}

/// Checks that the client sent the server no data.
async fn heard_nothing(peer: std::io::Result<Peer>) {
    if let Ok(peer) = peer {
        assert_eq!(String::from_utf8_lossy(&peer.drain().await), "");
    }
}

#[tokio::test]
async fn a_new_server_is_first_and_then_a_match() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (connection, peer) = meet(&fake, &home.home).await;
    let connection = connection.unwrap();
    assert_eq!(connection.decision(), Decision::First);
    assert_eq!(connection.server_id(), fake.id);
    assert_eq!(connection.fingerprint(), fake.identity.fingerprint());
    assert_eq!(connection.hello().online, 3);
    assert!(home.home.pins().unwrap().get(fake.id).is_none(), "pinned before anybody trusted it");
    drop(connection.trust(&home.home).unwrap());
    heard_nothing(Ok(peer)).await;

    let pins = home.home.pins().unwrap();
    let pin = pins.get(fake.id).unwrap();
    assert_eq!((pin.fingerprint, pin.verified), (fake.identity.fingerprint(), false));
    let server = &home.home.servers().unwrap()[0];
    assert_eq!((server.name.as_str(), &server.addresses[..]), ("fake", &[fake.address().to_string()][..]));

    let (connection, _peer) = meet(&fake, &home.home).await;
    assert_eq!(connection.unwrap().decision(), Decision::Match);
}

#[tokio::test]
async fn another_key_at_a_known_address_is_a_change_and_hears_nothing() {
    let (mut fake, home) = (Fake::start().await, TestHome::new());
    befriend(&fake, &home.home).await;
    let other = Fake::start().await;
    fake.become_other(other.config());
    let target = fake.target();
    let (outcome, peer) = tokio::join!(connect(&target, &home.home), fake.try_accept());
    let Err(ConnectError::KeyChanged(change)) = outcome else { panic!("{outcome:?}") };
    assert_eq!((change.server_id, change.name.as_str()), (fake.id, "fake"));
    assert_eq!(change.pinned, fake.identity.fingerprint());
    assert_eq!(change.presented, other.identity.fingerprint());
    let said = change.to_string();
    assert!(said.contains(&change.pinned.words()) && said.contains(&change.presented.words()), "{said}");
    heard_nothing(peer).await;
}

/// This holds however many addresses the client has learned from adverts since, and however the name is spelled.
#[tokio::test]
async fn a_typed_name_stays_bound_to_its_server() {
    let (mut fake, home) = (Fake::start().await, TestHome::new());
    let typed = |host: &str| format!("{host}:{}", fake.address().port()).parse::<Target>().unwrap();
    let (target, others) = (typed("localhost"), ["localhost", "LocalHost", "localhost."].map(typed));
    let (connection, _peer) = tokio::join!(connect(&target, &home.home), fake.accept());
    drop(connection.unwrap().trust(&home.home).unwrap());
    let path = home.path().join("servers.json");
    let mut file: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    file["servers"][0]["addresses"] = (1..=8).map(|n| json!(format!("192.0.2.{n}:7072"))).collect();
    lanchat_certs::private_file::write(&path, file.to_string().as_bytes()).unwrap();

    let other = Fake::start().await;
    fake.become_other(other.config());
    for target in others {
        let (outcome, peer) = tokio::join!(connect(&target, &home.home), fake.try_accept());
        assert!(matches!(outcome, Err(ConnectError::KeyChanged(_))), "{target}: {outcome:?}");
        heard_nothing(peer).await;
    }
}

/// Anybody can write a link: it leads to its server, but does not give it a name that a person typed for another one.
#[tokio::test]
async fn a_link_does_not_take_over_what_was_typed_for_a_known_server() {
    let (mut fake, home) = (Fake::start().await, TestHome::new());
    let port = fake.address().port();
    let typed = format!("localhost:{port}").parse::<Target>().unwrap();
    let (connection, _peer) = tokio::join!(connect(&typed, &home.home), fake.accept());
    drop(connection.unwrap().trust(&home.home).unwrap());

    let other = Fake::start().await;
    fake.become_other(other.config());
    let greet = async || {
        let mut peer = fake.try_accept().await.unwrap();
        peer.send(hello(other.id)).await;
        peer
    };
    let link = format!("lanchat://localhost:{port}/#{}", other.identity.fingerprint());
    let link = link.parse::<Target>().unwrap();
    let (connection, _peer) = tokio::join!(connect(&link, &home.home), greet());
    drop(connection.unwrap().trust(&home.home).unwrap());
    let (outcome, peer) = tokio::join!(connect(&typed, &home.home), fake.try_accept());
    assert!(matches!(outcome, Err(ConnectError::KeyChanged(_))), "{outcome:?}");
    heard_nothing(peer).await;

    home.home.forget(fake.id).unwrap();
    let (connection, _peer) = tokio::join!(connect(&typed, &home.home), greet());
    assert_eq!(connection.unwrap().server_id(), other.id);
}

/// A login during a session goes to the same server, even if its key was forgotten meanwhile.
#[tokio::test]
async fn the_way_back_leads_to_the_same_server_only() {
    let (mut fake, home) = (Fake::start().await, TestHome::new());
    let (connection, _peer) = meet(&fake, &home.home).await;
    let way_back = connection.unwrap().trust(&home.home).unwrap().way_back();
    home.home.forget(fake.id).unwrap();
    let (connection, _peer) = tokio::join!(connect(&way_back, &home.home), fake.accept());
    let connection = connection.unwrap();
    assert!(!connection.is_invited(), "nobody has compared its key");
    drop(connection.trust(&home.home).unwrap());
    assert!(!home.home.pins().unwrap().get(fake.id).unwrap().verified);

    home.home.forget(fake.id).unwrap();
    let other = Fake::start().await;
    fake.become_other(other.config());
    let (outcome, peer) = tokio::join!(connect(&way_back, &home.home), fake.try_accept());
    assert!(matches!(outcome, Err(ConnectError::UnexpectedKey { .. })), "{outcome:?}");
    heard_nothing(peer).await;
}

#[tokio::test]
async fn a_copied_certificate_without_its_key_is_refused_and_hears_nothing() {
    let (mut fake, home) = (Fake::start().await, TestHome::new());
    befriend(&fake, &home.home).await;
    let folder = tempfile::tempdir().unwrap();
    Identity::load_or_create(&folder.path().join("other")).unwrap();
    fake.become_other(impostor(&fake, &folder.path().join("other")));
    let target = fake.target();
    let (outcome, peer) = tokio::join!(connect(&target, &home.home), fake.try_accept());
    let Err(ConnectError::NotLanchat { reason, .. }) = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("does not hold its key"), "{reason}");
    heard_nothing(peer).await;
}

#[tokio::test]
async fn a_greeting_under_another_id_is_refused() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let target = fake.target();
    let server = async {
        let mut peer = fake.try_accept().await.unwrap();
        peer.send(hello(ServerId::from_bytes([9; 16]))).await;
        peer
    };
    let (outcome, peer) = tokio::join!(connect(&target, &home.home), server);
    assert!(matches!(outcome, Err(ConnectError::NotLanchat { .. })), "{outcome:?}");
    heard_nothing(Ok(peer)).await;
}

#[tokio::test]
async fn greetings_that_are_none_and_servers_that_are_full_are_told_apart() {
    let home = TestHome::new();
    let full =
        json!({"type": "error", "code": "server_full", "reason": "Full.", "retry_after": 7, "fatal": true});
    let mut future = Fake::start().await;
    for (greeting, expected) in [
        (full.to_string(), "Full."),
        (json!({"type": "message"}).to_string(), "not a lanchat server"),
        ("HTTP/1.1 400 Bad Request".to_owned(), "not a lanchat server"),
        (json!({"type": "surprise"}).to_string(), "does not greet"),
        ("x".repeat(70_000), "not a lanchat server"),
        (future.hello().to_string().replace("[1]", "[7,8]"), "versions [7, 8]"),
    ] {
        let target = future.target();
        let server = async {
            let mut peer = future.try_accept().await.unwrap();
            // The client may close while the greeting is sent.
            let _ = peer.send_raw(format!("{greeting}\n").as_bytes()).await;
            peer
        };
        let (outcome, _peer) = tokio::join!(connect(&target, &home.home), server);
        let said = outcome.unwrap_err().to_string();
        assert!(said.contains(expected), "{expected}: {said}");
    }
    future = Fake::with_alpn(&[]).await;
    let target = future.target();
    let (outcome, peer) = tokio::join!(connect(&target, &home.home), future.try_accept());
    assert!(outcome.unwrap_err().to_string().contains("not the lanchat protocol"));
    heard_nothing(peer).await;
}

#[tokio::test]
async fn a_link_demands_its_key() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let link = |key: &str| format!("lanchat://{}/#{key}", fake.address()).parse::<Target>().unwrap();
    let wrong = link(&"ab".repeat(32));
    let (outcome, peer) = tokio::join!(connect(&wrong, &home.home), fake.try_accept());
    assert!(matches!(outcome, Err(ConnectError::UnexpectedKey { .. })), "{outcome:?}");
    heard_nothing(peer).await;

    let right = link(&fake.identity.fingerprint().to_string());
    let (outcome, _peer) = tokio::join!(connect(&right, &home.home), fake.accept());
    let connection = outcome.unwrap();
    assert!(connection.is_invited());
    connection.trust(&home.home).unwrap();
    assert!(home.home.pins().unwrap().get(fake.id).unwrap().verified);
}

#[tokio::test]
async fn the_address_that_has_the_right_key_wins() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    befriend(&fake, &home.home).await;
    // Before the server come a port where nobody listens, and one where somebody accepts but says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let found = lanchat_client::Discovered {
        server_id: fake.id,
        name: "fake".into(),
        versions: vec![1],
        port: fake.address().port(),
        addresses: vec![closed, silent.local_addr().unwrap(), fake.address()],
        heard_from: fake.address().ip(),
    };
    let target = Target::discovered(&found);
    let (probed, _peer) = tokio::join!(probe(&target, &home.home), fake.accept());
    let probed = probed.unwrap();
    assert_eq!((probed.address, probed.decision), (fake.address(), Decision::Match));
}

#[tokio::test]
async fn an_advert_with_a_copied_id_is_refused() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let found = lanchat_client::Discovered {
        server_id: ServerId::from_bytes([7; 16]),
        name: "fake".into(),
        versions: vec![1],
        port: fake.address().port(),
        addresses: vec![fake.address()],
        heard_from: fake.address().ip(),
    };
    let target = Target::discovered(&found);
    let (outcome, peer) = tokio::join!(connect(&target, &home.home), fake.try_accept());
    let Err(ConnectError::Unreachable { attempts, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(attempts[0].other, Some(fake.identity.fingerprint()), "it says who answers instead");
    heard_nothing(peer).await;
}

#[tokio::test]
async fn nobody_there_is_said_with_the_address() {
    let home = TestHome::new();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let said = connect(&Target::address(closed), &home.home).await.unwrap_err().to_string();
    assert!(said.contains(&closed.to_string()) && said.contains("nothing listens there"), "{said}");
}

#[tokio::test]
async fn forgetting_a_server_makes_it_new_again() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    befriend(&fake, &home.home).await;
    assert!(home.home.forget(fake.id).unwrap());
    assert!(!home.home.forget(fake.id).unwrap());
    let (connection, _peer) = meet(&fake, &home.home).await;
    assert_eq!(connection.unwrap().decision(), Decision::First);
}

/// After the pins are moved away, the client trusts on first use again, and anybody can claim an id: so the token kept
/// under it is not sent to anybody.
#[tokio::test]
async fn a_token_without_a_pin_is_sent_to_nobody() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    drop(attached(&fake, &home.home).await);
    assert_eq!(home.home.servers().unwrap()[0].account.as_deref(), Some("ana"));
    std::fs::remove_file(home.path().join("pins.json")).unwrap();
    let (connection, peer) = meet(&fake, &home.home).await;
    let connection = connection.unwrap();
    assert_eq!(connection.decision(), Decision::First);
    let trusted = connection.trust(&home.home).unwrap();
    let (client, _events) = Client::start(trusted, home.home.clone(), Options::default());
    assert!(matches!(client.resume().await, Err(RequestError::NoToken)));
    drop(client);
    let said = String::from_utf8(peer.drain().await).unwrap();
    assert!(!said.contains("resume") && !said.contains("token"), "{said}");
}

/// A session that is open while its server is forgotten leaves nothing of the server behind.
#[tokio::test]
async fn a_server_that_is_forgotten_stays_forgotten_while_a_session_is_there() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (_client, mut events, peer) = attached(&fake, &home.home).await;
    assert!(home.home.forget(fake.id).unwrap());
    drop(peer);
    let mut peer = fake.accept().await;
    let rooms = json!([room("lobby", 0, 0)]);
    peer.welcome("resume", "token-2", rooms.clone()).await;
    peer.attached(rooms).await;
    next_of(&mut events, "the return", |event| matches!(event, Event::Resumed { .. })).await;
    assert!(home.home.servers().unwrap().is_empty());
    assert!(home.home.pins().unwrap().get(fake.id).is_none());
}

#[test]
fn a_damaged_folder_fails_closed() {
    let home = TestHome::new();
    std::fs::remove_dir_all(home.path()).unwrap();
    std::fs::write(home.path(), "").unwrap();
    assert!(matches!(Home::open(&home.path()), Err(HomeError::NotAFolder(_))));
    std::fs::remove_file(home.path()).unwrap();
    drop(Home::open(&home.path()).unwrap());
    for name in ["pins.json", "servers.json"] {
        let path = home.path().join(name);
        lanchat_certs::private_file::write(&path, b"{ damaged").unwrap();
        let said = Home::open(&home.path()).unwrap_err().to_string();
        assert!(said.contains(name) && said.contains("damaged"), "{said}");
        assert_eq!(std::fs::read(&path).unwrap(), b"{ damaged", "the evidence was overwritten");
        std::fs::remove_file(path).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_folder_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let home = TestHome::new();
    let mode = std::fs::metadata(home.path()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let said = Home::open(&home.path()).unwrap_err().to_string();
    assert!(said.contains("chmod 700"), "{said}");
}

/// Only root can give a folder away; other users skip this test.
#[cfg(unix)]
#[test]
fn a_folder_of_another_user_is_refused() {
    let home = TestHome::new();
    if std::os::unix::fs::chown(home.path(), Some(65_534), None).is_ok() {
        let said = Home::open(&home.path()).unwrap_err().to_string();
        assert!(said.contains("belongs to another user"), "{said}");
    }
}

#[test]
fn two_programs_with_one_folder_keep_both_changes() {
    let home = TestHome::new();
    let key = lanchat_certs::Fingerprint::from_bytes([1; 32]);
    let barrier = Arc::new(std::sync::Barrier::new(8));
    let writers: Vec<_> = (0..8_u8)
        .map(|n| {
            let (path, barrier) = (home.path(), Arc::clone(&barrier));
            std::thread::spawn(move || {
                let home = Home::open(&path).unwrap();
                barrier.wait();
                home.pin(ServerId::from_bytes([n; 16]), key, "lab", false).unwrap();
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert_eq!(home.home.pins().unwrap().iter().count(), 8);
}

/// Between a probe and the connection somebody else may begin to answer there.
#[tokio::test]
async fn what_was_probed_is_who_has_to_answer() {
    let (mut fake, home) = (Fake::start().await, TestHome::new());
    let (connection, _peer) = meet(&fake, &home.home).await;
    drop(connection.unwrap().trust(&home.home).unwrap());
    // A name that this device has not used yet.
    let typed = format!("localhost:{}", fake.address().port()).parse::<Target>().unwrap();
    let (probed, _peer) = tokio::join!(probe(&typed, &home.home), fake.accept());
    let held = probed.unwrap().hold(typed);

    let other = Fake::start().await;
    fake.become_other(other.config());
    let (outcome, peer) = tokio::join!(connect(&held, &home.home), fake.try_accept());
    assert!(
        matches!(outcome, Err(ConnectError::UnexpectedKey { .. } | ConnectError::KeyChanged(_))),
        "{outcome:?}"
    );
    heard_nothing(peer).await;
}
