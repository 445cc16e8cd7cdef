//! The editor's hooks while a line is edited: how it looks, what completes it, and who types.
//!
//! All output of the interactive client goes through [`Highlighter::highlight_prompt`]: waiting rows are painted before
//! the prompt, by the one thread that knows where the cursor is. So an incoming line can never break the line being
//! typed.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Instant;

use lanchat_model::limits;
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::validate::Validator;
use rustyline::{Context, Helper};
use tokio::sync::mpsc::Sender;

use super::keyboard::Keyboard;
use super::shared::{Mode, Shared};
use super::{completion, mask, resize};
use crate::command;
use crate::input::Typed;
use crate::sanitize;
use crate::view::{Medium, columns};

/// Rows painted at once: more would keep a key waiting.
const PAINT_ROWS_MAX: usize = 200;
/// Clears everything below. We print nothing there, but narrowing the window may have wrapped some text into it.
const CLEAR_BELOW: &str = "\x1b[J";

/// Carried by the unwinding that ends an editor waiting for a key, which cannot be ended otherwise. Caught by the
/// thread that started the editor.
pub(crate) struct Interruption;

/// See the module.
pub(crate) struct LineHelper {
    shared: Arc<Shared>,
    keyboard: Option<Arc<Keyboard>>,
    typed: Sender<Typed>,
    /// Columns of the current prompt.
    prompt_width: Cell<usize>,
    /// Columns of the terminal at the last paint.
    columns: Cell<usize>,
    /// Whether the terminal rewraps its rows when its width changes, if that is known.
    rewraps: Cell<Option<bool>>,
    /// The line at the last paint, and the cursor in it, in bytes.
    draft: RefCell<(String, usize)>,
    /// Whether the next paint is caused by a key. The editor asks for a hint or for highlighting only before such a
    /// paint.
    keyed: Cell<bool>,
    /// When others were last told that the user types.
    told: Cell<Option<Instant>>,
}

impl LineHelper {
    pub(crate) fn new(shared: Arc<Shared>, keyboard: Option<Arc<Keyboard>>, typed: Sender<Typed>) -> Self {
        Self {
            shared,
            keyboard,
            typed,
            prompt_width: Cell::new(0),
            columns: Cell::new(columns()),
            rewraps: Cell::new(None),
            draft: RefCell::default(),
            keyed: Cell::new(false),
            told: Cell::new(None),
        }
    }

    /// Notes that an editor starts after `prompt`, with this line.
    pub(crate) fn begin(&self, prompt: &str, line: &str) {
        self.prompt_width.set(sanitize::width(prompt));
        self.columns.set(columns());
        *self.draft.borrow_mut() = (line.to_owned(), line.len());
    }

    /// Returns the current line, split at its cursor.
    pub(crate) fn draft(&self) -> (String, String) {
        let (line, at) = &*self.draft.borrow();
        match line.split_at_checked(*at) {
            Some((left, right)) => (left.to_owned(), right.to_owned()),
            None => (line.clone(), String::new()),
        }
    }

    /// Ends the editor if that was asked for, but only between two keys: otherwise what was typed ahead would be lost.
    fn interrupt(&self) {
        let stale = self.shared.is_stale() && matches!(self.shared.mode(), Mode::Line | Mode::Waiting);
        if !stale && !self.shared.is_leaving() {
            return;
        }
        if self.keyed.get() {
            self.shared.ring();
        } else {
            resume_unwind(Box::new(Interruption));
        }
    }

    /// Prepares the paint after a resize. The editor clears as many rows as its line took before. On a terminal that
    /// rewraps, the line takes more or fewer rows now: parts of it would stay, or messages would be cleared.
    ///
    /// This happens only once the editor knows the new width: then it paints the same line again. At a key it does not
    /// know it yet.
    fn settle_size(&self, painted: &str, pos: usize) {
        let (now, before) = (columns(), self.columns.get());
        if now == before {
            return;
        }
        let (line, at) = &*self.draft.borrow();
        let left = line.get(..*at).unwrap_or(line);
        let below =
            self.shared.complaint(line).map_or(0, |words| sanitize::width(&words) / before.max(1) + 1);
        let shown = resize::Shown { prompt: self.prompt_width.get(), line, left, below, before, now };
        let is_the_same = line == painted && *at == pos;
        // The editor does not repaint a line of one row, and nothing has to be cleared.
        if is_the_same || resize::is_one_row(&shown) {
            self.columns.set(now);
        }
        if !is_the_same {
            return;
        }
        let cursor = || self.keyboard.as_ref()?.cursor();
        if let Some(cleared) = resize::clear(&shown, &self.rewraps, cursor) {
            let mut out = io::stdout().lock();
            // A terminal that is gone is noticed by the editor.
            let _ = out.write_all(cleared.as_bytes()).and_then(|()| out.flush());
        }
    }

