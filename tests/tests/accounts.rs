//! Accounts, as a client by hand sees them: register, log in, resume, log out, change the password (PROTOCOL §4).
#![cfg(unix)]

use lanchat_tests::{PASSWORD, ServerSpec, TestPeer, TestServer};
use serde_json::{Value, json};

fn token(welcome: &Value) -> String {
    welcome["token"].as_str().expect("a welcome has a token").to_owned()
}

fn login(server: &TestServer, name: &str, password: &str) -> Value {
    let login = json!({"type": "login", "username": name, "password": password});
    TestPeer::connect(server.address()).request(login)
}

/// Resumes on a fresh connection. Returns the welcome, or the code of the error.
fn resume(server: &TestServer, token: &str) -> Result<Value, String> {
    let answer = TestPeer::connect(server.address()).request(json!({"type": "resume", "token": token}));
    if answer["type"] == "welcome" { Ok(answer) } else { Err(answer["code"].to_string()) }
}

#[test]
fn a_registered_account_logs_in_by_password_and_by_token() {
    let server = TestServer::start();
    let mut ana = TestPeer::connect(server.address());
    let welcome = ana.register("Ana");
    assert_eq!(welcome["username"], "ana", "names are folded: {welcome}");
    assert_eq!(welcome["rooms"][0]["room"], "lobby");
    assert_eq!(login(&server, "ANA", PASSWORD)["type"], "welcome");
    assert_eq!(resume(&server, &token(&welcome)).expect("the token is good")["username"], "ana");
}

#[test]
fn names_are_checked_with_a_code_for_each_mistake() {
    let server = TestServer::start();
    TestPeer::registered(server.address(), "ana");
    let long = "a".repeat(33);
    let table = [
        ("", "bad_name"),
        ("a", "bad_name"),
        (&long, "bad_name"),
        ("ana maria", "bad_name"),
        ("аnа", "bad_name"),
        ("ana\u{202e}", "bad_name"),
        ("system", "name_reserved"),
        ("server.", "name_reserved"),
        ("_server_", "name_reserved"),
        ("sysadmin", "name_reserved"),
        ("..", "bad_name"),
        ("ana", "name_taken"),
        ("ANA", "name_taken"),
        ("_ana.", "name_taken"),
    ];
    let mut peer = TestPeer::connect(server.address());
    for (name, code) in table {
        let frame = json!({"type": "register", "username": name, "password": PASSWORD});
        assert_eq!(peer.refused(frame), code, "{name:?}");
    }
    // The name is refused before a password is chosen for it.
    assert_eq!(peer.refused(json!({"type": "register", "username": "ana", "password": ""})), "name_taken");
    for (called, code) in
        [("Bob: online, administers this server", "bad_name"), ("\u{410}dmin", "name_reserved")]
    {
        let frame =
            json!({"type": "register", "username": "bob", "password": PASSWORD, "display_name": called});
        assert_eq!(peer.refused(frame), code, "{called:?}");
    }
    for password in ["", "1234567", &"x".repeat(257), "pasted with its end\n"] {
        let frame = json!({"type": "register", "username": "bob", "password": password});
        assert_eq!(peer.refused(frame), "bad_password");
    }
    peer.register("bob");
}

#[test]
fn an_empty_name_is_told_that_it_cannot_be_empty() {
    let server = TestServer::start();
    let mut peer = TestPeer::connect(server.address());
    let answer = peer.request(json!({"type": "register", "username": "", "password": PASSWORD}));
    assert!(answer["reason"].as_str().is_some_and(|reason| reason.contains("cannot be empty")), "{answer}");
}

#[test]
fn an_unknown_name_is_refused_exactly_as_a_wrong_password_is() {
    let server = TestServer::start();
    TestPeer::registered(server.address(), "ana");
    let wrong = login(&server, "ana", "not the password");
    let unknown = login(&server, "nobody", "not the password");
    assert_eq!(wrong["code"], "wrong_password");
    assert_eq!(wrong, unknown);
    let impossible = login(&server, "no such name!", "not the password");
    assert_ne!(impossible["type"], "welcome");
}

#[test]
fn a_password_is_the_same_on_all_keyboards() {
    let server = TestServer::start();
    let (composed, decomposed) = ("contrase\u{f1}a", "contrasen\u{303}a");
    let frame = json!({"type": "register", "username": "ana", "password": decomposed});
    let mut ana = TestPeer::connect(server.address());
    assert_eq!(ana.request(frame)["type"], "welcome");
    assert_eq!(login(&server, "ana", composed)["type"], "welcome");
    let changed = ana.request(json!({"type": "passwd", "old": composed, "new": format!("{composed} 2")}));
    assert_eq!(changed["type"], "ok");
    assert_eq!(login(&server, "ana", &format!("{decomposed} 2"))["type"], "welcome");
}

