//! The connection as the driver sees it: up, being made, waited for, or not wanted.

use std::time::Duration;

use lanchat_model::limits;
use lanchat_protocol::{BadFrame, ClientFrame, Limits, LineBuffer, Ping, encode};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;
use tokio_util::task::AbortOnDropHandle;

use crate::attempt::plain_of_link;
use crate::error::{ConnectError, Unanswered};
use crate::reconnect::Reached;

/// Bytes read from the socket at a time: a TLS record.
const READ_BYTES: usize = 16 * 1024;

/// The state of the connection.
pub(crate) enum Link {
    /// It is up.
    Up(Box<Wire>),
    /// It is being made.
    Connecting(AbortOnDropHandle<Result<Reached, ConnectError>>),
    /// It will be made at this time.
    Waiting(Instant),
    /// Nobody needs one.
    Idle,
}

/// What became of a connection.
pub(crate) enum LinkEvent {
    /// The server sent this line, here without its newline.
    Line(Vec<u8>),
    /// It broke, for this reason.
    Broken(String),
    /// The server broke the protocol in this way.
    Breach(BadFrame),
    /// A request that should be answered at once got no answer.
    Quiet,
    /// The attempt to make it ended.
    Made(Box<Result<Reached, ConnectError>>),
    /// It is time to make it.
    Due,
}

impl Link {
    /// Waits for the next event. While `read` is false, the socket is left unread. `prompt` means that the server has
    /// no reason to answer slowly. Cancel safe.
    pub(crate) async fn next(&mut self, read: bool, prompt: bool) -> LinkEvent {
        match self {
            Self::Up(wire) => wire.next(read, prompt).await,
            Self::Connecting(attempt) => LinkEvent::Made(Box::new(attempt.await.unwrap_or_else(|died| {
                let attempts = vec![Unanswered::nowhere(died.to_string())];
                Err(ConnectError::Unreachable { target: "the server".to_owned(), attempts })
            }))),
            Self::Waiting(until) => {
                tokio::time::sleep_until(*until).await;
                LinkEvent::Due
            }
            Self::Idle => std::future::pending().await,
        }
    }

    /// Returns the connection, if it is up.
    pub(crate) fn wire(&mut self) -> Option<&mut Wire> {
        match self {
            Self::Up(wire) => Some(wire),
            _ => None,
        }
    }
}

/// A connection that is up. Its halves are split, so that a blocked write does not block reading.
pub(crate) struct Wire {
    reader: ReadHalf<TlsStream<TcpStream>>,
    writer: WriteHalf<TlsStream<TcpStream>>,
    received: LineBuffer,
    buffer: Box<[u8]>,
    /// Data to write; `out[..written]` is written already.
    out: Vec<u8>,
    written: usize,
    /// Whether TLS may still hold bytes.
    unflushed: bool,
    /// When it was established.
    pub(crate) since: Instant,
    /// When the server was last heard, or when reading last resumed.
    heard: Instant,
    /// Whether the socket was read in the last turn.
    reading: bool,
    /// How long the server may be silent.
    patience: Duration,
    /// When a request was sent that should be answered at once, if nothing was heard since.
    asked: Option<Instant>,
    /// When the link was probed, if nothing was heard since.
    probed: Option<Instant>,
}

/// The outcome of a wait.
enum Turn {
    /// Something was read or written.
    Moved,
    /// An answer is overdue.
    Quiet,
}

