//! Private chats: who wrote last, where a `/reply` goes, and which room to return to.

use std::collections::BTreeMap;

use lanchat_model::{AccountName, RoomRef, Seq};
use lanchat_protocol::RoomState;

use super::Chat;

/// Who wrote in private last. A message delivered live is later than all before it. Missed messages come in the order
/// of the chats, so their times decide. Times decide nowhere else, since a server's clock may have been wrong for a
/// while.
#[derive(Debug, Default)]
pub(super) struct Correspondent {
    /// Who wrote, and the time of the message in its wire form: empty if it came before this connection, `None` if it
    /// was delivered live.
    latest: Option<(AccountName, Option<String>)>,
    /// Whether somebody else became the latest writer since a line was read.
    changed: bool,
    /// The last missed position of each chat. Bounded by the rooms of an account.
    missed: BTreeMap<AccountName, Seq>,
}

impl Correspondent {
    /// Notes that delivery of `rooms` starts, with the missed messages first.
    pub(super) fn attached(&mut self, rooms: &[RoomState]) {
        let missed = |room: &RoomState| match RoomRef::existing(&room.room) {
            Ok(RoomRef::Private(peer)) => Some((peer, room.head)),
            Ok(RoomRef::Group(_)) | Err(_) => None,
        };
        self.missed = rooms.iter().filter_map(missed).collect();
        if let Some((_, time)) = &mut self.latest {
            *time = Some(String::new());
        }
    }

    /// Notes a private message. Returns whether it is the latest one.
    fn wrote(&mut self, peer: &AccountName, seq: Seq, ts: &str) -> bool {
        let was_missed = self.missed.get(peer).is_some_and(|head| seq <= *head);
        let time = was_missed.then(|| ts.to_owned());
        if was_missed
            // Times of one server have one form, so they can be compared as text (PROTOCOL §2).
            && self.latest.as_ref().is_some_and(|(_, latest)| latest.as_deref().is_none_or(|latest| ts < latest))
        {
            return false;
        }
        self.changed |= self.latest.as_ref().is_some_and(|(before, _)| before != peer);
        self.latest = Some((peer.clone(), time));
        true
    }

    /// Notes that a line was read: the next one begins now at the earliest.
    pub(super) fn line_read(&mut self) {
        self.changed = false;
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Chat {
    /// Notes a private message from somebody else.
    pub(super) fn note_correspondent(&mut self, peer: &AccountName, seq: Seq, ts: &str) {
        if self.correspondent.wrote(peer, seq, ts)
            && let Some(terminal) = self.output.terminal()
        {
            terminal.set_correspondent(peer.as_str());
        }
    }

    /// Returns where a `/reply` without a name goes. A line editor adds the name of the person who had written last
    /// when the line was begun. Without one, nobody knows when the line was begun, so a line that may be meant for
    /// another person is not sent. A script is assumed to know what it does.
    ///
    /// # Errors
    /// The reason why it cannot be sent.
    pub(super) fn addressee(&self) -> Result<RoomRef, String> {
        let Some((name, _)) = &self.correspondent.latest else {
            return Err("Nobody has written to you in private yet. /msg NAME TEXT writes to somebody.".into());
        };
        if self.correspondent.changed && !self.hand.is_script() {
            return Err(format!(
                "Not sent: more than one person has written to you since your last line, {name} last. Type it again to \
                 answer {name}, or use /msg NAME TEXT."
            ));
        }
        Ok(RoomRef::Private(name.clone()))
    }

    /// Leaves a private chat for the room before it; the chat stays in the list of rooms for good. `None` is a chat
    /// that cannot exist.
    pub(super) fn step_back(&mut self, chat: Option<RoomRef>) {
        let Some(chat) = chat.filter(|chat| self.view.is_current(chat)) else {
            self.refuse(
                "There is nothing to leave: a private chat stays in /rooms, and nobody sees you in it.",
            );
            return;
        };
        let back = self.go_back();
        self.notice(&format!("You are back in {back}. /rooms still lists {chat}."));
    }

    /// Enters the group room before the current one, or the lobby if that room is gone.
    pub(super) fn go_back(&mut self) -> RoomRef {
        let back = self.way_back.take().filter(|back| self.view.has(back)).unwrap_or_else(RoomRef::lobby);
        self.enter(&back);
        back
    }

    /// Remembers the room that another one is entered from.
    pub(super) fn remember_the_way_back(&mut self, next: &RoomRef) {
        if let Some(current) = self.view.current()
            && current != next
            && !current.is_private()
            && self.view.has(current)
        {
            self.way_back = Some(current.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(n: u64) -> Seq {
        Seq::try_from(n).unwrap()
    }

    /// Notes that each of these chats was missed up to its third message.
    fn back(correspondent: &mut Correspondent, chats: &[&str]) {
        let state = |chat: &&str| RoomState {
            room: (*chat).to_owned(),
            head: seq(3),
            mark: Seq::ZERO,
            from: Seq::ZERO,
            members: 2,
        };
        correspondent.attached(&chats.iter().map(state).collect::<Vec<_>>());
    }

    fn peer(name: &str) -> AccountName {
        name.parse().unwrap()
    }

    #[test]
    fn the_latest_message_counts_in_whatever_order_chats_are_delivered() {
        let mut correspondent = Correspondent::default();
        back(&mut correspondent, &["@zoe", "@bob", "@carol"]);
        assert!(correspondent.wrote(&peer("zoe"), seq(1), "2026-11-21T10:00:02.000Z"));
        assert!(!correspondent.wrote(&peer("bob"), seq(1), "2026-11-21T10:00:01.000Z"), "older");
        assert!(!correspondent.changed, "only one was ever the latest");
        assert!(correspondent.wrote(&peer("carol"), seq(1), "2026-11-21T10:00:03.000Z"));
        assert!(correspondent.changed);
        correspondent.line_read();
        assert!(
            correspondent.wrote(&peer("carol"), seq(2), "2026-11-21T10:00:04.000Z") && !correspondent.changed
        );
    }

    /// A server's clock may be ahead for a while, for example without a battery.
    #[test]
    fn a_clock_that_was_wrong_decides_nothing_about_what_is_said_now() {
        let mut correspondent = Correspondent::default();
        back(&mut correspondent, &["@zoe"]);
        assert!(correspondent.wrote(&peer("zoe"), seq(4), "2036-01-01T00:00:00.000Z"));
        assert!(correspondent.wrote(&peer("bob"), seq(1), "2026-11-21T10:00:00.000Z"), "it is right again");
        assert!(!correspondent.wrote(&peer("zoe"), seq(3), "2036-01-01T00:00:00.000Z"), "that was before");
        assert_eq!(correspondent.latest.as_ref().map(|(name, _)| name.as_str()), Some("bob"));
        assert!(correspondent.wrote(&peer("zoe"), seq(5), "2036-01-01T00:00:01.000Z"));
        back(&mut correspondent, &["@zoe", "@bob"]);
        assert!(
            correspondent.wrote(&peer("bob"), seq(2), "2026-11-21T10:00:01.000Z"),
            "missed, so it is later"
        );
    }
}