#[test]
fn guesses_at_the_same_moment_are_counted_one_by_one() {
    let server = TestServer::start();
    TestPeer::registered(server.address(), "ana");
    let mut peers: Vec<_> = (0..15).map(|_| TestPeer::connect(server.address())).collect();
    for (guess, peer) in peers.iter_mut().enumerate() {
        let login =
            json!({"type": "login", "id": "1", "username": "ana", "password": format!("guess {guess}")});
        peer.write_line(&login.to_string());
    }
    let answers: Vec<_> = peers.iter_mut().map(|peer| peer.expect("error")["code"].clone()).collect();
    let checked = answers.iter().filter(|code| **code == "wrong_password").count();
    assert_eq!(checked, 5, "{answers:?}");
}

#[test]
fn guessing_is_slowed_but_never_locks_a_known_device_out() {
    let server = TestServer::start();
    let welcome = TestPeer::connect(server.address()).register("ana");
    let slowed = (0..20).map(|guess| login(&server, "ana", &format!("guess {guess}"))).find(|answer| {
        assert_eq!(answer["type"], "error");
        answer["code"] == "slow_down"
    });
    let slowed = slowed.expect("twenty guesses in a row are too many");
    assert!(slowed["retry_after"].as_u64().is_some_and(|seconds| seconds > 0), "{slowed}");
    assert!(resume(&server, &token(&welcome)).is_ok());
}

#[test]
fn refused_logins_are_in_the_log_and_words_that_are_no_account_are_not() {
    let mut server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let guess = |name: &str| {
        let refusals = (0..20).map(|_| login(&server, name, "canary-password-77d1"));
        refusals.take_while(|answer| answer["code"] == "wrong_password").count()
    };
    let (of_ana, of_nobody) = (guess("ana"), guess("canary-name-3b90"));
    for _ in 0..10 {
        assert_eq!(ana.request(json!({"type": "away"}))["type"], "ok");
        assert_eq!(ana.request(json!({"type": "back"}))["type"], "ok");
    }
    assert_eq!(server.stop(), 0);
    let log = server.log();
    let lines = |word: &str| log.lines().filter(|line| line.contains("INFO") && line.contains(word)).count();
    let (wrong, early) = ("wrong name or password", "attempts have to wait");
    assert_eq!((lines(wrong), lines(early)), (of_ana + of_nobody, 2), "{log}");
    assert!(
        log.lines().filter(|line| line.contains(wrong)).all(|line| line.contains("source=127.")),
        "{log}"
    );
    let named =
        |word: &str| log.lines().filter(|line| line.contains(word) && line.contains("account=ana")).count();
    assert_eq!((named(wrong), named(early)), (of_ana, 1), "{log}");
    assert!(!log.contains("canary"), "what was typed is in the log: {log}");
    assert_eq!(lines("away"), 0, "{log}");
}

#[test]
fn a_token_rotates_and_a_copy_of_an_old_one_ends_the_device() {
    let server = TestServer::start();
    let first = token(&TestPeer::connect(server.address()).register("ana"));
    let lost = token(&resume(&server, &first).expect("the first token is good"));
    let second = token(&resume(&server, &first).expect("a client may lose the answer and come back"));
    assert_ne!(first, second);
    assert_ne!(lost, second);
    let third = token(&resume(&server, &second).expect("the next token is good"));
    assert_eq!(resume(&server, &first).expect_err("somebody uses a copy"), "\"bad_token\"");
    assert_eq!(resume(&server, &third).expect_err("the device is gone"), "\"bad_token\"");
    assert_eq!(login(&server, "ana", PASSWORD)["type"], "welcome");
}

