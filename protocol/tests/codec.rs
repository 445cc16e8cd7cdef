//! The codec through its public face: round trips, every split, and every way of being wrong.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use lanchat_model::limits;
use lanchat_protocol::{ClientFrame, ErrorCode, LineBuffer, Send, ServerFrame, encode};
use proptest::prelude::*;

fn lines(chunks: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let mut buffer = LineBuffer::default();
    let mut found = Vec::new();
    for chunk in chunks {
        buffer.push(&chunk);
        while let Some(line) = buffer.next_line(limits::FRAME_BYTES_MAX).unwrap() {
            found.push(line.to_vec());
        }
    }
    found
}

fn code_of(line: &[u8]) -> ErrorCode {
    ClientFrame::decode(line).unwrap_err().code
}

#[test]
fn a_stream_split_at_every_byte_gives_the_same_lines() {
    let stream = b"{\"a\":1}\r\n\n{\"b\":\"\xc3\xa9\"}\n{\"c\":3}\n";
    let whole = lines(std::iter::once(stream.to_vec()));
    assert_eq!(whole.len(), 3);
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            let parts = [&stream[..first], &stream[first..second], &stream[second..]];
            assert_eq!(lines(parts.iter().map(|part| part.to_vec())), whole);
        }
    }
}

#[test]
fn a_line_is_refused_at_the_limit_whether_it_ends_or_not() {
    for (length, newline, refused) in
        [(63, true, false), (64, true, true), (64, false, true), (63, false, false)]
    {
        let mut buffer = LineBuffer::default();
        let mut bytes = vec![b'x'; length];
        bytes.extend(newline.then_some(b'\n'));
        buffer.push(&bytes);
        assert_eq!(buffer.next_line(64).is_err(), refused, "{length} {newline}");
    }
}

