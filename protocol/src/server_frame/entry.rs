//! Which frames are entries of a room's log (PROTOCOL §5). The one list of their kinds: the code compiles only once a
//! new server frame is listed here, as an entry or not, and a new kind of entry is handled in each `match` of an
//! [`Entry`].

use lanchat_model::{Seq, limits};
use serde::{Deserialize, Deserializer};

use super::{Joined, Left, Message, ServerFrame};
use crate::bounded;

macro_rules! entry_kinds {
    (
        entries { $($(#[$doc:meta])* $kind:ident,)* }
        others { $($other:ident,)* }
    ) => {
        /// An entry of a room's log, as given by its frame.
        ///
        /// Exhaustive on purpose: code that shows or counts entries must decide what to do about each kind.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Entry<'a> {
            $($(#[$doc])* $kind(&'a $kind),)*
        }

        impl<'a> Entry<'a> {
            /// Returns the entry in a frame, or `None` if the frame is not an entry.
            pub const fn of(frame: &'a ServerFrame) -> Option<Self> {
                match frame {
                    $(ServerFrame::$kind(entry) => Some(Self::$kind(entry)),)*
                    $(ServerFrame::$other(_) => None,)*
                }
            }

            /// Returns the room in whose log it is.
            pub const fn room(self) -> &'a str {
                match self {
                    $(Self::$kind(entry) => entry.room.as_str(),)*
                }
            }

            /// Returns its position there.
            pub const fn seq(self) -> Seq {
                match self {
                    $(Self::$kind(entry) => entry.seq,)*
                }
            }

            /// Returns its author.
            pub const fn username(self) -> &'a str {
                match self {
                    $(Self::$kind(entry) => entry.username.as_str(),)*
                }
            }

            /// Returns when the server accepted it, RFC 3339 UTC.
            pub const fn ts(self) -> &'a str {
                match self {
                    $(Self::$kind(entry) => entry.ts.as_str(),)*
                }
            }
        }

        impl Entry<'_> {
            /// Returns a copy of its frame.
            pub fn to_frame(self) -> ServerFrame {
                match self {
                    $(Self::$kind(entry) => entry.clone().into(),)*
                }
            }
        }

        /// An entry inside another frame.
        #[derive(Deserialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        enum Nested {
            $($kind($kind),)*
            #[serde(other)]
            Unknown,
        }

        impl Nested {
            fn into_frame(self) -> Option<ServerFrame> {
                match self {
                    $(Self::$kind(entry) => Some(entry.into()),)*
                    Self::Unknown => None,
                }
            }
        }
    };
}

entry_kinds! {
    entries {
        /// Something was said.
        Message,
        /// Somebody entered the room.
        Joined,
        /// Somebody left it.
        Left,
    }
    others {
        Hello, Welcome, Attached, Ack, Done, ErrorFrame, Room, RoomGone, Rooms, Members, History, Presence, Typing, Whois,
        Notice, Pong, KeepAlive, Goodbye,
    }
}

/// Reads the entries of a `history`, the only frame with frames inside. Kinds from a newer server are skipped.
pub(super) fn entries<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ServerFrame>, D::Error> {
    let entries: Vec<Nested> = bounded::first(from, limits::HISTORY_PAGE_MAX)?;
    Ok(entries.into_iter().filter_map(Nested::into_frame).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns one entry of each kind, with its number in the log.
    fn one_of_each() -> Vec<ServerFrame> {
        let (room, username, ts) = (String::from("lobby"), String::from("ana"), String::from("now"));
        let seq = |n| Seq::try_from(n).unwrap();
        let (id, message) = ("0".repeat(32), String::from("hi"));
        let said = Message {
            room: room.clone(),
            seq: seq(1),
            id,
            username: username.clone(),
            message,
            ts: ts.clone(),
            action: false,
        };
        let joined = Joined { room: room.clone(), seq: seq(2), username: username.clone(), ts: ts.clone() };
        vec![said.into(), joined.into(), Left { room, seq: seq(3), username, ts }.into()]
    }

    #[test]
    fn an_entry_says_where_it_stands_whatever_its_kind() {
        for (n, frame) in (1..).zip(one_of_each()) {
            let entry = Entry::of(&frame).unwrap();
            let place = (entry.room(), entry.seq().get(), entry.username(), entry.ts());
            assert_eq!(place, ("lobby", n, "ana", "now"), "{frame:?}");
            assert_eq!(entry.to_frame(), frame);
        }
        let gone = ServerFrame::from(crate::RoomGone { room: "lobby".into() });
        assert_eq!(Entry::of(&gone), None);
    }

    /// The kinds in the list and the types on the wire are spelt separately, so this test compares them.
    #[test]
    fn each_kind_is_read_inside_a_page_and_the_unknown_is_skipped() {
        let entries = one_of_each();
        let page = crate::History { id: "1".into(), room: "lobby".into(), entries, more: false };
        let mut line = serde_json::to_value(ServerFrame::from(page.clone())).unwrap();
        let unknown = serde_json::json!({"type": "unheard_of", "room": "lobby", "seq": 4});
        line["entries"].as_array_mut().unwrap().insert(1, unknown);
        let read = ServerFrame::decode(line.to_string().as_bytes()).unwrap();
        assert_eq!(read, Some(ServerFrame::from(page)));
    }
}
