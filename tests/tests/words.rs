//! What a person is told, and whether it is true: who gets a reply, whose prompt it is, what is unread, what a wrong
//! name meant.
#![cfg(unix)]

use lanchat_tests::{Home, Launch, PASSWORD, Process, Terminal, TestPeer, TestServer, lanchat};
use serde_json::{Value, json};

fn client(server: &TestServer, home: &Home) -> Launch {
    Launch::new(lanchat()).home(home).arg("--server").arg(server.address().to_string())
}

/// Starts ana at her terminal, in the lobby.
fn ana_at(server: &TestServer, home: &Home) -> Terminal {
    let mut terminal = Terminal::start(client(server, home));
    terminal.register("ana");
    terminal
}

/// Returns everything that ana has written to `peer` in private by now.
fn from_ana(peer: &mut TestPeer) -> Vec<String> {
    let mine =
        |frame: &Value| frame["type"] == "message" && frame["room"] == "@ana" && frame["username"] == "ana";
    let frames = peer.barrier().into_iter().filter(mine);
    frames.map(|frame| frame["message"].as_str().expect("a text").to_owned()).collect()
}

/// A reply goes to the right person, whoever else writes meanwhile and however the line was typed.
#[test]
fn a_reply_goes_to_whoever_had_written_when_it_was_begun() {
    let (server, home) = (TestServer::start(), Home::new());
    let mut terminal = ana_at(&server, &home);
    let mut bob = TestPeer::registered(server.address(), "bob");
    let mut carol = TestPeer::registered(server.address(), "carol");
    bob.send("@ana", "first");
    terminal.wait_for_text("bob  first");

    terminal.press("/reply ");
    terminal.wait_for_text("> /reply   (to bob)");
    carol.send("@ana", "second");
    terminal.wait_for_text("carol  second");
    terminal.enter("for bob");
    terminal.wait_for_text("ana  for bob");

    // Begun before bob wrote again, but not finished.
    terminal.press("/re");
    terminal.wait_for_text("> /re");
    bob.send("@ana", "third");
    terminal.wait_for_text("bob  third");
    terminal.press("ply ");
    terminal.wait_for_text("> /reply   (to carol)");
    terminal.enter("for carol");
    terminal.wait_for_text("ana  for carol");

    terminal.paste("/reply pasted for bob");
    terminal.wait_for_text("(to bob)");
    carol.send("@ana", "fourth");
    terminal.wait_for_text("carol  fourth");
    terminal.press("\r");
    terminal.wait_for_text("ana  pasted for bob");

    terminal.enter("/r typed ahead for carol");
    terminal.wait_for_text("ana  typed ahead for carol");
    assert_eq!(from_ana(&mut bob), ["for bob", "pasted for bob"]);
    assert_eq!(from_ana(&mut carol), ["for carol", "typed ahead for carol"]);
}

/// A reply needs a message to answer: the user's own messages, and messages read long ago, do not count.
#[test]
fn a_reply_needs_somebody_who_wrote() {
    let (server, home) = (TestServer::start(), Home::new());
    let mut terminal = ana_at(&server, &home);
    let mut bob = TestPeer::registered(server.address(), "bob");
    terminal.enter("/reply hello");
    terminal.wait_for_text("Nobody has written to you in private yet.");
    terminal.enter("/msg bob hello");
    terminal.wait_for_text("ana  hello");
    terminal.enter("/reply still nobody");
    terminal.wait_for("waiting for both complaints", |screen| {
        screen.contents().matches("Nobody has written to you in private yet.").count() == 2
    });
    assert_eq!(from_ana(&mut bob), ["hello"]);
}

/// A person who wrote to another account does not get a reply from this one.
#[test]
fn a_reply_answers_nobody_who_wrote_to_another_account() {
    let (server, home) = (TestServer::start(), Home::new());
    let mut terminal = ana_at(&server, &home);
    let mut bob = TestPeer::registered(server.address(), "bob");
    bob.send("@ana", "for ana alone");
    terminal.wait_for_text("bob  for ana alone");
    terminal.enter("/logout");
    terminal.wait_for_text("lanchat> ");
    terminal.register("zoe");
    terminal.enter("/reply whom");
    terminal.wait_for_text("Nobody has written to you in private yet.");
    let frames = bob.barrier();
    assert!(
        !frames.iter().any(|frame| frame["username"] == "zoe" && frame["type"] == "message"),
        "{frames:?}"
    );
}