#[test]
fn each_kind_of_damage_has_its_name() {
    let deep = format!("{{\"type\":\"ping\",\"id\":\"1\",\"x\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let long_id = format!("{{\"type\":\"ping\",\"id\":\"{}\"}}", "x".repeat(65));
    let table: &[(&[u8], ErrorCode)] = &[
        (b"GET / HTTP/1.1", ErrorCode::NotJson),
        (b"{\"type\":", ErrorCode::NotJson),
        (b"[]", ErrorCode::NotJson),
        (b"[\"ping\",\"1\"]", ErrorCode::NotJson),
        (b"\"ping\"", ErrorCode::NotJson),
        (b"{\"type\":\"ping\",\"id\":\"1\"} trailing", ErrorCode::NotJson),
        (b"\xef\xbb\xbf{\"type\":\"ping\",\"id\":\"1\"}", ErrorCode::NotJson),
        (b"{\"type\":\"\xff\"}", ErrorCode::NotUtf8),
        (deep.as_bytes(), ErrorCode::TooDeep),
        (b"{}", ErrorCode::BadFrame),
        (b"{\"type\":7,\"id\":\"1\"}", ErrorCode::BadFrame),
        (b"{\"type\":\"ping\",\"type\":\"bye\",\"id\":\"1\"}", ErrorCode::BadFrame),
        (b"{\"type\":\"ping\",\"id\":\"1\",\"id\":\"2\"}", ErrorCode::BadFrame),
        (b"{\"type\":\"send\",\"id\":\"1\",\"room\":\"lobby\"}", ErrorCode::BadFrame),
        (
            b"{\"type\":\"send\",\"id\":\"1\",\"room\":\"a\",\"room\":\"b\",\"message\":\"x\"}",
            ErrorCode::BadFrame,
        ),
        (b"{\"type\":\"mark\",\"id\":\"1\",\"room\":\"lobby\",\"seq\":-1}", ErrorCode::BadFrame),
        (b"{\"type\":\"mark\",\"id\":\"1\",\"room\":\"lobby\",\"seq\":1e400}", ErrorCode::BadFrame),
        (
            b"{\"type\":\"mark\",\"id\":\"1\",\"room\":\"lobby\",\"seq\":18446744073709551616}",
            ErrorCode::BadFrame,
        ),
        (
            b"{\"type\":\"mark\",\"id\":\"1\",\"room\":\"lobby\",\"seq\":9007199254740992}",
            ErrorCode::BadFrame,
        ),
        (b"{\"type\":\"send\",\"id\":\"1\",\"room\":\"lobby\",\"message\":\"\\ud800\"}", ErrorCode::BadFrame),
        (b"{\"type\":\"ping\"}", ErrorCode::BadId),
        (b"{\"type\":\"ping\",\"id\":\"\"}", ErrorCode::BadId),
        (b"{\"type\":\"ping\",\"id\":\"a b\"}", ErrorCode::BadId),
        (long_id.as_bytes(), ErrorCode::BadId),
        (b"{\"type\":\"sing\",\"id\":\"1\"}", ErrorCode::UnknownType),
    ];
    for (line, code) in table {
        assert_eq!(code_of(line), *code, "{}", String::from_utf8_lossy(line));
    }
}

#[test]
fn unknown_fields_are_ignored_and_unknown_server_frames_skipped() {
    let frame = ClientFrame::decode(br#"{"type":"ping","id":"1","mood":{"a":[1,2.5,null]}}"#).unwrap();
    assert_eq!((frame.kind(), frame.id()), ("ping", "1"));
    assert_eq!(ServerFrame::decode(br#"{"type":"confetti"}"#).unwrap(), None);
    let history = br#"{"type":"history","id":"1","room":"lobby","more":false,"entries":[
        {"type":"confetti","room":"lobby","seq":1},
        {"type":"joined","room":"lobby","seq":2,"username":"ana","ts":"2026-11-21T05:00:00.123Z"}]}"#;
    let Some(ServerFrame::History(history)) = ServerFrame::decode(history).unwrap() else {
        panic!("no history")
    };
    assert_eq!(history.entries.len(), 1);
}

/// What a server says, with one field of each frame replaced by something that it cannot be.
#[test]
fn names_ids_and_tokens_of_a_server_are_refused_beyond_their_bounds() {
    let long = "x".repeat(600);
    let frame = |fields: &str, field: &str, value: &str| {
        let mut frame: serde_json::Value = serde_json::from_str(fields).unwrap();
        assert!(ServerFrame::decode(frame.to_string().as_bytes()).unwrap().is_some(), "{frame}");
        frame[field] = value.into();
        ServerFrame::decode(frame.to_string().as_bytes())
    };
    let message =
        r#"{"type":"message","room":"lobby","seq":1,"id":"x","username":"ana","message":"hi","ts":"t"}"#;
    let welcome = r#"{"type":"welcome","id":"1","username":"ana","display_name":"A","admin":false,"token":"t",
        "version":1,"epoch":"e","online":1,"rooms":[]}"#;
    let presence = r#"{"type":"presence","username":"ana","state":"online","connected":1}"#;
    let room = r#"{"type":"room","room":"@ana","head":1,"mark":0,"from":0,"members":2}"#;
    for (fields, field) in [
        (message, "room"),
        (message, "username"),
        (message, "id"),
        (welcome, "token"),
        (welcome, "epoch"),
        (welcome, "username"),
        (presence, "username"),
        (room, "room"),
        (r#"{"type":"room_gone","room":"lobby"}"#, "room"),
        (r#"{"type":"typing","room":"lobby","username":"ana"}"#, "username"),
        (r#"{"type":"ok","id":"1"}"#, "id"),
    ] {
        for bad in [long.as_str(), "", "a b", "a\u{9b}2J", "\u{202e}ana", "a\nb", "a\u{1b}]0;x\u{7}"] {
            assert!(frame(fields, field, bad).is_err(), "{field} {bad:?}");
        }
    }
    // A name that this version reserves may be an older account.
    assert!(frame(message, "username", "sysadmin").is_ok() && frame(message, "username", "admin").is_ok());
}

#[test]
fn what_people_read_is_cut_and_lists_end_at_their_limit() {
    let long = "é\n".repeat(2000);
    let hello = serde_json::json!({"type": "hello", "server_id": "0".repeat(32), "name": long, "software": long,
        "versions": (0..500).collect::<Vec<u32>>(), "registration": "open", "online": 1, "limits": {"frame_bytes": 1,
        "message_bytes": 1, "unacked": 1, "typing_seconds": 1, "keepalive_seconds": 1}});
    let Some(ServerFrame::Hello(hello)) = ServerFrame::decode(hello.to_string().as_bytes()).unwrap() else {
        panic!("no hello")
    };
    assert!(
        hello.name.len() <= limits::SERVER_NAME_BYTES_MAX && !hello.name.contains('\n'),
        "{}",
        hello.name
    );
    assert!(
        hello.software.len() <= limits::SOFTWARE_BYTES_MAX && hello.versions.len() == limits::VERSIONS_MAX
    );

    let error = serde_json::json!({"type": "error", "code": "server_full", "reason": "full\r\n*** type your password",
        "fatal": true});
    let Some(ServerFrame::ErrorFrame(error)) = ServerFrame::decode(error.to_string().as_bytes()).unwrap()
    else {
        panic!("no error")
    };
    assert_eq!(error.reason, "full  *** type your password");

    let bob = serde_json::json!({"username": "bob", "display_name": long, "state": "away", "reason": long,
        "last_seen": long});
    let members = serde_json::json!({"type": "members", "id": "1", "total": 9, "members": vec![bob; 1500]});
    let Some(ServerFrame::Members(members)) = ServerFrame::decode(members.to_string().as_bytes()).unwrap()
    else {
        panic!("no members")
    };
    assert_eq!(members.members.len(), limits::MEMBERS_PAGE_MAX);
    let bob = &members.members[0];
    assert_eq!(bob.display_name.chars().count(), limits::DISPLAY_NAME_CHARS_MAX);
    assert!(bob.reason.as_ref().is_some_and(|reason| reason.len() <= limits::AWAY_REASON_BYTES_MAX));
    assert!(bob.last_seen.as_ref().is_some_and(|seen| seen.len() <= limits::TIMESTAMP_BYTES_MAX));
}

#[test]
fn a_message_is_readable_by_the_simplest_client() {
    let line = br#"{"type":"message","room":"lobby","seq":42,"id":"x","username":"ana","message":"hi","ts":"2026-11-21T05:00:00.123Z"}"#;
    let frame = ServerFrame::decode(line).unwrap().unwrap();
    let mut out = Vec::new();
    encode(&frame, &mut out);
    assert_eq!(out.strip_suffix(b"\n").unwrap(), line);
}

#[test]
fn secrets_do_not_show_in_debug() {
    let frame =
        ClientFrame::decode(br#"{"type":"login","id":"1","username":"ana","password":"canary-7"}"#).unwrap();
    assert!(!format!("{frame:?}").contains("canary"));
}

proptest! {
    #[test]
    fn any_message_survives_the_wire(room in ".{0,40}", message in ".{0,200}", action: bool, cut in 0_usize..400) {
        let frame = ClientFrame::from(Send { id: "1".into(), room, message, action });
        let mut bytes = Vec::new();
        encode(&frame, &mut bytes);
        let cut = cut.min(bytes.len());
        let found = lines([bytes[..cut].to_vec(), bytes[cut..].to_vec()].into_iter());
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(ClientFrame::decode(&found[0]), Ok(frame));
    }

    #[test]
    fn no_line_makes_the_decoder_panic(line in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = ClientFrame::decode(&line);
        let _ = ServerFrame::decode(&line);
    }
}
