//! Tests the harness itself: it detects what it claims to detect. Each scenario that finds nothing relies on one of
//! these.
#![cfg(unix)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use lanchat_tests::{Addressing, Avahi, Home, Lan, Launch, Process, Proxy, Signal, Sniffer, Terminal};

fn shell(script: &str) -> Launch {
    Launch::new("sh").args(["-c", script])
}

#[test]
fn a_process_gets_nothing_of_our_environment_but_the_path() {
    let home = Home::new();
    let (code, variables, _) = Process::run(&shell("env").home(&home), "");
    assert_eq!(code, 0);
    assert!(!variables.contains("CARGO"), "{variables}");
    assert!(variables.contains(&format!("HOME={}", home.path().display())), "{variables}");
}

#[test]
fn the_end_of_a_process_is_told_with_its_code_or_its_signal() {
    assert_eq!(Process::run(&shell("exit 7"), "").0, 7);
    let process = Process::start(&shell("echo ready; exec cat"));
    process.stdout.wait_for_text("ready");
    process.signal(Signal::Stop);
    assert_eq!(process.status(), None);
    process.signal(Signal::Kill);
    assert_eq!(process.wait(), -1);
}

#[test]
#[should_panic(expected = "the stream ended")]
fn what_never_comes_is_reported() {
    Process::start(&shell("echo something else")).stdout.wait_for_text("what is waited for");
}

#[test]
fn a_terminal_shows_what_a_program_does_to_it() {
    let mut terminal = Terminal::start(shell("stty -echo; echo ready; exec cat"));
    terminal.wait_for_text("ready");
    terminal.enter("seen");
    terminal.wait_for_text("seen");
    assert_eq!(terminal.misdeeds(), [""; 0]);
    for misdeed in ["\x1b]0;title\x07", "\x1b[6n", "\x1b[c", "\x1b[8;10;10t", "\x1b]52;c;aGk=\x07"] {
        let before = terminal.misdeeds().len();
        // Control-V makes the terminal pass the escape character on.
        terminal.enter(&misdeed.replace('\x1b', "\x16\x1b").replace('\x07', "\x16\x07"));
        terminal.enter("next");
        terminal.wait_for("waiting for the misdeed", |screen| screen.contents().contains("next"));
        terminal.wait_for_misdeed(before);
    }
}

#[test]
fn a_transcript_holds_what_scrolled_away() {
    let terminal = Terminal::start(shell("seq 1 500; exec cat"));
    terminal.wait_for_text("500");
    let transcript = terminal.transcript();
    let numbers: Vec<u32> = transcript.iter().filter_map(|row| row.parse().ok()).collect();
    assert_eq!(numbers, (1..=500).collect::<Vec<_>>());
}

#[test]
fn a_cut_link_carries_nothing_and_a_joined_one_everything() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let target = listener.local_addr().expect("a bound socket has an address");
    let proxy = Proxy::to(target);
    let mut client = TcpStream::connect(proxy.address()).expect("the relay listens");
    let (mut server, _) = listener.accept().expect("the relay connects");
    client.write_all(b"through").expect("the link carries");
    let mut heard = [0; 7];
    server.read_exact(&mut heard).expect("the link carries");
    assert_eq!(&heard, b"through");
    proxy.cut();
    assert!(matches!(server.read(&mut heard), Ok(0) | Err(_)));
    let mut refused = TcpStream::connect(proxy.address()).expect("the relay listens");
    assert!(matches!(refused.read(&mut heard), Ok(0) | Err(_)));
    proxy.join(target);
    TcpStream::connect(proxy.address()).expect("the relay listens");
    listener.accept().expect("the relay connects again");
}

#[test]
fn a_sniffer_hears_what_is_said_in_clear_in_every_spelling() {
    let Some(lan) = Lan::new(2, Addressing::Both) else { return };
    let Some(sniffer) = Sniffer::on(&lan) else { return };
    let [one, other] = lan.hosts() else { panic!("two hosts") };
    assert_eq!(sniffer.overheard("canary-in-clear"), None);
    sniffer.hears(one, other, "canary-in-clear");
    assert_eq!(sniffer.overheard("canary-in-clear"), Some("plain"));
    sniffer.hears(one, other, "63616e6172792d696e2d686578");
    assert_eq!(sniffer.overheard("canary-in-hex"), Some("hex"));
    sniffer.hears(one, other, "Y2FuYXJ5LWluLWJhc2U2NA==");
    assert_eq!(sniffer.overheard("canary-in-base64"), Some("base64"));
}

#[test]
fn avahi_sees_nothing_where_nothing_is() {
    let Some(lan) = Lan::new(1, Addressing::Both) else { return };
    let Some(avahi) = Avahi::start(&lan.hosts()[0]) else { return };
    assert_eq!(avahi.list(), "");
}
