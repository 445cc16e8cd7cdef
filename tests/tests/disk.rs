//! Disks that fail. When the disk is full, everybody is told and nothing is lost; when it breaks, the server ends, and
//! recovers later.
#![cfg(unix)]

use lanchat_model::limits;
use lanchat_tests::ledger::long_run;
use lanchat_tests::power::{Flaw, Ledger, can_trace, flaws};
use lanchat_tests::{
    Home, PASSWORD, Pipe, Place, ServerSpec, TestPeer, TestServer, TinyDisk, interpreter, new_id, report,
};
use serde_json::{Value, json};

/// The size of the disk: enough for the posts, and for a journal without checkpoints.
const DISK_BYTES: usize = 8 * 1024 * 1024;
/// The unit in which a disk allocates space.
const PAGE: u64 = 4096;
/// How many pages are left when it gets full: from none to more than a batch takes.
const PAGES_LEFT: u64 = 24;

/// Posts a message and returns its id.
fn post(author: &mut TestPeer, ledger: &mut Ledger) -> String {
    let id = new_id();
    let text = format!("{id} {}", "disk ".repeat(2500));
    author.write_line(&json!({"type": "send", "id": id, "room": "lobby", "message": text}).to_string());
    ledger.sent.insert(id.clone(), text);
    id
}

/// Notes an `ack`. Returns `false` for any other frame.
fn note(frame: &Value, ledger: &mut Ledger) -> bool {
    let is_ack = frame["type"] == "ack";
    if let (true, Some(id), Some(seq)) = (is_ack, frame["id"].as_str(), frame["seq"].as_u64()) {
        ledger.acked.insert(id.to_owned(), seq);
    }
    is_ack
}

/// Posts until a post is refused, and returns the refused ones.
fn post_until_full(author: &mut TestPeer, ledger: &mut Ledger) -> Vec<String> {
    let mut refused = Vec::new();
    while refused.is_empty() {
        let batch: Vec<_> = (0..4).map(|_| post(author, ledger)).collect();
        let mut open = batch.len();
        while open > 0 {
            let frame = author.next_frame().expect("a full disk closes no connection");
            let is_ours = batch.iter().any(|id| frame["id"] == *id.as_str()) && frame["type"] != "message";
            if is_ours {
                open -= 1;
                if !note(&frame, ledger) {
                    assert_eq!(frame["code"], "read_only", "{frame}");
                    refused.push(frame["id"].as_str().expect("it names the post").to_owned());
                }
            }
        }
    }
    refused
}

/// Sends refused posts again, under their ids.
fn post_again(author: &mut TestPeer, refused: &[String], ledger: &mut Ledger) {
    for id in refused {
        let text = ledger.sent[id].clone();
        let ack = author.answer_to(id, json!({"type": "send", "room": "lobby", "message": text}));
        assert!(note(&ack, ledger), "{ack}");
    }
}

fn notice(peer: &mut TestPeer, code: &str) {
    let notice = peer.expect("notice");
    assert_eq!(notice["code"], code, "{notice}");
    let reason = notice["reason"].as_str().expect("a notice is for people");
    assert!(reason.contains(' ') && reason.ends_with('.'), "not a sentence: {reason}");
}

/// Returns what is wrong with the lobby, read by `reader` from its beginning.
fn audit(server: &TestServer, reader: &str, ledger: &Ledger) -> Vec<Flaw> {
    let mut auditor = TestPeer::connect(server.address());
    auditor.request(json!({"type": "login", "username": reader, "password": PASSWORD}));
    auditor.request(json!({"type": "attach", "cursors": {"lobby": 0}}));
    let is_entry = |frame: &Value| frame["seq"].is_u64() && frame["room"] == "lobby";
    let log: Vec<_> = auditor.barrier().into_iter().filter(is_entry).collect();
    flaws(ledger, &log)
}

