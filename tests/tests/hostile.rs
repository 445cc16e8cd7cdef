//! Bytes that no client of ours would send: each gets an error with a name, and the server goes on.
#![cfg(unix)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use lanchat_model::limits;
use lanchat_tests::{
    DEADLINE, Launch, PASSWORD, Process, TestPeer, TestServer, alpn_error, interpreter, new_id,
};
use serde_json::{Value, json};

/// A mark in every hostile message: it must never be stored.
const CANARY: &str = "hostile-canary-7c1d";

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Stays,
    Closes,
}

/// Sends bytes, and checks that the answer is an error of this code.
fn check(peer: &mut TestPeer, name: &str, bytes: &[u8], code: &str, then: Then) {
    peer.write_bytes(bytes);
    let error = peer.expect("error");
    assert_eq!(error["code"], code, "{name}: {error}");
    let reason = error["reason"].as_str().unwrap_or_default();
    assert!(reason.ends_with('.') && reason.contains(' '), "{name}: not a sentence: {error}");
    assert_eq!(error["fatal"] == true, then == Then::Closes, "{name}: {error}");
    match then {
        Then::Stays => drop(peer.barrier()),
        Then::Closes => assert_eq!(peer.next_frame(), None, "{name}: the connection must close"),
    }
}

/// Returns lines that are not frames, for any state of a connection.
fn bad_lines() -> Vec<(&'static str, Vec<u8>, &'static str, Then)> {
    let line = |text: String| format!("{text}\n").into_bytes();
    let deep = format!(r#"{{"type":"ping","id":"{CANARY}","x":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let mut not_utf8 = format!(r#"{{"type":"ping","id":"{CANARY}"#).into_bytes();
    not_utf8.extend(b"\xff\xfe\"}\n");
    let mut long = format!(r#"{{"type":"ping","id":"{CANARY}","x":""#).into_bytes();
    long.resize(1024 * 1024, b'x');
    let twice = format!(r#"{{"type":"mark","id":"{CANARY}","room":"lobby","seq":1,"seq":2}}"#);
    vec![
        ("bad UTF-8", not_utf8, "not_utf8", Then::Closes),
        ("1 MiB without a newline", long, "frame_too_long", Then::Closes),
        ("200 deep", line(deep), "too_deep", Then::Closes),
        ("no JSON", line(CANARY.to_owned()), "not_json", Then::Closes),
        ("half an object", line(format!(r#"{{"type":"ping","id":"{CANARY}"#)), "not_json", Then::Closes),
        (
            "a number beyond all numbers",
            line(format!(r#"{{"type":"ping","id":"{CANARY}","x":1e}}"#)),
            "not_json",
            Then::Closes,
        ),
        ("NUL", line(format!("\0{CANARY}")), "not_json", Then::Closes),
        ("a byte order mark", line(format!("\u{feff}{{\"type\":\"{CANARY}\"}}")), "not_json", Then::Closes),
        ("an unknown frame", line(format!(r#"{{"type":"{CANARY}","id":"1"}}"#)), "unknown_type", Then::Stays),
        ("no type", line(format!(r#"{{"id":"{CANARY}"}}"#)), "bad_frame", Then::Stays),
        (
            "a type that is a number",
            line(format!(r#"{{"type":1,"id":"{CANARY}"}}"#)),
            "bad_frame",
            Then::Stays,
        ),
        (
            "two types",
            line(format!(r#"{{"type":"ping","type":"ping","id":"{CANARY}"}}"#)),
            "bad_frame",
            Then::Stays,
        ),
        ("a field twice", line(twice), "bad_frame", Then::Stays),
        ("no id", line(r#"{"type":"ping"}"#.to_owned()), "bad_id", Then::Stays),
        ("an id that is a number", line(r#"{"type":"ping","id":1}"#.to_owned()), "bad_frame", Then::Stays),
        ("an id with a space", line(r#"{"type":"ping","id":"a b"}"#.to_owned()), "bad_id", Then::Stays),
        ("a long id", line(format!(r#"{{"type":"ping","id":"{}"}}"#, "x".repeat(65))), "bad_id", Then::Stays),
        ("a surrogate alone", line(r#"{"type":"ping","id":"\ud800"}"#.to_owned()), "not_json", Then::Closes),
        ("a list", line(format!(r#"["{CANARY}"]"#)), "not_json", Then::Closes),
    ]
}

/// Proves that the server is unharmed: a client that was connected all the time can still post, and the log has only
/// its posts.
struct Witness {
    peer: TestPeer,
    lines: u64,
}

impl Witness {
    fn enter(server: &TestServer) -> Self {
        let mut peer = TestPeer::registered(server.address(), "witness");
        peer.barrier();
        Self { peer, lines: 0 }
    }

    fn is_unharmed(&mut self) {
        self.lines += 1;
        let ack = self.peer.send("lobby", &format!("line {}", self.lines));
        let seen = self.peer.expect("message");
        assert_eq!(seen["seq"], ack["seq"]);
        assert_eq!(seen["message"], format!("line {}", self.lines));
    }

    fn log(&mut self) -> Vec<Value> {
        let page = self.peer.request(json!({"type": "history", "room": "lobby", "limit": 200}));
        page["entries"].as_array().cloned().unwrap_or_default()
    }
}

#[test]
fn lines_that_are_no_frames_get_a_named_error_before_login() {
    let mut server = TestServer::start();
    let mut witness = Witness::enter(&server);
    for (name, bytes, code, then) in bad_lines() {
        check(&mut TestPeer::connect(server.address()), name, &bytes, code, then);
        witness.is_unharmed();
    }
    assert_eq!(witness.log().len() as u64, 1 + witness.lines, "nothing but the witness is in the log");
    assert_eq!(server.stop(), 0);
    assert!(!server.stores(CANARY.as_bytes()), "nothing hostile is stored");
    assert!(!server.log().contains(CANARY), "nothing hostile is in the server's log");
}

#[test]
fn lines_that_are_no_frames_get_a_named_error_after_login() {
    let server = TestServer::start();
    let mut witness = Witness::enter(&server);
    TestPeer::registered(server.address(), "mallory");
    for (name, bytes, code, then) in bad_lines() {
        let mut peer = TestPeer::logged_in(server.address(), "mallory");
        peer.barrier();
        check(&mut peer, name, &bytes, code, then);
        witness.is_unharmed();
    }
    assert!(!server.stores(CANARY.as_bytes()), "nothing hostile is stored");
}

#[test]
fn frames_with_impossible_contents_are_refused_and_not_stored() {
    let server = TestServer::start();
    let mut mallory = TestPeer::registered(server.address(), "mallory");
    let too_long = "x".repeat(16 * 1024 + 1);
    for text in ["", "   ", " \n\t ", "nul\0nul", &too_long] {
        let answer = mallory.answer_to(&new_id(), json!({"type": "send", "room": "lobby", "message": text}));
        assert_eq!(answer["code"], "bad_message", "{answer}");
    }
    let table = [
        (json!({"type": "send", "room": "lobby", "message": "not a message id"}), "bad_id"),
        (json!({"type": "send", "room": "lobby"}), "bad_frame"),
        (json!({"type": "send", "room": "lobby", "message": 7}), "bad_frame"),
        (json!({"type": "mark", "room": "lobby", "seq": 9_007_199_254_740_992_u64}), "bad_frame"),
        (json!({"type": "mark", "room": "lobby", "seq": -1}), "bad_frame"),
        (json!({"type": "mark", "room": "lobby", "seq": 1.5}), "bad_frame"),
        (json!({"type": "attach", "cursors": {"lobby": "1"}}), "bad_frame"),
        (json!({"type": "join", "room": "../../etc/passwd"}), "bad_name"),
        (json!({"type": "join", "room": "x".repeat(33)}), "bad_name"),
        (json!({"type": "whois", "username": "'; DROP TABLE accounts; --"}), "bad_name"),
    ];
    for (frame, code) in table {
        assert_eq!(mallory.refused(frame.clone()), code, "{frame}");
    }
    let log = mallory.request(json!({"type": "history", "room": "lobby"}));
    assert_eq!(log["entries"].as_array().map(Vec::len), Some(1), "only her arrival: {log}");
}

#[test]
fn a_line_may_be_longer_after_login_than_before() {
    let server = TestServer::start();
    let line = |bytes: usize| {
        let empty = r#"{"type":"ping","id":"1","x":""}"#.len() + 1;
        format!("{{\"type\":\"ping\",\"id\":\"1\",\"x\":\"{}\"}}\n", "x".repeat(bytes - empty)).into_bytes()
    };
    let mut peer = TestPeer::connect(server.address());
    peer.write_bytes(&line(4096));
    peer.expect("pong");
    check(&mut peer, "4 KiB + 1", &line(4097), "frame_too_long", Then::Closes);
    let mut peer = TestPeer::registered(server.address(), "mallory");
    peer.write_bytes(&line(65536));
    peer.expect("pong");
    check(&mut peer, "64 KiB + 1", &line(65537), "frame_too_long", Then::Closes);
}

#[test]
fn unknown_fields_are_ignored() {
    let server = TestServer::start();
    let mut peer = TestPeer::connect(server.address());
    let frame =
        json!({"type": "register", "username": "ana", "password": PASSWORD, "mood": {"deep": [1, 2]}});
    assert_eq!(peer.request(frame)["type"], "welcome");
}

#[test]
fn half_a_frame_and_then_nothing_is_forgotten() {
    let server = TestServer::start();
    let mut witness = Witness::enter(&server);
    let mut peer = TestPeer::registered(server.address(), "mallory");
    let frame = json!({"type": "send", "id": new_id(), "room": "lobby", "message": CANARY}).to_string();
    peer.write_bytes(&frame.as_bytes()[..frame.len() - 1]);
    drop(peer);
    witness.is_unharmed();
    assert!(!server.stores(CANARY.as_bytes()));
}

#[test]
fn a_web_page_cannot_smuggle_frames_in_a_request_body() {
    let server = TestServer::start();
    let mut peer = TestPeer::connect(server.address());
    let register = json!({"type": "register", "id": "1", "username": "mallory", "password": PASSWORD});
    let request = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n\r\n{register}\n");
    check(&mut peer, "HTTP in TLS", request.as_bytes(), "not_json", Then::Closes);
    let login = json!({"type": "login", "username": "mallory", "password": PASSWORD});
    assert_eq!(TestPeer::connect(server.address()).refused(login), "wrong_password");
}

#[test]
fn another_protocol_on_the_port_is_told_so() {
    let server = TestServer::start();
    let mut witness = Witness::enter(&server);
    let wrong = alpn_error(server.address(), &[b"http/1.1"]);
    assert!(wrong.contains("NoApplicationProtocol"), "{wrong}");
    let none = alpn_error(server.address(), &[]);
    assert!(!none.is_empty(), "no ALPN at all is no agreement either");
    witness.is_unharmed();

    let answer = speak_in_clear(server.address(), b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(is_tls_alert(&answer) || answer.starts_with(b"HTTP/1.1 4"), "HTTP got {answer:?}");
    let answer =
        speak_in_clear(server.address(), format!("{}\n", json!({"type": "ping", "id": "1"})).as_bytes());
    assert!(is_tls_alert(&answer) || answer.starts_with(b"HTTP/1.1 4"), "JSON in clear got {answer:?}");
    witness.is_unharmed();
}

/// Returns the server's answer to bytes that are not TLS.
fn speak_in_clear(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).expect("the port is open");
    socket.set_read_timeout(Some(DEADLINE)).expect("a socket can have a deadline");
    socket.write_all(bytes).expect("the server listens");
    let mut answer = Vec::new();
    // A reset after the answer counts as an end too.
    let _ = socket.read_to_end(&mut answer);
    answer
}

/// Returns whether an answer is an alert record (RFC 8446 §6).
fn is_tls_alert(bytes: &[u8]) -> bool {
    bytes.len() >= 7 && bytes[0] == 21
}

#[test]
fn tls_1_2_is_refused_by_name() {
    let Some(python) = interpreter() else { return };
    let server = TestServer::start();
    let shake_hands = r"
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.set_alpn_protocols(['lanchat/1'])
context.maximum_version = getattr(ssl.TLSVersion, sys.argv[3])
try:
    tls = context.wrap_socket(socket.create_connection((sys.argv[1], int(sys.argv[2]))))
    print(tls.version(), tls.recv(8))
except ssl.SSLError as error:
    print(error)
";
    let run = |version: &str| {
        let address = server.address();
        let launch = Launch::new(&python).args(["-W", "ignore", "-c", shake_hands]);
        let launch = launch.arg(address.ip().to_string()).arg(address.port().to_string());
        let (_, said, error) = Process::run(&launch.arg(version), "");
        said + &error
    };
    let control = run("TLSv1_3");
    assert!(control.starts_with("TLSv1.3 b'{\"type\":'"), "the control must work: {control}");
    let refused = run("TLSv1_2").to_lowercase().replace('_', " ");
    assert!(refused.contains("protocol version"), "{refused}");
}

/// One host cannot fill the server's disk through the log (#10, item 7).
#[test]
fn lines_that_are_no_frames_fill_no_log() {
    let mut server = TestServer::start();
    for _ in 0..200 {
        let mut stranger = TestPeer::connect(server.address());
        stranger.write_line("no frame");
        assert_eq!(stranger.next_frame().expect("a word")["code"], "not_json");
    }
    let mut ana = TestPeer::registered(server.address(), "ana");
    ana.barrier();
    assert_eq!(server.stop(), 0);
    let broken = server.log().matches("protocol broken").count();
    assert_eq!(broken, limits::LOG_LINES_PER_SOURCE_MAX as usize);
}
