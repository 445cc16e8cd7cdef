//! A real pseudo-terminal with a screen model: what a person would see, and every byte that produced it.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use portable_pty::{MasterPty, PtySize, native_pty_system};
use vt100::{Callbacks, Parser, Screen};

use crate::process::{Running, Signal};
use crate::{DEADLINE, Launch, PASSWORD};

/// Rows that a screen keeps above its top, for [`Terminal::transcript`].
const SCROLLBACK_ROWS: usize = 20_000;

/// Rings the bell.
const BELL: u8 = 7;

/// The mode that line editors set around each repaint, so that it is never seen half done. The model need not know it.
const SYNCHRONIZED_OUTPUT: u16 = 2026;

/// A terminal with a program in it. Dropping it ends the program.
pub struct Terminal {
    running: Running,
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    shared: Arc<(Mutex<State>, Condvar)>,
}

struct State {
    parser: Parser<Misdeeds>,
    raw: Vec<u8>,
    ended: bool,
}

/// What a program made the terminal do apart from showing text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Misdeeds(Vec<String>);

impl Callbacks for Misdeeds {
    fn resize(&mut self, _: &mut Screen, size: (u16, u16)) {
        self.0.push(format!("resize {size:?}"));
    }
    fn set_window_icon_name(&mut self, _: &mut Screen, name: &[u8]) {
        self.0.push(format!("icon name {}", name.escape_ascii()));
    }
    fn set_window_title(&mut self, _: &mut Screen, title: &[u8]) {
        self.0.push(format!("title {}", title.escape_ascii()));
    }
    fn copy_to_clipboard(&mut self, _: &mut Screen, _: &[u8], data: &[u8]) {
        self.0.push(format!("copy {}", data.escape_ascii()));
    }
    fn paste_from_clipboard(&mut self, _: &mut Screen, _: &[u8]) {
        self.0.push("paste".to_owned());
    }
    fn unhandled_escape(&mut self, _: &mut Screen, one: Option<u8>, two: Option<u8>, byte: u8) {
        self.0.push(format!("escape {one:?} {two:?} {byte}"));
    }
    fn unhandled_csi(&mut self, _: &mut Screen, one: Option<u8>, _: Option<u8>, args: &[&[u16]], last: char) {
        if one == Some(b'?') && args == [[SYNCHRONIZED_OUTPUT]] {
            return;
        }
        self.0.push(format!("sequence {one:?} {args:?} {last:?}"));
    }
    fn unhandled_osc(&mut self, _: &mut Screen, arguments: &[&[u8]]) {
        let arguments: Vec<_> = arguments.iter().map(|bytes| bytes.escape_ascii().to_string()).collect();
        self.0.push(format!("command {arguments:?}"));
    }
}

impl Terminal {
    /// Starts a program in a terminal of 24 rows and 80 columns.
    pub fn start(launch: Launch) -> Self {
        Self::start_as_is(launch.env("TERM", "xterm-256color"))
    }

    /// As [`Terminal::start`], but with the `TERM` of the launch.
    pub fn start_as_is(launch: Launch) -> Self {
        let (rows, columns) = (24, 80);
        let pair = native_pty_system().openpty(size(rows, columns)).expect("a pseudo-terminal");
        let mut child = pair
            .slave
            .spawn_command(launch.terminal_command())
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", launch.name()));
        drop(pair.slave);
        let output = pair.master.try_clone_reader().expect("the output of a terminal");
        let keyboard = pair.master.take_writer().expect("the keyboard of a terminal");
        let parser = Parser::new_with_callbacks(
            non_zero(rows),
            non_zero(columns),
            SCROLLBACK_ROWS,
            Misdeeds::default(),
        );
        let shared = Arc::new((Mutex::new(State { parser, raw: Vec::new(), ended: false }), Condvar::new()));
        let shown = Arc::clone(&shared);
        thread::spawn(move || show(output, &shown));
        let running = Running::watch(child.process_id().expect("a child has a pid"), move || {
            child
                .wait()
                .map_or(-1, |status| if status.signal().is_some() { -1 } else { status.exit_code() as i32 })
        });
        Self { running, master: pair.master, keyboard, shared }
    }

    /// Returns the program's process id.
    pub fn id(&self) -> i32 {
        self.running.id()
    }

    /// Waits until the screen is as `holds` wants it.
    ///
    /// # Panics
    /// When the program ends or [`DEADLINE`] passes first; the message shows the screen.
    pub fn wait_for(&self, what: &str, mut holds: impl FnMut(&Screen) -> bool) {
        self.wait(what, |state| holds(state.parser.screen()));
    }

    /// Waits until the screen shows a text.
    ///
    /// # Panics
    /// As [`Terminal::wait_for`].
    pub fn wait_for_text(&self, text: &str) {
        self.wait_for(&format!("waiting for {text:?} on the screen"), |screen| {
            screen.contents().contains(text)
        });
    }

    fn wait(&self, what: &str, mut holds: impl FnMut(&State) -> bool) {
        let until = Instant::now() + DEADLINE;
        let mut state = self.lock();
        while !holds(&state) {
            let left = until.saturating_duration_since(Instant::now());
            let why = match (state.ended, left.is_zero()) {
                (false, false) => {
                    let waited = self.shared.1.wait_timeout(state, left);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                    continue;
                }
                (true, _) => "the program ended",
                (false, true) => "it did not come in time",
            };
            panic!("{what}: {why}\n--- the screen ---\n{}\n---", state.parser.screen().contents());
        }
    }

    /// Returns what is on the screen now.
    pub fn screen(&self) -> String {
        self.lock().parser.screen().contents()
    }

