//! Which servers a client accepts: handshakes in memory, without sockets. Each refusal is checked at both ends: the
//! client says why, and the server has not seen a byte of the client's data.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{Read, Write};
use std::sync::Arc;

use lanchat_certs::{
    CertificateSlot, Decision, Identity, NoAlpn, Observation, Observed, Policy, Refused, alpn_of,
    client_config, server_config,
};
use lanchat_model::ServerId;
use rustls::crypto::ring::{default_provider, sign::any_ecdsa_type};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

const ALPN: &[&[u8]] = &[b"lanchat/1"];
const SECRET: &[u8] = b"a password";

fn identity() -> Arc<Identity> {
    let folder = tempfile::tempdir().unwrap();
    Arc::new(Identity::load_or_create(&folder.path().join("identity")).unwrap())
}

fn slot(identity: &Arc<Identity>) -> Arc<CertificateSlot> {
    CertificateSlot::new(Arc::clone(identity), &["lab.local".into()], &[[10, 0, 0, 1].into()]).unwrap()
}

fn pinned(id: ServerId, to: &Identity) -> Policy {
    Policy { expected: None, pins: [(id, to.fingerprint())].into() }
}

/// The outcome of a connection, and what its server received from the client.
struct Ended {
    client: Result<ClientConnection, rustls::Error>,
    server: Result<ServerConnection, rustls::Error>,
    heard: Vec<u8>,
}

/// Runs a handshake in which the client sends `SECRET` as soon as TLS lets it.
fn connect(server: Arc<ServerConfig>, client: Arc<ClientConfig>) -> Ended {
    let name = ServerName::try_from("10.0.0.1").unwrap();
    let mut client = ClientConnection::new(client, name).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    client.writer().write_all(SECRET).unwrap();
    let (mut client_end, mut server_end) = (Ok(()), Ok(()));
    let mut heard = Vec::new();
    while client.wants_write() || server.wants_write() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut bytes = &bytes[..];
        while server_end.is_ok() && !bytes.is_empty() {
            server.read_tls(&mut bytes).unwrap();
            server_end = server.process_new_packets().map(drop);
            let _ = server.reader().read_to_end(&mut heard);
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut bytes = &bytes[..];
        while client_end.is_ok() && !bytes.is_empty() {
            client.read_tls(&mut bytes).unwrap();
            client_end = client.process_new_packets().map(drop);
        }
    }
    Ended { client: client_end.map(|()| client), server: server_end.map(|()| server), heard }
}

fn meet(server: Arc<ServerConfig>, policy: Policy) -> (Ended, Option<Result<Observed, Refused>>) {
    let (client, observation) = client_config(policy, ALPN);
    assert_eq!(observation.outcome(), None);
    (connect(server, client), observation.outcome())
}

fn assert_accepted(ended: &Ended) {
    assert_eq!(alpn_of(ended.client.as_ref().unwrap()), Ok(ALPN[0]));
    assert_eq!(alpn_of(ended.server.as_ref().unwrap()), Ok(ALPN[0]));
    assert_eq!(ended.heard, SECRET);
}

fn assert_refused(ended: &Ended) {
    assert!(ended.client.is_err());
    assert!(ended.server.is_err());
    assert_eq!(ended.heard, b"");
}

/// Returns the configuration of a lanchat server that has another certificate or key.
fn impostor(certificate: CertificateDer<'static>, key: Option<&rcgen::KeyPair>) -> Arc<ServerConfig> {
    let other = rcgen::KeyPair::generate().unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.unwrap_or(&other).serialize_der()));
    let certified = CertifiedKey::new(vec![certificate], any_ecdsa_type(&key).unwrap());
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ALPN[0].to_vec()];
    Arc::new(config)
}

#[test]
fn a_first_meeting_is_reported_with_id_and_key() {
    let identity = identity();
    let (ended, outcome) = meet(server_config(&slot(&identity), ALPN), Policy::default());
    assert_accepted(&ended);
    let observed = Observed {
        server_id: identity.server_id(),
        fingerprint: identity.fingerprint(),
        decision: Decision::First,
    };
    assert_eq!(outcome, Some(Ok(observed)));
}

#[test]
fn the_pinned_key_matches_before_and_after_the_certificate_is_reissued() {
    let identity = identity();
    let slot = slot(&identity);
    let server = server_config(&slot, ALPN);
    let shown = |ended: &Ended| ended.client.as_ref().unwrap().peer_certificates().unwrap()[0].clone();

    let (before, outcome) = meet(Arc::clone(&server), pinned(identity.server_id(), &identity));
    assert_accepted(&before);
    assert_eq!(outcome.unwrap().unwrap().decision, Decision::Match);

    slot.reissue(&["elsewhere.local".into()], &[[192, 168, 7, 7].into()]).unwrap();
    let (after, outcome) = meet(server, pinned(identity.server_id(), &identity));
    assert_accepted(&after);
    assert_eq!(outcome.unwrap().unwrap().decision, Decision::Match);
    assert_ne!(shown(&before), shown(&after));
}

