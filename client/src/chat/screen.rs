//! What is on the screen apart from the lines: the prompt, who types, what waits too long.

use lanchat_model::{RoomName, RoomRef, limits};
use tokio::time::Instant;

use super::posts::excerpt;
use super::{Chat, PROMPT};
use crate::repl::{Verdict, Words};

impl Chat {
    /// Updates the screen by the clock.
    pub(super) fn tick(&mut self) {
        let overdue = self.backlog.overdue(Instant::now());
        overdue.iter().for_each(|frame| self.show(frame));
        self.tell_seen(self.output.seen());
        self.show_prompt();
        if let Some(zone) = self.view.follow_zone() {
            self.notice(&zone);
        }
        let Some(terminal) = self.output.terminal() else { return };
        terminal.set_typing(&self.typists.describe(Instant::now()));
        if std::mem::take(&mut self.names.stale) {
            let own = self.view.rooms().filter_map(RoomRef::group);
            let rooms = self.names.rooms.iter().chain(own).map(RoomName::to_string).collect();
            let people = self.view.people().map(str::to_owned).collect();
            terminal.set_words(Words { rooms, people });
        }
        let late: Vec<String> = self
            .unacked
            .values_mut()
            .filter(|post| !post.told && post.since.elapsed() >= limits::ACK_PATIENCE)
            .map(|post| {
                post.told = true;
                format!(
                    "Not on the server yet, to {}: “{}”",
                    crate::view::clip(&post.room),
                    excerpt(&post.text)
                )
            })
            .collect();
        late.iter().for_each(|text| self.notice(text));
    }

    /// Shows in the prompt whose line goes where, and the state of the connection.
    pub(super) fn show_prompt(&self) {
        let Some(terminal) = self.output.terminal() else { return };
        terminal.set_account(self.view.own());
        match self.view.current() {
            _ if self.inbox.is_confirming() => terminal.set_prompt("Leave? [y/N] "),
            None => terminal.set_prompt(PROMPT),
            Some(room) => {
                let prompt = crate::view::prompt(self.view.own(), room, crate::view::columns());
                terminal.set_prompt(&self.with_state(prompt));
            }
        }
    }

    /// Tells the waiting editor the verdict on a command with a password.
    pub(super) fn tell(&self, verdict: Verdict) {
        if let Some(terminal) = self.output.terminal() {
            terminal.tell(verdict);
        }
    }
}