    /// Tells others that the user types, now and then.
    fn tell_typing(&self, line: &str) {
        let text = self.shared.mode() == Mode::Line && !line.trim().is_empty() && !line.starts_with('/');
        let changed = self.draft.borrow().0 != line;
        let due = self.told.get().is_none_or(|told| told.elapsed() >= limits::TYPING_EVERY);
        if text && changed && due {
            self.told.set(Some(Instant::now()));
            // A full queue holds a line, which matters more than a typing signal.
            let _ = self.typed.try_send(Typed::Editing);
        }
    }

    /// Returns the recipient to show, if the line is a `/reply` and there is room after it.
    fn addressee_behind(&self, line: &str, prompt_and_line: usize) -> Option<String> {
        let to = self.shared.addressee();
        let taken = prompt_and_line + sanitize::width(&to) + "  (to )".len();
        (!to.is_empty() && command::is_reply(line) && taken < columns())
            .then(|| format!("\x1b[2m  (to {to})\x1b[0m"))
    }

    /// Returns who types, if there is room to show it after the line.
    fn typing_behind(&self, prompt_and_line: usize) -> Option<String> {
        let typing = self.shared.typing();
        let taken = prompt_and_line + sanitize::width(&typing) + 3;
        (!typing.is_empty() && taken < columns()).then(|| format!("\x1b[2m  {typing}\x1b[0m"))
    }
}

/// What is shown below the line.
pub(crate) struct Below(String);

impl Hint for Below {
    fn display(&self) -> &str {
        &self.0
    }

    /// Returns `None`, because the hint is not part of the line.
    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Helper for LineHelper {}

impl Validator for LineHelper {}

impl Hinter for LineHelper {
    type Hint = Below;

    /// Returns why the line cannot be sent. This is also the only hook that tells that the line was edited.
    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<Below> {
        self.keyed.set(true);
        if let Some(keyboard) = &self.keyboard {
            keyboard.grab();
        }
        self.settle_size(line, pos);
        self.tell_typing(line);
        self.shared.complaint(line).map(|words| Below(format!("\n{words}")))
    }
}

impl Highlighter for LineHelper {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        self.interrupt();
        self.keyed.set(false);
        let (rows, more) = self.shared.spool.take(PAINT_ROWS_MAX);
        if more {
            self.shared.ring();
        }
        let mut painted = CLEAR_BELOW.to_owned();
        rows.iter().for_each(|row| painted.extend([row.as_str(), "\n"]));
        painted.push_str(prompt);
        Cow::Owned(painted)
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(Medium::screen().below(hint))
    }

    fn highlight<'l>(&self, line: &'l str, pos: usize) -> Cow<'l, str> {
        *self.draft.borrow_mut() = (line.to_owned(), pos);
        if self.shared.mode() == Mode::Line {
            self.shared.edited(line);
        }
        let mut shown = match self.shared.mode() {
            Mode::Secret | Mode::Waiting => mask::all(line),
            Mode::Answer => mask::controls(line),
            Mode::Line => mask::controls(&mask::credentials(line)),
        };
        if self.shared.mode() == Mode::Line && !line.contains('\n') {
            let taken = self.prompt_width.get() + sanitize::width(line);
            let behind = self.addressee_behind(line, taken).or_else(|| self.typing_behind(taken));
            shown.extend(behind);
        }
        Cow::Owned(shown)
    }

    /// Returns true always: then each key repaints the whole line, as masks and the rows above it need.
    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.keyed.set(true);
        true
    }
}

impl Completer for LineHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        if self.shared.mode() != Mode::Line {
            return Ok((pos, Vec::new()));
        }
        Ok(completion::complete(line.get(..pos).unwrap_or(line), &self.shared.words()))
    }
}
