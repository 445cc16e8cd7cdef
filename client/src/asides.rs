//! Messages outside the conversation, on standard error. A reader that does not read them cannot keep a line from being
//! sent.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use lanchat_model::limits;

/// A thread that writes to standard error.
#[derive(Debug)]
pub(crate) struct Asides {
    /// At most `limits::ASIDE_ROWS_MAX` rows; when full, further ones are dropped.
    rows: SyncSender<String>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
}

impl Asides {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub(crate) fn start() -> io::Result<Self> {
        let (rows, waiting) = sync_channel::<String>(limits::ASIDE_ROWS_MAX);
        let (running, ended) = sync_channel::<()>(1);
        std::thread::Builder::new().name("stderr".into()).spawn(move || {
            let _running = running;
            let mut reader = standard_error();
            while let Ok(row) = waiting.recv() {
                // Nobody reads, so there is nobody to tell.
                let _ = reader.write_all(format!("{row}\n").as_bytes());
            }
        })?;
        Ok(Self { rows, ended })
    }

    /// Prints a row, given without its newline. Never blocks.
    pub(crate) fn say(&self, row: String) {
        // A reader that has fallen this far behind is not reading.
        let _ = self.rows.try_send(row);
    }

    /// Waits until everything is written, for at most `limits::LOG_FLUSH_MAX`. Blocks.
    pub(crate) fn finish(self) {
        drop(self.rows);
        // Disconnected means that the thread has ended; a timeout gives up on it.
        let _ = self.ended.recv_timeout(limits::LOG_FLUSH_MAX);
    }
}

/// Prints the program's last words. Blocks for at most `limits::LOG_FLUSH_MAX`.
pub(crate) fn conclude(words: &str) {
    // Without a thread they cannot be printed, but the exit code still tells.
    let Ok(asides) = Asides::start() else { return };
    words.lines().for_each(|row| asides.say(row.to_owned()));
    asides.finish();
}

/// Returns standard error without the lock that other writers take: this thread may block while writing.
fn standard_error() -> Box<dyn Write + Send> {
    #[cfg(unix)]
    if let Ok(own) = std::os::fd::AsFd::as_fd(&io::stderr()).try_clone_to_owned() {
        return Box::new(std::fs::File::from(own));
    }
    // A Windows console needs the library's handling.
    Box::new(io::stderr())
}