/// The disk gets full at every page of a batch, and gets space again: the author and everybody else are told at once,
/// reading goes on, and nothing is lost or duplicated.
#[test]
fn a_full_disk_is_told_to_everybody_and_loses_nothing() {
    let Some(disk) = TinyDisk::new(DISK_BYTES) else { return };
    let mut server = TestServer::start_as(ServerSpec::default().on_data(&disk.data()).under(disk.starter()));
    let mut ana = TestPeer::registered(server.address(), "ana");
    let mut bob = TestPeer::registered(server.address(), "bob");
    let mut ledger = Ledger::default();
    for pages in 0..=PAGES_LEFT {
        disk.fill(pages * PAGE);
        let refused = post_until_full(&mut ana, &mut ledger);
        notice(&mut bob, "read_only");
        let history = bob.request(json!({"type": "history", "room": "lobby", "limit": 5}));
        assert_eq!(history["type"], "history", "reading goes on: {history}");
        disk.free();
        post_again(&mut ana, &refused, &mut ledger);
        notice(&mut bob, "writable");
    }
    report(&format!("disk: full {} times, {} messages acknowledged", PAGES_LEFT + 1, ledger.acked.len()));

    // The server is killed while the disk is full: acknowledged posts are there all the same.
    disk.fill(0);
    post_until_full(&mut ana, &mut ledger);
    server.kill();
    disk.free();
    server.start_again();
    assert_eq!(audit(&server, "bob", &ledger), []);
    assert_eq!(server.stop(), 0);
    if let Some(python) = interpreter() {
        let copy = tempfile::tempdir().expect("a temporary folder can be made");
        disk.copy_data(copy.path());
        let check = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('PRAGMA integrity_check').fetchall())";
        let output = std::process::Command::new(python)
            .args(["-c", check])
            .arg(copy.path().join("lanchat.db"))
            .output()
            .expect("python runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "[('ok',)]");
    }
}

/// Users who were told that posts are refused need not keep trying: the server checks by itself, and tells clients that
/// come later.
#[test]
fn a_server_finds_out_by_itself_that_there_is_space_again() {
    let Some(disk) = TinyDisk::new(DISK_BYTES) else { return };
    let server = TestServer::start_as(ServerSpec::default().on_data(&disk.data()).under(disk.starter()));
    let mut ana = TestPeer::registered(server.address(), "ana");
    let mut late = TestPeer::connect(server.address());
    late.register("late");
    let home = Home::new();
    let address = server.address().to_string();
    let mut shown = Pipe::start(&home, &Place::Here, &["--plain", "--follow", "--server", &address]);
    shown.enter(&format!("/register reader {PASSWORD}"));
    let said = shown.process().stderr.clone();
    said.wait_for_text("You are reader");
    disk.fill(0);
    post_until_full(&mut ana, &mut Ledger::default());
    late.attach();
    notice(&mut late, "read_only");
    said.wait_for_text("The server's disk is full");
    shown.enter("kept for later");
    said.wait_for_text("the server could not store “kept for later”. It will be sent again.");
    disk.free();
    notice(&mut late, "writable");
    said.wait_for_text("There is space again");
    ana.expect_where("notice", |notice| notice["code"] == "writable");
    ana.expect_where("message", |message| message["message"] == "kept for later");
    assert_eq!(ana.send("lobby", "at last")["type"], "ack");
}

/// Messages are refused while there is still space to log people in, and to store what that needs.
#[test]
fn messages_stop_before_logins_do() {
    let Some(disk) = TinyDisk::new(4 * DISK_BYTES) else { return };
    let server = TestServer::start_as(ServerSpec::default().on_data(&disk.data()).under(disk.starter()));
    let mut ana = TestPeer::registered(server.address(), "ana");
    let mut bob = TestPeer::registered(server.address(), "bob");
    let margin = 4 * DISK_BYTES as u64 / limits::DISK_MARGIN_SHARE;
    disk.fill(margin - PAGE);
    let refused = ana.answer_to(&new_id(), json!({"type": "send", "room": "lobby", "message": "x"}));
    assert_eq!(refused["code"], "read_only", "{refused}");
    notice(&mut bob, "read_only");
    let login = json!({"type": "login", "username": "bob", "password": PASSWORD});
    let welcome = TestPeer::connect(server.address()).request(login);
    assert_eq!(welcome["type"], "welcome", "{welcome}");
    let resume = json!({"type": "resume", "token": welcome["token"]});
    let again = TestPeer::connect(server.address()).request(resume);
    assert_eq!(again["type"], "welcome", "{again}");
    assert_ne!(again["token"], welcome["token"], "the new token could be kept");
    disk.free();
    notice(&mut bob, "writable");
    assert_eq!(ana.send("lobby", "at last")["type"], "ack");
}

/// Repeats a request on fresh connections until the disk is too full for it: the rest of the journal takes a few.
fn until<T>(mut attempt: impl FnMut() -> Result<T, Value>) -> T {
    let mut last = Value::Null;
    for _ in 0..64 {
        match attempt() {
            Ok(found) => return found,
            Err(answer) => last = answer,
        }
    }
    panic!("the disk is full, and everything is taken: {last}")
}