/// Without a line editor, nobody can tell when a line was begun.
#[test]
fn a_reply_without_an_editor_asks_again_when_somebody_else_has_written() {
    let (server, home) = (TestServer::start(), Home::new());
    let mut bob = TestPeer::registered(server.address(), "bob");
    let mut carol = TestPeer::registered(server.address(), "carol");
    let mut terminal = Terminal::start_as_is(client(&server, &home).env("TERM", "dumb"));
    terminal.enter(&format!("/register ana {PASSWORD}"));
    terminal.wait_for_text("You are ana");
    bob.send("@ana", "first");
    terminal.wait_for_text("bob  first");
    terminal.enter("/reply only bob has written");
    terminal.wait_for_text("ana  only bob has written");
    carol.send("@ana", "second");
    terminal.wait_for_text("carol  second");
    terminal.enter("/reply whom");
    terminal.wait_for_text("more than one person has written to you");
    terminal.enter("/reply carol, then");
    terminal.wait_for_text("ana  carol, then");
    assert_eq!(from_ana(&mut bob), ["only bob has written"]);
    assert_eq!(from_ana(&mut carol), ["carol, then"]);
}

#[test]
fn private_chats_are_listed_and_lead_back() {
    let (server, home) = (TestServer::start(), Home::new());
    let mut terminal = ana_at(&server, &home);
    let mut bob = TestPeer::registered(server.address(), "bob");
    terminal.wait_for_text("bob is online");
    terminal.enter("/join garden");
    terminal.wait_for_text("ana in garden> ");
    bob.send("@ana", "psst");
    terminal.wait_for_text("bob  psst");
    terminal.enter("/rooms");
    terminal.wait_for_text("Private chats (/msg NAME goes to one):");
    terminal.wait_for("waiting for the chat", |screen| {
        screen.contents().lines().any(|line| line.starts_with("***   @bob") && line.contains("online"))
    });
    terminal.enter("/msg bob");
    terminal.wait_for_text("ana to @bob> ");
    terminal.enter("/leave");
    terminal.wait_for_text("ana in garden> ");
    terminal.enter("/leave @bob");
    terminal.wait_for_text("There is nothing to leave");
    terminal.enter("said in the garden");
    terminal.wait_for_text("ana  said in the garden");
    assert_eq!(from_ana(&mut bob), [""; 0]);
}

/// Commands, rooms and people are found, even those never mentioned on this screen.
#[test]
fn what_was_mistyped_is_told_with_what_may_have_been_meant() {
    let (server, home) = (TestServer::start(), Home::new());
    for name in ["carol", "dave"] {
        drop(TestPeer::registered(server.address(), name));
    }
    let mut bob = TestPeer::registered(server.address(), "bob");
    bob.request(json!({"type": "join", "room": "workshop"}));
    let mut terminal = ana_at(&server, &home);
    for (line, told) in [
        ("/jion workshop", "Did you mean /join?"),
        ("/join work shop", "Did you mean /join work-shop?"),
        ("/who workhsop", "Did you mean workshop?"),
        ("/whois carlo", "Did you mean carol?"),
        ("/msg davee hello", "Did you mean dave?"),
        ("/join worksohp", "worksohp is a new room; only you are in it."),
    ] {
        terminal.enter(line);
        terminal.wait_for_text(told);
    }
    terminal.wait_for_text("Did you mean workshop? /join");
    terminal.enter("/join garden");
    terminal.wait_for_text("garden is a new room; only you are in it.");
    terminal.enter("/join gar");
    terminal.wait_for_text("gar is a new room; only you are in it. Did you mean garden?");
    terminal.enter("/leave");
    terminal.wait_for_text("You left gar. You are back in garden.");
    terminal.enter("/join carol");
    terminal.wait_for_text("To talk with the person: /leave, then /msg carol");
    terminal.enter("/leave");
    terminal.wait_for_text("You left carol. You are back in garden.");
    terminal.enter("/leave");
    terminal.wait_for_text("You left garden. You are back in lobby.");
}

#[test]
fn numbers_that_are_too_large_are_told_what_is_shown_instead() {
    let (server, home) = (TestServer::start(), Home::new());
    let mut terminal = ana_at(&server, &home);
    for huge in ["1000000", "99999999999999999999999"] {
        terminal.enter(&format!("/history {huge}"));
        terminal.wait_for_text("/history shows 200 lines at a time.");
    }
    terminal.enter("/history many");
    terminal.wait_for_text("/history takes a number from 1 up, for example /history 50");
    terminal.enter("/show 4711");
    terminal.wait_for_text("There is no message 4711 in lobby.");
}

