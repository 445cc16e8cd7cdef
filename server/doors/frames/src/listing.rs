//! Answers with a list, written piece by piece: as much at a time as the write buffer takes, and more once it is empty.

use std::sync::Arc;
use std::vec::IntoIter;

use lanchat_hub::{Entry, Member, Reply, RoomState, RoomSummary};
use lanchat_model::{RoomRef, limits};
use lanchat_protocol as wire;
use wire::{ServerFrame, encode, format_timestamp};

use crate::from_hub::{entry, member, room_state, room_summary};

/// An answer of one line, whose beginning has been written. Nothing else may be written before its end.
pub(crate) struct Listing {
    items: Items,
    /// The end of the line.
    end: Vec<u8>,
    is_first: bool,
}

enum Items {
    Entries(RoomRef, IntoIter<Arc<Entry>>),
    Rooms(IntoIter<RoomSummary>),
    Members(IntoIter<Member>),
    States(IntoIter<RoomState>),
}

impl Listing {
    /// Answers request `id`: begins an answer with a list, and writes any other answer whole. Returns `None` if the
    /// answer is complete.
    pub(crate) fn begin(id: &str, reply: Reply, out: &mut Vec<u8>) -> Option<Self> {
        let id = id.to_owned();
        let (frame, items): (ServerFrame, Items) = match reply {
            // The result of a post is sent later, and typing has no answer.
            Reply::Admitted | Reply::Silent => return None,
            Reply::Done | Reply::LoggedOut => return whole(wire::Done { id, token: None }, out),
            Reply::PasswordChanged { token } => {
                return whole(wire::Done { id, token: token.map(wire::Secret) }, out);
            }
            Reply::Room(state) => return whole(wire::Room { id: Some(id), state: room_state(&state) }, out),
            Reply::Whois { member: found, since, admin, sessions } => {
                let (member, since) = (member(found), format_timestamp(since));
                return whole(wire::Whois { id, member, since, admin, sessions }, out);
            }
            Reply::Attached { epoch, rooms } => {
                let rooms = Items::States(rooms.into_iter());
                (wire::Attached { id, epoch, rooms: Vec::new() }.into(), rooms)
            }
            Reply::Rooms(rooms) => {
                (wire::Rooms { id, rooms: Vec::new() }.into(), Items::Rooms(rooms.into_iter()))
            }
            Reply::Members { room, members, total } => {
                let room = room.as_ref().map(RoomRef::to_string);
                let frame = wire::Members { id, room, members: Vec::new(), total };
                (frame.into(), Items::Members(members.into_iter()))
            }
            Reply::History { room, entries, more } => {
                let frame = wire::History { id, room: room.to_string(), entries: Vec::new(), more };
                (frame.into(), Items::Entries(room, entries.into_iter()))
            }
        };
        let begin = out.len();
        encode(&frame, out);
        // The empty list is the last one on the line: only a number or a word follows it.
        let list = out.windows(2).rposition(|pair| pair == b"[]").filter(|at| *at >= begin);
        let end = list.map(|at| out.split_off(at + 1)).unwrap_or_default();
        Some(Self { items, end, is_first: true })
    }

    /// Writes more of it. Returns `false` at its end.
    pub(crate) fn go_on(&mut self, out: &mut Vec<u8>) -> bool {
        while out.len() < limits::WRITE_BUFFER_BYTES_MAX {
            let before = out.len();
            if !self.is_first {
                out.push(b',');
            }
            if !self.items.say_next(out) {
                out.truncate(before);
                out.append(&mut self.end);
                return false;
            }
            self.is_first = false;
            // An item is not a line of its own.
            out.pop_if(|last| *last == b'\n');
        }
        true
    }
}

/// Writes an answer without a list.
fn whole(frame: impl Into<ServerFrame>, out: &mut Vec<u8>) -> Option<Listing> {
    encode(&frame.into(), out);
    None
}

