//! The server's side of a stream, TLS or plain: no buffers while it is idle, and a deadline for a peer that does not
//! read.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use lanchat_model::limits;
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

mod records;
mod scratch;
#[cfg(test)]
mod tests;

use crate::socket_options::abort;
use crate::stalled::Hold;
use records::Records;
use scratch::{PIECE_BYTES_MAX, lend_incoming, lend_outgoing};

/// Bytes from a peer that are discarded after the last output to it.
pub(crate) const LINGER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How often to check whether others wait for a peer that does not read.
const OVERDUE_EVERY: Duration = Duration::from_secs(1);
/// The capacity of an output buffer that is kept while its connection is idle: a chat line fits. Most connections are
/// idle.
const KEPT_BYTES: usize = 512;

/// What one read of the socket brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// `false`: the peer has closed its side, and nothing came.
    pub(crate) is_open: bool,
    /// Bytes that were processed but carried no text: record overhead, empty records, key updates.
    pub(crate) wrapping: usize,
}

/// The socket of one connection. Its bytes pass through memory that all connections of a thread share; it holds only
/// what is incomplete, or what its peer does not read.
pub(crate) struct Stream {
    tcp: TcpStream,
    records: Records,
    /// Plaintext that arrived with the end of the handshake, before it was asked for.
    early: Vec<u8>,
}

impl Stream {
    /// Makes a stream that waits for a client's first bytes.
    ///
    /// # Errors
    /// When rustls refuses the configuration.
    pub(crate) fn new(config: Arc<ServerConfig>, tcp: TcpStream) -> io::Result<Self> {
        Ok(Self { tcp, records: Records::new(config)?, early: Vec::new() })
    }

    /// Returns an unencrypted stream, which does not need a handshake.
    pub(crate) fn plain(tcp: TcpStream) -> Self {
        Self { tcp, records: Records::plain(), early: Vec::new() }
    }

    /// Shakes hands. Each step of work has a turn, which `turn` waits for, and never waits itself. Drop the stream to
    /// give up.
    ///
    /// # Errors
    /// `InvalidData` when the peer breaks TLS: it was sent an alert, if its socket took that at once. `UnexpectedEof`
    /// when it closes.
    pub(crate) async fn shake_hands<T, F: Future<Output = T>>(
        &mut self,
        turn: impl Fn() -> F,
    ) -> io::Result<()> {
        let mut early = Vec::new();
        while self.records.is_handshaking() {
            if self.records.peer_closed {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.tcp.readable().await?;
            let turn = turn().await;
            // The input may be gone by now: then the wait for more is without the turn.
            let received =
                poll_fn(|cx| Poll::Ready(self.poll_receive(cx, |bytes| early.extend_from_slice(bytes))));
            let received = received.await;
            drop(turn);
            if let Poll::Ready(received) = received {
                received?;
            }
            poll_fn(|cx| self.poll_flush(cx)).await?;
        }
        self.early = early;
        Ok(())
    }

    /// Makes the connection end with a reset when the stream is dropped.
    pub(crate) fn abort(&self) {
        abort(&self.tcp);
    }

    /// Makes the connection end in order when the stream is dropped, even after [`Stream::abort`].
    pub(crate) fn spare(&self) {
        // If this fails, it is reset, which ends it as well.
        let _ = SockRef::from(&self.tcp).set_linger(None);
    }

    /// Returns the number of bytes that were accepted for writing but have not been sent.
    pub(crate) fn unsent(&self) -> usize {
        self.records.unsent.len()
    }

    /// Returns the protocol that both sides agreed on (RFC 7301).
    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        self.records.alpn()
    }

