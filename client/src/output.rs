//! Where rows go: a terminal, or a pipe as text or as JSON.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::thread::JoinHandle;

use lanchat_model::Seq;

use crate::asides::Asides;
use crate::exit::{Failure, Reason};
use crate::repl::Terminal;
use crate::row_queue::RowQueue;
use crate::sanitize;
use crate::view::{self, Medium, Shown};

/// See the module.
#[derive(Debug)]
pub(crate) enum Output {
    /// The interactive front end.
    Terminal(Terminal),
    /// One message per line.
    Plain(Pipe),
    /// One frame per line, as on the wire.
    Json(Pipe),
}

impl Output {
    /// Returns how rows look on this output.
    pub(crate) fn medium(&self) -> Medium {
        match self {
            Self::Terminal(_) => Medium::screen(),
            Self::Plain(_) if io::stdout().is_terminal() => Medium::Dumb,
            Self::Plain(_) | Self::Json(_) => Medium::Plain,
        }
    }

    /// Returns the terminal, if this is the interactive front end.
    pub(crate) fn terminal(&self) -> Option<&Terminal> {
        match self {
            Self::Terminal(terminal) => Some(terminal),
            Self::Plain(_) | Self::Json(_) => None,
        }
    }

    /// Shows what was said and what the user asked for.
    pub(crate) fn show(&self, mut shown: Shown) {
        match self {
            Self::Terminal(terminal) => {
                if let Some(last) = shown.rows.last_mut().filter(|_| shown.bell) {
                    last.push('\x07');
                }
                terminal.print(shown.rows);
            }
            Self::Plain(pipe) => pipe.spool.push(shown.rows),
            Self::Json(_) => {}
        }
    }

    /// Passes on a frame: the same JSON value, but characters that a terminal would obey or not show are escaped.
    pub(crate) fn frame(&self, line: &str) {
        if let Self::Json(pipe) = self {
            pipe.spool.push([sanitize::json(line)]);
        }
    }

    /// Notes that a room is seen up to `seq`, as soon as the shown rows are visible: in a pipe, once they are written.
    pub(crate) fn mark(&self, room: &str, seq: Seq) -> Vec<(String, Seq)> {
        match self {
            Self::Terminal(_) => vec![(room.to_owned(), seq)],
            Self::Plain(pipe) | Self::Json(pipe) => {
                pipe.spool.mark(room, seq);
                pipe.spool.seen()
            }
        }
    }

    /// Forgets the noted marks, because the account or the history has changed.
    pub(crate) fn forget_marks(&self) {
        match self {
            Self::Terminal(_) => {}
            Self::Plain(pipe) | Self::Json(pipe) => pipe.spool.forget_marks(),
        }
    }

    /// Returns the noted marks that are seen by now.
    pub(crate) fn seen(&self) -> Vec<(String, Seq)> {
        match self {
            Self::Terminal(_) => Vec::new(),
            Self::Plain(pipe) | Self::Json(pipe) => pipe.spool.seen(),
        }
    }

    /// Waits until everything that was shown is written, or writing has stopped. Cancel safe.
    pub(crate) async fn all_written(&self) {
        if let Self::Plain(pipe) | Self::Json(pipe) = self {
            pipe.spool.all_written().await;
        }
    }

    /// Shows what is not part of the conversation: the state of the connection, and errors.
    pub(crate) fn aside(&self, rows: Vec<String>) {
        match self {
            Self::Terminal(terminal) => terminal.print(rows),
            Self::Plain(pipe) | Self::Json(pipe) => {
                let rows = beside(rows, self.medium(), io::stderr().is_terminal());
                rows.into_iter().for_each(|row| pipe.asides.say(row));
            }
        }
    }

    /// Waits until the reader keeps up. Cancel safe.
    pub(crate) async fn room(&self) {
        match self {
            Self::Terminal(terminal) => terminal.room().await,
            Self::Plain(pipe) | Self::Json(pipe) => pipe.spool.room().await,
        }
    }

    /// Returns whether the reader of the pipe has gone away.
    pub(crate) fn is_broken(&self) -> bool {
        match self {
            Self::Terminal(_) => false,
            Self::Plain(pipe) | Self::Json(pipe) => pipe.spool.is_closed(),
        }
    }

    /// Returns why rows could not be written, unless the reader simply went away.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let (Self::Plain(pipe) | Self::Json(pipe)) = self else { return None };
        let reason = pipe.spool.failure()?;
        Some(Failure::new(Reason::Usage, format!("The output cannot be written: {reason}.")))
    }

    /// Prints what waits, and ends.
    pub(crate) async fn close(self) {
        match self {
            Self::Terminal(terminal) => terminal.close().await,
            Self::Plain(pipe) | Self::Json(pipe) => pipe.close().await,
        }
    }
}

/// Stdout, written by a thread of its own: a reader that stops must not stop the session's other
/// work.
#[derive(Debug)]
pub(crate) struct Pipe {
    spool: Arc<RowQueue>,
    thread: JoinHandle<()>,
    asides: Asides,
}

impl Pipe {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives us none.
    pub(crate) fn open() -> io::Result<Self> {
        let spool = Arc::new(RowQueue::default());
        let source = Arc::clone(&spool);
        let thread = std::thread::Builder::new().name("stdout".into()).spawn(move || {
            let mut out = io::stdout().lock();
            loop {
                let rows = source.wait();
                if rows.is_empty() {
                    return;
                }
                let count = rows.len();
                let text: String = rows.into_iter().flat_map(|row| [row, "\n".to_owned()]).collect();
                if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
                    // A reader that has enough closes the pipe; any other error is a fault that must be reported.
                    if error.kind() != io::ErrorKind::BrokenPipe {
                        source.fail(error.to_string());
                    }
                    source.close();
                    return;
                }
                source.wrote(count);
            }
        })?;
        Ok(Self { spool, thread, asides: Asides::start()? })
    }

    async fn close(self) {
        self.spool.close();
        // The thread ends after the last row; a panic in it has been printed already.
        let Self { thread, asides, .. } = self;
        let ended = tokio::task::spawn_blocking(move || {
            let _ = thread.join();
            asides.finish();
        });
        let _ = ended.await;
    }
}

/// Returns rows for standard error. They were made for standard output: a pipe takes long rows, but if standard error
/// is a terminal, it would break them where a stranger's text wants it to.
fn beside(rows: Vec<String>, medium: Medium, is_terminal: bool) -> Vec<String> {
    match medium {
        Medium::Plain if is_terminal => rows.iter().flat_map(|row| view::paragraphs(row)).collect(),
        _ => rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_beside_a_pipe_breaks_no_row_where_a_stranger_wants() {
        let stranger = format!("The server says: “{}*** You are logged out”", "x".repeat(61));
        assert_eq!(beside(vec![stranger.clone()], Medium::Plain, false), [stranger.as_str()], "a pipe");
        let rows = beside(vec![stranger], Medium::Plain, true);
        assert!(rows.len() > 1 && rows.iter().all(|row| view::height(row, 80) == 1), "{rows:?}");
        assert!(rows.iter().all(|row| !row.starts_with("***")), "{rows:?}");
    }
}
