//! Child processes: started, watched, signalled, and never left behind.

use std::io::Write;
use std::process::{ChildStdin, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, WaitId, WaitIdOptions, kill_process, waitid};

use crate::stream::Stream;
use crate::{DEADLINE, Launch};

/// What can be sent to a process.
#[derive(Clone, Copy, Debug)]
pub enum Signal {
    /// Ends it at once; it cannot do anything about that.
    Kill,
    /// Asks it to end.
    Terminate,
    /// What Ctrl+C sends.
    Interrupt,
    /// Suspends it.
    Stop,
    /// Continues it.
    Continue,
}

/// A running process, or its exit status.
pub struct Running {
    pid: Pid,
    status: Arc<(Mutex<Option<i32>>, Condvar)>,
}

impl Running {
    /// Watches the child `pid`; `reap` waits for it and returns its exit code, -1 if a signal ended it.
    ///
    /// The watcher learns of the end without reaping, and reaps under the lock that [`Running::signal`] takes: no
    /// signal can reach a stranger that got the same pid.
    pub fn watch(pid: u32, reap: impl FnOnce() -> i32 + Send + 'static) -> Self {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a child has a pid");
        let status = Arc::new((Mutex::new(None), Condvar::new()));
        let watched = Arc::clone(&status);
        thread::spawn(move || {
            // An error means that somebody else reaped it; `reap` then knows its status already.
            let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            let mut status = watched.0.lock().unwrap_or_else(PoisonError::into_inner);
            *status = Some(reap());
            watched.1.notify_all();
        });
        Self { pid, status }
    }

    /// Sends a signal, unless the process has ended.
    pub fn signal(&self, signal: Signal) {
        use rustix::process::Signal as Sys;
        let signal = match signal {
            Signal::Kill => Sys::KILL,
            Signal::Terminate => Sys::TERM,
            Signal::Interrupt => Sys::INT,
            Signal::Stop => Sys::STOP,
            Signal::Continue => Sys::CONT,
        };
        let status = self.lock();
        if status.is_none() {
            kill_process(self.pid, signal).expect("a child of ours can be signalled");
        }
    }

    /// Returns its process id.
    pub fn id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Returns the exit code, if the process has ended; -1 if a signal ended it.
    pub fn status(&self) -> Option<i32> {
        *self.lock()
    }

    /// Waits for the end of the process. Returns `None` if [`DEADLINE`] passes first.
    pub fn wait(&self) -> Option<i32> {
        let until = Instant::now() + DEADLINE;
        let mut status = self.lock();
        while status.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            status = self.status.1.wait_timeout(status, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *status
    }

    fn lock(&self) -> MutexGuard<'_, Option<i32>> {
        self.status.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::Kill);
        self.wait();
    }
}

/// A child process with pipes. Dropping it ends it.
pub struct Process {
    stdin: Option<ChildStdin>,
    /// Its output.
    pub stdout: Stream,
    /// Its error output.
    pub stderr: Stream,
    running: Running,
    name: String,
}

impl Process {
    /// Starts a process.
    pub fn start(launch: &Launch) -> Self {
        let mut command = launch.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("cannot start {}: {error}", launch.name()));
        let stdin = child.stdin.take();
        let stdout = Stream::gather(child.stdout.take().expect("stdout is a pipe"));
        let stderr = Stream::gather(child.stderr.take().expect("stderr is a pipe"));
        let running = Running::watch(child.id(), move || {
            child.wait().ok().and_then(|status| status.code()).unwrap_or(-1)
        });
        Self { stdin, stdout, stderr, running, name: launch.name() }
    }

    /// Runs a process until it ends, with `input` as its stdin.
    pub fn run(launch: &Launch, input: &str) -> (i32, String, String) {
        let mut process = Self::start(launch);
        process.write(input);
        process.close_stdin();
        let code = process.wait();
        process.stdout.wait_for_end();
        process.stderr.wait_for_end();
        (code, process.stdout.text(), process.stderr.text())
    }

    /// Writes to its stdin. It is not an error if the process has already ended.
    pub fn write(&mut self, text: &str) {
        if let Some(stdin) = &mut self.stdin {
            let _ = stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush());
        }
    }

    /// Takes its stdin, for a thread that writes much.
    pub fn take_stdin(&mut self) -> ChildStdin {
        self.stdin.take().expect("stdin is taken once")
    }

    /// Ends its input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    /// Returns its process id.
    pub fn id(&self) -> i32 {
        self.running.id()
    }

    /// Returns the exit code, if it has ended.
    pub fn status(&self) -> Option<i32> {
        self.running.status()
    }

    /// Waits for its end, and returns its exit code: -1 if a signal ended it.
    ///
    /// # Panics
    /// When [`DEADLINE`] passes first.
    pub fn wait(&self) -> i32 {
        self.running.wait().unwrap_or_else(|| {
            panic!("{} does not end\n{}\n{}", self.name, self.stdout.text(), self.stderr.text())
        })
    }
}
