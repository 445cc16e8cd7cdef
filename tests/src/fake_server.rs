//! Impostor servers: they complete the handshake, and count every byte that a client trusts them with.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
#[cfg(target_os = "linux")]
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
#[cfg(target_os = "linux")]
use rustix::thread::LinkNameSpaceType;
use rustls::crypto::ring::{self, sign::any_ecdsa_type};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use crate::DEADLINE;

/// What a fake server calls itself.
const NAME: &str = "test server";
/// The connections that one fake server accepts in its life.
const CONNECTIONS_MAX: usize = 1024;

/// The identity that a fake server claims.
#[derive(Debug)]
pub struct FakeIdentity(Arc<CertifiedKey>);

impl FakeIdentity {
    /// Returns a certificate in the name of `server_id`, made with a key of its own.
    pub fn with_own_key(server_id: &str) -> Self {
        let key = new_key();
        let params =
            CertificateParams::new(vec![format!("{server_id}.lanchat.invalid")]).expect("a DNS name");
        let certificate = params.self_signed(&key).expect("a certificate can be signed");
        Self::of(certificate.der().clone(), &key)
    }

    /// Returns somebody else's certificate, byte by byte, without its key.
    pub fn with_copied_certificate(der: Vec<u8>) -> Self {
        Self::of(CertificateDer::from(der), &new_key())
    }

    fn of(certificate: CertificateDer<'static>, key: &KeyPair) -> Self {
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signer = any_ecdsa_type(&der).expect("an ECDSA key");
        Self(Arc::new(CertifiedKey::new(vec![certificate], signer)))
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key can be made")
}

impl ResolvesServerCert for FakeIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A server that answers any handshake with its [`FakeIdentity`] and says `hello` as `server_id`.
pub struct FakeServer {
    address: SocketAddr,
    tally: Arc<Tally>,
}

#[derive(Default)]
struct Tally {
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Decrypted bytes of all connections.
    bytes: usize,
    /// Connections that have ended.
    ended: usize,
}

impl Tally {
    fn count(&self, add: impl FnOnce(&mut Counts)) {
        add(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    fn wait_for(&self, what: &str, holds: impl Fn(&Counts) -> bool) {
        let until = Instant::now() + DEADLINE;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        while !holds(&counts) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waiting for {what}: {counts:?}");
            counts = self.changed.wait_timeout(counts, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl FakeServer {
    /// Starts it on a free port of the loopback interface.
    pub fn start(identity: FakeIdentity, server_id: &str) -> Self {
        Self::start_as(identity, server_id, NAME)
    }

    /// As [`FakeServer::start`], under another name.
    pub fn start_as(identity: FakeIdentity, server_id: &str, name: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        Self::behind(listener, identity, server_id, name)
    }

    /// Starts it on a host of a [`Lan`](crate::Lan), at an address that this host has.
    #[cfg(target_os = "linux")]
    pub fn start_on(
        host: &crate::Host,
        address: (Ipv4Addr, u16),
        identity: FakeIdentity,
        server_id: &str,
    ) -> Self {
        let namespace = host.namespace_file();
        // A socket belongs for ever to the namespace of the thread that makes it.
        let bound = thread::spawn(move || {
            rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("the namespace can be entered");
            TcpListener::bind(address).expect("the host has this address")
        });
        Self::behind(bound.join().expect("the namespace can be entered"), identity, server_id, NAME)
    }

    fn behind(listener: TcpListener, identity: FakeIdentity, server_id: &str, name: &str) -> Self {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider knows TLS 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(identity));
        config.alpn_protocols = vec![b"lanchat/1".to_vec()];
        let config = Arc::new(config);
        let hello = format!("{}\n", hello(server_id, name));
        let address = listener.local_addr().expect("a bound socket has an address");
        let tally = Arc::new(Tally::default());
        let counted = Arc::clone(&tally);
        thread::spawn(move || {
            for socket in listener.incoming().take(CONNECTIONS_MAX).flatten() {
                let (config, hello, counted) = (Arc::clone(&config), hello.clone(), Arc::clone(&counted));
                thread::spawn(move || {
                    serve(socket, config, &hello, &counted);
                    counted.count(|counts| counts.ended += 1);
                });
            }
        });
        Self { address, tally }
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until `count` connections have come and gone.
    ///
    /// # Panics
    /// When [`DEADLINE`] passes first.
    pub fn wait_for_connections(&self, count: usize) {
        self.tally.wait_for("connections to come and go", |counts| counts.ended >= count);
    }

    /// Waits until a client has trusted it with something.
    ///
    /// # Panics
    /// When [`DEADLINE`] passes first.
    pub fn wait_for_trust(&self) {
        self.tally.wait_for("a client that says something", |counts| counts.bytes > 0);
    }

    /// Returns how many connections have come and gone.
    pub fn connections(&self) -> usize {
        self.tally.counts.lock().unwrap_or_else(PoisonError::into_inner).ended
    }

    /// Returns how many bytes clients trusted it with, after decryption.
    pub fn trusted_bytes(&self) -> usize {
        self.tally.counts.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }
}

/// Speaks first, as a server does, and then listens until the client leaves.
fn serve(socket: TcpStream, config: Arc<ServerConfig>, hello: &str, tally: &Tally) {
    // Errors end the connection. They are what the tests hope for: a client that breaks off.
    let Ok(connection) = ServerConnection::new(config) else { return };
    let _ = socket.set_read_timeout(Some(DEADLINE));
    let mut tls = StreamOwned::new(connection, socket);
    if tls.conn.complete_io(&mut tls.sock).is_err() {
        return;
    }
    let _ = tls.write_all(hello.as_bytes()).and_then(|()| tls.flush());
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = tls.read(&mut chunk) {
        tally.count(|counts| counts.bytes += count);
    }
}

fn hello(server_id: &str, name: &str) -> serde_json::Value {
    json!({
        "type": "hello", "server_id": server_id, "name": name, "software": "fake 1.0", "versions": [1],
        "registration": "open", "online": 0,
        "limits": {"frame_bytes": 65536, "message_bytes": 16384, "unacked": 32, "typing_seconds": 6,
                   "keepalive_seconds": 30},
    })
}
