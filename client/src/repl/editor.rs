//! The thread that owns the terminal: it edits the line and paints everything that is printed.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::{ColorMode, CompletionType, Config, Editor};
use tokio::sync::mpsc::Sender;

use super::garbled;
use super::helper::{Interruption, LineHelper};
use super::history::InputHistory;
use super::keyboard::Keyboard;
use super::keys;
use super::shared::{Mode, Shared, Verdict};
use crate::input::Typed;
use crate::sanitize;
use crate::view::{Medium, columns};

/// A lone Escape is distinguished from the start of a longer key by what follows within this time.
const ESCAPE_MILLISECONDS: u16 = 100;
/// Ends a synchronised update, which an interrupted editor leaves open. A terminal that does not know the sequence
/// ignores it.
const END_UPDATE: &str = "\x1b[?2026l";

/// Printed when the user declines to answer.
pub(super) const CANCELLED: &str = "Cancelled.";

/// An unfinished line: the text before the cursor, and the text after it.
pub(super) type InputLine = (String, String);

pub(crate) type LineEditor = Editor<LineHelper, InputHistory>;

/// Makes an editor for this terminal, without its helper.
pub(crate) fn new(history: InputHistory) -> rustyline::Result<LineEditor> {
    let config = Config::builder()
        // We decide about colours; without this the editor would not call the painting hooks.
        .color_mode(ColorMode::Forced)
        .completion_type(CompletionType::List)
        // Otherwise the first of two Tabs stops all output until the next key.
        .completion_show_all_if_ambiguous(true)
        .completion_prompt_limit(usize::MAX)
        .keyseq_timeout(Some(ESCAPE_MILLISECONDS))
        // A tab takes one column everywhere, since that is how the line is painted.
        .tab_stop(1)
        .build();
    let mut editor = Editor::with_history(config, history)?;
    editor.set_auto_add_history(false);
    Ok(editor)
}

/// What the thread runs with.
pub(crate) struct Desk {
    pub(crate) editor: LineEditor,
    pub(crate) shared: Arc<Shared>,
    /// The keyboard that the editor reads from, if it does not read the terminal itself.
    pub(crate) keyboard: Option<Arc<Keyboard>>,
    pub(crate) typed: Sender<Typed>,
    pub(crate) history: InputHistory,
    /// The name offered when a command needs one.
    pub(crate) suggestion: Option<String>,
    /// What was typed ahead of the next question.
    pub(crate) ahead: InputLine,
    /// Whether others depend on this program.
    pub(crate) hosting: bool,
}

/// How one editor ended.
enum End {
    /// Enter, on a line that the thread has to handle.
    Line(String),
    /// Ctrl+D, or Ctrl+C twice.
    Leave,
    /// It has to restart, or to stop.
    Interrupted,
    /// At input that was not text; what was typed before is still there.
    Garbled,
    /// The terminal is gone.
    Broken(String),
}

impl Desk {
    /// Edits lines until the session ends it.
    pub(crate) fn run(mut self) {
        let helper = LineHelper::new(Arc::clone(&self.shared), self.keyboard.clone(), self.typed.clone());
        self.editor.set_helper(Some(helper));
        keys::bind(&mut self.editor, &self.shared, &self.typed, &self.history);
        if self.hosting {
            keys::keep_awake(&mut self.editor, &self.shared);
        } else if let Some(keyboard) = self.keyboard.clone() {
            keys::suspend_by(&mut self.editor, keyboard);
        }
        let mut draft = InputLine::default();
        while !self.shared.is_leaving() {
            let prompt = self.shared.begin();
            match self.edit(&prompt, std::mem::take(&mut draft)) {
                End::Line(line) => draft = self.secretive(&prompt, &line),
                End::Leave => {
                    erase(&prompt);
                    if self.typed.blocking_send(Typed::Leave).is_err() {
                        break;
                    }
                }
                End::Interrupted => draft = self.draft(),
                End::Garbled => {
                    draft = self.draft();
                    erase(&format!("{prompt}{}{}", draft.0, draft.1));
                    self.shared.print(Medium::screen().error(garbled::LEFT_OUT));
                }
                End::Broken(reason) => {
                    // An error means that the session has ended already.
                    let _ = self.typed.blocking_send(Typed::Broken(reason));
                    break;
                }
            }
        }
        self.shared.spool.close();
        let mut rest = END_UPDATE.to_owned();
        rest.extend(self.shared.spool.wait().into_iter().map(|row| row + "\n"));
        write(&rest);
    }

