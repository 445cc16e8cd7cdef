//! What is said beside the conversation, on standard error. Whoever does not read it keeps no line from being sent.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use lanchat_model::limits;

/// A thread that writes to standard error.
#[derive(Debug)]
pub(crate) struct Asides {
    /// At most `limits::ASIDE_ROWS_MAX`; those that find no place are left out.
    rows: SyncSender<String>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
}

impl Asides {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives us none.
    pub(crate) fn start() -> io::Result<Self> {
        let (rows, waiting) = sync_channel::<String>(limits::ASIDE_ROWS_MAX);
        let (running, ended) = sync_channel::<()>(1);
        std::thread::Builder::new().name("stderr".into()).spawn(move || {
            let _running = running;
            let mut reader = standard_error();
            while let Ok(row) = waiting.recv() {
                // Nobody listens: there is nobody to tell.
                let _ = reader.write_all(format!("{row}\n").as_bytes());
            }
        })?;
        Ok(Self { rows, ended })
    }

    /// Says a row, without its newline. Never blocks.
    pub(crate) fn say(&self, row: String) {
        // A reader that is so far behind reads nothing.
        let _ = self.rows.try_send(row);
    }

    /// Waits until everything is written, for at most `limits::LOG_FLUSH_MAX`. Blocks.
    pub(crate) fn finish(self) {
        drop(self.rows);
        // Disconnected is the end that is waited for; after the time it is not.
        let _ = self.ended.recv_timeout(limits::LOG_FLUSH_MAX);
    }
}

/// Says the last words of the program. Blocks for at most `limits::LOG_FLUSH_MAX`.
pub(crate) fn conclude(words: &str) {
    // Without a thread there is nobody to say it, and the exit code still does.
    let Ok(asides) = Asides::start() else { return };
    words.lines().for_each(|row| asides.say(row.to_owned()));
    asides.finish();
}

/// Standard error without the lock that others who write there take: this thread may wait in it.
fn standard_error() -> Box<dyn Write + Send> {
    #[cfg(unix)]
    if let Ok(own) = std::os::fd::AsFd::as_fd(&io::stderr()).try_clone_to_owned() {
        return Box::new(std::fs::File::from(own));
    }
    // A console of Windows needs what the library does for it.
    Box::new(io::stderr())
}