#[test]
fn a_copy_of_an_old_token_ends_the_sessions_of_its_device_and_no_others() {
    let mut server = TestServer::start();
    let mut other = TestPeer::registered(server.address(), "ana");
    let first = token(&login(&server, "ana", PASSWORD));
    let second = token(&resume(&server, &first).expect("the first token is good"));
    let (mut one, mut two) = (TestPeer::connect(server.address()), TestPeer::connect(server.address()));
    let welcome = one.request(json!({"type": "resume", "token": second}));
    assert_eq!(two.request(json!({"type": "resume", "token": token(&welcome)}))["type"], "welcome");
    assert_eq!(resume(&server, &first).expect_err("somebody uses a copy"), "\"bad_token\"");
    for mut ended in [one, two] {
        // A request may overtake a delivery now and then, but not that often.
        let told = (0..64).find_map(|ping| {
            ended.write_line(&json!({"type": "ping", "id": format!("p{ping}")}).to_string());
            let frame = ended.next_frame().expect("it is told why before the end");
            (frame["type"] == "error").then_some(frame)
        });
        let told = told.expect("its session ends");
        assert_eq!((&told["code"], &told["fatal"]), (&json!("logged_out"), &json!(true)));
        while ended.next_frame().is_some() {}
    }
    assert_eq!(other.request(json!({"type": "ping"}))["type"], "pong");
    assert_eq!(server.stop(), 0);
    let log = server.log();
    let line = log.lines().find(|line| line.contains("WARN") && line.contains("had replaced"));
    let line = line.unwrap_or_else(|| panic!("the log is silent: {log}"));
    assert!(line.contains("account=ana") && line.contains("source=127."), "{line}");
    assert!(!log.contains(&first), "a token is in the log");
}

#[test]
fn a_thief_who_comes_second_is_found_and_both_sides_are_told_why() {
    let server = TestServer::start();
    let copied = token(&TestPeer::connect(server.address()).register("ana"));
    let of_owner = token(&resume(&server, &copied).expect("the owner comes first"));
    let mut thief = TestPeer::connect(server.address());
    let of_thief = token(&thief.request(json!({"type": "resume", "token": copied})));
    for shown in [of_owner, of_thief, copied] {
        let answer = TestPeer::connect(server.address()).request(json!({"type": "resume", "token": shown}));
        assert_eq!(answer["code"], "bad_token", "{answer}");
        assert!(answer["reason"].as_str().is_some_and(|reason| reason.contains("in two places")), "{answer}");
    }
    let told = thief.expect("error");
    assert_eq!((&told["code"], &told["fatal"]), (&json!("logged_out"), &json!(true)));
    assert!(told["reason"].as_str().is_some_and(|reason| reason.contains("in two places")), "{told}");
    assert_eq!(login(&server, "ana", PASSWORD)["type"], "welcome");
}

#[test]
fn tokens_survive_a_crash_of_the_server() {
    let mut server = TestServer::start();
    let token = token(&TestPeer::connect(server.address()).register("ana"));
    server.kill();
    server.start_again();
    assert!(resume(&server, &token).is_ok());
}

#[test]
fn logging_out_revokes_the_token_of_this_device_only() {
    let server = TestServer::start();
    let other = token(&TestPeer::connect(server.address()).register("ana"));
    let mut ana = TestPeer::connect(server.address());
    let own = ana.request(json!({"type": "login", "username": "ana", "password": PASSWORD}));
    assert_eq!(ana.request(json!({"type": "logout"}))["type"], "ok");
    while ana.next_frame().is_some() {}
    assert_eq!(resume(&server, &token(&own)).expect_err("revoked"), "\"bad_token\"");
    assert!(resume(&server, &other).is_ok());
}

#[test]
fn a_new_password_logs_the_other_devices_out() {
    let server = TestServer::start();
    let mut other = TestPeer::connect(server.address());
    let token_of_other = token(&other.register("ana"));
    let mut ana = TestPeer::connect(server.address());
    let own = ana.request(json!({"type": "login", "username": "ana", "password": PASSWORD}));
    let new = "a better password";
    let wrong = json!({"type": "passwd", "old": "wrong password", "new": new});
    assert_eq!(ana.refused(wrong), "wrong_password");
    assert_eq!(ana.request(json!({"type": "passwd", "old": PASSWORD, "new": new}))["type"], "ok");
    let told = other.expect("error");
    assert_eq!((&told["code"], &told["fatal"]), (&json!("logged_out"), &json!(true)));
    while other.next_frame().is_some() {}
    assert!(resume(&server, &token_of_other).is_err());
    assert_eq!(login(&server, "ana", PASSWORD)["code"], "wrong_password");
    assert_eq!(login(&server, "ana", new)["type"], "welcome");
    assert!(resume(&server, &token(&own)).is_ok(), "the device that changed it stays");
}