    /// Returns what is on the screen now and what has scrolled off its top, in rows without trailing blanks.
    pub fn transcript(&self) -> Vec<String> {
        let mut state = self.lock();
        let (rows, columns) = state.parser.screen().size();
        let screen = state.parser.screen_mut();
        let mut above = screen.scrollback_len();
        let mut transcript = Vec::new();
        while above > 0 {
            screen.set_scrollback(above);
            let step = above.min(usize::from(rows.get()));
            transcript.extend(screen.rows(0, columns.get()).take(step));
            above -= step;
        }
        screen.set_scrollback(0);
        transcript.extend(screen.rows(0, columns.get()));
        transcript.iter().map(|row| row.trim_end().to_owned()).collect()
    }

    /// Returns everything that the program wrote, byte by byte.
    pub fn raw(&self) -> Vec<u8> {
        self.lock().raw.clone()
    }

    /// Returns what the program made the terminal do apart from showing text: titles, clipboards, queries, unknown
    /// sequences.
    pub fn misdeeds(&self) -> Vec<String> {
        self.lock().parser.callbacks().0.clone()
    }

    /// Waits until there are more than `before` misdeeds.
    ///
    /// # Panics
    /// As [`Terminal::wait_for`].
    pub fn wait_for_misdeed(&self, before: usize) {
        self.wait("waiting for a misdeed", |state| state.parser.callbacks().0.len() > before);
    }

    /// Waits until the program has written these bytes, for effects that the screen model does not show.
    ///
    /// # Panics
    /// As [`Terminal::wait_for`].
    pub fn wait_for_bytes(&self, bytes: &[u8]) {
        self.wait(&format!("waiting for the bytes {}", bytes.escape_ascii()), |state| {
            state.raw.windows(bytes.len()).any(|window| window == bytes)
        });
    }

    /// Presses keys, as bytes.
    pub fn press(&mut self, keys: &str) {
        self.press_bytes(keys.as_bytes());
    }

    /// Presses keys of a terminal that does not send UTF-8.
    pub fn press_bytes(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).and_then(|()| self.keyboard.flush()).expect("the keyboard works");
    }

    /// Types a line and presses Enter.
    pub fn enter(&mut self, line: &str) {
        self.press(&format!("{line}\r"));
    }

    /// Makes the account `name` with [`PASSWORD`], and waits for its prompt in the lobby.
    pub fn register(&mut self, name: &str) {
        self.wait_for_text("/register");
        self.enter(&format!("/register {name} {PASSWORD}"));
        self.wait_for_text(&format!("{name} in lobby> "));
    }

    /// Types one character after the other; each has to be on the screen, in the row of the cursor, before the next.
    pub fn type_slowly(&mut self, text: &str) {
        self.type_while(text, |_| true);
    }

    /// As [`Terminal::type_slowly`], but before the next character the screen must also be as `ready` wants it.
    pub fn type_while(&mut self, text: &str, mut ready: impl FnMut(&Screen) -> bool) {
        let mut typed = String::new();
        for character in text.chars() {
            typed.push(character);
            self.press(&character.to_string());
            self.wait_for(&format!("waiting for the echo of {typed:?}"), |screen| {
                row_of_cursor(screen).contains(&typed) && ready(screen)
            });
        }
    }

    /// Presses Tab until the row of the cursor holds `completed`: the names to complete are learned in the background.
    /// A Tab that finds nothing rings the bell.
    ///
    /// # Panics
    /// As [`Terminal::wait_for`].
    pub fn complete(&mut self, completed: &str) {
        let until = Instant::now() + DEADLINE;
        let bells = |state: &State| state.raw.iter().filter(|byte| **byte == BELL).count();
        let is_there = |state: &State| row_of_cursor(state.parser.screen()).contains(completed);
        while !is_there(&self.lock()) && Instant::now() < until {
            let before = bells(&self.lock());
            self.press("\t");
            let what = format!("waiting for {completed:?} or the bell");
            self.wait(&what, |state| is_there(state) || bells(state) > before);
        }
        self.wait(&format!("waiting for {completed:?}"), is_there);
    }

    /// Pastes a block, as a terminal with bracketed paste does.
    pub fn paste(&mut self, text: &str) {
        self.press(&format!("\x1b[200~{}\x1b[201~", text.replace('\n', "\r")));
    }

    /// Changes the size of the window.
    pub fn resize(&mut self, rows: u16, columns: u16) {
        self.lock().parser.set_size(non_zero(rows), non_zero(columns));
        self.master.resize(size(rows, columns)).expect("a terminal can be resized");
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    /// Waits for the end of the program, and returns its exit code.
    ///
    /// # Panics
    /// When [`DEADLINE`] passes first.
    pub fn wait_for_exit(&self) -> i32 {
        let code = self.running.wait();
        code.unwrap_or_else(|| panic!("the program does not end\n--- the screen ---\n{}\n---", self.screen()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the row that the cursor is in, and the one above it, since a line longer than a row wraps.
fn row_of_cursor(screen: &Screen) -> String {
    let (row, _) = screen.cursor_position();
    let columns = screen.size().1.get();
    screen.rows(0, columns).skip(usize::from(row.saturating_sub(1))).take(2).collect::<Vec<_>>().concat()
}

fn show(mut output: Box<dyn Read + Send>, shared: &(Mutex<State>, Condvar)) {
    let mut chunk = [0; 64 * 1024];
    // When its program ends, a terminal reports an error, or on some systems an end of file. Both count as the end.
    while let Ok(count @ 1..) = output.read(&mut chunk) {
        let mut state = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.parser.process(&chunk[..count]);
        state.raw.extend_from_slice(&chunk[..count]);
        shared.1.notify_all();
    }
    shared.0.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
    shared.1.notify_all();
}

fn size(rows: u16, columns: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

fn non_zero(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).expect("a terminal has at least one cell")
}
