//! The queue between the log and its reader. A reader that is slow, stopped or gone does not delay anything: lines wait
//! in a bounded queue, one thread writes them, and lines that find the queue full are left out and counted.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use lanchat_model::limits;

/// The queue for log lines. Cheap to clone; adding a line never blocks and never fails.
#[derive(Clone, Debug)]
pub(crate) struct LogQueue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// At most `limits::LOG_QUEUE_LINES_MAX`.
    lines: VecDeque<Vec<u8>>,
    /// Whether a line is being written.
    busy: bool,
    left_out: u64,
}

impl LogQueue {
    /// Starts the thread that writes to `reader`.
    ///
    /// # Errors
    /// When the system cannot start a thread.
    pub(crate) fn start(reader: Box<dyn Write + Send>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let source = Arc::clone(&shared);
        std::thread::Builder::new().name("log".into()).spawn(move || source.write_to(reader))?;
        Ok(Self(shared))
    }

    /// Waits until everything is written, for at most `limits::LOG_FLUSH_MAX`.
    pub(crate) fn finish(&self) {
        let is_behind = |state: &mut State| state.busy || !state.lines.is_empty();
        let state = self.0.lock();
        // A reader that is slower than this does not read at all.
        drop(self.0.emptied.wait_timeout_while(state, limits::LOG_FLUSH_MAX, is_behind));
    }
}

impl Write for LogQueue {
    /// Takes a whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        if state.lines.len() < limits::LOG_QUEUE_LINES_MAX {
            state.lines.push_back(line.to_vec());
        } else {
            state.left_out += 1;
        }
        drop(state);
        self.0.filled.notify_one();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut reader: Box<dyn Write + Send>) {
        loop {
            let (line, left_out) = self.next();
            // Without a reader, the server goes on without a log.
            let _ = reader.write_all(&line).and_then(|()| reader.flush());
            if left_out > 0 {
                let words = format!("({left_out} lines of the log were left out: its reader was too slow)\n");
                let _ = reader.write_all(words.as_bytes());
            }
            self.lock().busy = false;
            self.emptied.notify_all();
        }
    }

    /// Returns the next line, and how many were left out once the lines before them are written.
    fn next(&self) -> (Vec<u8>, u64) {
        let mut state = self.lock();
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.busy = true;
                let left_out = if state.lines.is_empty() { std::mem::take(&mut state.left_out) } else { 0 };
                return (line, left_out);
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// A reader that reads a line only when told to.
    struct Slow {
        go: Receiver<()>,
        read: SyncSender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.go.recv().map_err(io::Error::other)?;
            self.read.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stops_holds_up_nobody_and_is_told_what_it_missed() {
        let (go, wait) = sync_channel(2 * limits::LOG_QUEUE_LINES_MAX);
        let (read, lines) = sync_channel(2 * limits::LOG_QUEUE_LINES_MAX);
        let mut queue = LogQueue::start(Box::new(Slow { go: wait, read })).unwrap();
        let all = limits::LOG_QUEUE_LINES_MAX + 8;
        for number in 0..all {
            queue.write_all(format!("line {number}\n").as_bytes()).unwrap();
        }
        // The thread may hold one line, besides those that wait.
        (0..all + 1).for_each(|_| go.send(()).unwrap());
        let mut shown = vec![String::from_utf8(lines.recv().unwrap()).unwrap()];
        while !shown.last().unwrap().contains("left out") {
            shown.push(String::from_utf8(lines.recv().unwrap()).unwrap());
        }
        assert_eq!(shown[..3], ["line 0\n", "line 1\n", "line 2\n"]);
        let written = shown.len() - 1;
        assert!(shown[written].starts_with(&format!("({} lines", all - written)), "{}", shown[written]);
        queue.finish();
    }

    #[test]
    fn a_reader_that_is_gone_is_no_error() {
        let (_, wait) = sync_channel(1);
        let (read, _) = sync_channel(1);
        let mut queue = LogQueue::start(Box::new(Slow { go: wait, read })).unwrap();
        (0..10).for_each(|_| queue.write_all(b"x\n").unwrap());
        queue.finish();
    }
}
