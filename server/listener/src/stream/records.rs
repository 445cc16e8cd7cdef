//! TLS without a socket: bytes in, plaintext and bytes out, in the caller's memory. Or without TLS, for doors whose
//! clients do not use it: then bytes are plaintext.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use lanchat_model::limits;
use rustls::ServerConfig;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, InsufficientSizeError, UnbufferedStatus, WriteTraffic,
};

#[cfg(test)]
mod tests;

/// How much of a peer's incomplete records may be held. A handshake message of an honest client is a tenth of it.
const HELD_BYTES_MAX: usize = limits::HANDSHAKE_BYTES_MAX;
/// Room for a close_notify, and for a key update before it.
const FAREWELL_BYTES_MAX: usize = 256;

/// The server's side of one connection. Between two calls it holds only what is incomplete or unsent.
pub(super) struct Records {
    layer: Layer,
    /// The beginning of an incomplete record, partly decrypted. rustls relies on seeing it again, unchanged.
    held: Vec<u8>,
    /// Encrypted output, which must be sent before anything encrypted later: the peer counts the records.
    pub(super) unsent: Vec<u8>,
    /// Whether the peer will not send any more.
    pub(super) peer_closed: bool,
}

/// The layer between plaintext and the socket.
enum Layer {
    Tls(Box<UnbufferedServerConnection>),
    Plain,
    /// It failed, or was closed: nothing may be decrypted or encrypted any more.
    Over,
}

impl Layer {
    fn tls(&self) -> Option<&UnbufferedServerConnection> {
        match self {
            Self::Tls(tls) => Some(tls),
            Self::Plain | Self::Over => None,
        }
    }
}

/// The result of processing received bytes.
#[derive(Default)]
struct Opened {
    /// Bytes that have been processed.
    used: usize,
    peer_closed: bool,
}

impl Records {
    /// Makes records that wait for a client's first bytes.
    ///
    /// # Errors
    /// When rustls refuses the configuration.
    pub(super) fn new(config: Arc<ServerConfig>) -> io::Result<Self> {
        let tls = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Self::on(Layer::Tls(Box::new(tls))))
    }

    /// Makes records without TLS.
    pub(super) fn plain() -> Self {
        Self::on(Layer::Plain)
    }

    fn on(layer: Layer) -> Self {
        Self { layer, held: Vec::new(), unsent: Vec::new(), peer_closed: false }
    }

    /// Returns whether the peer still has to prove that it has the keys. The server could write before that, but must
    /// not.
    pub(super) fn is_handshaking(&self) -> bool {
        self.layer.tls().is_some_and(|tls| tls.is_handshaking())
    }

    /// Returns how many bytes of incomplete records are held.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Returns the protocol that both sides agreed on (RFC 7301).
    pub(super) fn alpn(&self) -> Option<&[u8]> {
        self.layer.tls()?.alpn_protocol()
    }

    /// Takes in bytes from the peer, and decrypts them in place. The plaintext of all complete records goes to `take`;
    /// TLS's own answers go to `unsent`. Returns how many bytes have been processed.
    ///
    /// # Errors
    /// `InvalidData` when the peer breaks TLS. The alert is in `unsent`, and nothing will follow it.
    pub(super) fn receive(&mut self, fresh: &mut [u8], mut take: impl FnMut(&[u8])) -> io::Result<usize> {
        let tls = match &mut self.layer {
            Layer::Tls(tls) => tls,
            Layer::Plain => {
                take(fresh);
                return Ok(fresh.len());
            }
            Layer::Over => return Err(ErrorKind::NotConnected.into()),
        };
        let in_place = self.held.is_empty();
        if !in_place {
            self.held.extend_from_slice(fresh);
        }
        let incoming = if in_place { &mut *fresh } else { self.held.as_mut_slice() };
        let opened = match open(tls, incoming, &mut self.unsent, take) {
            Ok(opened) => opened,
            Err(error) => {
                answer_with_alert(tls, &mut self.unsent);
                self.give_up();
                return Err(error);
            }
        };
        if opened.peer_closed {
            // What comes after a close_notify is to be ignored (RFC 8446 §6.1).
            self.peer_closed = true;
            self.held = Vec::new();
            return Ok(opened.used);
        }
        if in_place {
            self.held = fresh.get(opened.used..).unwrap_or_default().to_vec();
        } else {
            self.held.drain(..opened.used.min(self.held.len()));
        }
        // An incomplete record keeps its own bytes, not the memory of the read that it came with.
        let spare_max = if self.held.is_empty() { 0 } else { self.held.len() + limits::SPARE_BYTES_MAX };
        if self.held.capacity() - self.held.len() > spare_max {
            self.held = self.held.as_slice().to_vec();
        }
        if self.held.len() > HELD_BYTES_MAX {
            self.give_up();
            return Err(io::Error::new(ErrorKind::InvalidData, "a handshake message is too long"));
        }
        Ok(opened.used)
    }

    /// Encrypts `plain` into `sealed`, or copies it if there is no TLS, and returns how many bytes must be sent: all of
    /// them, and before anything encrypted later.
    ///
    /// # Errors
    /// `NotConnected` once TLS has failed. Other errors when the handshake is not complete or `sealed` is too short.
    pub(super) fn seal(&mut self, plain: &[u8], sealed: &mut [u8]) -> io::Result<usize> {
        if matches!(self.layer, Layer::Plain) {
            sealed.get_mut(..plain.len()).ok_or(ErrorKind::InvalidInput)?.copy_from_slice(plain);
            return Ok(plain.len());
        }
        self.writable()?.encrypt(plain, sealed).map_err(io::Error::other)
    }

    /// Appends a close_notify to the unsent output, unless TLS failed, and ends TLS.
    pub(super) fn say_goodbye(&mut self) {
        let mut farewell = [0; FAREWELL_BYTES_MAX];
        let encrypted = self
            .writable()
            .and_then(|mut traffic| traffic.queue_close_notify(&mut farewell).map_err(io::Error::other));
        self.unsent.extend_from_slice(farewell.get(..encrypted.unwrap_or(0)).unwrap_or_default());
        self.give_up();
    }

    fn writable(&mut self) -> io::Result<WriteTraffic<'_, ServerConnectionData>> {
        let Layer::Tls(tls) = &mut self.layer else { return Err(ErrorKind::NotConnected.into()) };
        // rustls sees the held bytes again, since it may be in the middle of them. They are not a complete record, so
        // nothing is to be discarded, and `receive` left nothing to read or send first.
        match tls.process_tls_records(&mut self.held).state.map_err(broken)? {
            ConnectionState::WriteTraffic(traffic) => Ok(traffic),
            state => Err(io::Error::other(format!("TLS cannot encrypt now: {state:?}"))),
        }
    }

    fn give_up(&mut self) {
        self.layer = Layer::Over;
        self.held = Vec::new();
    }
}

