//! What the session and the editor's thread share: rows to print, the prompt, who types, what can
//! be completed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustyline::ExternalPrinter;

use crate::spool::Spool;
use crate::view::{columns, height};

/// Printed above the line to make the editor paint anew: up one row, and down again. It leaves no
/// trace, and it ends as the editor wants a printed text to end.
const RING: &str = "\x1b[A\n";

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Rows that the editor prints when it paints next.
    pub(crate) spool: Spool,
    /// Rows of the terminal that were printed, about; wraps around.
    printed: AtomicUsize,
    screen: Mutex<Screen>,
    bell: SyncSender<()>,
}

/// What the line is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Something to say or to do.
    #[default]
    Line,
    /// The answer to a question.
    Answer,
    /// A password.
    Secret,
    /// Nothing: what came of a password is not known yet.
    Waiting,
}

/// Who types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// Somebody who is logged in.
    LoggedIn,
    /// Somebody who was, and may not have noticed.
    LoggedOut,
    /// Nobody has logged in yet: what is no command may be a password in the wrong place.
    Nobody,
}

/// What came of a command with a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is done, or refused for another reason than the password.
    Settled,
    /// The password is wrong, or can be none.
    PasswordRefused,
    /// No new account can have this name; why was told.
    NameRefused,
}

/// What is on the screen besides the rows.
#[derive(Debug, Default)]
struct Screen {
    prompt: String,
    /// Who types, as shown behind the line.
    typing: String,
    words: Words,
    mode: Mode,
    /// What came of the last command with a password, until the editor has heard it.
    verdict: Option<Verdict>,
    /// Who is logged in; empty for nobody.
    account: String,
    /// Somebody was logged in once.
    met: bool,
    /// Why a line cannot be sent, shown below it, and the length of that line in bytes.
    complaint: Option<(String, usize)>,
    /// Who wrote in private last; empty for nobody.
    correspondent: String,
    /// Who gets a `/reply` in the line that is typed: whoever had written last when the line was begun.
    addressee: String,
    /// The prompt that stands is an old one, or the editor carries too much past.
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
    /// Starts the thread that rings through `printer`: printing blocks while the editor is at
    /// something else.
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

    /// Makes the editor paint soon. A ring that has not been answered yet is enough.
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

    /// Rows of the terminal that were printed until now, about; wraps around.
    pub(crate) fn printed(&self) -> usize {
        self.printed.load(Ordering::Relaxed)
    }

    /// Says below `line` why it cannot be sent, until it is changed.
    pub(crate) fn complain(&self, line: &str, words: String) {
        self.lock().complaint = Some((words, line.len()));
    }

    /// Why `line` cannot be sent, if that was said.
    pub(crate) fn complaint(&self, line: &str) -> Option<String> {
        let mut screen = self.lock();
        screen.complaint = screen.complaint.take().filter(|(_, length)| *length == line.len());
        screen.complaint.as_ref().map(|(words, _)| words.clone())
    }

    /// Sets the prompt. It changes once the editor has a moment; the line being typed stays.
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

    /// The prompt to show now; what stands from now on is no longer stale.
    pub(crate) fn begin(&self) -> String {
        let mut screen = self.lock();
        screen.stale = false;
        screen.prompt.clone()
    }

    /// Makes the editor start afresh when it has a moment.
    pub(crate) fn restart(&self) {
        self.lock().stale = true;
        self.ring();
    }

    /// Whether the editor has to start afresh.
    pub(crate) fn is_stale(&self) -> bool {
        self.lock().stale
    }

    /// Sets what the line is for.
    pub(crate) fn set_mode(&self, mode: Mode) {
        self.lock().mode = mode;
    }

    /// What the line is for.
    pub(crate) fn mode(&self) -> Mode {
        self.lock().mode
    }

    /// Says what came of the command with a password that is waited for.
    pub(crate) fn tell(&self, verdict: Verdict) {
        let mut screen = self.lock();
        screen.verdict = Some(verdict);
        screen.stale = true;
        drop(screen);
        self.ring();
    }

    /// What was told last, once.
    pub(crate) fn take_verdict(&self) -> Option<Verdict> {
        self.lock().verdict.take()
    }

    /// Sets who is logged in; empty for nobody.
    pub(crate) fn set_account(&self, account: &str) {
        let mut screen = self.lock();
        if screen.account != account {
            // Whoever wrote to another account gets no answer from this one.
            screen.correspondent.clear();
            screen.addressee.clear();
        }
        screen.met |= !account.is_empty();
        account.clone_into(&mut screen.account);
    }

    /// Whom a line that is typed now is for.
    pub(crate) fn speaker(&self) -> Speaker {
        let screen = self.lock();
        match (screen.account.is_empty(), screen.met) {
            (false, _) => Speaker::LoggedIn,
            (true, true) => Speaker::LoggedOut,
            (true, false) => Speaker::Nobody,
        }
    }

    /// Who is logged in; empty for nobody.
    pub(crate) fn account(&self) -> String {
        self.lock().account.clone()
    }

    /// Sets who wrote in private last.
    pub(crate) fn set_correspondent(&self, name: &str) {
        name.clone_into(&mut self.lock().correspondent);
    }

    /// The line that is typed is now `line`. Its beginning fixes who gets a `/reply` in it: who writes later does not.
    pub(crate) fn edited(&self, line: &str) {
        let mut screen = self.lock();
        if line.is_empty() {
            screen.addressee.clear();
        } else if screen.addressee.is_empty() {
            screen.addressee = screen.correspondent.clone();
        }
    }

    /// Who gets a `/reply` in the line that is typed; empty for nobody.
    pub(crate) fn addressee(&self) -> String {
        self.lock().addressee.clone()
    }

    /// Sets what is said of those who type.
    pub(crate) fn set_typing(&self, typing: &str) {
        let mut screen = self.lock();
        if screen.typing == typing {
            return;
        }
        screen.typing = typing.to_owned();
        drop(screen);
        self.ring();
    }

    /// What is said of those who type.
    pub(crate) fn typing(&self) -> String {
        self.lock().typing.clone()
    }

    /// Sets what can be completed.
    pub(crate) fn set_words(&self, words: Words) {
        self.lock().words = words;
    }

    /// What can be completed.
    pub(crate) fn words(&self) -> Words {
        self.lock().words.clone()
    }

    /// Ends the editor.
    pub(crate) fn leave(&self) {
        self.lock().leave = true;
        self.ring();
    }

    /// Whether the editor has to end.
    pub(crate) fn is_leaving(&self) -> bool {
        self.lock().leave
    }
}
