//! The keys that do more than edit: Enter and Ctrl+C.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lanchat_model::limits;
use rustyline::{
    Cmd, ConditionalEventHandler, Editor, Event, EventContext, EventHandler, Helper, KeyCode, KeyEvent,
    Modifiers, Movement, RepeatCount,
};
use tokio::sync::mpsc::Sender;

use super::history::InputHistory;
use super::keyboard::Keyboard;
use super::shared::{Mode, Shared, Speaker};
use crate::command::{self, Input, SlashCommand, slash};
use crate::input::Typed;
use crate::signals::AWAKE;
use crate::view::Medium;

/// The editor keeps all edits since it started, for "undo". After this many lines it is restarted.
const LINES_PER_EDITOR: u32 = 200;
/// Ctrl+C leaves if it is pressed again within this time; after that it counts as the first press.
const LEAVES_WITHIN: Duration = Duration::from_secs(3);

/// Binds the keys.
pub(crate) fn bind<H: Helper>(
    editor: &mut Editor<H, InputHistory>,
    shared: &Arc<Shared>,
    typed: &Sender<Typed>,
    history: &InputHistory,
) {
    let leaving = Arc::new(Leaving::default());
    for key in [KeyEvent(KeyCode::Enter, Modifiers::NONE), KeyEvent::ctrl('M'), KeyEvent::ctrl('J')] {
        let enter = Enter {
            shared: Arc::clone(shared),
            typed: typed.clone(),
            history: history.clone(),
            leaving: Arc::clone(&leaving),
            count: AtomicU32::new(0),
        };
        editor.bind_sequence(key, EventHandler::Conditional(Box::new(enter)));
    }
    let interrupt = Interrupt { shared: Arc::clone(shared), history: history.clone(), leaving };
    editor.bind_sequence(KeyEvent::ctrl('C'), EventHandler::Conditional(Box::new(interrupt)));
    editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), EventHandler::Simple(Cmd::Newline));
}

/// Makes Ctrl+Z restore the terminal and stop the program.
pub(crate) fn suspend_by<H: Helper>(editor: &mut Editor<H, InputHistory>, keyboard: Arc<Keyboard>) {
    editor.bind_sequence(KeyEvent::ctrl('Z'), EventHandler::Conditional(Box::new(Suspend { keyboard })));
}

struct Suspend {
    keyboard: Arc<Keyboard>,
}

impl ConditionalEventHandler for Suspend {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext) -> Option<Cmd> {
        self.keyboard.suspend();
        Some(Cmd::Repaint)
    }
}

/// Makes Ctrl+Z say why it does not stop a program that hosts.
pub(crate) fn keep_awake<H: Helper>(editor: &mut Editor<H, InputHistory>, shared: &Arc<Shared>) {
    let awake = Awake { shared: Arc::clone(shared) };
    editor.bind_sequence(KeyEvent::ctrl('Z'), EventHandler::Conditional(Box::new(awake)));
}

struct Awake {
    shared: Arc<Shared>,
}

impl ConditionalEventHandler for Awake {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext) -> Option<Cmd> {
        self.shared.print(Medium::screen().notice(AWAKE));
        Some(Cmd::Noop)
    }
}

/// Enter hands the line over and clears it; the editor keeps running, so that what is typed ahead is neither lost nor
/// echoed. The message appears above the prompt when it comes back from the server's log.
struct Enter {
    shared: Arc<Shared>,
    typed: Sender<Typed>,
    history: InputHistory,
    leaving: Arc<Leaving>,
    count: AtomicU32,
}

impl Enter {
    fn accept(&self, line: &str) {
        let looked_back = match memory_of(line, self.shared.speaker()) {
            Memory::None => self.history.looked_back(),
            Memory::UntilTheEnd => self.history.keep(line),
            Memory::File => self.history.accept(line),
        };
        let tired = self.count.fetch_add(1, Ordering::Relaxed) % LINES_PER_EDITOR == LINES_PER_EDITOR - 1;
        if looked_back || tired {
            self.shared.restart();
        }
        // When the queue is full, the editor waits here. An error means that the session has ended, and the editor will
        // end too.
        let _ = self.typed.blocking_send(Typed::Line(line.to_owned()));
    }
}

impl ConditionalEventHandler for Enter {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext) -> Option<Cmd> {
        self.leaving.forget();
        let line = context.line();
        match self.shared.mode() {
            Mode::Line => {}
            Mode::Answer | Mode::Secret => return Some(Cmd::AcceptLine),
            Mode::Waiting => return Some(Cmd::Noop),
        }
        if command::secretive(line).is_some() {
            // The line may need a password, which the thread that runs the editor asks for.
            return Some(Cmd::AcceptLine);
        }
        if line.len() > limits::MESSAGE_BYTES_MAX {
            let text = format!(
                "This is {} bytes long; a message has at most {}. Shorten it, or send it in parts.",
                line.len(),
                limits::MESSAGE_BYTES_MAX
            );
            // Printed below the line, however long that is: above it would be off the screen.
            self.shared.complain(line, text);
            return Some(Cmd::Repaint);
        }
        self.accept(&addressed(line, &self.shared.addressee()));
        Some(Cmd::Kill(Movement::WholeBuffer))
    }
}

