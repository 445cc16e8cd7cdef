//! The codec through its public interface: round trips, every split, and every kind of error.

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
        (b"{\"type\":7 \"id\":\"1\"}", ErrorCode::NotJson),
        (b"{\"type\":7,\"id\":\"1\"} trailing", ErrorCode::NotJson),
        (b"{\"id\":\"1\",\"id\":\"2\",\"type\":", ErrorCode::NotJson),
        (b"{\"id\":1,\"type\":\"ping\",\"x\":01}", ErrorCode::NotJson),
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

/// PROTOCOL §2: a field that may be absent may be `null`, which means the same.
#[test]
fn null_is_as_good_as_absent_in_every_optional_field() {
    let of_clients: [(&str, &[&str]); 10] = [
        (
            r#"{"type":"register","id":"1","username":"ana","password":"correct horse"}"#,
            &["display_name", "device", "versions"],
        ),
        (r#"{"type":"login","id":"1","username":"ana","password":"correct horse"}"#, &["device", "versions"]),
        (r#"{"type":"resume","id":"1","token":"t"}"#, &["versions"]),
        (r#"{"type":"passwd","id":"1","old":"correct horse","new":"battery staple"}"#, &["renew"]),
        (r#"{"type":"attach","id":"1"}"#, &["epoch", "cursors", "tail"]),
        (r#"{"type":"send","id":"1","room":"lobby","message":"hi"}"#, &["action"]),
        (r#"{"type":"join","id":"1","room":"den"}"#, &["tail"]),
        (r#"{"type":"members","id":"1"}"#, &["room"]),
        (r#"{"type":"history","id":"1","room":"lobby"}"#, &["before", "limit"]),
        (r#"{"type":"away","id":"1"}"#, &["reason"]),
    ];
    for (frame, fields) in of_clients {
        let absent = ClientFrame::decode(frame.as_bytes()).unwrap();
        for field in fields {
            let nulled = format!("{},\"{field}\":null}}", frame.strip_suffix('}').unwrap());
            assert_eq!(ClientFrame::decode(nulled.as_bytes()).as_ref(), Ok(&absent), "{nulled}");
        }
    }
    let of_servers: [(&str, &[&str]); 7] = [
        (
            r#"{"type":"message","room":"lobby","seq":1,"id":"x","username":"ana","message":"hi","ts":"t"}"#,
            &["action"],
        ),
        (r#"{"type":"error","code":"not_json","reason":"No."}"#, &["id", "retry_after", "fatal"]),
        (r#"{"type":"ok","id":"1"}"#, &["token"]),
        (r#"{"type":"room","room":"@ana","head":1,"mark":0,"from":0,"members":2}"#, &["id"]),
        (r#"{"type":"members","id":"1","members":[],"total":0}"#, &["room"]),
        (r#"{"type":"presence","username":"ana","state":"online","connected":1}"#, &["reason", "last_seen"]),
        (r#"{"type":"goodbye"}"#, &["id", "retry_after"]),
    ];
    for (frame, fields) in of_servers {
        let absent = ServerFrame::decode(frame.as_bytes()).unwrap();
        for field in fields {
            let nulled = format!("{},\"{field}\":null}}", frame.strip_suffix('}').unwrap());
            assert_eq!(ServerFrame::decode(nulled.as_bytes()).as_ref(), Ok(&absent), "{nulled}");
        }
    }
    // A required value is missing.
    for line in [
        r#"{"type":"send","id":"1","room":"lobby","message":null}"#,
        r#"{"type":"mark","id":"1","room":"lobby","seq":null}"#,
        r#"{"type":"attach","id":"1","cursors":{"lobby":null}}"#,
        r#"{"type":"login","id":"1","username":"ana","password":"p","versions":[null]}"#,
    ] {
        assert_eq!(code_of(line.as_bytes()), ErrorCode::BadFrame, "{line}");
    }
    assert_eq!(code_of(br#"{"type":"ping","id":null}"#), ErrorCode::BadId);
    assert_eq!(code_of(br#"{"type":null,"id":"1"}"#), ErrorCode::BadFrame);
}

/// PROTOCOL §2: every integer is 0 to 2^53 - 1, in digits alone.
#[test]
fn integers_are_written_in_digits_alone() {
    let frames = [
        r#"{"type":"mark","id":"1","room":"lobby","seq":N}"#,
        r#"{"type":"attach","id":"1","cursors":{"lobby":N}}"#,
        r#"{"type":"attach","id":"1","tail":N}"#,
        r#"{"type":"join","id":"1","room":"den","tail":N}"#,
        r#"{"type":"history","id":"1","room":"lobby","before":N}"#,
        r#"{"type":"history","id":"1","room":"lobby","limit":N}"#,
        r#"{"type":"resume","id":"1","token":"t","versions":[N]}"#,
        r#"{"type":"login","id":"1","username":"ana","password":"p","versions":[1,N]}"#,
    ];
    for frame in frames {
        for good in ["0", "1", "4294967296", "9007199254740991"] {
            let line = frame.replace('N', good);
            assert!(ClientFrame::decode(line.as_bytes()).is_ok(), "{line}");
        }
        for bad in [
            "1.0",
            "1e2",
            "1E2",
            "100e-2",
            "0.0",
            "1.5",
            "-0",
            "-1",
            "9007199254740992",
            "9007199254740993.0",
            "18446744073709551615",
            "18446744073709551616",
            "1e400",
            "\"1\"",
            "true",
            "[1]",
        ] {
            let line = frame.replace('N', bad);
            let refused = ClientFrame::decode(line.as_bytes()).unwrap_err();
            assert_eq!((refused.code, refused.id.as_deref()), (ErrorCode::BadFrame, Some("1")), "{line}");
        }
        for no_json in ["01", "+1", ".5", "1.", "0x1", "NaN", "1_000"] {
            assert_eq!(code_of(frame.replace('N', no_json).as_bytes()), ErrorCode::NotJson, "{no_json}");
        }
    }
    let refused = ClientFrame::decode(frames[0].replace('N', "1.0").as_bytes()).unwrap_err();
    assert!(refused.reason.contains("an integer from 0 to 9007199254740991 in digits alone"), "{refused}");
    // The content of an unknown field is not checked.
    assert!(ClientFrame::decode(br#"{"type":"ping","id":"1","mood":[1.5,1e400,-1,1e2]}"#).is_ok());
}

/// Any integer may be a version: those that this program will never speak do not affect the others.
#[test]
fn versions_beyond_all_that_there_will_be_are_passed_over() {
    let versions = "[9007199254740991,1,4294967296,7]";
    let line = format!(r#"{{"type":"resume","id":"1","token":"t","versions":{versions}}}"#);
    let Ok(ClientFrame::Resume(resume)) = ClientFrame::decode(line.as_bytes()) else { panic!("{line}") };
    assert_eq!(resume.versions, [1, 7]);
    let hello = format!(
        r#"{{"type":"hello","server_id":"{}","name":"lab","software":"s","versions":{versions},
        "registration":"open","online":1,"limits":{{"frame_bytes":1,"message_bytes":1,"unacked":1,
        "typing_seconds":1,"keepalive_seconds":1}}}}"#,
        "0".repeat(32)
    );
    let Ok(Some(ServerFrame::Hello(hello))) = ServerFrame::decode(hello.as_bytes()) else {
        panic!("{hello}")
    };
    assert_eq!(hello.versions, [1, 7]);
}

/// PROTOCOL §5: with two cursors for one room, it is unclear which one is meant.
#[test]
fn a_room_has_one_cursor() {
    let line = br#"{"type":"attach","id":"1","cursors":{"lobby":1,"den":2,"lobby":1}}"#;
    assert_eq!(code_of(line), ErrorCode::BadFrame);
    let line = br#"{"type":"attach","id":"1","cursors":{"lobby":1},"cursors":{"den":2}}"#;
    assert_eq!(code_of(line), ErrorCode::BadFrame);
}

/// A line has room for thousands of cursors.
#[test]
fn too_many_cursors_are_refused_while_they_are_read() {
    let attach = |count: usize| {
        let cursors: Vec<_> = (0..count).map(|room| format!("\"r{room}\":1")).collect();
        format!(r#"{{"type":"attach","id":"1","cursors":{{{}}}}}"#, cursors.join(","))
    };
    assert!(ClientFrame::decode(attach(limits::CURSORS_MAX).as_bytes()).is_ok());
    assert_eq!(code_of(attach(limits::CURSORS_MAX + 1).as_bytes()), ErrorCode::BadFrame);
}

/// PROTOCOL §2: the limit counts every byte of the line, including the `\r` that is dropped.
#[test]
fn a_carriage_return_counts_and_one_is_dropped() {
    for (end, refused) in [("\n", false), ("\r\n", true)] {
        let mut buffer = LineBuffer::default();
        buffer.push(format!("{}{end}", "x".repeat(63)).as_bytes());
        assert_eq!(buffer.next_line(64).is_err(), refused, "{end:?}");
    }
    let line = lines([b"\r\n\n{}\r\n".to_vec(), b" \r\r\n".to_vec()].into_iter());
    assert_eq!(line, [b"{}".to_vec(), b" \r".to_vec()], "empty lines are skipped; blanks are not nothing");
    assert_eq!(code_of(b" \r"), ErrorCode::NotJson);
    // Between the parts of an object, it is white space (RFC 8259 §2).
    assert!(ClientFrame::decode(b"{\"type\":\"ping\",\r\"id\":\"1\"}").is_ok());
}

/// PROTOCOL §2: half of a surrogate pair is not a character. In a field that must be read to identify the frame, it
/// closes the connection.
#[test]
fn a_lone_surrogate_is_refused_wherever_it_is_read() {
    for (line, code) in [
        (r#"{"type":"ping","id":"\ud800"}"#, ErrorCode::NotJson),
        (r#"{"type":"\udc00","id":"1"}"#, ErrorCode::NotJson),
        (r#"{"type":"ping","id":"1","\ud800":1}"#, ErrorCode::NotJson),
        (r#"{"type":7,"id":"1","\ud800":1}"#, ErrorCode::NotJson),
        (r#"{"type":7,"id":"\ud800"}"#, ErrorCode::NotJson),
        (r#"{"type":7,"id":"1","mood":"\ud800"}"#, ErrorCode::BadFrame),
        (r#"{"type":"send","id":"1","room":"lobby","message":"\ud83d"}"#, ErrorCode::BadFrame),
        (r#"{"type":"send","id":"1","room":"lobby","message":"\udc00\ud83d"}"#, ErrorCode::BadFrame),
        (r#"{"type":"attach","id":"1","cursors":{"\ud800":1}}"#, ErrorCode::BadFrame),
    ] {
        assert_eq!(code_of(line.as_bytes()), code, "{line}");
    }
    let pair = br#"{"type":"send","id":"1","room":"lobby","message":"\ud83d\ude00"}"#;
    assert!(matches!(ClientFrame::decode(pair), Ok(ClientFrame::Send(send)) if send.message == "\u{1f600}"));
    assert!(ClientFrame::decode(br#"{"type":"ping","id":"1","mood":"\ud800"}"#).is_ok());
}

/// A tree of small objects takes a hundred times its bytes, once it is built.
#[test]
fn a_tree_in_place_of_a_text_is_read_and_not_built() {
    let tree = format!("{{\"id\":\"a\",\"type\":[{}1]}}", "{\"\":{\"\":1}},".repeat(2000));
    assert_eq!(code_of(tree.as_bytes()), ErrorCode::BadFrame);
    for half in [r#"{"type":[{"\ud800":1}]}"#, r#"{"type":["\ud800"]}"#, r#"{"type":[tru]}"#] {
        assert_eq!(code_of(half.as_bytes()), ErrorCode::NotJson, "{half}");
    }
}

#[test]
fn the_rest_of_a_long_read_does_not_keep_its_memory() {
    let mut buffer = LineBuffer::default();
    buffer.push(&[&[b'a'; 60_000][..], b"\nb"].concat());
    assert!(buffer.next_line(limits::FRAME_BYTES_MAX).unwrap().is_some());
    assert!(buffer.next_line(limits::FRAME_BYTES_MAX).unwrap().is_none());
    assert!(buffer.spare() < 2048, "{} bytes are spare", buffer.spare());
    buffer.push(b"c\n");
    assert_eq!(buffer.next_line(limits::FRAME_BYTES_MAX).unwrap(), Some(&b"bc"[..]));
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

/// Server frames, with one field of each replaced by an invalid value.
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
    // A name that this version reserves may belong to an older account.
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
