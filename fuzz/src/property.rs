//! The properties: no input makes a decoder panic, and what it takes survives being encoded and decoded again.

use lanchat_model::limits;
use lanchat_protocol::beacon::Beacon;
use lanchat_protocol::{BadFrame, ClientFrame, LineBuffer, RoomRef, ServerFrame, encode};

/// The line that `frame` is on the wire.
fn line_of(frame: &impl serde::Serialize) -> Vec<u8> {
    let mut line = Vec::new();
    encode(frame, &mut line);
    assert_eq!(line.pop(), Some(b'\n'), "a frame was not encoded");
    assert!(!line.contains(&b'\n'), "a frame is one line");
    line
}

/// What a peer is told of its own bytes fits a line and steers no terminal.
fn is_tellable(error: &BadFrame) {
    assert!(error.reason.len() < 1024 && !error.reason.chars().any(char::is_control), "{error:?}");
    assert!(error.id.as_ref().is_none_or(|id| id.len() <= limits::REQUEST_ID_BYTES_MAX));
}

/// A line from a client.
pub fn client_frame(line: &[u8]) {
    match ClientFrame::decode(line) {
        Ok(frame) => assert_eq!(ClientFrame::decode(&line_of(&frame)), Ok(frame)),
        Err(error) => is_tellable(&error),
    }
}

/// A line from a server.
pub fn server_frame(line: &[u8]) {
    match ServerFrame::decode(line) {
        Ok(Some(frame)) => assert_eq!(ServerFrame::decode(&line_of(&frame)), Ok(Some(frame))),
        Ok(None) => {}
        Err(error) => is_tellable(&error),
    }
}

/// The lines of a stream that comes in these chunks, and whether one was too long.
fn lines<'a>(chunks: impl Iterator<Item = &'a [u8]>, limit: usize) -> (Vec<Vec<u8>>, bool) {
    let (mut buffer, mut found) = (LineBuffer::default(), Vec::new());
    for chunk in chunks {
        buffer.push(chunk);
        loop {
            match buffer.next_line(limit) {
                Ok(Some(line)) => found.push(line.to_vec()),
                Ok(None) => break,
                Err(_) => return (found, true),
            }
        }
        assert!(buffer.pending() < limit, "more is kept than a line may have");
    }
    (found, false)
}

/// A stream: the first byte sets the limit, the second the size of the chunks. However it is cut, its lines are the same.
pub fn line_buffer(input: &[u8]) {
    let [limit, size, stream @ ..] = input else { return };
    let (limit, size) = (usize::from(*limit) + 1, usize::from(*size) + 1);
    assert_eq!(lines(stream.chunks(size), limit), lines(std::iter::once(stream), limit));
}

/// A TXT record: `key=value` lines.
pub fn beacon(record: &[u8]) {
    let text = String::from_utf8_lossy(record);
    let read = |text: &[(String, String)]| {
        Beacon::from_txt(|key| text.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str()))
    };
    let pairs = text.split('\n').filter_map(|line| line.split_once('='));
    let pairs: Vec<(String, String)> = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    if let Some(beacon) = read(&pairs) {
        assert_eq!(read(&beacon.to_txt()), Some(beacon));
    }
}

/// The name of a room, as a frame has it: what is taken is folded, and stays what it is.
pub fn name(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(room) = text.parse::<RoomRef>()
    {
        let shown = room.to_string();
        assert!(shown.is_ascii() && shown.len() <= limits::NAME_CHARS_MAX + 1, "{shown}");
        assert_eq!(shown.parse(), Ok(room));
    }
}

/// A message of multicast DNS, to a browser and to a responder.
pub fn mdns(bytes: &[u8]) {
    lanchat_mdns::property::message(bytes);
}