/// Adds the recipient's name to a `/reply`, so that the sent line and the history say to whom it goes.
fn addressed<'a>(line: &'a str, to: &str) -> Cow<'a, str> {
    match command::is_reply(line).then(|| command::parse(line)) {
        Some(Ok(Input::Command(SlashCommand::Reply(text)))) if !to.is_empty() => {
            format!("/msg {to} {text}").into()
        }
        _ => line.into(),
    }
}

/// How long a line is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    /// Not at all.
    None,
    /// Until the program ends.
    UntilTheEnd,
    /// In the file.
    File,
}

/// Returns how long `line` may be remembered. A line with a login in it is never remembered. While nobody is logged in,
/// a line that is not a command may be a password typed in the wrong place. An unknown command may be a mistyped login,
/// so it is not written to the file.
fn memory_of(line: &str, speaker: Speaker) -> Memory {
    if line.trim().is_empty() || slash::lines(line).any(slash::reveals) {
        return Memory::None;
    }
    match (command::parse(line), speaker) {
        (Ok(Input::Command(_)), _) => Memory::File,
        (_, Speaker::Nobody) => Memory::None,
        (Ok(_), Speaker::LoggedIn) => Memory::File,
        (Ok(_), Speaker::LoggedOut) | (Err(_), _) => Memory::UntilTheEnd,
    }
}

/// Whether the next Ctrl+C leaves.
#[derive(Debug, Default)]
struct Leaving(Mutex<Option<Instant>>);

impl Leaving {
    /// Notes that Ctrl+C was pressed. Returns whether it was pressed just before.
    fn press(&self, now: Instant) -> bool {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        before.is_some_and(|before| now.duration_since(before) <= LEAVES_WITHIN)
    }

    /// Forgets Ctrl+C, because another key was used.
    fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Ctrl+C clears the line, which can be brought back; pressed again shortly after, it leaves.
struct Interrupt {
    shared: Arc<Shared>,
    history: InputHistory,
    leaving: Arc<Leaving>,
}

impl Interrupt {
    /// Keeps the line in case the user did not mean to clear it. Returns how to bring it back.
    fn keep(&self, line: &str) -> &'static str {
        // The editor keeps what it clears, but only in memory, even a possible password in the wrong place.
        if memory_of(line, self.shared.speaker()) == Memory::None {
            return "Ctrl+Y";
        }
        if self.history.keep(line) {
            self.shared.restart();
        }
        "Up"
    }
}

impl ConditionalEventHandler for Interrupt {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext) -> Option<Cmd> {
        if self.shared.mode() != Mode::Line {
            return Some(Cmd::Interrupt);
        }
        let line = context.line();
        if line.is_empty() && self.leaving.press(Instant::now()) {
            return Some(Cmd::Interrupt);
        }
        let seconds = LEAVES_WITHIN.as_secs();
        if line.is_empty() {
            let words = format!("Press Ctrl+C again within {seconds} seconds to leave.");
            self.shared.print(Medium::screen().notice(&words));
            return Some(Cmd::Noop);
        }
        self.leaving.press(Instant::now());
        let back = self.keep(line);
        let words = format!("Cleared; {back} brings it back. Ctrl+C again within {seconds} seconds leaves.");
        self.shared.print(Medium::screen().notice(&words));
        Some(Cmd::Kill(Movement::WholeBuffer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(memory_of("/rooms", Speaker::Nobody), Memory::File);
        for line in ["s3cret-canary", "//s3cret", "/s3cret-canary"] {
            assert_eq!(memory_of(line, Speaker::Nobody), Memory::None, "{line}");
        }
        for line in ["hi\n/login ana s3cret", "a\n\n(／／passwd old new)", "hi\r/login ana s3cret", " "] {
            assert_eq!(memory_of(line, Speaker::LoggedIn), Memory::None, "{line}");
        }
    }

    #[test]
    fn no_file_has_a_line_that_may_be_a_login_with_a_slip() {
        for line in ["/paswd old s3cret", "/lgoin bob s3cret", "/registre carl s3cret"] {
            assert_eq!(memory_of(line, Speaker::LoggedIn), Memory::UntilTheEnd, "{line}");
        }
        for line in ["hello", "//usr/bin", "/msg bob hi"] {
            assert_eq!(memory_of(line, Speaker::LoggedIn), Memory::File, "{line}");
        }
    }

    #[test]
    fn a_line_that_is_finished_just_after_a_log_out_is_remembered() {
        assert_eq!(memory_of("a long story", Speaker::LoggedOut), Memory::UntilTheEnd);
    }

    #[test]
    fn a_second_press_leaves_only_shortly_after_the_first() {
        let (leaving, start) = (Leaving::default(), Instant::now());
        assert!(!leaving.press(start));
        assert!(leaving.press(start + LEAVES_WITHIN), "shortly after");
        let leaving = Leaving::default();
        assert!(!leaving.press(start));
        assert!(!leaving.press(start + Duration::from_secs(20)), "long after");
        assert!(leaving.press(start + Duration::from_secs(21)), "but that one was a first");
        let leaving = Leaving::default();
        assert!(!leaving.press(start));
        leaving.forget();
        assert!(!leaving.press(start + Duration::from_secs(1)), "something was done in between");
    }
}