/// A device that was logged in may come back to read, with its token; a login that must be stored has to wait.
#[test]
fn a_full_disk_lets_known_devices_in_to_read() {
    let Some(disk) = TinyDisk::new(DISK_BYTES) else { return };
    let server = TestServer::start_as(ServerSpec::default().on_data(&disk.data()).under(disk.starter()));
    let mut ana = TestPeer::registered(server.address(), "ana");
    let welcome = TestPeer::connect(server.address()).register("bob");
    let mut token = welcome["token"].clone();
    disk.fill(0);
    post_until_full(&mut ana, &mut Ledger::default());

    let mut bob = until(|| {
        let mut bob = TestPeer::connect(server.address());
        let welcome = bob.request(json!({"type": "resume", "token": token}));
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        if welcome["token"] == token {
            return Ok(bob);
        }
        token = welcome["token"].clone();
        Err(welcome)
    });
    bob.attach();
    let history = bob.request(json!({"type": "history", "room": "lobby", "limit": 5}));
    assert!(history["entries"].as_array().is_some_and(|entries| entries.len() >= 2), "{history}");
    for kind in ["login", "register"] {
        let mut number = 0;
        until(|| {
            number += 1;
            let name = if kind == "login" { "bob".to_owned() } else { format!("late{number}") };
            let frame = json!({"type": kind, "username": name, "password": PASSWORD});
            let answer = TestPeer::connect(server.address()).request(frame);
            if answer["code"] == "read_only" { Ok(()) } else { Err(answer) }
        });
    }

    disk.free();
    let welcome = TestPeer::connect(server.address()).request(json!({"type": "resume", "token": token}));
    assert_eq!(welcome["type"], "welcome", "the token is as good as it was: {welcome}");
    assert_ne!(welcome["token"], token);
}

/// Runs a server whose nth sync of its database fails. Notes what it acknowledged, and returns its exit code.
fn run_into_error(nth: u32, spec: &ServerSpec, ledger: &mut Ledger) -> i32 {
    let inject = format!("inject=fsync,fdatasync:error=EIO:when={nth}");
    let data = spec.data.clone().unwrap_or_default();
    let watched = ["lanchat.db", "lanchat.db-wal"].map(|name| data.join(name).display().to_string());
    let words = ["strace", "-D", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-e", &inject];
    let files = ["-P", &watched[0], "-P", &watched[1]];
    let under = words.iter().chain(&files).map(|word| (*word).to_owned()).collect();
    let mut server = TestServer::start_as(spec.clone().under(under));
    let mut ana = TestPeer::connect(server.address());
    let login = json!({"type": "login", "id": "1", "username": "ana", "password": PASSWORD});
    ana.write_line(&login.to_string());
    let mut last = None;
    // One post after the other: at most one of them meets the error.
    while let Some(frame) = ana.next_frame() {
        let is_answer = last.as_deref().is_some_and(|id| frame["id"] == id) && frame["type"] != "message";
        if frame["type"] == "welcome" || note(&frame, ledger) {
            last = Some(post(&mut ana, ledger));
        } else if is_answer {
            assert_eq!(frame["code"], "internal", "{frame}");
        }
    }
    assert!(last.is_none_or(|id| !ledger.acked.contains_key(&id)), "the last post met the error");
    // A server waits until connected clients have heard its goodbye.
    drop(ana);
    let code = server.wait();
    assert!(server.log().contains("INJECTED"), "the error was met: {}", server.log());
    code
}

/// A failed sync never counts as good, however early or late it is: the server stops, reports it by its exit code, and
/// has everything when it is started again.
#[test]
fn a_sync_that_fails_ends_the_server_and_costs_nothing() {
    if !can_trace() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let spec = ServerSpec::default().on_data(&folder.path().join("data"));
    let mut server = TestServer::start_as(spec.clone());
    TestPeer::registered(server.address(), "ana");
    TestPeer::registered(server.address(), "bob");
    assert_eq!(server.stop(), 0);
    let mut ledger = Ledger::default();
    for nth in 1..=if long_run() { 200 } else { 20 } {
        assert_eq!(run_into_error(nth, &spec, &mut ledger), 1, "the exit code after error {nth}");
        let mut server = TestServer::start_as(spec.clone());
        assert_eq!(audit(&server, "bob", &ledger), [], "after error {nth}");
        assert_eq!(server.stop(), 0);
    }
    report(&format!("disk: {} messages acknowledged between failed syncs, all there", ledger.acked.len()));
}
