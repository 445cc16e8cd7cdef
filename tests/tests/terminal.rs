//! The terminal client as a person meets it: a screen, a keyboard, and a room full of strangers.
#![cfg(unix)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use lanchat_model::limits;
use lanchat_tests::{Home, Launch, PASSWORD, Terminal, TestPeer, TestServer, lanchat, new_id};
use serde_json::json;

/// The least number of flood messages that scroll by between two keys of a slow typist.
const BETWEEN_KEYS: u64 = 50;

/// Starts ana at her terminal, in the lobby.
fn ana_at(server: &TestServer, home: &Home) -> Terminal {
    let launch = Launch::new(lanchat()).home(home).arg("--server").arg(server.address().to_string());
    let mut terminal = Terminal::start(launch);
    terminal.register("ana");
    terminal
}

/// Fills the lobby as fast as the server accepts posts, until it is dropped.
struct Flood {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Flood {
    fn of(mut peer: TestPeer) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut count = 0_u64;
            while !stopped.load(Ordering::Relaxed) {
                for _ in 0..limits::UNACKED_PER_SESSION_MAX {
                    count += 1;
                    let text = format!("flood {count}");
                    let frame = json!({"type": "send", "id": new_id(), "room": "lobby", "message": text});
                    peer.write_line(&frame.to_string());
                }
                for _ in 0..limits::UNACKED_PER_SESSION_MAX {
                    peer.expect("ack");
                }
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A flood that broke off has said why already.
            let _ = thread.join();
        }
    }
}

/// Returns the number of the latest visible message of a [`Flood`].
fn latest_of_flood(screen: &str) -> u64 {
    let numbers = screen.lines().filter_map(|line| line.split_once("flood ")?.1.trim().parse().ok());
    numbers.max().unwrap_or(0)
}

/// Returns the next message from ana that `peer` gets.
fn from_ana(peer: &mut TestPeer) -> String {
    let frame = peer.expect_where("message", |frame| frame["username"] == "ana");
    frame["message"].as_str().expect("a text").to_owned()
}

/// The line being typed is never broken by what arrives (#2, item 5).
#[test]
fn a_line_typed_slowly_and_a_pasted_block_stay_intact_in_a_flood() {
    let (server, home) = (TestServer::start(), Home::new());
    let mut terminal = ana_at(&server, &home);
    let mut watcher = TestPeer::registered(server.address(), "watcher");
    let flood = Flood::of(TestPeer::registered(server.address(), "flooder"));
    terminal.wait_for_text("flood 1");

    let typed = "the quick brown fox, typed slowly: äöü 漢字 done";
    let mut last = 0;
    terminal.type_while(typed, |screen| {
        let goes_on = latest_of_flood(&screen.contents()) >= last + BETWEEN_KEYS;
        if goes_on {
            last = latest_of_flood(&screen.contents());
        }
        goes_on
    });
    terminal.press("\r");
    assert_eq!(from_ana(&mut watcher), typed);

    let block = "first line of a block\n  second, indented\nthird and last";
    terminal.paste(block);
    terminal.wait_for_text("third and last");
    terminal.press("\r");
    assert_eq!(from_ana(&mut watcher), block, "one message, its line breaks kept");
    drop(flood);
    terminal.enter("after the flood");
    assert_eq!(from_ana(&mut watcher), "after the flood");
}

/// Texts from strangers that mean something to a terminal, and what must be shown instead.
const HOSTILE: &[&str] = &[
    "\u{1b}]0;title\u{7}",
    "\u{1b}]2;title\u{1b}\\",
    "\u{1b}]52;c;aGVsbG8=\u{7}",
    "\u{1b}]8;;http://example.invalid\u{1b}\\link\u{1b}]8;;\u{1b}\\",
    "\u{1b}[6n",
    "\u{1b}[c\u{1b}[>c\u{1b}[=c",
    "\u{1b}[21t\u{1b}[8;10;10t",
    "\u{1b}[2J\u{1b}[H",
    "\u{1b}[10A\u{1b}[10D",
    "\u{1b}[?1049h\u{1b}[?25l",
    "\u{1b}P+q544e\u{1b}\\",
    "\u{1b}c\u{1b}7\u{1b}8\u{1b}#8",
    "\u{1b}(0lqqk",
    "\u{1b}^pm\u{1b}\\\u{1b}_apc\u{1b}\\",
    "\u{9b}6n\u{9d}0;title\u{9c}\u{90}x\u{9c}\u{85}",
    "back\u{8}\u{8}\u{8}\u{8}space\u{7f}",
    "return\rover\u{b}\u{c}",
    "\u{7}\u{5}\u{e}\u{f}",
    "\u{202e}turned\u{202c}\u{2066}\u{2069}\u{200f}",
    "\u{2028}\u{2029}\u{200b}\u{feff}\u{e0041}\u{ad}",
];

