//! A socket that never blocks: what the kernel does not take at once is kept for later.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::TcpStream;

/// Bytes that one connection may owe its peer. Beyond that, the peer counts as dead.
const BACKLOG_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A non-blocking socket and what it still has to send.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    /// Empty, and without memory, as long as the peer keeps up.
    backlog: Vec<u8>,
}

impl Socket {
    /// Wraps a non-blocking stream.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, backlog: Vec::new() }
    }

    /// Returns how many bytes the kernel has not taken yet.
    pub fn owed(&self) -> usize {
        self.backlog.len()
    }

    /// Returns the stream, to be registered.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Reads once. `None`: nothing is available now. 0: the peer has closed.
    ///
    /// # Errors
    /// The system's error.
    pub fn read(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        later(self.stream.read(into))
    }

    /// Sends, now or as soon as the kernel takes it.
    ///
    /// # Errors
    /// The system's error, or too many unsent bytes.
    pub fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while self.backlog.is_empty() && !bytes.is_empty() {
            match later(self.stream.write(bytes))? {
                Some(count) => bytes = bytes.get(count..).unwrap_or_default(),
                None => break,
            }
        }
        if self.backlog.len() + bytes.len() > BACKLOG_BYTES_MAX {
            return Err(ErrorKind::OutOfMemory.into());
        }
        self.backlog.extend_from_slice(bytes);
        Ok(())
    }

    /// Sends the backlog, as far as the kernel takes it.
    ///
    /// # Errors
    /// The system's error.
    pub fn flush(&mut self) -> io::Result<()> {
        let mut sent = 0;
        while let Some(rest) = self.backlog.get(sent..).filter(|rest| !rest.is_empty()) {
            match later(self.stream.write(rest))? {
                Some(count) => sent += count,
                None => break,
            }
        }
        if sent == self.backlog.len() {
            self.backlog = Vec::new();
        } else {
            self.backlog.drain(..sent);
        }
        Ok(())
    }
}

/// Returns `None` when the call would have blocked.
fn later(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => Ok(None),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(error),
    }
}
