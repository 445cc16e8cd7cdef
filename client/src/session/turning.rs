//! Turning to a room: a line says which it is from here on, and what is still on the screen is not shown again.

use lanchat_model::RoomRef;

use super::Session;
use crate::view::size;

/// Rows of a screen that are not the conversation's: the divider, and the line being typed.
const OWN_ROWS: usize = 2;

impl Session {
    /// Makes `room` the one that plain text goes to.
    pub(super) fn enter(&mut self, room: &RoomRef) {
        self.show_all();
        self.remember_the_way_back(room);
        let is_new = !self.view.is_current(room);
        self.view.set_current(room);
        if is_new {
            self.say(self.view.divider());
            self.learn(room);
        }
        self.typists.clear();
        self.words_stale = true;
        self.show_prompt();
    }

    /// Lines of `room` were shown just now.
    pub(super) fn note_shown(&mut self, room: &RoomRef) {
        if let Some(terminal) = self.output.terminal()
            && self.view.has(room)
        {
            self.shown.insert(room.clone(), terminal.printed());
        }
    }

    /// Whether what was said last in `room` is still on the screen.
    pub(super) fn is_on_screen(&self, room: &RoomRef) -> bool {
        let Some(terminal) = self.output.terminal() else { return false };
        let below = |at: &usize| terminal.printed().wrapping_sub(*at);
        self.shown.get(room).is_some_and(|at| below(at) + OWN_ROWS < size().1)
    }
}
