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
