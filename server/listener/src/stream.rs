//! A TLS stream that gives up on a peer who takes nothing.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lanchat_model::limits;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

/// One read asks for so much: a few frames, and a bound for what a dialect has to keep.
const READ_BYTES: usize = 8 * 1024;
/// Bytes of a peer that are thrown away after the last word to it.
const LINGER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What is kept of an output buffer while its connection is idle: a line of chat fits. Most connections are idle.
const KEPT_BYTES: usize = 512;

/// The socket of one connection. It holds no buffer of its own while nothing comes or goes.
pub(crate) struct Stream(TlsStream<TcpStream>);

impl Stream {
    pub(crate) fn new(inner: TlsStream<TcpStream>) -> Self {
        Self(inner)
    }

    /// Gives the next bytes to `take`, once there are some. `false`: the peer has closed its side.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<bool>> {
        // On the stack and not kept: between two reads it would be memory that nobody uses, times all connections.
        let mut space = [MaybeUninit::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        match ready!(Pin::new(&mut self.0).poll_read(cx, &mut buffer)) {
            Ok(()) => {}
            // A peer that closes without TLS's close_notify has closed all the same; frames end with a newline, so a
            // cut frame is never taken for a whole one.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Poll::Ready(Ok(false)),
            Err(error) => return Poll::Ready(Err(error)),
        }
        let bytes = buffer.filled();
        if !bytes.is_empty() {
            take(bytes);
        }
        Poll::Ready(Ok(!bytes.is_empty()))
    }

    /// Writes all of `out` and empties it.
    ///
    /// # Errors
    /// `TimedOut` when the peer took nothing for `limits::WRITE_STALL_MAX`.
    pub(crate) async fn write(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let mut rest = out.as_slice();
        while !rest.is_empty() {
            let written = patiently(|cx| Pin::new(&mut self.0).poll_write(cx, rest)).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = rest.get(written..).unwrap_or_default();
        }
        patiently(|cx| Pin::new(&mut self.0).poll_flush(cx)).await?;
        out.clear();
        if out.capacity() > KEPT_BYTES {
            *out = Vec::new();
        }
        Ok(())
    }

    /// Closes in order: TLS's close_notify, then TCP. Best effort, briefly.
    ///
    /// What the peer still sends is read and thrown away for a while: a socket that is closed with input unread resets
    /// the connection, and the peer would lose the error that it was just told.
    pub(crate) async fn close(mut self) {
        let closed = async {
            self.0.shutdown().await?;
            let mut left = LINGER_BYTES_MAX;
            let mut buffer = vec![0; READ_BYTES];
            while left > 0 {
                let count = self.0.get_mut().0.read(&mut buffer).await?;
                left = if count == 0 { 0 } else { left.saturating_sub(count) };
            }
            io::Result::Ok(())
        };
        // It is over either way.
        let _ = timeout(limits::LINGER_MAX, closed).await;
    }
}

/// Resolves as `work` does, or with `TimedOut`. Most peers take all at once: only for the others is a clock set up.
async fn patiently<T>(mut work: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>) -> io::Result<T> {
    match poll_fn(|cx| Poll::Ready(work(cx))).await {
        Poll::Ready(done) => done,
        Poll::Pending => timeout(limits::WRITE_STALL_MAX, poll_fn(work)).await?,
    }
}
