//! The very first minute: an empty home, nobody on the network, and three steps to the first message.
#![cfg(unix)]

use lanchat_tests::{Addressing, Home, Lan, PASSWORD, Terminal, TestPeer, lanchat};

/// Answers the masked question for a new password, as often as it is asked.
fn choose_password(terminal: &mut Terminal) {
    terminal.wait_for_text("assword");
    terminal.enter(PASSWORD);
    let again =
        |screen: &str| screen.to_lowercase().contains("again") || screen.to_lowercase().contains("repeat");
    terminal.wait_for("waiting for what follows the password", |screen| {
        again(&screen.contents()) || screen.contents().contains("lobby")
    });
    if again(&terminal.screen()) {
        terminal.enter(PASSWORD);
    }
}

/// Enter at "Host one here?", `/register`, a line: it is in the lobby (#2, item 1).
#[test]
fn from_nothing_to_the_first_message_in_three_steps() {
    let Some(lan) = Lan::new(1, Addressing::Both) else { return };
    let home = Home::new();
    let mut terminal = Terminal::start(lan.hosts()[0].launch(lanchat()).home(&home));
    terminal.wait_for_text("Host one here? [Y/n]");
    terminal.enter("");
    terminal.wait_for_text("/register");
    terminal.enter("/register ana");
    choose_password(&mut terminal);
    terminal.wait_for_text("lobby>");
    terminal.enter("hello, world");
    terminal.wait_for("waiting for the message in the lobby", |screen| {
        screen.contents().lines().any(|line| line.contains("ana") && line.contains("hello, world"))
    });
    assert!(!terminal.transcript().concat().contains(PASSWORD), "the password is never shown");
}

/// `lanchat host` does the same at once, and others can join.
#[test]
fn a_hosted_server_takes_others_and_says_what_leaving_means() {
    let home = Home::new();
    let launch = lanchat_tests::Launch::new(lanchat()).home(&home);
    let mut terminal =
        Terminal::start(launch.args(["host", "--name", "kitchen", "--no-mdns", "--listen", "127.0.0.1:0"]));
    terminal.wait_for_text("listening on 127.0.0.1:");
    terminal.enter("/register ana");
    choose_password(&mut terminal);
    terminal.wait_for_text("lobby>");
    let screen = terminal.screen();
    let address = screen.lines().find_map(|line| line.split_once("listening on ")?.1.trim().parse().ok());
    let mut bob = TestPeer::registered(address.expect("the banner shows the address"), "bob");
    bob.send("lobby", "nice kitchen");
    terminal.wait_for_text("nice kitchen");
    let whois = bob.request(serde_json::json!({"type": "whois", "username": "ana"}));
    assert_eq!(whois["admin"], true, "the host is admin: {whois}");
    terminal.enter("/quit");
    terminal.wait_for_text("Leave? [y/N]");
    terminal.enter("y");
    bob.expect("goodbye");
    assert_eq!(terminal.wait_for_exit(), 0);
}