/// Processes all complete records in `incoming`.
fn open(
    tls: &mut UnbufferedServerConnection,
    incoming: &mut [u8],
    unsent: &mut Vec<u8>,
    mut take: impl FnMut(&[u8]),
) -> io::Result<Opened> {
    let mut opened = Opened::default();
    loop {
        let rest = incoming.get_mut(opened.used..).unwrap_or_default();
        let UnbufferedStatus { mut discard, state } = tls.process_tls_records(rest);
        let mut is_done = false;
        match state.map_err(broken)? {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let record = record.map_err(broken)?;
                    discard += record.discard;
                    take(record.payload);
                }
            }
            ConnectionState::EncodeTlsData(data) => encode(data, unsent)?,
            // This counts as sent: nothing is encrypted elsewhere until `unsent` is empty.
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::PeerClosed => opened.peer_closed = true,
            ConnectionState::WriteTraffic(_) | ConnectionState::BlockedHandshake => is_done = true,
            ConnectionState::Closed => (is_done, opened.peer_closed) = (true, true),
            state => return Err(io::Error::other(format!("TLS went where it should not: {state:?}"))),
        }
        opened.used += discard;
        if is_done {
            return Ok(opened);
        }
    }
}

fn encode(mut data: EncodeTlsData<'_, ServerConnectionData>, unsent: &mut Vec<u8>) -> io::Result<()> {
    let at = unsent.len();
    // Given no room, it reports how much it needs.
    let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) = data.encode(&mut [])
    else {
        return Ok(());
    };
    unsent.resize(at + required_size, 0);
    data.encode(unsent.get_mut(at..).unwrap_or_default()).map_err(io::Error::other)?;
    Ok(())
}

/// Appends rustls's alert for the error that it just returned. Nothing else is asked of it: it must not process again
/// the bytes that made it fail.
fn answer_with_alert(tls: &mut UnbufferedServerConnection, unsent: &mut Vec<u8>) {
    while tls.wants_write() {
        let Ok(ConnectionState::EncodeTlsData(data)) = tls.process_tls_records(&mut []).state else { return };
        if encode(data, unsent).is_err() {
            return;
        }
    }
}

fn broken(error: rustls::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}