    /// Reads from the socket once, and passes the text of all complete records to `take`. There may be none: reading
    /// until there is one could go on for ever.
    ///
    /// # Errors
    /// The socket's error, or `InvalidData` when the peer breaks TLS.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(&[u8]),
    ) -> Poll<io::Result<Received>> {
        if !self.early.is_empty() {
            take(&mem::take(&mut self.early));
            return Poll::Ready(Ok(Received { is_open: true, wrapping: 0 }));
        }
        if self.records.peer_closed {
            return Poll::Ready(Ok(Received { is_open: false, wrapping: 0 }));
        }
        let mut text = 0;
        let used = ready!(self.poll_receive(cx, |bytes| {
            text += bytes.len();
            take(bytes);
        }))?;
        let is_open = text > 0 || !self.records.peer_closed;
        Poll::Ready(Ok(Received { is_open, wrapping: used.saturating_sub(text) }))
    }

    /// Writes all of `out` and empties it. Encrypted bytes are removed from `out` at once: if the future is dropped,
    /// the next write continues.
    ///
    /// # Errors
    /// `TimedOut` when the peer did not read for `limits::WRITE_STALL_MAX`; else the socket's error.
    pub(crate) async fn write(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.write_before(out, |_| None, || false).await
    }

    /// As [`Stream::write`], for a peer that must not block for ever: others wait for it, or it is logged out. While it
    /// does not read, `hold` counts the unsent bytes.
    ///
    /// # Errors
    /// Also `TimedOut` when others need the memory, or when `is_overdue` and the peer has not read everything a moment
    /// later.
    pub(crate) async fn write_before(
        &mut self,
        out: &mut Vec<u8>,
        hold: impl Fn(usize) -> Option<Hold>,
        is_overdue: impl Fn() -> bool,
    ) -> io::Result<()> {
        let mut began = None;
        while !(out.is_empty() && self.records.unsent.is_empty()) {
            // Others wait even for a peer that reads a little each time.
            let since = *began.get_or_insert_with(Instant::now);
            if since.elapsed() >= OVERDUE_EVERY && is_overdue() {
                return Err(ErrorKind::TimedOut.into());
            }
            let bytes = out.capacity() + self.records.unsent.capacity();
            patiently(|cx| self.poll_write(cx, out), || hold(bytes), &is_overdue).await?;
        }
        Ok(())
    }

    /// Returns how many bytes of incomplete records are held.
    pub(crate) fn held(&self) -> usize {
        self.records.held()
    }

    /// Closes in order: TLS's close_notify, then TCP. Best effort, briefly.
    ///
    /// What the peer still sends is read and discarded for a while: closing a socket with unread input resets the
    /// connection, and the peer would lose the error that was just sent.
    pub(crate) async fn close(mut self) {
        let closed = async {
            self.records.say_goodbye();
            poll_fn(|cx| self.poll_shut_down(cx)).await?;
            self.hear_out().await
        };
        // It is over either way.
        let _ = timeout(limits::LINGER_MAX, closed).await;
    }

    /// Closes with a reset, once the peer has closed its side or had time to read the last output.
    pub(crate) async fn reset(mut self) {
        // It is over either way.
        let _ = timeout(limits::LINGER_MAX, self.hear_out()).await;
        self.abort();
    }

    /// Discards what the peer still sends, to its end or up to [`LINGER_BYTES_MAX`].
    async fn hear_out(&mut self) -> io::Result<()> {
        let mut left = LINGER_BYTES_MAX;
        while left > 0 {
            let count = poll_fn(|cx| self.poll_discard(cx)).await?;
            left = if count == 0 { 0 } else { left.saturating_sub(count) };
        }
        Ok(())
    }

    /// Closes without waiting: TLS's close_notify, if the socket takes it at once, then TCP.
    pub(crate) fn close_at_once(mut self) {
        self.records.say_goodbye();
        let _ = self.poll_flush(&mut Context::from_waker(Waker::noop()));
    }

    /// Reads from the socket once, and returns how many bytes of records were processed.
    fn poll_receive(&mut self, cx: &mut Context<'_>, take: impl FnMut(&[u8])) -> Poll<io::Result<usize>> {
        let result = lend_incoming(|memory| {
            let mut fresh = ReadBuf::new(memory);
            ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut fresh))?;
            if fresh.filled().is_empty() {
                // A peer that closes without TLS's close_notify has still closed. Frames end with a newline, so a
                // truncated frame is never mistaken for a whole one.
                self.records.peer_closed = true;
                return Poll::Ready(Ok(0));
            }
            Poll::Ready(self.records.receive(fresh.filled_mut(), take))
        });
        // TLS's own output, such as an alert, is sent even if nobody writes. An error is left to the next writer.
        if !self.records.unsent.is_empty() {
            let _ = self.poll_flush(cx);
        }
        result
    }

    /// Makes one step: sends the rest of the previous piece, or encrypts the next one and sends what the socket takes.
    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<io::Result<()>> {
        if !self.records.unsent.is_empty() {
            return self.poll_send(cx);
        }
        let piece = out.len().min(PIECE_BYTES_MAX);
        self.put(cx, out.get(..piece).unwrap_or_default())?;
        out.drain(..piece);
        if out.is_empty() && out.capacity() > KEPT_BYTES {
            *out = Vec::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Accepts a piece of `bytes` once everything accepted before has been sent, and returns how much. What the socket
    /// does not take at once is held until [`Stream::poll_flush`] sends it.
    ///
    /// # Errors
    /// The socket's error, or `NotConnected` once TLS has failed.
    pub(crate) fn poll_take_in(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        let piece = bytes.get(..bytes.len().min(PIECE_BYTES_MAX)).unwrap_or_default();
        self.put(cx, piece)?;
        Poll::Ready(Ok(piece.len()))
    }

    /// Encrypts a piece and sends what the socket takes; nothing may be unsent before.
    fn put(&mut self, cx: &mut Context<'_>, plain: &[u8]) -> io::Result<()> {
        lend_outgoing(|memory| {
            let count = self.records.seal(plain, memory)?;
            let sealed = memory.get(..count).unwrap_or_default();
            let sent = match Pin::new(&mut self.tcp).poll_write(cx, sealed)? {
                Poll::Ready(sent) => sent,
                Poll::Pending => 0,
            };
            self.records.unsent.extend_from_slice(sealed.get(sent..).unwrap_or_default());
            Ok(())
        })
    }

    /// Sends TLS's close_notify after everything accepted so far, and closes TCP in this direction. Nothing can be read
    /// any more.
    ///
    /// # Errors
    /// The socket's error.
    pub(crate) fn poll_shut_down(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.records.say_goodbye();
        ready!(self.poll_flush(cx))?;
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }

    /// Sends everything that was encrypted.
    ///
    /// # Errors
    /// The socket's error.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.records.unsent.is_empty() {
            ready!(self.poll_send(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends as much of the encrypted output as the socket takes at once.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let unsent = &mut self.records.unsent;
        let sent = ready!(Pin::new(&mut self.tcp).poll_write(cx, unsent))?;
        if sent == 0 {
            return Poll::Ready(Err(ErrorKind::WriteZero.into()));
        }
        unsent.drain(..sent);
        if unsent.is_empty() {
            *unsent = Vec::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Reads from the socket once, bypassing TLS, and returns how many bytes it was; 0: the peer has closed.
    ///
    /// # Errors
    /// The socket's error.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        lend_incoming(|memory| {
            let mut discarded = ReadBuf::new(memory);
            ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut discarded))?;
            Poll::Ready(Ok(discarded.filled().len()))
        })
    }
}

/// Resolves as `work` does, or with `TimedOut`. Most peers read everything at once: a timer is started only for the
/// others.
async fn patiently<T>(
    mut work: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
    hold: impl FnOnce() -> Option<Hold>,
    is_overdue: impl Fn() -> bool,
) -> io::Result<T> {
    if let Poll::Ready(done) = poll_fn(|cx| Poll::Ready(work(cx))).await {
        return done;
    }
    let (hold, began) = (hold(), Instant::now());
    loop {
        let step = poll_fn(|cx| match &hold {
            Some(hold) if hold.poll_let_go(cx).is_ready() => Poll::Ready(Err(ErrorKind::TimedOut.into())),
            _ => work(cx),
        });
        if let Ok(done) = timeout(OVERDUE_EVERY, step).await {
            return done;
        }
        if began.elapsed() >= limits::WRITE_STALL_MAX || is_overdue() {
            break;
        }
    }
    Err(ErrorKind::TimedOut.into())
}