/// Returns the six words in `text`, which must hold them at least once.
fn six_words(text: &str) -> String {
    let words =
        text.split_whitespace().find(|word| word.split('-').filter(|part| part.len() > 2).count() == 6);
    words.unwrap_or_else(|| panic!("no six words in {text}")).to_owned()
}

/// Host and guest see the same six words, and the guest notes that they were compared.
#[test]
fn trust_is_shown_and_verified_in_the_chat() {
    let (hosts, guests) = (Home::new(), Home::new());
    let launch = Launch::new(lanchat()).home(&hosts);
    let mut host =
        Terminal::start(launch.args(["host", "--name", "kitchen", "--no-mdns", "--listen", "127.0.0.1:0"]));
    host.wait_for_text("listening on 127.0.0.1:");
    let screen = host.screen();
    let address =
        screen.lines().find_map(|line| line.split_once("listening on ")).expect("an address").1.trim();
    host.enter(&format!("/register ana {PASSWORD}"));
    host.wait_for_text("ana in lobby> ");
    host.enter("/trust");
    host.wait_for_text("You host this server.");
    let words = six_words(host.screen().split("The six words of").last().expect("they were shown"));

    let guest = || Launch::new(lanchat()).home(&guests).args(["--server", address]);
    let mut terminal = Terminal::start(guest());
    terminal.wait_for_text("type /trust verify");
    assert!(terminal.screen().contains(&words), "{}", terminal.screen());
    terminal.enter(&format!("/register bob {PASSWORD}"));
    terminal.wait_for_text("bob in lobby> ");
    terminal.enter("/trust");
    terminal.wait_for_text("Not yet verified.");
    terminal.enter("/trust abandon abandon abandon abandon abandon about");
    terminal.wait_for_text("NOT the six words");
    let list = || Process::run(&Launch::new(lanchat()).home(&guests).args(["trust", "list"]), "").1;
    assert!(list().contains("key not verified"), "{}", list());
    terminal.enter(&format!("/trust {}", words.replace('-', " ")));
    terminal.wait_for_text("is verified: its key is the one that you compared.");
    assert!(!list().contains("not verified"), "{}", list());
    terminal.enter("/quit");
    assert_eq!(terminal.wait_for_exit(), 0);
}

/// Unread lines come last, next to the prompt, after the read lines, whichever room they are in.
#[test]
fn what_is_unread_is_shown_last() {
    let (server, home) = (TestServer::start(), Home::new());
    let mut bob = TestPeer::registered(server.address(), "bob");
    // Rooms are delivered in the order of their names and of their creation: one before the lobby, one after it.
    for room in ["attic", "workshop"] {
        bob.request(json!({"type": "join", "room": room}));
    }
    let mut terminal = ana_at(&server, &home);
    for room in ["attic", "workshop", "lobby"] {
        terminal.enter(&format!("/join {room}"));
        terminal.wait_for_text(&format!("ana in {room}> "));
    }
    for number in 1..=30 {
        bob.send("lobby", &format!("read {number}"));
    }
    terminal.wait_for_text("bob  read 30");
    terminal.enter("/quit");
    assert_eq!(terminal.wait_for_exit(), 0);
    bob.send("attic", "news of the attic");
    bob.send("lobby", "news of the lobby");
    bob.send("workshop", "news of the workshop");
    bob.send("@ana", "news for ana");

    let terminal = Terminal::start(client(&server, &home));
    terminal.wait_for_text("news of the lobby");
    terminal.wait_for_text("ana in lobby> ");
    let rows = terminal.transcript();
    let at = |text: &str| {
        let found: Vec<usize> = (0..rows.len()).filter(|row| rows[*row].contains(text)).collect();
        assert_eq!(found.len(), 1, "{text} in {rows:#?}");
        found[0]
    };
    let elsewhere = ["news of the attic", "news of the workshop", "news for ana"].map(at);
    assert!(elsewhere.iter().all(|row| at("read 30") < *row), "{rows:#?}");
    assert!(elsewhere.iter().all(|row| *row < at("news of the lobby")), "{rows:#?}");
    assert_eq!(at("*** new since") + 1, at("news of the lobby"), "{rows:#?}");
}
