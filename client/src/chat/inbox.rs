//! Typed or piped input on its way into the session, and how far it was read.

use tokio::sync::mpsc;

use crate::input::Typed;

/// How far the input was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// No visible line was read yet.
    Fresh,
    /// In the middle.
    Begun,
    /// The user was asked whether to leave: the next line is the answer, and then the input is in the state before.
    Confirming { begun: bool },
    /// At its end. Some of what it sent is not answered yet.
    Ended,
    /// At its end, and everything that it sent is answered.
    Settled,
}

/// See the module.
pub(super) struct Inbox {
    typed: mpsc::Receiver<Typed>,
    /// What was read from `typed` but not handled yet.
    peeked: Option<Typed>,
    pub(super) reading: Reading,
}

impl Inbox {
    pub(super) fn new(typed: mpsc::Receiver<Typed>) -> Self {
        Self { typed, peeked: None, reading: Reading::Fresh }
    }

    /// Waits for the next input. Cancel safe.
    pub(super) async fn next(&mut self) -> Typed {
        match self.peeked.take() {
            Some(typed) => typed,
            None => self.typed.recv().await.unwrap_or(Typed::End),
        }
    }

    /// Takes the next input, if it is there.
    pub(super) fn at_hand(&mut self) -> Option<Typed> {
        self.peeked.take().or_else(|| self.typed.try_recv().ok())
    }

    /// Looks at the next input without taking it; if `waits`, waits for it.
    pub(super) async fn peek(&mut self, waits: bool) -> Option<&Typed> {
        if self.peeked.is_none() {
            self.peeked = match waits {
                true => self.typed.recv().await,
                false => self.typed.try_recv().ok(),
            };
        }
        self.peeked.as_ref()
    }

    /// Drops what [`Inbox::peek`] returned.
    pub(super) fn skip(&mut self) {
        self.peeked = None;
    }

    /// Notes that the input has ended.
    pub(super) fn end(&mut self) {
        if !self.has_ended() {
            self.reading = Reading::Ended;
        }
    }

    /// Notes that everything the input sent is answered.
    pub(super) fn settle(&mut self) {
        if self.has_ended() {
            self.reading = Reading::Settled;
        }
    }

    /// Returns whether the input has ended.
    pub(super) fn has_ended(&self) -> bool {
        match self.reading {
            Reading::Fresh | Reading::Begun | Reading::Confirming { .. } => false,
            Reading::Ended | Reading::Settled => true,
        }
    }

    /// Notes a visible line. Returns whether it is the first.
    pub(super) fn begin(&mut self) -> bool {
        let is_first = self.reading == Reading::Fresh;
        if is_first {
            self.reading = Reading::Begun;
        }
        is_first
    }

    /// Returns whether the next line answers the question whether to leave.
    pub(super) fn is_confirming(&self) -> bool {
        matches!(self.reading, Reading::Confirming { .. })
    }

    /// Takes the next line as the answer to whether to leave.
    pub(super) fn confirm(&mut self) {
        if matches!(self.reading, Reading::Fresh | Reading::Begun) {
            self.reading = Reading::Confirming { begun: self.reading == Reading::Begun };
        }
    }

    /// Notes that the question was answered.
    pub(super) fn confirmed(&mut self) {
        if let Reading::Confirming { begun } = self.reading {
            self.reading = if begun { Reading::Begun } else { Reading::Fresh };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_looked_at_is_still_the_next() {
        let (sender, typed) = mpsc::channel(4);
        let mut inbox = Inbox::new(typed);
        assert_eq!(inbox.peek(false).await, None);
        for line in ["one", "two"] {
            sender.send(Typed::Line(line.into())).await.unwrap();
        }
        assert_eq!(inbox.peek(true).await, Some(&Typed::Line("one".into())));
        assert_eq!(inbox.next().await, Typed::Line("one".into()));
        inbox.peek(true).await;
        inbox.skip();
        drop(sender);
        assert_eq!(inbox.next().await, Typed::End);
    }

    /// With `--text` the first line is checked: it may hold a password that was meant for a command.
    #[test]
    fn the_answer_whether_to_leave_is_not_the_first_line() {
        let (_sender, typed) = mpsc::channel(1);
        let mut inbox = Inbox::new(typed);
        inbox.confirm();
        assert!(inbox.is_confirming());
        inbox.confirmed();
        assert!(!inbox.is_confirming() && inbox.begin(), "the first is still to come");
        inbox.confirm();
        inbox.confirmed();
        assert!(!inbox.begin());
        inbox.confirm();
        inbox.end();
        assert!(inbox.has_ended() && !inbox.is_confirming());
    }

    #[test]
    fn an_input_ends_once_and_is_settled_behind_its_end() {
        let (_sender, typed) = mpsc::channel(1);
        let mut inbox = Inbox::new(typed);
        assert!(inbox.begin() && !inbox.begin(), "one line is the first");
        inbox.settle();
        assert_eq!(inbox.reading, Reading::Begun, "it goes on");
        inbox.end();
        inbox.settle();
        inbox.end();
        assert_eq!(inbox.reading, Reading::Settled);
    }
}
