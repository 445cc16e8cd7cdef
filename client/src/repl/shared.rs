//! The state that the session and the editor's thread share: rows to print, the prompt, who types, what can be
//! completed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustyline::ExternalPrinter;

use crate::row_queue::RowQueue;
use crate::view::{columns, height};

/// Printed above the line to make the editor repaint: up one row, and down again. It leaves no trace, and ends as the
/// editor expects printed text to end.
const RING: &str = "\x1b[A\n";

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Rows that the editor prints at its next paint.
    pub(crate) spool: RowQueue,
    /// About how many terminal rows were printed; wraps around.
    printed: AtomicUsize,
    screen: Mutex<Screen>,
    bell: SyncSender<()>,
}

/// What the line is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A message or a command.
    #[default]
    Line,
    /// The answer to a question.
    Answer,
    /// A password.
    Secret,
    /// Nothing: the verdict on a password is not known yet.
    Waiting,
}

/// Who types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// Somebody who is logged in.
    LoggedIn,
    /// Somebody who was logged in, and may not have noticed the log-out.
    LoggedOut,
    /// Nobody has logged in yet: a line that is not a command may be a password in the wrong place.
    Nobody,
}

/// The outcome of a command with a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is done, or refused for another reason than the password.
    Settled,
    /// The password is wrong or invalid.
    PasswordRefused,
    /// No new account can have this name; the reason was shown.
    NameRefused,
}

/// What is on the screen besides the rows.
#[derive(Debug, Default)]
struct Screen {
    prompt: String,
    /// Who types, as shown after the line.
    typing: String,
    words: Words,
    mode: Mode,
    /// The outcome of the last command with a password, until the editor has taken it.
    verdict: Option<Verdict>,
    /// Who is logged in; empty for nobody.
    account: String,
    /// Whether anybody was ever logged in.
    met: bool,
    /// Why a line cannot be sent, shown below it, and the length of that line in bytes.
    complaint: Option<(String, usize)>,
    /// Who wrote in private last; empty for nobody.
    correspondent: String,
    /// Who gets a `/reply` in the line being typed: the person who had written last when the line was begun.
    addressee: String,
    /// Whether the shown prompt is outdated, or the editor has kept too many edits.
    stale: bool,
    leave: bool,
}

/// What can be completed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    /// Names of rooms.
    pub(crate) rooms: BTreeSet<String>,
    /// Names of people.
    pub(crate) people: BTreeSet<String>,
}

impl Shared {
    /// Starts the thread that rings through `printer`, which blocks while the editor is busy.
    pub(crate) fn start(mut printer: impl ExternalPrinter + Send + 'static) -> std::io::Result<Arc<Self>> {
        let (bell, rings) = sync_channel(1);
        std::thread::Builder::new().name("doorbell".into()).spawn(move || {
            while rings.recv().is_ok() {
                if printer.print(RING.to_owned()).is_err() {
                    return;
                }
            }
        })?;
        let (spool, printed, screen) = Default::default();
        Ok(Arc::new(Self { spool, printed, screen, bell }))
    }

