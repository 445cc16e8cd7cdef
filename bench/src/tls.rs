//! TLS without buffers of its own: records go in and out of the caller's memory, for both sides.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use lanchat_certs::{Fingerprint, Policy, client_config};
use rustls::ClientConfig;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, InsufficientSizeError, UnbufferedStatus};

use crate::wire::ALPN;

/// Plaintext that is encrypted in one go.
pub const SEAL_BYTES_MAX: usize = 64 * 1024;
/// Memory that [`seal`] needs for that: each record of 16 KiB grows by less than 256 bytes.
pub const SEALED_BYTES_MAX: usize = SEAL_BYTES_MAX + (SEAL_BYTES_MAX / (16 * 1024) + 1) * 256;

/// Memory that a record of one byte needs at most.
const SEALED_BYTE_MAX: usize = 256;

/// Returns the configuration of a client that knows the server's key.
pub fn config(key: Fingerprint) -> Arc<ClientConfig> {
    let policy = Policy { expected: Some(key), ..Policy::default() };
    client_config(policy, &[ALPN]).0
}

/// Returns a client at the beginning of a handshake, and the bytes that begin it.
///
/// # Errors
/// The error of rustls.
pub fn client(server: IpAddr, key: Fingerprint) -> Result<(UnbufferedClientConnection, Vec<u8>)> {
    let name = ServerName::IpAddress(server.into());
    let (mut tls, mut hello) = (UnbufferedClientConnection::new(config(key), name)?, Vec::new());
    open(&mut tls, &mut [], &mut hello, |_| {})?;
    Ok((tls, hello))
}

/// One side of a connection.
pub trait Records {
    /// The connection's state in rustls.
    type Data;

    /// Processes received bytes.
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Records for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
}

impl Records for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
}

/// How far [`open`] got.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opened {
    /// Bytes of the input that have been processed; the rest belong to an incomplete record.
    pub used: usize,
    /// Whether the peer has closed its side.
    pub closed: bool,
}

/// Takes in bytes from the peer. Plaintext goes to `taken`, record by record; handshake output is appended to
/// `outgoing`.
///
/// # Errors
/// TLS errors: the connection must be dropped.
pub fn open<R: Records>(
    tls: &mut R,
    incoming: &mut [u8],
    outgoing: &mut Vec<u8>,
    mut taken: impl FnMut(&[u8]),
) -> Result<Opened> {
    let mut opened = Opened::default();
    loop {
        let rest = incoming.get_mut(opened.used..).context("rustls discards no more than it got")?;
        let UnbufferedStatus { mut discard, state } = tls.process(rest);
        let mut waits = false;
        match state? {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    discard += record.discard;
                    taken(record.payload);
                }
            }
            ConnectionState::EncodeTlsData(mut data) => {
                let at = outgoing.len();
                let needed = match data.encode(&mut []) {
                    Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => {
                        required_size
                    }
                    Err(error) => return Err(error.into()),
                    Ok(_) => 0,
                };
                outgoing.resize(at + needed, 0);
                if let Some(place) = outgoing.get_mut(at..).filter(|place| !place.is_empty()) {
                    data.encode(place)?;
                }
            }
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::PeerClosed => opened.closed = true,
            ConnectionState::WriteTraffic(_) | ConnectionState::BlockedHandshake => waits = true,
            ConnectionState::Closed => (waits, opened.closed) = (true, true),
            _ => bail!("a state of TLS that nobody asked for"),
        }
        opened.used += discard;
        if waits {
            return Ok(opened);
        }
    }
}

/// Encrypts at most [`SEAL_BYTES_MAX`] of plaintext into `sealed`, which has room for [`SEALED_BYTES_MAX`], and returns
/// how many bytes of it must be sent.
///
/// # Errors
/// When the handshake is not complete.
pub fn seal<R: Records>(tls: &mut R, plain: &[u8], sealed: &mut [u8]) -> Result<usize> {
    match tls.process(&mut []).state? {
        ConnectionState::WriteTraffic(mut traffic) => Ok(traffic.encrypt(plain, sealed)?),
        other => bail!("TLS cannot encrypt now: {other:?}"),
    }
}

/// Encrypts bytes of plaintext one by one, as many as there is room for: each is a record of its own. Returns how many
/// there were, and how many bytes of `sealed` must be sent.
///
/// # Errors
/// As [`seal`].
pub fn seal_bytes<R: Records>(tls: &mut R, plain: &[u8], sealed: &mut [u8]) -> Result<(usize, usize)> {
    let (mut taken, mut used) = (0, 0);
    for byte in plain.chunks(1) {
        let Some(place) = sealed.get_mut(used..).filter(|place| place.len() >= SEALED_BYTE_MAX) else {
            break;
        };
        used += seal(tls, byte, place)?;
        taken += 1;
    }
    Ok((taken, used))
}
