//! Private chats: who wrote last, where a `/reply` goes, and the way back to the rooms.

use lanchat_model::LOBBY;

use super::Session;
use crate::view::clip;

/// Who wrote in private last. By the time of the messages: those of several chats are delivered in the order of the chats.
#[derive(Debug, Default)]
pub(super) struct Correspondent {
    /// The time of the message, as on the wire, and its chat.
    latest: Option<(String, String)>,
    /// Whether somebody else became the latest since a line was read.
    changed: bool,
}

impl Correspondent {
    /// Somebody wrote in the chat `room`. Says whether that is the latest message.
    fn wrote(&mut self, room: &str, ts: &str) -> bool {
        // Times of one server have one form, so that they can be compared as they stand (PROTOCOL §2).
        if self.latest.as_ref().is_some_and(|(latest, _)| ts < latest.as_str()) {
            return false;
        }
        self.changed |= self.latest.as_ref().is_some_and(|(_, before)| before != room);
        self.latest = Some((ts.to_owned(), room.to_owned()));
        true
    }

    /// A line was read: the next one begins now, at the earliest.
    pub(super) fn line_read(&mut self) {
        self.changed = false;
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Session {
    /// Notes a private message of somebody else.
    pub(super) fn note_correspondent(&mut self, room: &str, ts: &str) {
        if self.correspondent.wrote(room, ts)
            && let Some(terminal) = self.output.terminal()
        {
            terminal.set_correspondent(room.trim_start_matches('@'));
        }
    }

    /// Where a `/reply` goes that does not say it. With a line editor it does, by whoever had written last when the line
    /// was begun; without one nobody can tell when that was, so that a line which may be meant for another person is not
    /// sent. A script knows what it does.
    ///
    /// # Errors
    /// Why it goes nowhere.
    pub(super) fn addressee(&self) -> Result<String, String> {
        let Some((_, room)) = &self.correspondent.latest else {
            return Err("Nobody has written to you in private yet. /msg NAME TEXT writes to somebody.".into());
        };
        if self.correspondent.changed && !self.scripted {
            let name = clip(room.trim_start_matches('@'));
            return Err(format!(
                "Not sent: more than one person has written to you since your last line, {name} last. Type it again to \
                 answer {name}, or use /msg NAME TEXT."
            ));
        }
        Ok(room.clone())
    }

    /// Leaves a private chat, which is in the list of rooms for good: the way back to the room before it.
    pub(super) fn step_back(&mut self, chat: &str) {
        if chat != self.view.current() {
            self.refuse(
                "There is nothing to leave: a private chat stays in /rooms, and nobody sees you in it.",
            );
            return;
        }
        let back = std::mem::take(&mut self.before_chats);
        let back = if self.view.has(&back) { back } else { LOBBY.to_owned() };
        self.enter(&back);
        self.notice(&format!("You are back in {}. /rooms still lists {}.", clip(&back), clip(chat)));
    }

    /// Remembers the room that a private chat is entered from.
    pub(super) fn remember_the_way_back(&mut self, next: &str) {
        let current = self.view.current();
        if next.starts_with('@') && !current.starts_with('@') {
            current.clone_into(&mut self.before_chats);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_message_counts_in_whatever_order_chats_are_delivered() {
        let mut correspondent = Correspondent::default();
        assert!(correspondent.wrote("@zoe", "2026-11-21T10:00:02.000Z"));
        assert!(!correspondent.wrote("@bob", "2026-11-21T10:00:01.000Z"), "older");
        assert!(!correspondent.changed, "only one was ever the latest");
        assert!(correspondent.wrote("@carol", "2026-11-21T10:00:03.000Z"));
        assert!(correspondent.changed);
        correspondent.line_read();
        assert!(correspondent.wrote("@carol", "2026-11-21T10:00:04.000Z") && !correspondent.changed);
    }
}