#[test]
fn whoever_is_logged_out_is_served_nothing_more_of_what_was_asked_before() {
    const ASKED: usize = 60;
    let server = TestServer::start();
    let mut ana = TestPeer::connect(server.address());
    let own = token(&ana.register("ana"));
    let mut thief = TestPeer::connect(server.address());
    assert_eq!(thief.request(json!({"type": "resume", "token": own}))["type"], "welcome");
    // After the first few, each of these has to wait for a second.
    let asked =
        (0..ASKED).map(|number| format!("{}\n", json!({"type": "attach", "id": format!("a{number}")})));
    thief.write_bytes(asked.collect::<String>().as_bytes());
    thief.expect("attached");
    let changed = ana.request(json!({"type": "passwd", "old": PASSWORD, "new": "a better password"}));
    assert_eq!(changed["type"], "ok");
    let mut attached = 1;
    let told = loop {
        let frame = thief.next_frame().expect("it is told why before the end");
        match frame["type"].as_str() {
            Some("attached") => attached += 1,
            Some("error") => break frame,
            _ => {}
        }
    };
    assert_eq!((&told["code"], &told["fatal"]), (&json!("logged_out"), &json!(true)), "{told}");
    assert!(attached < ASKED, "all was answered");
}

#[test]
fn a_new_password_puts_out_who_has_a_copy_of_the_token_of_the_same_device() {
    let server = TestServer::start();
    let mut ana = TestPeer::connect(server.address());
    let own = token(&ana.register("ana"));
    let mut thief = TestPeer::connect(server.address());
    let of_thief = token(&thief.request(json!({"type": "resume", "token": own})));
    let new = "a better password";
    let changed = ana.request(json!({"type": "passwd", "old": PASSWORD, "new": new, "renew": true}));
    assert_eq!(thief.expect("error")["code"], "logged_out");
    for copy in [own, of_thief] {
        assert!(resume(&server, &copy).is_err());
    }
    assert_eq!(ana.request(json!({"type": "ping"}))["type"], "pong", "who changed it goes on");
    assert!(resume(&server, &token(&changed)).is_ok());
}

#[test]
fn the_device_that_makes_room_ends_with_its_session() {
    let server = TestServer::start();
    let mut first = TestPeer::registered(server.address(), "ana");
    for _ in 0..16 {
        assert_eq!(login(&server, "ana", PASSWORD)["type"], "welcome");
    }
    let told = first.expect("error");
    assert_eq!((&told["code"], &told["fatal"]), (&json!("logged_out"), &json!(true)));
    assert!(told["reason"].as_str().is_some_and(|reason| reason.contains("too many")), "{told}");
}

#[test]
fn before_login_nothing_else_is_possible_and_after_it_no_second_one() {
    let server = TestServer::start();
    let mut peer = TestPeer::connect(server.address());
    for frame in [
        json!({"type": "send", "room": "lobby", "message": "hi"}),
        json!({"type": "attach"}),
        json!({"type": "members"}),
        json!({"type": "history", "room": "lobby"}),
        json!({"type": "whois", "username": "ana"}),
    ] {
        assert_eq!(peer.refused(frame.clone()), "login_required", "{frame}");
    }
    assert_eq!(peer.request(json!({"type": "ping"}))["type"], "pong");
    peer.register("ana");
    let again = json!({"type": "login", "username": "ana", "password": PASSWORD});
    assert_eq!(peer.refused(again), "already_logged_in");
}

#[test]
fn a_closed_server_takes_no_new_accounts() {
    let server = TestServer::start_as(ServerSpec::default().arg("--registration").arg("closed"));
    let mut peer = TestPeer::connect(server.address());
    assert_eq!(peer.hello()["registration"], "closed");
    let frame = json!({"type": "register", "username": "ana", "password": PASSWORD});
    assert_eq!(peer.refused(frame), "registration_closed");
}

#[test]
fn a_display_name_is_separate_from_the_account_name() {
    let server = TestServer::start();
    let mut peer = TestPeer::connect(server.address());
    let frame =
        json!({"type": "register", "username": "ana", "password": PASSWORD, "display_name": "Ána Мария"});
    assert_eq!(peer.request(frame)["display_name"], "Ána Мария");
    let whois = peer.request(json!({"type": "whois", "username": "ana"}));
    assert_eq!((&whois["username"], &whois["display_name"]), (&json!("ana"), &json!("Ána Мария")));
    assert_eq!(peer.refused(json!({"type": "whois", "username": "nobody"})), "no_such_account");
}

#[test]
fn a_version_that_nobody_speaks_is_refused_by_name() {
    let server = TestServer::start();
    let mut peer = TestPeer::connect(server.address());
    assert_eq!(peer.hello()["versions"], json!([1]));
    let frame = json!({"type": "register", "username": "ana", "password": PASSWORD, "versions": [99]});
    assert_eq!(peer.refused(frame), "unsupported_version");
    assert!(peer.next_frame().is_none(), "the connection closes");
}
