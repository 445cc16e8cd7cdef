//! Answers that nobody reads, and lines that would be too long: they neither end the server nor keep a client out
//! (PROTOCOL §2, §7).
#![cfg(target_os = "linux")]

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use lanchat_model::limits;
use lanchat_tests::{
    Light, PASSWORD, ServerSpec, TestPeer, TestServer, interpreter, new_id, report, skipped,
};
use serde_json::{Value, json};
use tokio::time::timeout;

/// The number of clients that once ended a server with 512 MiB.
const GREEDY: usize = 162;
const GREEDY_ACCOUNTS: usize = 6;
/// Requests of each client: the answers are several times as long as what sockets hold.
const REQUESTS: usize = 64;
const GROWTH_MAX_KIB: u64 = 64 * 1024;
/// The pause between two checks.
const AGAIN: Duration = Duration::from_millis(100);

/// Returns the resident memory of the server, in KiB.
fn resident(server: &TestServer) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells it");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_reads_cost_little_and_keep_nobody_waiting() {
    let server = TestServer::start();
    let (mut ana, _) = Light::register(server.address(), "ana").await;
    // Every character is two on the wire.
    let text = "\"".repeat(limits::MESSAGE_BYTES_MAX);
    for _ in 0..64 {
        ana.say(&json!({"type": "send", "id": new_id(), "room": "lobby", "message": text}))
            .await
            .expect("a server");
        ana.expect("ack").await.expect("an ack");
    }
    let mut tokens = Vec::new();
    for number in 0..GREEDY_ACCOUNTS {
        tokens.push(Light::register(server.address(), &format!("greedy{number}")).await.1);
    }
    let mut greedy = Vec::new();
    for number in 0..GREEDY {
        let mut light = Light::connect(server.address(), Ipv4Addr::LOCALHOST).await.expect("a server");
        light
            .say(&json!({"type": "resume", "id": "r", "token": tokens[number % GREEDY_ACCOUNTS]}))
            .await
            .expect("a server");
        light.expect("welcome").await.expect("a session");
        greedy.push(light);
    }
    let before = resident(&server);
    let ask = json!({"type": "history", "id": "h", "room": "lobby", "limit": 200});
    for light in &mut greedy {
        for _ in 0..REQUESTS {
            light.say(&ask).await.expect("the server takes it in");
        }
    }
    let mut most = 0;
    for _ in 0..30 {
        ana.say(&ask).await.expect("the server listens");
        let answer = ana.expect("history").await.expect("whoever reads is answered");
        assert!(answer["entries"].as_array().is_some_and(|entries| entries.len() > 1));
        most = resident(&server).max(most);
    }
    let growth = most.saturating_sub(before);
    report(&format!("unread answers: {GREEDY} sessions that do not read; {before} KiB -> {most} KiB"));
    assert!(growth < GROWTH_MAX_KIB, "{growth} KiB more for answers that nobody reads");
    drop(greedy);
}

/// Clients that send half a line hold memory too: their total is bounded, and the oldest are disconnected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_lines_cost_little_however_many_send_them() {
    const HALF: usize = limits::FRAME_BYTES_MAX - 1024;
    const SESSIONS: usize = limits::STALLED_BYTES_MAX / HALF + 60;
    let server = TestServer::start();
    let mut tokens = Vec::new();
    for number in 0..SESSIONS.div_ceil(limits::SESSIONS_BY_TOKEN_MAX) {
        tokens.push(Light::register(server.address(), &format!("half{number}")).await.1);
    }
    let before = resident(&server);
    let mut halves = Vec::new();
    for number in 0..SESSIONS {
        let mut light = Light::connect(server.address(), Ipv4Addr::LOCALHOST).await.expect("a server");
        let token = &tokens[number % tokens.len()];
        light.say(&json!({"type": "resume", "id": "r", "token": token})).await.expect("a server");
        light.expect("welcome").await.expect("a session");
        light.write(&[b'x'; HALF]).await.expect("the server takes it in");
        halves.push(light);
    }
    let [first, .., last] = &mut halves[..] else { panic!("there are some") };
    // The last client's data makes the server disconnect the first ones, once they have held memory for long enough.
    let is_gone = async {
        loop {
            last.write(b"x").await.expect("the last one is there");
            if let Ok(line) = timeout(AGAIN, first.next_line()).await {
                return line.is_err();
            }
        }
    };
    assert!(timeout(limits::STALLED_TIME_MIN * 10, is_gone).await.expect("the first one is let go"));
    last.write(b"\n").await.expect("the last one is there");
    assert_eq!(last.expect("error").await.expect("an answer")["code"], "not_json");
    let growth = resident(&server).saturating_sub(before);
    report(&format!("half lines: {SESSIONS} sessions, {growth} KiB more"));
    assert!(growth < GROWTH_MAX_KIB, "{growth} KiB more for half lines");
}

/// Puts messages into the lobby that an earlier release accepted. Returns `false` if that is not possible.
fn poison(data: &std::path::Path, count: usize) -> bool {
    let Some(python) = interpreter() else { return false };
    let insert = "import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
head, said = db.execute('SELECT seq, said FROM entries WHERE room = 1 ORDER BY seq DESC').fetchone()
for n in range(1, int(sys.argv[2]) + 1):
    db.execute(\"INSERT INTO entries (room, seq, sender, client_id, at_ms, kind, said, body) VALUES (1, ?, 1, ?, 0, 'message', ?, ?)\",
               (head + n, os.urandom(16), said + n, chr(1) * 16384))
db.commit()";
    let status = Command::new(python)
        .args(["-c", insert])
        .arg(data.join("lanchat.db"))
        .arg(count.to_string())
        .status()
        .expect("python runs");
    status.success()
}