    fn draft(&self) -> InputLine {
        self.editor.helper().map(LineHelper::draft).unwrap_or_default()
    }

    /// Runs one editor to its end.
    fn edit(&mut self, prompt: &str, (left, right): InputLine) -> End {
        if let Some(helper) = self.editor.helper() {
            helper.begin(prompt, &format!("{left}{right}"));
        }
        let editor = &mut self.editor;
        // The hooks unwind on purpose, before the editor has written any part of a paint, so it stays usable.
        match catch_unwind(AssertUnwindSafe(|| editor.readline_with_initial(prompt, (&left, &right)))) {
            Ok(Ok(line)) => End::Line(line),
            Ok(Err(ReadlineError::Eof | ReadlineError::Interrupted)) => End::Leave,
            Ok(Err(error)) if is_garbled(&error) => End::Garbled,
            Ok(Err(error)) => End::Broken(error.to_string()),
            Err(cause) if cause.is::<Interruption>() => End::Interrupted,
            Err(cause) => resume_unwind(cause),
        }
    }

    /// Asks one question. An error means that the user declined to answer.
    pub(super) fn ask(&mut self, question: &str, mode: Mode) -> Result<String, String> {
        self.shared.set_mode(mode);
        self.history.hide(true);
        let mut ahead = std::mem::take(&mut self.ahead);
        let end = loop {
            match self.edit(question, std::mem::take(&mut ahead)) {
                End::Interrupted if !self.shared.is_leaving() => {}
                End::Garbled => ahead = self.draft(),
                end => break end,
            }
        };
        self.history.hide(false);
        self.shared.set_mode(Mode::Line);
        match end {
            End::Line(answer) => {
                erase(&format!("{question}{answer}"));
                // A line end that was copied with a password or a name does not belong to it.
                Ok(answer.trim_end_matches(['\r', '\n']).to_owned())
            }
            End::Leave | End::Interrupted | End::Garbled | End::Broken(_) => {
                erase(question);
                Err(CANCELLED.into())
            }
        }
    }

    /// Discards what was typed ahead: it may be a password for a question that will not be asked.
    pub(super) fn throw_away(&mut self) {
        self.shared.set_mode(Mode::Waiting);
        self.history.hide(true);
        self.shared.begin();
        // A restart is handled between two keys, so after the keys that wait.
        self.shared.restart();
        if !matches!(self.edit("", InputLine::default()), End::Interrupted) {
            erase("");
        }
        self.history.hide(false);
        self.shared.set_mode(Mode::Line);
    }

    /// Waits for the verdict on a command with a password. What is typed meanwhile may be another password: it is
    /// masked, and Enter does nothing. It is returned with the verdict. `None` means that the user stopped waiting.
    pub(super) fn wait(&mut self) -> Option<(Verdict, InputLine)> {
        const WAITING: &str = "One moment… ";
        self.shared.set_mode(Mode::Waiting);
        self.history.hide(true);
        let mut draft = InputLine::default();
        let outcome = loop {
            // This comes before the check, so that a later verdict ends the editor.
            self.shared.begin();
            if let Some(verdict) = self.shared.take_verdict() {
                break Some((verdict, draft));
            }
            if self.shared.is_leaving() {
                break None;
            }
            match self.edit(WAITING, std::mem::take(&mut draft)) {
                End::Interrupted | End::Garbled => draft = self.draft(),
                End::Line(_) | End::Leave | End::Broken(_) => {
                    erase(WAITING);
                    break None;
                }
            }
        };
        self.history.hide(false);
        self.shared.set_mode(Mode::Line);
        outcome
    }
}

/// Returns whether an editor ended at input that was not text.
fn is_garbled(error: &ReadlineError) -> bool {
    matches!(error, ReadlineError::Io(error) if error.kind() == io::ErrorKind::InvalidData)
}

/// Clears what an editor left on the screen: its prompt, its line, and the line break that it ended with.
pub(super) fn erase(shown: &str) {
    let columns = columns().max(1);
    let rows: usize = shown.split('\n').map(|row| sanitize::width(row) / columns + 1).sum();
    write(&format!("\x1b[{rows}A\r\x1b[J"));
}

fn write(text: &str) {
    let mut out = io::stdout().lock();
    // The editor notices a terminal that is gone.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