impl Wire {
    pub(crate) fn new(stream: TlsStream<TcpStream>, received: LineBuffer, hello: &Limits) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let now = Instant::now();
        Self {
            reader,
            writer,
            received,
            buffer: vec![0; READ_BYTES].into(),
            out: Vec::new(),
            written: 0,
            unflushed: false,
            since: now,
            heard: now,
            reading: true,
            patience: patience(hello.keepalive_seconds),
            asked: None,
            probed: None,
        }
    }

    /// Returns how many bytes wait to be written.
    pub(crate) fn backlog(&self) -> usize {
        self.out.len() - self.written
    }

    /// Queues a frame.
    pub(crate) fn put(&mut self, frame: &ClientFrame) {
        self.compact();
        encode(frame, &mut self.out);
        if !matches!(frame, ClientFrame::MarkTyping(_)) {
            self.asked.get_or_insert_with(Instant::now);
        }
    }

    /// Queues a whole line: a post, which gets an answer.
    pub(crate) fn put_line(&mut self, line: &[u8]) {
        self.compact();
        self.out.extend_from_slice(line);
        self.asked.get_or_insert_with(Instant::now);
    }

    /// Asks whether the link is alive, unless a probe is under way.
    pub(crate) fn probe(&mut self, id: String) {
        if self.probed.is_none() {
            self.put(&Ping { id }.into());
            self.probed = Some(Instant::now());
        }
    }

    /// Returns for how long nothing was heard.
    pub(crate) fn quiet_for(&self) -> Duration {
        self.heard.elapsed()
    }

    /// Drops written bytes once that is worth copying the rest: on a slow socket the rest may never be empty.
    fn compact(&mut self) {
        if self.written >= limits::WRITE_BUFFER_BYTES_MAX {
            self.out.drain(..self.written);
            self.written = 0;
        }
    }

    /// Writes and reads until a line arrives or the connection ends. Cancel safe: each read and write is cancel safe,
    /// and its result is noted before the next wait.
    async fn next(&mut self, read: bool, prompt: bool) -> LinkEvent {
        if read && !self.reading {
            // The server is not to blame for silence while nobody listened.
            let now = Instant::now();
            self.heard = now;
            self.asked = self.asked.map(|_| now);
            self.probed = self.probed.map(|_| now);
        }
        self.reading = read;
        loop {
            if read {
                match self.received.next_line(limits::SERVER_FRAME_BYTES_MAX) {
                    Ok(Some(line)) => return LinkEvent::Line(line.to_vec()),
                    Ok(None) => {}
                    Err(bad) => return LinkEvent::Breach(bad),
                }
            }
            match self.turn(read, read && prompt).await {
                Ok(Turn::Moved) => {}
                Ok(Turn::Quiet) => return LinkEvent::Quiet,
                Err(reason) => return LinkEvent::Broken(reason),
            }
        }
    }

    /// Does one read, write or flush, or waits until a deadline. Cancel safe.
    async fn turn(&mut self, read: bool, prompt: bool) -> Result<Turn, String> {
        let overdue =
            self.asked.filter(|_| self.probed.is_none()).map(|asked| asked + limits::LINK_ANSWER_MAX);
        let dead = self.probed.map(|probed| probed + limits::LINK_PROBE_MAX);
        let (silent, patience) = (self.heard + self.patience, self.patience);
        tokio::select! {
            // Data that has arrived takes precedence over an expired deadline: this computer may have been asleep.
            biased;
            moved = self.transfer(read) => moved.map(|()| Turn::Moved),
            () = tokio::time::sleep_until(silent), if read => {
                Err(format!("nothing was heard for {} seconds", patience.as_secs()))
            }
            () = sleep_until(dead), if prompt && dead.is_some() => {
                Err("the server does not answer any more".to_owned())
            }
            () = sleep_until(overdue), if prompt && overdue.is_some() => Ok(Turn::Quiet),
        }
    }

    /// Reads or writes something.
    async fn transfer(&mut self, read: bool) -> Result<(), String> {
        let waiting = self.written < self.out.len();
        tokio::select! {
            count = self.reader.read(&mut self.buffer), if read => {
                let count = count.map_err(|error| plain_of_link(&error))?;
                if count == 0 {
                    return Err("the server closed the connection".to_owned());
                }
                self.received.push(&self.buffer[..count]);
                self.heard = Instant::now();
                (self.asked, self.probed) = (None, None);
            }
            progress = push_out(&mut self.writer, &self.out[self.written..]), if waiting || self.unflushed => {
                self.written += progress.map_err(|error| plain_of_link(&error))?;
                self.unflushed = waiting;
                if self.written == self.out.len() {
                    self.out.clear();
                    self.written = 0;
                }
            }
            else => std::future::pending().await,
        }
        Ok(())
    }

    /// Ends the connection with a TLS close, so that the server can tell it from a cut. The caller sets the deadline.
    pub(crate) async fn shut_down(mut self) {
        // The connection is over either way.
        let _ = self.writer.shutdown().await;
    }
}

/// Sleeps until the given time, or not at all if there is none.
async fn sleep_until(until: Option<Instant>) {
    if let Some(until) = until {
        tokio::time::sleep_until(until).await;
    }
}

/// Writes some of `bytes`; when there are none, makes TLS send what it holds back. Cancel safe.
async fn push_out(writer: &mut WriteHalf<TlsStream<TcpStream>>, bytes: &[u8]) -> std::io::Result<usize> {
    if bytes.is_empty() {
        writer.flush().await?;
        return Ok(0);
    }
    writer.write(bytes).await
}

/// Returns how long the server may be silent: two and a half times the interval at which an idle server gives a sign of
/// life (PROTOCOL §8).
fn patience(keepalive_seconds: u64) -> Duration {
    let promised = Duration::from_secs(keepalive_seconds.min(limits::SILENCE_MAX.as_secs()));
    (promised * 5 / 2).clamp(limits::SILENCE_MIN, limits::SILENCE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_borne_as_long_as_the_server_promised_and_not_for_ever() {
        assert_eq!(patience(30), Duration::from_secs(75));
        assert_eq!(patience(0), limits::SILENCE_MIN);
        assert_eq!(patience(u64::MAX), limits::SILENCE_MAX);
    }
}