/// Returns whether the server refuses a text because of control characters other than tabs and newlines.
fn is_refused(text: &str) -> bool {
    text.bytes().any(|byte| byte < 0x20 && byte != b'\t' && byte != b'\n')
}

/// No byte of a hostile message moves the cursor, sets a title or queries the terminal (#2, item 5).
#[test]
fn hostile_messages_only_ever_show_text() {
    let (server, home) = (TestServer::start(), Home::new());
    let mut terminal = ana_at(&server, &home);
    let mut mallory = TestPeer::registered(server.address(), "mallory");
    terminal.type_slowly("half a line");
    let own_bells = terminal.raw().iter().filter(|byte| **byte == 7).count();

    for (number, payload) in HOSTILE.iter().enumerate() {
        let text = format!("<{payload}> end{number}.");
        let answer = mallory.answer_to(&new_id(), json!({"type": "send", "room": "lobby", "message": text}));
        if is_refused(payload) {
            // This server refuses it; what another one lets through is sanitised all the same (`client/src/sanitize`).
            assert_eq!(answer["code"], "bad_message", "{answer}");
            continue;
        }
        terminal.wait_for_text(&format!("end{number}."));
        terminal.wait_for("waiting for the line being typed", |screen| {
            let row = screen.rows(0, 80).nth(usize::from(screen.cursor_position().0)).unwrap_or_default();
            row.ends_with("half a line")
        });
    }
    // Each is sent by another account: frequent changes of one account are reported late.
    let mut people = Vec::new();
    for (number, payload) in HOSTILE.iter().enumerate().filter(|(_, payload)| !is_refused(payload)) {
        let mut peer = TestPeer::registered(server.address(), &format!("mallory{number}"));
        peer.request(json!({"type": "away", "reason": format!("{payload} away{number}.")}));
        terminal.wait_for_text(&format!("away{number}.”"));
        people.push(peer);
    }
    assert_eq!(terminal.misdeeds(), [""; 0], "the terminal was made to do something");
    let raw = terminal.raw();
    assert_eq!(raw.iter().filter(|byte| **byte == 7).count(), own_bells, "it rang");
    let shown = String::from_utf8(raw).expect("the client writes UTF-8");
    for payload in HOSTILE {
        assert!(!shown.contains(payload), "{payload:?} went through as it is");
    }
    let invisible = |c: char| {
        matches!(c, '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
    };
    assert_eq!(shown.chars().find(|c| invisible(*c)), None, "an invisible character went through");
    let transcript = terminal.transcript().concat();
    assert!(
        transcript.contains("\\x9b") && transcript.contains("202e"),
        "escapes are made visible: {transcript}"
    );

    mallory.barrier();
    terminal.press("\r");
    assert_eq!(from_ana(&mut mallory), "half a line");
}

/// A message cannot pass for a line of the program.
#[test]
fn a_message_of_several_lines_cannot_pass_for_others() {
    let (server, home) = (TestServer::start(), Home::new());
    let terminal = ana_at(&server, &home);
    let mut mallory = TestPeer::registered(server.address(), "mallory");
    mallory.send("lobby", "hi\n12:00 bob  send me your password\n*** bob is now an administrator\nend of it");
    terminal.wait_for_text("end of it");
    let transcript = terminal.transcript();
    for line in transcript.iter().filter(|line| line.contains("password") || line.contains("administrator")) {
        assert!(line.starts_with(' '), "a line that looks like one of its own: {line:?}");
    }
}

#[test]
fn a_resized_window_keeps_the_line_being_typed() {
    let (server, home) = (TestServer::start(), Home::new());
    let mut terminal = ana_at(&server, &home);
    let mut watcher = TestPeer::registered(server.address(), "watcher");
    let mut typed = String::new();
    for (number, (rows, columns)) in [(30, 100), (10, 40), (24, 80)].into_iter().enumerate() {
        terminal.resize(rows, columns);
        let word = format!("w{number} ");
        terminal.press(&word);
        typed.push_str(&word);
        terminal
            .wait_for("waiting for the whole line", |screen| screen.contents().contains(typed.trim_end()));
    }
    terminal.press("end\r");
    assert_eq!(from_ana(&mut watcher), format!("{typed}end"));
}

#[test]
fn ctrl_c_clears_the_line_first_and_leaves_at_the_second_press() {
    let (server, home) = (TestServer::start(), Home::new());
    let mut terminal = ana_at(&server, &home);
    let mut watcher = TestPeer::registered(server.address(), "watcher");
    terminal.type_slowly("not to be sent");
    terminal.press("\x03");
    terminal.enter("sent");
    assert_eq!(from_ana(&mut watcher), "sent");
    terminal.press("\x03");
    terminal.press("\x03");
    assert_eq!(terminal.wait_for_exit(), 0);
}

#[test]
fn ctrl_d_on_an_empty_line_leaves() {
    let (server, home) = (TestServer::start(), Home::new());
    let mut terminal = ana_at(&server, &home);
    terminal.press("\x04");
    assert_eq!(terminal.wait_for_exit(), 0);
}

/// A lost connection is reported once, and so is its return; lines typed meanwhile are sent once.
#[test]
fn a_lost_connection_is_told_once_and_nothing_typed_is_lost() {
    let (mut server, home) = (TestServer::start(), Home::new());
    let mut terminal = ana_at(&server, &home);
    server.kill();
    terminal.wait_for("waiting for the news", |screen| screen.contents().to_lowercase().contains("lost"));
    terminal.enter("typed while nobody listened");
    server.start_again();
    let mut watcher = TestPeer::connect(server.address());
    watcher.register("watcher");
    watcher.request(json!({"type": "attach", "tail": 50}));
    assert_eq!(from_ana(&mut watcher), "typed while nobody listened");
    terminal.wait_for("waiting for the message from the log", |screen| {
        screen
            .contents()
            .lines()
            .any(|line| line.contains("ana") && line.contains("typed while nobody listened"))
    });
    let lost = terminal.transcript().iter().filter(|line| line.to_lowercase().contains("lost")).count();
    assert_eq!(lost, 1, "told once");
}

/// Who types is seen at the prompt and leaves no trace.
#[test]
fn typing_is_seen_while_it_goes_on_and_leaves_no_trace() {
    let (mut server, home) = (TestServer::start(), Home::new());
    let mut terminal = ana_at(&server, &home);
    let mut bob = TestPeer::registered(server.address(), "bob");
    bob.write_line(r#"{"type":"typing","id":"t1","room":"lobby"}"#);
    terminal.wait_for_text("typing");
    bob.send("lobby", "here it is");
    terminal.wait_for("waiting for the hint to go", |screen| {
        screen.contents().contains("here it is") && !screen.contents().contains("typing")
    });
    terminal.press("hello");
    bob.expect("typing");
    terminal.press("\x03");
    // This needs another account: the server passes on only the first of several hints in a row.
    let mut carol = TestPeer::registered(server.address(), "carol");
    carol.write_line(r#"{"type":"typing","id":"t1","room":"lobby"}"#);
    terminal.wait_for_text("typing");
    server.kill();
    terminal.wait_for("waiting for the hint to go with the connection", |screen| {
        screen.contents().contains("Connection lost") && !screen.contents().contains("typing")
    });
}

/// A refused password is asked for again behind the mask, and what is typed too early is not kept.
#[test]
fn a_password_typed_after_a_refusal_is_neither_shown_nor_kept() {
    const CANARIES: [&str; 3] = ["canary-in-the-wrong-place", "canary1", "canary-that-is-wrong"];
    let (server, home) = (TestServer::start(), Home::new());
    drop(TestPeer::registered(server.address(), "bob"));
    let launch = Launch::new(lanchat()).home(&home).arg("--server").arg(server.address().to_string());
    let mut terminal = Terminal::start(launch);
    terminal.wait_for_text("/register");
    let asks = |screen: &str, question: &str| screen.lines().any(|line| line.trim_end() == question);
    let mut ask = |enter: &str, words: &str, question: &str| {
        terminal.enter(enter);
        terminal.wait_for(&format!("waiting for {question:?}"), |screen| {
            screen.contents().contains(words) && asks(&screen.contents(), question)
        });
    };
    ask("/register Admin", "reserved", "lanchat>");
    ask(CANARIES[0], "You are not logged in", "lanchat>");
    ask("/register ana", "", "New password (8 characters or more):");
    ask(CANARIES[1], "Use 8 or more characters", "New password (8 characters or more):");
    ask("", "Cancelled", "lanchat>");
    ask("/login bob", "", "Password:");
    ask(CANARIES[2], "Wrong name or password", "Password:");
    ask(PASSWORD, "You are bob", "bob in lobby>");
    terminal.enter("/quit");
    assert_eq!(terminal.wait_for_exit(), 0);
    let kept: String = home.files().iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    for canary in &CANARIES[1..] {
        assert!(!terminal.transcript().concat().contains(canary), "{canary} was shown");
    }
    // What is typed at the prompt is seen there, but only there.
    let rows = terminal.transcript();
    assert!(!rows.iter().any(|row| row.contains("***") && row.contains(CANARIES[0])));
    assert!(kept.contains("/login bob") && !kept.contains("canary"), "{kept}");
}

#[test]
fn whoever_is_logged_in_is_not_asked_for_a_password() {
    let (server, home) = (TestServer::start(), Home::new());
    let mut terminal = ana_at(&server, &home);
    terminal.enter("/login Ana");
    terminal.wait_for("waiting for the words and the prompt", |screen| {
        let screen = screen.contents();
        screen.contains("You are logged in as ana already.")
            && screen.lines().last().is_some_and(|line| line.starts_with("ana in lobby>"))
    });
    terminal.enter("/register ana");
    terminal.wait_for_text("You are ana already.");
    assert!(!terminal.transcript().concat().contains("assword"), "a question was asked");
    terminal.enter("/register bob");
    terminal.wait_for_text("Leave ana and make bob? [y/N]");
    terminal.enter("y");
    terminal.wait_for_text("New password");
    terminal.enter(PASSWORD);
    terminal.enter(PASSWORD);
    terminal.wait_for_text("You are bob");
}

/// What was typed for questions that are no longer asked is not sent to anybody.
#[test]
fn what_was_typed_ahead_of_a_command_that_gave_up_is_thrown_away() {
    let (server, home) = (TestServer::start(), Home::new());
    let mut terminal = ana_at(&server, &home);
    let mut watcher = TestPeer::registered(server.address(), "watcher");
    let mut keys = format!("/passwd\r{PASSWORD}\r");
    (1..=9).for_each(|number| keys.push_str(&format!("canary{number}\r")));
    terminal.press(&keys);
    terminal.wait_for_text("Too many tries");
    terminal.wait_for("waiting for the prompt", |screen| {
        screen.contents().lines().last().is_some_and(|line| line.trim_end() == "ana in lobby>")
    });
    terminal.enter("said afterwards");
    assert_eq!(from_ana(&mut watcher), "said afterwards");
    assert!(!terminal.transcript().concat().contains("canary"));
}

#[test]
fn text_without_commands_is_not_for_a_terminal() {
    let home = Home::new();
    let terminal = Terminal::start(Launch::new(lanchat()).home(&home).arg("--text"));
    assert_eq!(terminal.wait_for_exit(), 1);
    terminal.wait_for_text("--text is for a pipe");
}

/// The hint at the end of a cut message holds, even later, in another room, and in the next run.
#[test]
fn a_long_message_can_be_read_whole() {
    let (server, home) = (TestServer::start(), Home::new());
    let launch = || Launch::new(lanchat()).home(&home).arg("--server").arg(server.address().to_string());
    let mut terminal = ana_at(&server, &home);
    let mut bob = TestPeer::registered(server.address(), "bob");
    let long = |name: &str| (1..=60).map(|n| format!("{name} {n}")).collect::<Vec<_>>().join("\n");
    let shows = |terminal: &Terminal, row: &str| {
        terminal.wait_for(&format!("waiting for the row {row:?}"), |screen| {
            screen.contents().lines().any(|line| line.trim_end().ends_with(row))
        });
    };
    let first = bob.send("lobby", &long("first"))["seq"].clone();
    shows(&terminal, &format!("more lines; /show lobby {first})"));
    bob.request(json!({"type": "join", "room": "dev"}));
    terminal.enter("/join dev");
    shows(&terminal, "dev>");
    terminal.enter(&format!("/show lobby {first}"));
    shows(&terminal, "first 60");
    let second = bob.send("dev", &long("second"))["seq"].clone();
    shows(&terminal, &format!("more lines; /show dev {second})"));
    bob.send("dev", "short");
    shows(&terminal, "bob  short");
    terminal.enter(&format!("/show {second}"));
    shows(&terminal, "second 60");
    let third = bob.send("@ana", &long("third"))["seq"].clone();
    shows(&terminal, &format!("more lines; /show @bob {third})"));
    terminal.enter("/history");
    shows(&terminal, "end of the last lines");
    let rows = terminal.screen();
    assert!(rows.lines().any(|row| row.trim_end().ends_with("bob  short")), "{rows}");
    terminal.enter("/quit");
    assert_eq!(terminal.wait_for_exit(), 0);

    let mut terminal = Terminal::start(launch());
    shows(&terminal, "lobby>");
    terminal.enter(&format!("/show @bob {third}"));
    shows(&terminal, "third 60");
    terminal.enter(&format!("/show lobby {first}"));
    shows(&terminal, "first 60");
}

#[test]
fn commands_say_what_to_do() {
    let (server, home) = (TestServer::start(), Home::new());
    let mut terminal = ana_at(&server, &home);
    terminal.enter("/jion garden");
    terminal.wait_for_text("/join");
    terminal.enter("//join is a command");
    terminal.wait_for("waiting for the slash", |screen| {
        screen.contents().lines().any(|line| line.contains("ana") && line.contains(" /join is a command"))
    });
    terminal.enter("/join garden");
    terminal.wait_for_text("garden> ");
    terminal.enter("/help");
    terminal.wait_for_text("/quit");
}

/// The input history is a convenience: without it, chatting still works.
#[test]
fn a_history_that_cannot_be_used_is_told_and_keeps_nobody_from_chatting() {
    let (server, home) = (TestServer::start(), Home::new());
    let state = home.path().join(".local/state/lanchat");
    std::fs::create_dir_all(state.join("history")).expect("a folder can be made");
    let own_only = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&state, own_only).expect("it is ours");
    let mut terminal = ana_at(&server, &home);
    // The path is long, so that the row is broken somewhere.
    let told = terminal.transcript().concat().replace(' ', "");
    assert!(told.contains("historycannotbeused"), "{told}");
    terminal.enter("hello all the same");
    terminal.wait_for("waiting for the message", |screen| {
        screen.contents().lines().any(|line| line.contains("ana") && line.contains("hello all the same"))
    });
}

/// A dumb terminal gets plain lines: no escape sequence at all.
#[test]
fn a_dumb_terminal_gets_no_escape_sequences() {
    let (server, home) = (TestServer::start(), Home::new());
    let mut peer = TestPeer::registered(server.address(), "bob");
    let launch = Launch::new(lanchat()).home(&home).env("TERM", "dumb");
    let launch = launch.arg("--server").arg(server.address().to_string());
    let mut terminal = Terminal::start_as_is(launch);
    terminal.enter(&format!("/register ana {PASSWORD}"));
    peer.expect_where("joined", |frame| frame["username"] == "ana");
    peer.expect_where("presence", |frame| frame["username"] == "ana");
    terminal.enter("plain");
    assert_eq!(from_ana(&mut peer), "plain");
    peer.send("lobby", "answer");
    terminal.wait_for_text("answer");
    assert!(!terminal.raw().contains(&0x1b));
}
