//! Leaving, which may end the server for others too.

use super::{Chat, End};

impl Chat {
    /// Leaves, but asks first if others depend on this program.
    pub(super) fn leave(&mut self) -> Option<End> {
        if !self.hand.has_editor() {
            // Go on as if the input ended here.
            self.inbox.end();
            self.wishes.follow = false;
            return None;
        }
        let others = self.server.connected.saturating_sub(1);
        if !self.wishes.hosting || others == 0 || self.inbox.is_confirming() {
            return Some(End::Done);
        }
        self.notice("Others are connected. Leaving stops the server for them too.");
        self.inbox.confirm();
        self.show_prompt();
        None
    }

    /// Takes the answer to the question whether to leave.
    pub(super) fn confirm(&mut self, answer: &str) -> Option<End> {
        self.inbox.confirmed();
        if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            return Some(End::Done);
        }
        self.notice("You stay, and the server goes on.");
        self.show_prompt();
        None
    }
}
