//! A TLS stream that gives up on a peer who takes nothing.

use std::io;

use lanchat_model::limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

/// One read asks for so much: a few frames, and a bound for what a dialect has to keep.
const READ_BYTES: usize = 8 * 1024;
/// Bytes of a peer that are thrown away after the last word to it.
const LINGER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The socket of one connection.
pub(crate) struct Stream {
    inner: TlsStream<TcpStream>,
    buffer: Box<[u8]>,
}

impl Stream {
    pub(crate) fn new(inner: TlsStream<TcpStream>) -> Self {
        Self { inner, buffer: vec![0; READ_BYTES].into() }
    }

    /// The next bytes; none: the peer has closed its side.
    ///
    /// # Cancel safety
    /// Safe: bytes are taken only when it resolves.
    pub(crate) async fn read(&mut self) -> io::Result<&[u8]> {
        let count = match self.inner.read(&mut self.buffer).await {
            Ok(count) => count,
            // A peer that closes without TLS's close_notify has closed all the same; frames end with a newline, so a
            // cut frame is never taken for a whole one.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(error),
        };
        Ok(&self.buffer[..count])
    }

    /// Writes all of `out` and empties it.
    ///
    /// # Errors
    /// `TimedOut` when the peer took nothing for `limits::WRITE_STALL_MAX`.
    pub(crate) async fn write(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let mut rest = out.as_slice();
        while !rest.is_empty() {
            let written = timeout(limits::WRITE_STALL_MAX, self.inner.write(rest)).await??;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = &rest[written..];
        }
        timeout(limits::WRITE_STALL_MAX, self.inner.flush()).await??;
        out.clear();
        out.shrink_to(limits::WRITE_BUFFER_BYTES_MAX);
        Ok(())
    }

    /// Closes in order: TLS's close_notify, then TCP. Best effort, briefly.
    ///
    /// What the peer still sends is read and thrown away for a while: a socket that is closed with input unread resets
    /// the connection, and the peer would lose the error that it was just told.
    pub(crate) async fn close(mut self) {
        let closed = async {
            self.inner.shutdown().await?;
            let mut left = LINGER_BYTES_MAX;
            while left > 0 {
                let count = self.inner.get_mut().0.read(&mut self.buffer).await?;
                left = if count == 0 { 0 } else { left.saturating_sub(count) };
            }
            io::Result::Ok(())
        };
        // It is over either way.
        let _ = timeout(limits::LINGER_MAX, closed).await;
    }
}