impl Items {
    fn say_next(&mut self, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Entries(room, entries) => entries.next().map(|found| encode(&entry(room, &found), out)),
            Self::Rooms(rooms) => rooms.next().map(|room| encode(&room_summary(&room), out)),
            Self::Members(members) => members.next().map(|found| encode(&member(found), out)),
            Self::States(states) => states.next().map(|state| encode(&room_state(&state), out)),
        }
        .is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lanchat_hub::Body;
    use lanchat_model::{AccountId, ClientId, MessageText, RoomId, Seq, Timestamp};

    fn message(seq: u64, text: &str) -> Arc<Entry> {
        Arc::new(Entry {
            room: RoomId(1),
            seq: Seq::try_from(seq).unwrap(),
            client_id: ClientId::from_bytes([7; 16]),
            author: AccountId(1),
            author_name: "a".repeat(limits::NAME_CHARS_MAX).parse().unwrap(),
            at: Timestamp(0),
            body: Body::Message { text: MessageText::stored(text).unwrap(), action: true },
        })
    }

    fn room() -> RoomRef {
        RoomRef::Private("b".repeat(limits::NAME_CHARS_MAX).parse().unwrap())
    }

    /// Returns the answer, and the length of its longest piece.
    fn said(reply: Reply) -> (Vec<u8>, usize) {
        let (mut line, mut out, mut longest) = (Vec::new(), b"before\n".to_vec(), 0);
        let Some(mut listing) = Listing::begin("[]", reply, &mut out) else { panic!("no list") };
        loop {
            let more = listing.go_on(&mut out);
            longest = longest.max(out.len());
            line.append(&mut out);
            if !more {
                return (line.split_off(b"before\n".len()), longest);
            }
        }
    }

    #[test]
    fn pieces_are_the_line_that_the_whole_frame_is() {
        let texts = ["x".repeat(16_000), "\u{1}".repeat(16_000), "[]\",".into()];
        let entries: Vec<_> =
            (1..).zip(texts.iter().cycle().take(30)).map(|(n, text)| message(n, text)).collect();
        let frames = entries.iter().map(|found| entry(&room(), found)).collect();
        let whole = wire::History { id: "[]".into(), room: room().to_string(), entries: frames, more: true };
        let (line, longest) = said(Reply::History { room: room(), entries, more: true });
        let mut expected = Vec::new();
        encode(&ServerFrame::from(whole), &mut expected);
        assert!(line == expected, "{} bytes for {}", line.len(), expected.len());
        assert!(longest < limits::WRITE_BUFFER_BYTES_MAX + 16_384 * 6 + 512, "{longest}");
    }

    #[test]
    fn an_empty_list_is_a_frame() {
        let (line, _) = said(Reply::Rooms(Vec::new()));
        assert_eq!(String::from_utf8(line).unwrap(), "{\"type\":\"rooms\",\"id\":\"[]\",\"rooms\":[]}\n");
        let (line, _) = said(Reply::Members { room: None, members: Vec::new(), total: 7 });
        let text = "{\"type\":\"members\",\"id\":\"[]\",\"members\":[],\"total\":7}\n";
        assert_eq!(String::from_utf8(line).unwrap(), text);
    }

    #[test]
    fn an_entry_is_never_longer_than_it_is_counted() {
        let every: String = (1..=0x2ff).filter_map(char::from_u32).collect();
        for text in [every.as_str(), "\u{1}", "x", "\"\\\u{7f}é"] {
            let mut line = Vec::new();
            let found = message(Seq::MAX.get(), text);
            encode(&entry(&room(), &found), &mut line);
            let body = found.body.weight();
            assert!(line.len() <= found.wire_bytes_max(), "{} > {}", line.len(), found.wire_bytes_max());
            let mut json = Vec::new();
            encode(&with_text(text), &mut json);
            assert_eq!(json.len(), with_text_overhead() + body, "{text:?}");
        }
    }

    fn with_text(text: &str) -> ServerFrame {
        wire::Notice {
            code: wire::NoticeCode::Writable,
            reason: MessageText::stored(text).unwrap().as_str().into(),
        }
        .into()
    }

    fn with_text_overhead() -> usize {
        let mut line = Vec::new();
        encode(&with_text("x"), &mut line);
        line.len() - 1
    }
}
