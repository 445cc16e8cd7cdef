//! The thread that owns the terminal: it edits the line and paints everything that is printed.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use lanchat_model::Password;
use lanchat_protocol::Secret;
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::{ColorMode, CompletionType, Config, Editor};
use tokio::sync::mpsc::Sender;

use super::helper::{Interruption, LineHelper};
use super::history::InputHistory;
use super::shared::{Mode, Shared};
use super::{keys, mask};
use crate::command::{self, Command, Input};
use crate::input::Typed;
use crate::sanitize;
use crate::view::{Medium, columns};

/// A lone Escape is told from the start of a longer key by what follows within this time.
const ESCAPE_MILLISECONDS: u16 = 100;
/// Ends a synchronised update (a terminal that does not know it ignores it), which an interrupted
/// editor leaves open.
const END_UPDATE: &str = "\x1b[?2026l";

pub(crate) type LineEditor = Editor<LineHelper, InputHistory>;

/// An editor for this terminal, without its helper.
pub(crate) fn new(history: InputHistory) -> rustyline::Result<LineEditor> {
    let config = Config::builder()
        // Colours are ours to decide; without this the editor would not call the painting hooks.
        .color_mode(ColorMode::Forced)
        .completion_type(CompletionType::List)
        // Else the first of two Tabs stops all output until the next key.
        .completion_show_all_if_ambiguous(true)
        .completion_prompt_limit(usize::MAX)
        .keyseq_timeout(Some(ESCAPE_MILLISECONDS))
        // One column, wherever it stands: that is how the line is painted.
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
    pub(crate) typed: Sender<Typed>,
    pub(crate) history: InputHistory,
    /// Offered when a command needs a name and has none.
    pub(crate) suggestion: Option<String>,
}

/// How one editor ended.
enum End {
    /// Enter, on a line that the thread has to deal with.
    Line(String),
    /// Ctrl+D, or Ctrl+C twice.
    Leave,
    /// It has to start afresh, or to stop.
    Interrupted,
    /// The terminal is gone.
    Broken(String),
}

impl Desk {
    /// Edits lines until the session ends it.
    pub(crate) fn run(mut self) {
        let helper = LineHelper::new(Arc::clone(&self.shared), self.typed.clone());
        self.editor.set_helper(Some(helper));
        keys::bind(&mut self.editor, &self.shared, &self.typed, &self.history);
        let mut draft = (String::new(), String::new());
        while !self.shared.is_leaving() {
            let prompt = self.shared.begin();
            match self.edit(&prompt, std::mem::take(&mut draft)) {
                End::Line(line) => self.secretive(&prompt, &line),
                End::Leave => {
                    erase(&prompt);
                    if self.typed.blocking_send(Typed::Leave).is_err() {
                        break;
                    }
                }
                End::Interrupted => draft = self.draft(),
                End::Broken(reason) => {
                    // An error says that the session has ended already.
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

    fn draft(&self) -> (String, String) {
        self.editor.helper().map(LineHelper::draft).unwrap_or_default()
    }

    /// Runs one editor to its end.
    fn edit(&mut self, prompt: &str, (left, right): (String, String)) -> End {
        if let Some(helper) = self.editor.helper() {
            helper.begin(prompt, &format!("{left}{right}"));
        }
        let editor = &mut self.editor;
        // The hooks unwind on purpose, before the editor has written anything of a paint: it stays
        // usable.
        match catch_unwind(AssertUnwindSafe(|| editor.readline_with_initial(prompt, (&left, &right)))) {
            Ok(Ok(line)) => End::Line(line),
            Ok(Err(ReadlineError::Eof | ReadlineError::Interrupted)) => End::Leave,
            Ok(Err(error)) => End::Broken(error.to_string()),
            Err(cause) if cause.is::<Interruption>() => End::Interrupted,
            Err(cause) => resume_unwind(cause),
        }
    }

    /// Completes a command that may need a password, and hands it over.
    fn secretive(&mut self, prompt: &str, line: &str) {
        erase(&format!("{prompt}{line}"));
        if let Some(memorable) = mask::memorable(line) {
            self.history.accept(memorable);
        }
        let completed = match command::parse(line) {
            Ok(Input::Command(Command::Register { name, password })) => self.name(name).and_then(|name| {
                Ok(Command::Register { name: Some(name), password: Some(self.new_password(password)?) })
            }),
            Ok(Input::Command(Command::Login { name, password })) => self.name(name).and_then(|name| {
                let password =
                    password.map_or_else(|| self.ask("Password: ", Mode::Secret).map(Secret), Ok)?;
                Ok(Command::Login { name: Some(name), password: Some(password) })
            }),
            Ok(Input::Command(Command::Passwd(given))) => self.both_passwords(given),
            Ok(_) => return,
            Err(words) => Err(words),
        };
        match completed {
            // An error says that the session has ended, and the editor will.
            Ok(command) => drop(self.typed.blocking_send(Typed::Command(command))),
            Err(words) => self.shared.print(Medium::screen().error(&words)),
        }
    }

    fn name(&mut self, given: Option<String>) -> Result<String, String> {
        if let Some(name) = given {
            return Ok(name);
        }
        let suggestion = self.suggestion.clone().unwrap_or_default();
        let question = if suggestion.is_empty() { "Name: ".into() } else { format!("Name [{suggestion}]: ") };
        match self.ask(&question, Mode::Answer)?.trim() {
            "" if suggestion.is_empty() => {
                Err("A name cannot be empty. Choose one of 2 to 32 letters a to z, digits, '.', '_' or '-'."
                    .into())
            }
            "" => Ok(suggestion),
            name => Ok(name.to_owned()),
        }
    }

    fn new_password(&mut self, given: Option<Secret>) -> Result<Secret, String> {
        if let Some(password) = given {
            return Ok(password);
        }
        let password = self.ask("New password (8 characters or more): ", Mode::Secret)?;
        Password::parse(&password)
            .map_err(|_| "A password has 8 to 256 characters. Try again.".to_owned())?;
        if self.ask("The same again: ", Mode::Secret)? != password {
            return Err("The two passwords differ. Try again.".into());
        }
        Ok(Secret(password))
    }

    fn both_passwords(&mut self, given: Option<(Secret, Secret)>) -> Result<Command, String> {
        let both = match given {
            Some(both) => both,
            None => (Secret(self.ask("Current password: ", Mode::Secret)?), self.new_password(None)?),
        };
        Ok(Command::Passwd(Some(both)))
    }

    /// Asks one question. An error: the user would rather not answer.
    fn ask(&mut self, question: &str, mode: Mode) -> Result<String, String> {
        self.shared.set_mode(mode);
        self.history.hide(true);
        let end = loop {
            match self.edit(question, (String::new(), String::new())) {
                End::Interrupted if !self.shared.is_leaving() => {}
                end => break end,
            }
        };
        self.history.hide(false);
        self.shared.set_mode(Mode::Line);
        match end {
            End::Line(answer) => {
                erase(&format!("{question}{answer}"));
                Ok(answer)
            }
            End::Leave | End::Interrupted | End::Broken(_) => {
                erase(question);
                Err("Cancelled.".into())
            }
        }
    }
}

/// Clears what an editor left behind: its prompt and its line, and the new line that it ended with.
fn erase(shown: &str) {
    let columns = columns().max(1);
    let rows: usize = shown.split('\n').map(|row| sanitize::width(row) / columns + 1).sum();
    write(&format!("\x1b[{rows}A\r\x1b[J"));
}

fn write(text: &str) {
    let mut out = io::stdout().lock();
    // A terminal that is gone is noticed by the editor.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