/// Forty-eight of them once made a line of 3 MB, at which every client disconnected, came back, and met it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_earlier_releases_took_comes_in_lines_within_the_bound() {
    const COUNT: usize = 48;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let data = folder.path().join("data");
    let mut server = TestServer::start_as(ServerSpec::default().on_data(&data));
    drop(Light::register(server.address(), "ana").await);
    assert_eq!(server.stop(), 0);
    if !poison(&data, COUNT) {
        return skipped("messages of an earlier release need Python with SQLite");
    }
    server.start_again();
    let mut ana = Light::connect(server.address(), Ipv4Addr::LOCALHOST).await.expect("a server");
    let login = json!({"type": "login", "id": "l", "username": "ana", "password": PASSWORD});
    ana.say(&login).await.expect("a server");
    ana.expect("welcome").await.expect("a session");

    let (mut before, mut seqs) = (Value::Null, Vec::new());
    loop {
        ana.say(&json!({"type": "history", "id": "h", "room": "lobby", "limit": 200, "before": before}))
            .await
            .expect("a server");
        let line = ana.next_line().await.expect("an answer");
        assert!(line.len() <= limits::SERVER_FRAME_BYTES_MAX, "a line of {} bytes", line.len());
        let page: Value = serde_json::from_slice(line).expect("a frame");
        let entries = page["entries"].as_array().expect("a page");
        seqs.splice(0..0, entries.iter().map(|entry| entry["seq"].as_u64()));
        before = entries[0]["seq"].clone();
        if page["more"] == false {
            break;
        }
    }
    let all: Vec<_> = (1..=COUNT as u64 + 1).map(Some).collect();
    assert_eq!(seqs, all);

    ana.say(&json!({"type": "attach", "id": "a", "cursors": {"lobby": 0}})).await.expect("a server");
    ana.expect("attached").await.expect("it is attached");
    let mut seen = Vec::new();
    while seen.len() < all.len() {
        let line = ana.next_line().await.expect("an entry");
        assert!(line.len() <= limits::SERVER_FRAME_BYTES_MAX, "a line of {} bytes", line.len());
        let frame: Value = serde_json::from_slice(line).expect("a frame");
        seen.extend(frame["seq"].as_u64().map(Some));
    }
    assert_eq!(seen, all);
}

#[test]
fn one_account_cannot_take_all_sessions() {
    let server = TestServer::start();
    let mut ana = TestPeer::connect(server.address());
    let token = ana.register("ana")["token"].clone();
    let come = || {
        let mut peer = TestPeer::connect(server.address());
        let answer = peer.request(json!({"type": "resume", "token": token}));
        (peer, answer)
    };
    let mut sessions = vec![ana];
    let is_busy = |answer: &Value| {
        assert_eq!(answer["code"], "busy", "{answer}");
        assert!(answer["retry_after"].is_u64() && answer["fatal"].is_null(), "{answer}");
    };
    for _ in 1..limits::SESSIONS_BY_TOKEN_MAX {
        let (peer, answer) = come();
        assert_eq!(answer["type"], "welcome", "{answer}");
        sessions.push(peer);
    }
    let (mut late, answer) = come();
    is_busy(&answer);
    // The others are reserved for users who know the password, which a thief of a token does not.
    let mut of_password = Vec::new();
    for _ in limits::SESSIONS_BY_TOKEN_MAX..limits::SESSIONS_PER_ACCOUNT_MAX {
        of_password.push(TestPeer::logged_in(server.address(), "ana"));
    }
    let login = json!({"type": "login", "username": "ana", "password": PASSWORD});
    is_busy(&TestPeer::connect(server.address()).request(login));
    TestPeer::registered(server.address(), "bob");
    for mut gone in of_password.into_iter().chain([sessions.swap_remove(0)]) {
        assert_eq!(gone.request(json!({"type": "bye"}))["type"], "goodbye");
        while gone.next_frame().is_some() {}
    }
    let answer = late.request(json!({"type": "resume", "token": token}));
    assert_eq!(answer["type"], "welcome", "{answer}");
}

#[test]
fn control_characters_are_refused_and_what_is_pasted_from_elsewhere_is_not() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    for text in ["\u{1}", "a\u{1b}[2Jb", "bell\u{7}", "a\u{b}b"] {
        let send = json!({"type": "send", "room": "lobby", "message": text});
        assert_eq!(ana.answer_to(&new_id(), send)["code"], "bad_message", "{text:?}");
        assert_eq!(ana.refused(json!({"type": "away", "reason": text})), "bad_message", "{text:?}");
    }
    for (text, shown) in [("a\r\nb\rc", "a\nb\nc"), ("a\tb\u{7f}\u{9b}", "a\tb\u{7f}\u{9b}")] {
        assert_eq!(ana.send("lobby", text)["type"], "ack");
        let history = ana.request(json!({"type": "history", "room": "lobby", "limit": 1}));
        assert_eq!(history["entries"][0]["message"], shown);
    }
    // A resend is the same post, however its lines end.
    let id = new_id();
    let seqs = ["x\r\ny", "x\ny"].map(|text| {
        ana.answer_to(&id, json!({"type": "send", "room": "lobby", "message": text}))["seq"].clone()
    });
    assert!(seqs[0].is_u64() && seqs[0] == seqs[1], "{seqs:?}");
}