    fn lock(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the editor paint soon. One unanswered ring is enough.
    pub(crate) fn ring(&self) {
        match self.bell.try_send(()) {
            // Disconnected: the terminal is gone, and the editor will see that by itself.
            Ok(()) | Err(TrySendError::Full(())) | Err(TrySendError::Disconnected(())) => {}
        }
    }

    /// Prints rows above the line.
    pub(crate) fn print(&self, rows: impl IntoIterator<Item = String>) {
        let columns = columns();
        let mut printed = 0;
        self.spool.push(rows.into_iter().inspect(|row| printed += height(row, columns)));
        self.printed.fetch_add(printed, Ordering::Relaxed);
        self.ring();
    }

    /// Returns about how many terminal rows were printed so far; wraps around.
    pub(crate) fn printed(&self) -> usize {
        self.printed.load(Ordering::Relaxed)
    }

    /// Says below `line` why it cannot be sent, until it is changed.
    pub(crate) fn complain(&self, line: &str, words: String) {
        self.lock().complaint = Some((words, line.len()));
    }

    /// Returns why `line` cannot be sent, if that was reported.
    pub(crate) fn complaint(&self, line: &str) -> Option<String> {
        let mut screen = self.lock();
        screen.complaint = screen.complaint.take().filter(|(_, length)| *length == line.len());
        screen.complaint.as_ref().map(|(words, _)| words.clone())
    }

    /// Sets the prompt. It changes as soon as the editor can restart; the line being typed stays.
    pub(crate) fn set_prompt(&self, prompt: &str) {
        let mut screen = self.lock();
        if screen.prompt == prompt {
            return;
        }
        screen.prompt = prompt.to_owned();
        screen.stale = true;
        drop(screen);
        self.ring();
    }

    /// Returns the prompt to show now; the screen no longer counts as stale.
    pub(crate) fn begin(&self) -> String {
        let mut screen = self.lock();
        screen.stale = false;
        screen.prompt.clone()
    }

    /// Makes the editor restart as soon as it can.
    pub(crate) fn restart(&self) {
        self.lock().stale = true;
        self.ring();
    }

    /// Returns whether the editor has to restart.
    pub(crate) fn is_stale(&self) -> bool {
        self.lock().stale
    }

    /// Sets what the line is for.
    pub(crate) fn set_mode(&self, mode: Mode) {
        self.lock().mode = mode;
    }

    /// Returns what the line is for.
    pub(crate) fn mode(&self) -> Mode {
        self.lock().mode
    }

    /// Reports the outcome of the command with a password that the editor waits for.
    pub(crate) fn tell(&self, verdict: Verdict) {
        let mut screen = self.lock();
        screen.verdict = Some(verdict);
        screen.stale = true;
        drop(screen);
        self.ring();
    }

    /// Takes the last verdict.
    pub(crate) fn take_verdict(&self) -> Option<Verdict> {
        self.lock().verdict.take()
    }

    /// Sets who is logged in; empty for nobody.
    pub(crate) fn set_account(&self, account: &str) {
        let mut screen = self.lock();
        if screen.account != account {
            // A reply must not go from this account to somebody who wrote to another one.
            screen.correspondent.clear();
            screen.addressee.clear();
        }
        screen.met |= !account.is_empty();
        account.clone_into(&mut screen.account);
    }

    /// Returns who types now.
    pub(crate) fn speaker(&self) -> Speaker {
        let screen = self.lock();
        match (screen.account.is_empty(), screen.met) {
            (false, _) => Speaker::LoggedIn,
            (true, true) => Speaker::LoggedOut,
            (true, false) => Speaker::Nobody,
        }
    }

    /// Returns who is logged in; empty for nobody.
    pub(crate) fn account(&self) -> String {
        self.lock().account.clone()
    }

    /// Sets who wrote in private last.
    pub(crate) fn set_correspondent(&self, name: &str) {
        name.clone_into(&mut self.lock().correspondent);
    }

    /// Notes that the line being typed is now `line`. When it is begun, the recipient of a `/reply` in it is fixed:
    /// later writers do not change it.
    pub(crate) fn edited(&self, line: &str) {
        let mut screen = self.lock();
        if line.is_empty() {
            screen.addressee.clear();
        } else if screen.addressee.is_empty() {
            screen.addressee = screen.correspondent.clone();
        }
    }

    /// Returns who gets a `/reply` in the line being typed; empty for nobody.
    pub(crate) fn addressee(&self) -> String {
        self.lock().addressee.clone()
    }

    /// Sets the text about who types.
    pub(crate) fn set_typing(&self, typing: &str) {
        let mut screen = self.lock();
        if screen.typing == typing {
            return;
        }
        screen.typing = typing.to_owned();
        drop(screen);
        self.ring();
    }

    /// Returns the text about who types.
    pub(crate) fn typing(&self) -> String {
        self.lock().typing.clone()
    }

    /// Sets what can be completed.
    pub(crate) fn set_words(&self, words: Words) {
        self.lock().words = words;
    }

    /// Returns what can be completed.
    pub(crate) fn words(&self) -> Words {
        self.lock().words.clone()
    }

    /// Ends the editor.
    pub(crate) fn leave(&self) {
        self.lock().leave = true;
        self.ring();
    }

    /// Returns whether the editor has to end.
    pub(crate) fn is_leaving(&self) -> bool {
        self.lock().leave
    }
}
