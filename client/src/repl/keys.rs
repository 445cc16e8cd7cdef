//! The keys that do more than edit: Enter and Ctrl+C.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use lanchat_model::limits;
use rustyline::{
    Cmd, ConditionalEventHandler, Editor, Event, EventContext, EventHandler, Helper, KeyCode, KeyEvent,
    Modifiers, Movement, RepeatCount,
};
use tokio::sync::mpsc::Sender;

use super::history::InputHistory;
use super::shared::{Mode, Shared};
use crate::command::{self, Command, Input};
use crate::input::Typed;
use crate::slash;
use crate::view::Medium;

/// The editor keeps all edits since it started, for "undo"; so often it starts afresh.
const LINES_PER_EDITOR: u32 = 200;

/// Binds the keys.
pub(crate) fn bind<H: Helper>(
    editor: &mut Editor<H, InputHistory>,
    shared: &Arc<Shared>,
    typed: &Sender<Typed>,
    history: &InputHistory,
) {
    let armed = Arc::new(AtomicBool::new(false));
    for key in [KeyEvent(KeyCode::Enter, Modifiers::NONE), KeyEvent::ctrl('M'), KeyEvent::ctrl('J')] {
        let enter = Enter {
            shared: Arc::clone(shared),
            typed: typed.clone(),
            history: history.clone(),
            armed: Arc::clone(&armed),
            count: AtomicU32::new(0),
        };
        editor.bind_sequence(key, EventHandler::Conditional(Box::new(enter)));
    }
    let interrupt = Interrupt { shared: Arc::clone(shared), armed };
    editor.bind_sequence(KeyEvent::ctrl('C'), EventHandler::Conditional(Box::new(interrupt)));
    editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), EventHandler::Simple(Cmd::Newline));
}

/// Enter hands the line over and clears it; the editor goes on, so that nothing typed ahead is lost
/// or echoed. The message appears above the prompt when it comes back from the server's log.
struct Enter {
    shared: Arc<Shared>,
    typed: Sender<Typed>,
    history: InputHistory,
    armed: Arc<AtomicBool>,
    count: AtomicU32,
}

impl Enter {
    fn accept(&self, line: &str) {
        let memorable = !line.trim().is_empty() && is_memorable(line, self.shared.account().is_empty());
        let looked_back = if memorable { self.history.accept(line) } else { self.history.looked_back() };
        let tired = self.count.fetch_add(1, Ordering::Relaxed) % LINES_PER_EDITOR == LINES_PER_EDITOR - 1;
        if looked_back || tired {
            self.shared.restart();
        }
        // When the queue is full the editor waits here. An error says that the session has ended,
        // and the editor will.
        let _ = self.typed.blocking_send(Typed::Line(line.to_owned()));
    }
}

impl ConditionalEventHandler for Enter {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext) -> Option<Cmd> {
        self.armed.store(false, Ordering::Relaxed);
        let line = context.line();
        match self.shared.mode() {
            Mode::Line => {}
            Mode::Answer | Mode::Secret => return Some(Cmd::AcceptLine),
            Mode::Waiting => return Some(Cmd::Noop),
        }
        if command::secretive(line).is_some() {
            // The line may need a password, which is asked for by the thread that runs the editor.
            return Some(Cmd::AcceptLine);
        }
        if line.len() > limits::MESSAGE_BYTES_MAX {
            let text = format!(
                "This is {} bytes long; a message has at most {}. Shorten it, or send it in parts.",
                line.len(),
                limits::MESSAGE_BYTES_MAX
            );
            self.shared.print(Medium::screen().error(&text));
            return Some(Cmd::Noop);
        }
        self.accept(&addressed(line, &self.shared.addressee()));
        Some(Cmd::Kill(Movement::WholeBuffer))
    }
}

/// The line with the name of the one who gets it, if it is a `/reply`: what is sent, and kept in the history, says to whom.
fn addressed<'a>(line: &'a str, to: &str) -> Cow<'a, str> {
    match command::is_reply(line).then(|| command::parse(line)) {
        Some(Ok(Input::Command(Command::Reply(text)))) if !to.is_empty() => {
            format!("/msg {to} {text}").into()
        }
        _ => line.into(),
    }
}

/// Whether a line may be kept. As long as nobody is logged in a line that is no command leads
/// nowhere, and may be a password that was typed in the wrong place. A line with a login in it is never kept.
fn is_memorable(line: &str, anonymous: bool) -> bool {
    let reveals = line.lines().any(slash::reveals);
    !reveals && (!anonymous || matches!(command::parse(line), Ok(Input::Command(_))))
}

/// Ctrl+C clears the line; pressed again at once, it leaves.
struct Interrupt {
    shared: Arc<Shared>,
    armed: Arc<AtomicBool>,
}

impl ConditionalEventHandler for Interrupt {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext) -> Option<Cmd> {
        if self.shared.mode() != Mode::Line {
            return Some(Cmd::Interrupt);
        }
        if !context.line().is_empty() {
            self.armed.store(true, Ordering::Relaxed);
            return Some(Cmd::Kill(Movement::WholeBuffer));
        }
        if self.armed.swap(true, Ordering::Relaxed) {
            return Some(Cmd::Interrupt);
        }
        self.shared.print(Medium::screen().notice("Press Ctrl+C again to leave."));
        Some(Cmd::Noop)
    }
}

#[cfg(test)]
mod tests {
    use super::{addressed, is_memorable};

    #[test]
    fn a_reply_says_who_gets_it() {
        assert_eq!(addressed("/reply hello  you", "bob"), "/msg bob hello  you");
        assert_eq!(addressed("/R hello\nyou", "bob"), "/msg bob hello\nyou");
        for line in ["/reply", "/reply hello", "/msg carol hello", "//r hello", "hello"] {
            assert_eq!(addressed(line, ""), line);
        }
        assert_eq!(addressed("/msg carol /r", "bob"), "/msg carol /r");
    }

    #[test]
    fn before_a_login_only_commands_are_remembered() {
        assert!(is_memorable("/rooms", true));
        for line in ["s3cret-canary", "//s3cret", "/s3cret-canary"] {
            assert!(!is_memorable(line, true), "{line}");
            assert!(is_memorable(line, false), "{line}");
        }
        for line in ["hi\n/login ana s3cret", "a\n\n(／／passwd old new)"] {
            assert!(!is_memorable(line, false), "{line}");
        }
    }
}
