//! The output of a process or a socket: collected by a thread, searched as it arrives.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use crate::DEADLINE;

/// The most that is kept of one stream. A process that prints more is no longer read, and the test that waits for it is
/// told so.
const STREAM_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Bytes that arrive, kept whole.
#[derive(Clone, Default)]
pub struct Stream {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    ended: bool,
}

impl Stream {
    /// Collects everything from `reader`, on a thread of its own, until it ends.
    pub fn gather(mut reader: impl Read + Send + 'static) -> Self {
        let stream = Self::default();
        let gathered = stream.clone();
        thread::spawn(move || {
            let mut chunk = [0; 64 * 1024];
            while let Ok(count @ 1..) = reader.read(&mut chunk) {
                if !gathered.push(&chunk[..count]) {
                    break;
                }
            }
            gathered.end();
        });
        stream
    }

    /// Adds bytes. Returns `false` if no more are kept.
    fn push(&self, bytes: &[u8]) -> bool {
        let mut state = self.lock();
        state.bytes.extend_from_slice(bytes);
        self.shared.1.notify_all();
        state.bytes.len() <= STREAM_BYTES_MAX
    }

    fn end(&self) {
        self.lock().ended = true;
        self.shared.1.notify_all();
    }

    /// Waits until `find` finds something in all that has arrived.
    ///
    /// # Panics
    /// When the stream ends or [`DEADLINE`] passes first; the message holds `what` and the end of the stream.
    pub fn wait_for<T>(&self, what: &str, mut find: impl FnMut(&[u8]) -> Option<T>) -> T {
        match self.wait(|state| find(&state.bytes)) {
            Ok(found) => found,
            Err(end) => panic!("{what}: {end}\n--- it said ---\n{}\n---", self.tail()),
        }
    }

    /// Waits for a piece of text.
    ///
    /// # Panics
    /// As [`Stream::wait_for`].
    pub fn wait_for_text(&self, needle: &str) {
        self.wait_for(&format!("waiting for {needle:?}"), |bytes| {
            contains(bytes, needle.as_bytes()).then_some(())
        });
    }

    /// Waits until nothing more can arrive.
    ///
    /// # Panics
    /// When [`DEADLINE`] passes first.
    pub fn wait_for_end(&self) {
        if let Err(end) = self.wait(|state| state.ended.then_some(())) {
            panic!("waiting for the end of a stream: {end}");
        }
    }

    fn wait<T>(&self, mut find: impl FnMut(&State) -> Option<T>) -> Result<T, &'static str> {
        let until = Instant::now() + DEADLINE;
        let mut state = self.lock();
        loop {
            if let Some(found) = find(&state) {
                return Ok(found);
            }
            if state.ended {
                return Err("the stream ended");
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err("nothing of the kind came in time");
            }
            state = self.shared.1.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Returns whether `needle` has arrived so far.
    pub fn holds(&self, needle: &[u8]) -> bool {
        contains(&self.lock().bytes, needle)
    }

    /// Returns how many bytes have arrived so far.
    pub fn len(&self) -> usize {
        self.lock().bytes.len()
    }

    /// Returns whether nothing has arrived so far.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns all that has arrived so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// Returns all that has arrived so far, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }

    /// Reads line by line, from the start.
    pub fn lines(&self) -> Lines {
        Lines { stream: self.clone(), read: 0 }
    }

    /// Returns the last bytes that arrived, for messages.
    fn tail(&self) -> String {
        let state = self.lock();
        let start = state.bytes.len().saturating_sub(4000);
        String::from_utf8_lossy(&state.bytes[start..]).into_owned()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader of a [`Stream`], line by line. It does not look at a line twice.
pub struct Lines {
    stream: Stream,
    read: usize,
}

impl Lines {
    /// Reads the next line, without its newline. Returns `None` at the end of the stream.
    ///
    /// # Panics
    /// When [`DEADLINE`] passes without a line.
    pub fn next_line(&mut self) -> Option<String> {
        let (read, mut scanned) = (self.read, self.read);
        let found = self.stream.wait(|state| {
            let newline = state.bytes[scanned..].iter().position(|byte| *byte == b'\n');
            scanned = newline.map_or(state.bytes.len(), |at| scanned + at);
            newline.map(|_| String::from_utf8_lossy(&state.bytes[read..scanned]).into_owned())
        });
        match found {
            Ok(line) => {
                self.read = scanned + 1;
                Some(line)
            }
            Err("the stream ended") => None,
            Err(end) => panic!("waiting for a line: {end}\n--- it said ---\n{}\n---", self.stream.tail()),
        }
    }

    /// Reads until a line in which `find` finds something.
    ///
    /// # Panics
    /// When the stream ends or [`DEADLINE`] passes first.
    pub fn find<T>(&mut self, what: &str, mut find: impl FnMut(&str) -> Option<T>) -> T {
        loop {
            let Some(line) = self.next_line() else {
                panic!("{what}: the stream ended\n--- it said ---\n{}\n---", self.stream.tail());
            };
            if let Some(found) = find(&line) {
                return found;
            }
        }
    }
}

/// Returns whether `bytes` holds `needle`.
pub(crate) fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}
