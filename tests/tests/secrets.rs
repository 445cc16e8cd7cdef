//! What an eavesdropper learns from the link, the logs, or the files: no password, no token, no message.
#![cfg(unix)]

use std::path::PathBuf;

use lanchat_tests::{Addressing, Home, Lan, Pipe, ServerSpec, Sniffer, Terminal, TestServer, lanchat};
use serde_json::Value;

const OLD_PASSWORD: &str = "canary-password-one-4f7a";
const NEW_PASSWORD: &str = "canary-password-two-93be";
const IN_THE_LOBBY: &str = "canary-in-the-lobby-5d02";
const IN_PRIVATE: &str = "canary-in-private-c81f";

/// A whole conversation passes the link, but none of it can be read there (#2, item 9).
#[test]
fn nothing_secret_is_on_the_link_nor_in_a_log() {
    let Some(lan) = Lan::new(2, Addressing::Both) else { return };
    let [server_host, client_host] = lan.hosts() else { panic!("two hosts") };
    let Some(sniffer) = Sniffer::on(&lan) else { return };
    sniffer.hears(client_host, server_host, "control-before-2b6e");
    let spec = ServerSpec::on(&server_host.place(), "attic").env("LANCHAT_LOG", "trace");
    let mut server = TestServer::start_as(spec);
    let homes = [Home::new(), Home::new()];

    let mut bob = Pipe::start(&homes[1], &client_host.place(), &["--json", "--follow"]);
    bob.enter(&format!("/register bob {OLD_PASSWORD}"));
    bob.expect("attached", |_| true);
    let mut complaints = String::new();
    for input in [
        format!("/register ana {OLD_PASSWORD}\n{IN_THE_LOBBY}\n/msg bob {IN_PRIVATE}\n"),
        format!("/passwd {OLD_PASSWORD} {NEW_PASSWORD}\n"),
        format!("/login ana {NEW_PASSWORD}\n{IN_THE_LOBBY}\n"),
    ] {
        let mut ana = Pipe::start(&homes[0], &client_host.place(), &["--plain"]);
        ana.process().write(&input);
        assert_eq!(ana.finish(), 0, "{}", ana.complaints());
        complaints += &ana.complaints();
    }
    bob.expect("message", |frame| frame["message"] == IN_PRIVATE);
    sniffer.hears(client_host, server_host, "control-after-90d1");

    let tokens: Vec<String> = homes.iter().flat_map(tokens_of).collect();
    assert!(tokens.len() >= 2, "each client keeps a token: {tokens:?}");
    let words = [OLD_PASSWORD, NEW_PASSWORD, IN_THE_LOBBY, IN_PRIVATE].map(str::to_owned);
    assert_eq!(server.stop(), 0);
    let log = server.log();
    assert!(log.contains("connected="), "the control: people come and go in the log");
    for secret in words.iter().chain(&tokens) {
        assert_eq!(sniffer.overheard(secret), None, "{secret} is on the link");
        assert!(!log.contains(secret.as_str()), "{secret} is in the server's log");
        assert!(!complaints.contains(secret.as_str()), "{secret} is in what the client says");
    }
    assert!(sniffer.heard() > 10_000, "a conversation passed the link");
    for secret in [OLD_PASSWORD, NEW_PASSWORD].map(str::to_owned).iter().chain(&tokens) {
        assert!(!server.stores(secret.as_bytes()), "{secret} is on the server's disk");
    }
    for path in homes.iter().flat_map(Home::files) {
        let text = String::from_utf8_lossy(&std::fs::read(&path).expect("a file can be read")).into_owned();
        for password in [OLD_PASSWORD, NEW_PASSWORD] {
            assert!(!text.contains(password), "a password is in {}", path.display());
        }
    }
}

/// Returns the device tokens that a client keeps.
fn tokens_of(home: &Home) -> Vec<String> {
    let kept = home.files().into_iter().filter(|path: &PathBuf| path.ends_with("servers.json"));
    let mut tokens = Vec::new();
    for path in kept {
        let text = std::fs::read_to_string(path).expect("a file can be read");
        collect_tokens(&serde_json::from_str(&text).expect("the file is JSON"), &mut tokens);
    }
    tokens
}

fn collect_tokens(value: &Value, tokens: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key.contains("token") => tokens.push(text.clone()),
                    other => collect_tokens(other, tokens),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_tokens(item, tokens)),
        _ => {}
    }
}

/// At a terminal, secrets are neither on the screen nor in the input history.
#[test]
fn a_password_that_is_typed_is_neither_shown_nor_kept() {
    let (server, home) = (TestServer::start(), Home::new());
    let launch = lanchat_tests::Launch::new(lanchat()).home(&home);
    let mut terminal = Terminal::start(launch.arg("--server").arg(server.address().to_string()));
    terminal.wait_for_text("/register");
    terminal.enter(&format!("/register ana {OLD_PASSWORD}"));
    terminal.wait_for_text("lobby> ");
    terminal.enter("a line for the history");
    terminal.wait_for("waiting for the line in the lobby", |screen| {
        screen.contents().lines().any(|line| line.contains("ana") && line.contains("a line for the history"))
    });
    // A typing error makes this an unknown command.
    terminal.enter(&format!("/lgoin ana {OLD_PASSWORD}"));
    terminal.wait_for_text("/login");
    terminal.enter("/quit");
    assert_eq!(terminal.wait_for_exit(), 0);
    let kept: Vec<String> =
        home.files().iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    assert!(kept.iter().any(|text| text.contains("a line for the history")), "the control: history is kept");
    assert!(!kept.iter().any(|text| text.contains(OLD_PASSWORD)), "the password is kept");
}

/// Only the owner can read a client's files.
#[test]
fn the_files_of_a_client_are_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (server, home) = (TestServer::start(), Home::new());
    let start = format!("umask 000; exec {} --plain --server {}", lanchat().display(), server.address());
    let launch = lanchat_tests::Launch::new("sh").args(["-c", &start]).home(&home);
    let (code, _, error) =
        lanchat_tests::Process::run(&launch, &format!("/register ana {OLD_PASSWORD}\nhello\n"));
    assert_eq!(code, 0, "{error}");
    let files = home.files();
    for name in ["pins.json", "servers.json"] {
        assert!(files.iter().any(|path| path.ends_with(name)), "{name} is not among {files:?}");
    }
    for path in files {
        let mode = std::fs::metadata(&path).expect("it exists").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {:o}", path.display(), mode & 0o777);
    }
}
