//! A connection that a door takes over completely, as HTTP does: a byte stream with back-pressure both ways.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lanchat_model::limits;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};

use crate::stream::{LINGER_BYTES_MAX, Stream};
use crate::visitor::Visitor;

/// A connection, encrypted or not. It reads from its socket only what its reader asks for, and accepts the next piece
/// to write only when the one before has been sent: at most `limits::WRITE_BUFFER_BYTES_MAX` are held for a slow peer.
///
/// Close it with `shutdown`, so that a peer that still sends can read the last answer. If it is dropped without that,
/// the connection is reset, so that nobody mistakes half an answer for the whole.
pub struct Connection {
    stream: Stream,
    /// What was decrypted: one record, or what came with the end of the handshake.
    decrypted: Vec<u8>,
    /// How much of that has been read.
    read: usize,
    /// Set while the peer does not read.
    stall: Option<Pin<Box<Sleep>>>,
    /// Set while the rest of the peer's input is read and discarded.
    lingering: Option<Box<Lingering>>,
    visitor: Visitor,
}

/// A connection that is closed in our direction, while its peer may still send.
struct Lingering {
    until: Pin<Box<Sleep>>,
    bytes_left: usize,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    pub(crate) fn new(stream: Stream, visitor: Visitor) -> Self {
        stream.abort();
        Self { stream, decrypted: Vec::new(), read: 0, stall: None, lingering: None, visitor }
    }

    /// Returns the stream, and the received bytes that have not been read.
    pub(crate) fn into_stream(mut self) -> (Stream, Vec<u8>) {
        self.stream.spare();
        let unread = self.decrypted.split_off(self.read);
        (self.stream, unread)
    }

    /// Makes a step of a write, and fails when the peer has not read anything for `limits::WRITE_STALL_MAX`.
    fn poll_progress<T>(
        &mut self,
        cx: &mut Context<'_>,
        step: impl FnOnce(&mut Stream, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let before = self.stream.unsent();
        let done = step(&mut self.stream, cx);
        if done.is_ready() || self.stream.unsent() < before {
            self.stall = None;
        }
        if done.is_pending() {
            let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(limits::WRITE_STALL_MAX)));
            ready!(stall.as_mut().poll(cx));
            return Poll::Ready(Err(ErrorKind::TimedOut.into()));
        }
        done
    }

    /// Discards what the peer still sends: closing a socket with unread input resets the connection, and the peer would
    /// lose the last answer.
    fn poll_hear_out(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(lingering) = &mut self.lingering else { return Poll::Ready(()) };
        while lingering.bytes_left > 0 {
            match self.stream.poll_discard(cx) {
                Poll::Ready(Ok(count @ 1..)) => {
                    lingering.bytes_left = lingering.bytes_left.saturating_sub(count);
                }
                Poll::Ready(Ok(0) | Err(_)) => break,
                Poll::Pending => return lingering.until.as_mut().poll(cx),
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, decrypted, read, .. } = self.get_mut();
        if decrypted.is_empty() {
            // When the peer has closed, nothing is put into the buffer, which signals the end.
            let is_open = stream.poll_read(cx, |bytes| {
                let (now, later) = bytes.split_at(bytes.len().min(buffer.remaining()));
                buffer.put_slice(now);
                decrypted.extend_from_slice(later);
            });
            return is_open.map_ok(|_| ());
        }
        let unread = decrypted.get(*read..).unwrap_or_default();
        let (now, later) = unread.split_at(unread.len().min(buffer.remaining()));
        buffer.put_slice(now);
        *read += now.len();
        if later.is_empty() {
            (*decrypted, *read) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_progress(cx, |stream, cx| stream.poll_take_in(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_progress(cx, Stream::poll_flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            ready!(this.poll_progress(cx, Stream::poll_shut_down))?;
            this.stream.spare();
            let until = Box::pin(sleep(limits::LINGER_MAX));
            this.lingering = this
                .visitor
                .linger()
                .map(|permit| Box::new(Lingering { until, bytes_left: LINGER_BYTES_MAX, _permit: permit }));
        }
        this.poll_hear_out(cx).map(Ok)
    }
}
