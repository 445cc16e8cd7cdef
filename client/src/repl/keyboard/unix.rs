//! The pseudo-terminal between the terminal and the editor.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::process::{Signal, kill_current_process_group};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::stdio::dup2_stdin;
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

use tokio::signal::unix::{SignalKind, signal};

use super::bytes::Bytes;

/// Input that stays unfinished this long is neither a character nor a key. Shorter than the editor waits for the rest
/// of a key.
const SETTLED: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// A live terminal answers sooner, even at the other end of a slow line.
const ANSWER: Duration = Duration::from_secs(2);
/// A terminal that failed to answer this often is not asked again.
const MISSES_MAX: usize = 2;
/// Bytes read at a time.
const CHUNK: usize = 1024;
/// A stop reaches all threads within this time.
const STOP: Duration = Duration::from_millis(50);
/// Asks where the cursor is (ECMA-48 §8.3.35).
const WHERE: &[u8] = b"\x1b[6n";
/// Turns the marking of pasted text off and on: the editor asks for it, and a shell may not know it.
const PASTE_PLAIN: &[u8] = b"\x1b[?2004l";
const PASTE_MARKED: &[u8] = b"\x1b[?2004h";

/// See the module. Restores the terminal when it is dropped.
#[derive(Debug)]
pub(in crate::repl) struct Keyboard {
    terminal: Arc<File>,
    /// The modes of the terminal as it was found, and while lines are edited.
    before: Termios,
    raw: Termios,
    answer: Arc<CursorReport>,
    /// Questions that were not answered in time.
    misses: AtomicUsize,
    /// Whether the program went on after a stop.
    resumed: (Mutex<bool>, Condvar),
    stop: UnixStream,
    thread: Option<JoinHandle<()>>,
}

/// The cursor's position, from the thread that receives it.
#[derive(Debug, Default)]
struct CursorReport {
    cursor: Mutex<Option<(usize, usize)>>,
    told: Condvar,
}

impl Keyboard {
    /// Puts a pseudo-terminal in place of stdin. `garbled` is called when some input was not UTF-8.
    ///
    /// # Errors
    /// Stdin is not a terminal, or the system cannot give us a pseudo-terminal or a thread. Stdin is then unchanged.
    pub(in crate::repl) fn take(garbled: impl Fn() + Send + 'static) -> io::Result<Self> {
        let terminal = Arc::new(File::from(io::stdin().as_fd().try_clone_to_owned()?));
        let before = tcgetattr(&*terminal)?;
        let raw = raw(&before);
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        fcntl_setfd(&ours, FdFlags::CLOEXEC)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let editors = rustix::fs::open(ptsname(&ours, Vec::new())?, flags, Mode::empty())?;
        // Set from the start, so that input between two lines is neither echoed nor collected into lines.
        tcsetattr(&editors, OptionalActions::Now, &raw)?;
        let (stop, stopped) = UnixStream::pair()?;
        let answer = Arc::new(CursorReport::default());
        let pump = Pump {
            terminal: Arc::clone(&terminal),
            ours: File::from(ours),
            answer: Arc::clone(&answer),
            stopped,
        };
        let thread = std::thread::Builder::new().name("keyboard".into()).spawn(move || pump.run(&garbled))?;
        dup2_stdin(&editors)?;
        let (misses, resumed) = Default::default();
        let keyboard = Self { terminal, before, raw, answer, misses, resumed, stop, thread: Some(thread) };
        keyboard.grab();
        Ok(keyboard)
    }

