//! Who types in the current room, as far as is known.

use std::collections::BTreeMap;

use lanchat_model::limits;
use lanchat_protocol::{Entry, PresenceState, ServerFrame};
use tokio::time::Instant;

use crate::view::clip;

/// More names than are ever shown.
const TYPISTS_MAX: usize = 16;

/// Names, and when each was last heard to type. At most [`TYPISTS_MAX`]; further ones are ignored.
#[derive(Debug, Default)]
pub(crate) struct Typists(BTreeMap<String, Instant>);

impl Typists {
    /// Notes what `frame` says about who types in `room`. Returns whether it says anything about it.
    pub(crate) fn hear(&mut self, frame: &ServerFrame, room: &str, now: Instant) -> bool {
        match frame {
            ServerFrame::Typing(typing) if typing.room == room => self.note(&typing.username, now),
            ServerFrame::Presence(presence) if presence.state == PresenceState::Offline => {
                self.remove(&presence.username);
            }
            frame => match Entry::of(frame) {
                Some(Entry::Message(message)) => self.remove(&message.username),
                Some(Entry::Left(left)) if left.room == room => self.remove(&left.username),
                Some(Entry::Left(_) | Entry::Joined(_)) | None => return false,
            },
        }
        true
    }

    /// Notes that `name` types.
    fn note(&mut self, name: &str, now: Instant) {
        if self.0.len() < TYPISTS_MAX || self.0.contains_key(name) {
            self.0.insert(name.to_owned(), now);
        }
    }

    /// Removes `name`, who has sent the message or has gone.
    fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Forgets all names, because the room has changed or the connection is lost.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the text to show; empty for nobody.
    pub(crate) fn describe(&mut self, now: Instant) -> String {
        self.0.retain(|_, since| now.duration_since(*since) < limits::TYPING_SHOWN);
        let mut names = self.0.keys();
        match (names.next(), names.next(), self.0.len()) {
            (None, ..) => String::new(),
            (Some(one), None, _) => format!("{} is typing…", clip(one)),
            (Some(one), Some(other), 2) => format!("{} and {} are typing…", clip(one), clip(other)),
            (Some(_), Some(_), count) => format!("{count} people are typing…"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lanchat_protocol::{Left, Presence};
    use std::time::Duration;

    #[test]
    fn typing_is_forgotten_after_its_time_or_its_message() {
        let start = Instant::now();
        let mut typists = Typists::default();
        assert_eq!(typists.describe(start), "");
        typists.note("ana", start);
        typists.note("bob", start + Duration::from_secs(3));
        assert_eq!(typists.describe(start + Duration::from_secs(5)), "ana and bob are typing…");
        assert_eq!(typists.describe(start + limits::TYPING_SHOWN), "bob is typing…");
        typists.remove("bob");
        assert_eq!(typists.describe(start + limits::TYPING_SHOWN), "");
    }

    #[test]
    fn whoever_goes_types_no_longer() {
        let now = Instant::now();
        let left = Left {
            room: "lobby".into(),
            seq: lanchat_model::Seq::ZERO,
            username: "bob".into(),
            ts: "2026-11-21T10:00:00.000Z".into(),
        };
        let (state, connected) = (PresenceState::Offline, 1);
        let offline = Presence { username: "bob".into(), state, reason: None, last_seen: None, connected };
        for frame in [ServerFrame::Left(left), ServerFrame::Presence(offline)] {
            let mut typists = Typists::default();
            typists.note("bob", now);
            assert!(typists.hear(&frame, "lobby", now), "{frame:?}");
            assert_eq!(typists.describe(now), "", "{frame:?}");
        }
    }

    #[test]
    fn a_crowd_is_counted_and_bounded() {
        let start = Instant::now();
        let mut typists = Typists::default();
        (0..99).for_each(|n| typists.note(&format!("bob{n}"), start));
        assert_eq!(typists.describe(start), "16 people are typing…");
    }
}
