//! Passwords on their way from a person or a script to the server: never sent to a room, never seen, never kept.
#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use lanchat_tests::{Home, Launch, PASSWORD, Terminal, TestPeer, TestServer, lanchat};
use serde_json::json;

/// The password in the scripts of these tests, which must never appear in a room.
const CANARY: &str = "canary-password";

struct Run {
    code: Option<i32>,
    err: String,
}

/// Runs `lanchat` in a pipe with `input` until it ends.
fn talk(home: &Home, server: &TestServer, arguments: &[&str], input: &[u8]) -> Run {
    let mut child = Command::new(lanchat())
        .env_clear()
        .env("HOME", home.path())
        .args(["--server", &server.address().to_string()])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("lanchat starts");
    // The program may end without having read all of it.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    let output = child.wait_with_output().expect("lanchat ends");
    Run { code: output.status.code(), err: String::from_utf8_lossy(&output.stderr).into_owned() }
}

/// Returns everything that was said in the lobby.
fn said(peer: &mut TestPeer) -> Vec<String> {
    let page = peer.request(json!({"type": "history", "room": "lobby", "limit": 200}));
    let entries = page["entries"].as_array().expect("entries").iter();
    entries.filter_map(|entry| entry["message"].as_str().map(str::to_owned)).collect()
}