#[test]
fn a_changed_key_is_refused_before_a_byte_is_sent() {
    let (known, other) = (identity(), identity());
    let policy = pinned(other.server_id(), &known);
    let (ended, outcome) = meet(server_config(&slot(&other), ALPN), policy);
    assert_refused(&ended);
    let refused = Refused::Changed {
        server_id: other.server_id(),
        pinned: known.fingerprint(),
        offered: other.fingerprint(),
    };
    assert_eq!(outcome, Some(Err(refused)));
}

#[test]
fn an_expected_key_is_the_only_one_accepted() {
    let (invited, other) = (identity(), identity());
    let policy = Policy { expected: Some(invited.fingerprint()), ..Policy::default() };
    let (ended, outcome) = meet(server_config(&slot(&invited), ALPN), policy.clone());
    assert_accepted(&ended);
    assert_eq!(outcome.unwrap().unwrap().decision, Decision::First);

    // Not even a server whose key is pinned may stand in for the one that was asked for.
    let policy = Policy { pins: pinned(other.server_id(), &other).pins, ..policy };
    let (ended, outcome) = meet(server_config(&slot(&other), ALPN), policy);
    assert_refused(&ended);
    let refused = Refused::Unexpected {
        server_id: other.server_id(),
        expected: invited.fingerprint(),
        offered: other.fingerprint(),
    };
    assert_eq!(outcome, Some(Err(refused)));
}

#[test]
fn a_copy_of_the_certificate_without_its_key_is_refused() {
    let identity = identity();
    let copy = identity.certificate(&[], &[]).unwrap();
    for policy in [pinned(identity.server_id(), &identity), Policy::default()] {
        let (ended, outcome) = meet(impostor(copy.clone(), None), policy);
        assert_refused(&ended);
        let refused =
            Refused::KeyNotHeld { server_id: identity.server_id(), offered: identity.fingerprint() };
        assert_eq!(outcome, Some(Err(refused)));
    }
}

#[test]
fn a_certificate_of_something_else_is_refused_by_name() {
    let key = rcgen::KeyPair::generate().unwrap();
    let printer =
        rcgen::CertificateParams::new(["printer.local".to_owned()]).unwrap().self_signed(&key).unwrap();
    let (ended, outcome) = meet(impostor(printer.der().clone(), Some(&key)), Policy::default());
    assert_refused(&ended);
    assert!(matches!(outcome, Some(Err(Refused::Certificate(_)))), "{outcome:?}");
}

#[test]
fn tls_1_2_is_refused_by_both_sides() {
    let identity = identity();
    let old = || ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let mut client = old()
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    client.alpn_protocols = vec![ALPN[0].to_vec()];
    assert_refused(&connect(server_config(&slot(&identity), ALPN), Arc::new(client)));

    let key = rcgen::KeyPair::generate().unwrap();
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let certified =
        CertifiedKey::new(vec![identity.certificate(&[], &[]).unwrap()], any_ecdsa_type(&der).unwrap());
    let server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    let (ended, outcome) = meet(Arc::new(server), Policy::default());
    assert_refused(&ended);
    assert_eq!(outcome, None);
}

#[test]
fn another_protocol_is_refused_and_none_at_all_is_told() {
    let identity = identity();
    let server = server_config(&slot(&identity), ALPN);
    let (client, _) = client_config(Policy::default(), &[b"http/1.1"]);
    assert_refused(&connect(Arc::clone(&server), client));

    // TLS lets these two pass: both ends must check.
    let (client, _) = client_config(Policy::default(), &[]);
    let ended = connect(server, client);
    assert_eq!(alpn_of(ended.server.as_ref().unwrap()), Err(NoAlpn));
    let (ended, _) = meet(server_config(&slot(&identity), &[]), Policy::default());
    assert_eq!(alpn_of(ended.client.as_ref().unwrap()), Err(NoAlpn));
}

#[test]
fn one_configuration_judges_one_connection() {
    let identity = identity();
    let server = server_config(&slot(&identity), ALPN);
    let (client, observation): (_, Observation) = client_config(Policy::default(), ALPN);
    assert_accepted(&connect(Arc::clone(&server), Arc::clone(&client)));
    let first = observation.outcome();
    assert_refused(&connect(server, client));
    assert_eq!(observation.outcome(), first);
}
