//! Readers of a program's log and complaints: gone, full, or stopped. The program's work goes on.
#![cfg(unix)]

use std::path::Path;

use lanchat_tests::{
    Home, Launch, PASSWORD, Process, ServerSpec, Signal, TestPeer, TestServer, TinyDisk, lanchat, new_id,
};
use serde_json::json;

/// Starts the following program with a standard error that is full and never read.
const STUCK: &str =
    r#"[ -p "$1" ] || mkfifo "$1"; exec 2<>"$1"; head -c 65536 /dev/zero >&2; shift; exec "$@""#;
/// The same with a standard error whose reader is gone: every write fails (EPIPE).
const GONE: &str = r#"shift; exec 2> >(:); exec "$@""#;
/// The same with a full disk (ENOSPC).
const FULL: &str = r#"shift; exec "$@" 2>/dev/full"#;

/// Returns words that start a program with such a standard error.
fn starter(how: &str, folder: &Path) -> Vec<String> {
    let fifo = folder.join("stderr").display().to_string();
    ["bash", "-c", how, "bash", &fifo].map(str::to_owned).to_vec()
}

/// Checks that a client can come, post and be heard, that no session is left, and that the server stops as it should.
fn serves(mut server: TestServer) {
    let mut bob = TestPeer::registered(server.address(), "bob");
    for name in ["ana", "carol"] {
        let mut peer = TestPeer::registered(server.address(), name);
        peer.send("lobby", &format!("hello from {name}"));
        let heard = bob.expect_where("message", |frame| frame["username"] == name);
        assert_eq!(heard["message"], format!("hello from {name}"));
        assert_eq!(peer.request(json!({"type": "bye"}))["type"], "goodbye");
    }
    // Make the server log something: lines that are not frames, and wrong passwords.
    for _ in 0..20 {
        let mut stranger = TestPeer::connect(server.address());
        stranger.request(json!({"type": "login", "username": "bob", "password": "not this one"}));
        stranger.write_line("no frame");
    }
    let members = bob.request(json!({"type": "members"}));
    let online = members["members"].as_array().expect("a list").iter().map(|member| &member["username"]);
    assert_eq!(online.collect::<Vec<_>>(), ["bob"], "no ghosts: {members}");
    assert_eq!(server.stop(), 0);
}

/// Number 26: the reader of the log is gone, its disk is full, or it does not read.
#[test]
fn a_server_whose_log_cannot_be_written_serves() {
    for how in [STUCK, GONE, FULL] {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let spec = ServerSpec::default().under(starter(how, folder.path())).env("LANCHAT_LOG", "debug");
        serves(TestServer::start_as(spec));
    }
}

/// The log is on the same disk as the data, and it gets full: all clients can still read, and are told.
#[test]
fn a_log_on_the_full_disk_keeps_nobody_from_reading() {
    const DISK_BYTES: usize = 8 * 1024 * 1024;
    let Some(disk) = TinyDisk::new(DISK_BYTES) else { return };
    let mut under = disk.starter();
    let log = disk.data().with_file_name("log").display().to_string();
    under.extend(["sh", "-c", "log=$1; shift; exec \"$@\" 2>>\"$log\"", "sh", &log].map(str::to_owned));
    let spec = ServerSpec::default().on_data(&disk.data()).under(under).env("LANCHAT_LOG", "debug");
    let mut server = TestServer::start_as(spec);
    let mut bob = TestPeer::registered(server.address(), "bob");
    let home = Home::new();
    let address = server.address().to_string();
    let script = |input: &str| {
        let launch = Launch::new(lanchat()).home(&home).args(["--server", &address, "--tail", "5"]);
        Process::run(&launch, input)
    };
    let (code, _, complaints) = script(&format!("/register ana {PASSWORD}\nhello\n"));
    assert_eq!(code, 0, "{complaints}");
    disk.fill(0);
    // Fill the rest of the log's last page too.
    for _ in 0..60 {
        let mut stranger = TestPeer::connect(server.address());
        stranger.request(json!({"type": "login", "username": "nobody", "password": "not this one"}));
    }
    let post = json!({"type": "send", "id": new_id(), "room": "lobby", "message": "one too many"});
    bob.write_line(&post.to_string());
    assert_eq!(bob.expect("notice")["code"], "read_only");
    let (code, shown, complaints) = script("");
    assert_eq!(code, 0, "who comes back to read gets in: {complaints}");
    assert!(shown.contains("ana  hello"), "{shown}");
    disk.free();
    assert_eq!(bob.expect_where("notice", |frame| frame["code"] == "writable")["code"], "writable");
    assert_eq!(server.stop(), 0);
}

/// The client's own complaints, and those of a client that hosts.
#[test]
fn a_client_whose_complaints_are_not_read_sends_all_the_same() {
    let server = TestServer::start();
    let address = server.address().to_string();
    for (count, how) in [STUCK, GONE, FULL].into_iter().enumerate() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let words = starter(how, folder.path());
        let (home, name) = (Home::new(), format!("ana-{count}"));
        let launch = Launch::new(&words[0]).args(&words[1..]).arg(lanchat()).home(&home);
        let input = format!("/register {name} {PASSWORD}\nhello\n/nonsense\n");
        let (code, _, _) = Process::run(&launch.clone().args(["--server", &address]), &input);
        assert_eq!(code, 6, "{how}");
        let hosted = launch.args(["host", "--no-mdns", "--listen", "127.0.0.1:0", "--tail", "5"]);
        let (code, shown, _) = Process::run(&hosted, &format!("/register {name} {PASSWORD}\nhosted\n"));
        assert_eq!(code, 0, "{how}");
        assert!(shown.contains(&format!("{name}  hosted")), "{shown}");
    }
    let mut bob = TestPeer::registered(server.address(), "bob");
    let history = bob.request(json!({"type": "history", "room": "lobby"}));
    assert_eq!(history.to_string().matches("\"hello\"").count(), 3, "{history}");
}

/// If the reader of the client's output is gone, its input is sent all the same, and it ends.
#[test]
fn a_client_whose_output_is_not_read_sends_all_the_same() {
    let server = TestServer::start();
    let address = server.address().to_string();
    let lines: String = (0..50).map(|number| format!("line {number}\n")).collect();
    for (count, rest) in [">/dev/full", ">&-", "2>&- >&-", "| true"].into_iter().enumerate() {
        let script = format!("\"$@\" {rest}");
        let launch = Launch::new("bash").args(["-o", "pipefail", "-c", &script, "bash"]).arg(lanchat());
        let login = format!("/register ana-{count} {PASSWORD}\n");
        let home = Home::new();
        let launch = launch.home(&home).args(["--plain", "--server", &address]);
        assert_eq!(Process::run(&launch, &(login + &lines)).0, 0, "{rest}");
    }
    let mut bob = TestPeer::registered(server.address(), "bob");
    let history = bob.request(json!({"type": "history", "room": "lobby", "limit": 200}));
    assert_eq!(history.to_string().matches("\"line 49\"").count(), 4, "{history}");
}

/// A server that stops while the reader of its log is stopped ends all the same.
#[test]
fn a_reader_that_is_stopped_holds_up_no_shutdown() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut server = TestServer::start_as(ServerSpec::default().under(starter(STUCK, folder.path())));
    server.signal(Signal::Interrupt);
    assert_eq!(server.wait(), 0);
    // The data is intact, and not locked.
    let again = ServerSpec::default().on_data(&server.data());
    assert_eq!(TestServer::start_as(again).stop(), 0);
}