/// Returns a password file with these permission bits.
fn password_file(home: &Home, bytes: &[u8], mode: u32) -> String {
    let path = home.path().join("password");
    fs::write(&path, bytes).expect("a file can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode can be set");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn a_login_that_does_not_begin_with_its_slash_is_run_or_refused_and_never_said() {
    let (server, home) = (TestServer::start(), Home::new());
    let mut watcher = TestPeer::registered(server.address(), "watcher");
    assert_eq!(
        talk(&home, &server, &["--plain"], format!("/register ana {CANARY}\n").as_bytes()).code,
        Some(0)
    );
    drop(TestPeer::registered(server.address(), "bob"));
    let login = format!("/login ana {CANARY}");
    for before in ["\u{feff}", " ", "\t", "\u{a0}", "\u{feff} \u{200b}"] {
        let run = talk(&home, &server, &["--plain"], format!("{before}{login}\r\nhello\r\n").as_bytes());
        assert_eq!(run.code, Some(0), "{before:?}: {}", run.err);
    }
    for line in [
        "／login bob x-canary",
        "\"/login bob x-canary\"",
        "⁄passwd x-canary y-canary",
        "\\login bob x-canary",
    ] {
        let run = talk(&home, &server, &["--plain"], format!("{line}\nafter {line}\n").as_bytes());
        assert_eq!(run.code, Some(6), "{line}: {}", run.err);
        assert!(run.err.contains("was not sent") && !run.err.contains("canary"), "{}", run.err);
    }
    let utf16: Vec<u8> =
        format!("\u{feff}{login}\r\nhello\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [&utf16[..], &utf16[2..]] {
        let run = talk(&home, &server, &["--plain"], bytes);
        assert_ne!(run.code, Some(0));
        assert!(run.err.contains("UTF-16"), "{}", run.err);
    }
    let run = talk(&home, &server, &["--text"], format!("\n\u{feff} \n{login}\nhello\n").as_bytes());
    assert_eq!(run.code, Some(1), "{}", run.err);
    assert_eq!(said(&mut watcher), ["hello"; 5]);
}

#[test]
fn a_script_has_its_password_from_a_file_of_its_own() {
    let (server, home) = (TestServer::start(), Home::new());
    let file = password_file(&home, format!("{CANARY}\r\n").as_bytes(), 0o600);
    let run = talk(&home, &server, &["--plain", "--password-file", &file], b"/register ana\nhello\n");
    assert_eq!(run.code, Some(0), "{}", run.err);
    let other = Home::new();
    let run = talk(&other, &server, &["--plain"], format!("/login ana {CANARY}\n").as_bytes());
    assert_eq!(run.code, Some(0), "the line end was no part of it: {}", run.err);

    let third = Home::new();
    let shell = format!("'{}' --plain --server {} 3<'{file}'", lanchat().display(), server.address());
    let mut child = Command::new("sh")
        .args(["-c", &shell])
        .env_clear()
        .env("HOME", third.path())
        .env("LANCHAT_PASSWORD_FILE", "/dev/fd/3")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    child.stdin.take().expect("a pipe").write_all(b"/login ana\nfrom a descriptor\n").expect("it reads");
    assert!(child.wait().expect("it ends").success());

    for (bytes, mode, words) in [
        (CANARY.as_bytes(), 0o644, "chmod 600"),
        (b"", 0o600, "empty"),
        (b"canary\ncanary\n", 0o600, "one line"),
        (&[b'c'; 4096], 0o600, "longer"),
        (b"\xff\xfec\0", 0o600, "UTF-16"),
    ] {
        let file = password_file(&home, bytes, mode);
        let run = talk(&home, &server, &["--plain", "--password-file", &file], b"/login ana\nnot said\n");
        assert_eq!(run.code, Some(1), "{}", run.err);
        assert!(run.err.contains(words) && !run.err.contains("canary"), "{}", run.err);
    }
    assert_eq!(said(&mut TestPeer::registered(server.address(), "watcher")), ["hello", "from a descriptor"]);
}

/// Without a line editor too, a password is asked for, and does not become the next message.
#[test]
fn a_simple_terminal_asks_for_passwords_without_showing_them() {
    let server = TestServer::start();
    let mut watcher = TestPeer::registered(server.address(), "watcher");
    for (term, flag) in [("dumb", "--follow"), ("xterm-256color", "--plain")] {
        let name = if term == "dumb" { "ana" } else { "bob" };
        let home = Home::new();
        let launch = Launch::new(lanchat()).home(&home).env("TERM", term);
        let mut terminal =
            Terminal::start_as_is(launch.args([flag, "--server", &server.address().to_string()]));
        terminal.enter(&format!("/register {name}"));
        terminal.wait_for_text("New password");
        terminal.enter(CANARY);
        terminal.wait_for_text("same again");
        terminal.enter(CANARY);
        terminal.wait_for_text(&format!("You are {name}"));
        terminal.enter("/passwd");
        terminal.wait_for_text("Current password");
        terminal.enter(CANARY);
        terminal.wait_for("waiting for the new one", |screen| {
            screen.contents().matches("New password").count() == 2
        });
        terminal.enter("canary-the-second");
        terminal
            .wait_for("waiting for it again", |screen| screen.contents().matches("same again").count() == 2);
        terminal.enter("canary-the-second");
        terminal.wait_for_text("Your password is changed");
        terminal.enter("/jion dev");
        terminal.wait_for_text("Did you mean /join?");
        terminal.enter(&format!("{name} says this"));
        watcher.expect_where("message", |frame| frame["message"] == format!("{name} says this"));
        terminal.enter("/quit");
        assert_eq!(terminal.wait_for_exit(), 6, "one line was refused");
        assert!(!terminal.transcript().concat().contains("canary"), "{}", terminal.screen());
        let login = format!("/login {name} canary-the-second\n");
        assert_eq!(talk(&Home::new(), &server, &["--plain"], login.as_bytes()).code, Some(0));
    }
    assert_eq!(said(&mut watcher), ["ana says this", "bob says this"]);
}

/// A line end that is copied with a password does not belong to it, and the rows above stay.
#[test]
fn a_password_is_pasted_with_or_without_its_line_end() {
    let (server, home) = (TestServer::start(), Home::new());
    let launch = Launch::new(lanchat()).home(&home).arg("--server").arg(server.address().to_string());
    let mut terminal = Terminal::start(launch);
    terminal.wait_for_text("/register");
    terminal.enter("/rooms");
    terminal.wait_for_text("You are not logged in");
    terminal.enter("/register ana");
    terminal.wait_for_text("New password");
    terminal.paste("two\nlines-of-it");
    terminal.press("\r");
    terminal.wait_for_text("You pasted several lines");
    for question in ["New password", "same again"] {
        terminal.wait_for_text(question);
        terminal.paste(&format!("{PASSWORD}\n"));
        terminal.wait_for("waiting for the stars", |screen| {
            screen.contents().contains(&"*".repeat(PASSWORD.len()))
        });
        terminal.press("\r");
    }
    terminal.wait_for("waiting for the prompt", |screen| {
        let screen = screen.contents();
        screen.contains("You are ana")
            && screen.lines().last().is_some_and(|line| line.trim_end().ends_with("in lobby>"))
    });
    let rows = terminal.transcript();
    for kept in ["You are not logged in", "You pasted several lines"] {
        assert_eq!(rows.iter().filter(|row| row.contains(kept)).count(), 1, "{kept}: {rows:?}");
    }
    terminal.enter("/quit");
    assert_eq!(terminal.wait_for_exit(), 0);
    let typed = talk(&Home::new(), &server, &["--plain"], format!("/login ana {PASSWORD}\n").as_bytes());
    assert_eq!(typed.code, Some(0), "{}", typed.err);

    let home = Home::new();
    let launch = Launch::new(lanchat()).home(&home).arg("--server").arg(server.address().to_string());
    let mut terminal = Terminal::start(launch);
    terminal.wait_for_text("/register");
    terminal.enter("/login ana");
    terminal.wait_for_text("Password:");
    terminal.paste(&format!("{PASSWORD}\r\n"));
    terminal.press("\r");
    terminal.wait_for_text("You are ana");
}

/// Coloured output and other line ends are sent as plain text.
#[test]
fn controls_are_taken_out_of_what_is_sent() {
    let (server, home) = (TestServer::start(), Home::new());
    let input = format!(
        "/register ana {CANARY}\n\x1b[31merror:\x1b[0m it\x07 broke\r\n\x1b[2J\n/me \x1b[1mwaves\x1b[m\n"
    );
    let run = talk(&home, &server, &["--plain"], input.as_bytes());
    assert_eq!(run.code, Some(6), "a line of controls alone is refused: {}", run.err);
    assert!(run.err.contains("nothing but control characters"), "{}", run.err);
    assert_eq!(said(&mut TestPeer::registered(server.address(), "watcher")), ["error: it broke", "waves"]);
}