    /// Sets the modes of the terminal, which a shell may have changed while the program was stopped.
    pub(in crate::repl) fn grab(&self) {
        let is_ours = |modes: &Termios| !modes.local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO);
        // The editor notices a terminal that is gone.
        if !tcgetattr(&*self.terminal).is_ok_and(|modes| is_ours(&modes)) {
            let _ = tcsetattr(&*self.terminal, OptionalActions::Now, &self.raw);
        }
    }

    /// Stops the program and gives the terminal to the shell until the shell lets the program go on.
    pub(in crate::repl) fn suspend(&self) {
        let mut out = io::stdout().lock();
        let mut say = |text: &[u8]| drop(out.write_all(text).and_then(|()| out.flush()));
        say(PASTE_PLAIN);
        let _ = tcsetattr(&*self.terminal, OptionalActions::Now, &self.before);
        // If there is no shell that could let it go on, the system does not stop it.
        let _ = kill_current_process_group(Signal::TSTP);
        // Another thread may get the signal: this one runs on for a moment, and must not take the terminal back yet.
        let resumed = self.resumed.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.resumed.1.wait_timeout_while(resumed, STOP, |resumed| !*resumed);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
        self.grab();
        say(PASTE_MARKED);
    }

    /// Returns where the cursor is, row and column from 1, or `None` if the terminal does not tell.
    pub(in crate::repl) fn cursor(&self) -> Option<(usize, usize)> {
        if self.misses.load(Ordering::Relaxed) >= MISSES_MAX {
            return None;
        }
        let mut cursor = self.answer.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        *cursor = None;
        let mut out = io::stdout().lock();
        out.write_all(WHERE).and_then(|()| out.flush()).ok()?;
        let waited = self.answer.told.wait_timeout_while(cursor, ANSWER, |cursor| cursor.is_none());
        let cursor = waited.unwrap_or_else(PoisonError::into_inner).0.take();
        self.misses.fetch_add(usize::from(cursor.is_none()), Ordering::Relaxed);
        cursor
    }
}

/// Takes the terminal again whenever the program continues after a stop, however it was stopped, and calls `resumed`.
/// Ends with the keyboard. Must be called within a runtime.
pub(in crate::repl) fn follow_stops(
    keyboard: Weak<Keyboard>,
    resumed: impl Fn() + Send + 'static,
) -> io::Result<()> {
    let mut goes_on = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
    tokio::spawn(async move {
        while goes_on.recv().await.is_some() {
            let Some(keyboard) = keyboard.upgrade() else { return };
            keyboard.grab();
            *keyboard.resumed.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            keyboard.resumed.1.notify_all();
            resumed();
        }
    });
    Ok(())
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        // A terminal that is gone need not be restored.
        let _ = tcsetattr(&*self.terminal, OptionalActions::Now, &self.before);
        // This closes the editor's end, so that the thread does not wait for a reader.
        let _ = dup2_stdin(&*self.terminal);
        let _ = self.stop.write_all(b".");
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Returns the modes for a line editor: each key arrives at once, unchanged, and without echo. Output is treated as
/// before.
fn raw(before: &Termios) -> Termios {
    let mut raw = before.clone();
    raw.input_modes -=
        InputModes::BRKINT | InputModes::ICRNL | InputModes::INPCK | InputModes::ISTRIP | InputModes::IXON;
    raw.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::IEXTEN | LocalModes::ISIG;
    raw.control_modes |= ControlModes::CS8;
    raw.special_codes[SpecialCodeIndex::VMIN] = 1;
    raw.special_codes[SpecialCodeIndex::VTIME] = 0;
    raw
}

/// The state of the thread.
struct Pump {
    terminal: Arc<File>,
    ours: File,
    answer: Arc<CursorReport>,
    stopped: UnixStream,
}

impl Pump {
    /// Passes on input until it is told to stop or one side is gone. Then the editor reads the end of its input.
    fn run(mut self, garbled: &dyn Fn()) {
        let mut bytes = Bytes::default();
        let mut chunk = [0; CHUNK];
        loop {
            let settled = bytes.is_pending().then_some(&SETTLED);
            let mut sources =
                [PollFd::new(&*self.terminal, PollFlags::IN), PollFd::new(&self.stopped, PollFlags::IN)];
            match poll(&mut sources, settled) {
                Ok(0) => bytes.settle(),
                Ok(_) if !sources[1].revents().is_empty() => return,
                Ok(_) => match (&*self.terminal).read(&mut chunk) {
                    Ok(count @ 1..) => bytes.push(&chunk[..count]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Ok(0) | Err(_) => return,
                },
                Err(Errno::INTR) => continue,
                Err(_) => return,
            }
            if let Some(cursor) = bytes.cursor() {
                *self.answer.cursor.lock().unwrap_or_else(PoisonError::into_inner) = Some(cursor);
                self.answer.told.notify_one();
            }
            // While the editor is busy, this write blocks, and the terminal waits too.
            if self.ours.write_all(&bytes.take()).is_err() {
                return;
            }
            if bytes.was_garbled() {
                garbled();
            }
        }
    }
}
