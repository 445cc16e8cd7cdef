//! The user's messages on their way: what becomes of each, and what the user is told about it.

use lanchat_client::{SendError, Unsent};
use lanchat_model::ClientId;
use tokio::time::Instant;

use super::running::stopped;
use super::{Chat, End};
use crate::sanitize::one_line;
use crate::view::{clip, sentence};

/// A message of the user that is not acknowledged yet.
#[derive(Debug)]
pub(super) struct Unacked {
    pub(super) since: Instant,
    pub(super) room: String,
    pub(super) text: String,
    /// Whether the user was told that the message waits.
    pub(super) told: bool,
}

impl Chat {
    /// Takes in whether a message was put into the outbox.
    pub(super) fn sent(
        &mut self,
        room: String,
        text: String,
        outcome: Result<ClientId, SendError>,
    ) -> Option<End> {
        match outcome {
            Ok(id) => {
                let post = Unacked { since: Instant::now(), room, text, told: false };
                self.unacked.insert(id, post);
                None
            }
            Err(SendError::NotLoggedIn) if !self.hand.has_editor() => {
                Some(End::Failed(self.nobody_logged_in()))
            }
            // The text is left out, since it may not be a message.
            Err(SendError::NotLoggedIn) => self.nobody_speaks(),
            Err(SendError::Stopped) => Some(stopped()),
            Err(error) => {
                self.refusals += 1;
                self.complain(&unsent(&room, &self.shown(&text), &error.to_string()));
                None
            }
        }
    }

    /// Notes that messages of an earlier run are on their way.
    pub(super) fn sent_again(&mut self, posts: Vec<Unsent>) {
        self.notice(&match posts.len() {
            1 => "Sending 1 message that was left from last time.".to_owned(),
            count => format!("Sending {count} messages that were left from last time."),
        });
        for Unsent { id, room, message } in posts {
            let post = Unacked { since: Instant::now(), room, text: message, told: false };
            self.unacked.insert(id, post);
        }
    }

    /// Reports, once, that the server could not store a message of the user. It is sent again until it is stored.
    pub(super) fn deferred(&mut self, id: ClientId) {
        let Some(post) = self.unacked.get_mut(&id).filter(|post| !post.told) else { return };
        post.told = true;
        let words = format!(
            "Not sent to {}: the server could not store “{}”. It will be sent again.",
            clip(&post.room),
            excerpt(&post.text)
        );
        self.notice(&words);
    }

    /// Reports that nobody knows whether a message of the user has arrived.
    pub(super) fn unanswered(&mut self, id: ClientId, room: &str) {
        self.refusals += 1;
        let text = self.unacked.remove(&id).map(|post| post.text).unwrap_or_default();
        self.complain(&format!(
            "Your message to {} may have arrived or not: “{}”. You were logged out before the server answered for it. \
             Look whether it is there before you send it again.",
            clip(room),
            self.shown(&text)
        ));
    }

    /// Reports that the server refused a message of the user.
    pub(super) fn refused(&mut self, id: ClientId, room: &str, reason: &str) {
        self.refusals += 1;
        let text = self.unacked.remove(&id).map(|post| post.text).unwrap_or_default();
        self.complain(&unsent(room, &self.shown(&text), reason));
    }

    /// Says what becomes of the messages that the server has not acknowledged when the program ends.
    pub(super) fn left_behind(&self) -> String {
        let count = self.unacked.len();
        let words = format!("The server does not answer: {count} of your messages may not have reached it.");
        match (self.unkept, count) {
            (false, 1) => format!("{words} It is kept, and sent when you come back."),
            (false, _) => format!("{words} They are kept, and sent when you come back."),
            (true, _) => {
                let line = |post: &Unacked| format!("  {}: “{}”", clip(&post.room), self.shown(&post.text));
                let lines: Vec<_> = self.unacked.values().map(line).collect();
                format!("{words} They could NOT be kept:\n{}", lines.join("\n"))
            }
        }
    }

    /// Returns an unsent text of the user as it is shown. A script's text is shown whole, since there is no other copy.
    fn shown(&self, text: &str) -> String {
        if self.hand.is_script() { one_line(text) } else { excerpt(text) }
    }
}

/// Says what was not sent, where to, and why.
fn unsent(room: &str, text: &str, reason: &str) -> String {
    format!("Your message to {} was not sent: “{text}”. {}", clip(room), sentence(reason))
}

/// Returns the start of a text, on one line.
pub(super) fn excerpt(text: &str) -> String {
    const CHARS: usize = 60;
    let clean = one_line(text);
    match clean.char_indices().nth(CHARS) {
        None => clean,
        Some((end, _)) => format!("{}…", &clean[..end]),
    }
}

#[cfg(test)]
mod tests {
    use lanchat_client::Sentence;

    use super::*;

    #[test]
    fn a_message_that_was_not_sent_is_told_in_sentences() {
        assert_eq!(
            unsent("@carol", "hey", "Nobody here has this name. Check it."),
            "Your message to @carol was not sent: “hey”. Nobody here has this name. Check it."
        );
        assert_eq!(
            unsent("lobby", "hey", "the message is too long: split it"),
            "Your message to lobby was not sent: “hey”. The message is too long: split it."
        );
        let said = Sentence::Server("No.” *** You are logged out".to_owned()).to_string();
        assert_eq!(
            unsent("lobby", "hey", &said),
            "Your message to lobby was not sent: “hey”. The server says: “No.' *** You are logged out”"
        );
    }
}
