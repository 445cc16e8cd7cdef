//! The interactive front end: a line editor below, the conversation above it.

mod completion;
mod credentials;
mod editor;
mod garbled;
mod helper;
mod history;
mod keyboard;
mod keys;
mod mask;
mod resize;
mod shared;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use lanchat_model::limits;
use tokio::sync::mpsc;

use crate::input::Typed;
use crate::view::Medium;
use editor::Desk;
use garbled::Garbled;
use history::InputHistory;
use keyboard::Keyboard;
use shared::Shared;
pub(crate) use shared::{Verdict, Words};

/// A handle on the terminal. All calls take effect in order, and none blocks.
#[derive(Debug)]
pub(crate) struct Terminal {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Restored after the editor has ended.
    _keyboard: Option<Arc<Keyboard>>,
}

/// Takes over the terminal. The input history is kept in `home`; if that fails, the user is told. `hosting`: others
/// depend on this program.
///
/// # Errors
/// The system's error, if lines cannot be edited on this terminal.
pub(crate) fn open(
    home: &Path,
    suggestion: Option<String>,
    hosting: bool,
) -> io::Result<(Terminal, mpsc::Receiver<Typed>)> {
    // Rows are also erased between two lines, when the editor has restored the console's mode. Only consoles older than
    // Windows 10 do not know escape sequences.
    #[cfg(windows)]
    let _ = anstyle_query::windows::enable_ansi_colors();
    let path = home.join("history");
    let (history, problem) = InputHistory::open(&path);
    let mut editor = editor::new(history.clone()).map_err(not_here)?;
    let printer = editor.create_external_printer().map_err(not_here)?;
    let shared = Shared::start(printer)?;
    if let Some(problem) = problem {
        let words = format!(
            "{} cannot be used ({problem}): what you type is not kept for next time.",
            path.display()
        );
        shared.print(Medium::screen().notice(&words));
    }
    let (typed, inputs) = mpsc::channel(limits::INPUT_LINES_MAX);
    let garbled = Garbled::new(Arc::clone(&shared));
    // Without it the editor reads the terminal itself, and is restarted when it ends at input that is not UTF-8.
    let keyboard = Keyboard::take(move || garbled.tell()).ok().map(Arc::new);
    if let Some(keyboard) = &keyboard {
        let painter = Arc::clone(&shared);
        keyboard::follow_stops(Arc::downgrade(keyboard), move || painter.restart())?;
    }
    let ahead = Default::default();
    let desk = Desk {
        editor,
        shared: Arc::clone(&shared),
        keyboard: keyboard.clone(),
        typed,
        history,
        suggestion,
        ahead,
        hosting,
    };
    let thread = std::thread::Builder::new().name("terminal".into()).spawn(move || desk.run())?;
    Ok((Terminal { shared, thread: Some(thread), _keyboard: keyboard }, inputs))
}

/// Makes the error for a terminal on which lines cannot be edited.
fn not_here(error: rustyline::error::ReadlineError) -> io::Error {
    io::Error::other(format!("this terminal cannot edit lines: {error}. Try lanchat --plain"))
}

impl Terminal {
    /// Prints rows above the line that is being typed.
    pub(crate) fn print(&self, rows: Vec<String>) {
        self.shared.print(rows);
    }

    /// Returns about how many rows were printed so far; wraps around.
    pub(crate) fn printed(&self) -> usize {
        self.shared.printed()
    }

    /// Waits until printing has caught up. Cancel safe.
    pub(crate) async fn room(&self) {
        self.shared.spool.room().await;
    }

    /// Sets the prompt.
    pub(crate) fn set_prompt(&self, prompt: &str) {
        self.shared.set_prompt(prompt);
    }

    /// Sets who is logged in; empty for nobody. While nobody is, only commands are remembered, since anything else may
    /// be a password in the wrong place.
    pub(crate) fn set_account(&self, account: &str) {
        self.shared.set_account(account);
    }

    /// Sets who wrote in private last; empty for nobody.
    pub(crate) fn set_correspondent(&self, name: &str) {
        self.shared.set_correspondent(name);
    }

    /// Reports the verdict on the last command with a password.
    pub(crate) fn tell(&self, verdict: Verdict) {
        self.shared.tell(verdict);
    }

    /// Sets who types; empty for nobody.
    pub(crate) fn set_typing(&self, typing: &str) {
        self.shared.set_typing(typing);
    }

    /// Sets what can be completed.
    pub(crate) fn set_words(&self, words: Words) {
        self.shared.set_words(words);
    }

    /// Prints waiting rows and restores the terminal.
    pub(crate) async fn close(self) {
        // A panic in the thread has been printed already.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for Terminal {
    /// Restores the terminal however the session ends. Waits for the editor.
    fn drop(&mut self) {
        self.shared.leave();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
