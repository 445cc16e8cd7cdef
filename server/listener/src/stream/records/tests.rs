//! The records against a rustls client, with every byte under the test's control.

use std::io::{Read, Write};
use std::mem;

use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::{
    AlertDescription, ClientConnection, ConnectionTrafficSecrets, ContentType, ProtocolVersion,
    SupportedCipherSuite,
};

use super::*;
use crate::stream::tests::{ALPN, client_config, name, server_config};

/// Bytes that are not TLS; the first is not even a record type.
const GARBAGE: &[u8] = b"GET / HTTP/1.1\r\nHost: lab.local\r\n\r\n";
/// A handshake takes fewer turns.
const TURNS_MAX: usize = 8;

struct Pair {
    client: ClientConnection,
    records: Records,
    /// What the server received from the client.
    heard: Vec<u8>,
}

impl Pair {
    fn new(alpn: &[&[u8]]) -> Self {
        let mut config = (*client_config(alpn)).clone();
        config.enable_secret_extraction = true;
        Self {
            client: ClientConnection::new(Arc::new(config), name()).unwrap(),
            records: Records::new(server_config()).unwrap(),
            heard: Vec::new(),
        }
    }

    /// Shakes hands; the client's bytes arrive in pieces of `size`.
    fn shake_hands(mut self, size: usize) -> Self {
        for _ in 0..TURNS_MAX {
            let bytes = self.spoken();
            self.receive(&bytes, size).unwrap();
            let answer = mem::take(&mut self.records.unsent);
            self.tell(&answer).unwrap();
        }
        assert!(!self.client.is_handshaking() && !self.records.is_handshaking());
        self
    }

    fn connected() -> Self {
        Self::new(&[ALPN]).shake_hands(usize::MAX)
    }

    /// Returns what the client has to send.
    fn spoken(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// Returns a record from the client.
    fn say(&mut self, plain: &[u8]) -> Vec<u8> {
        self.client.writer().write_all(plain).unwrap();
        self.spoken()
    }

    fn receive(&mut self, bytes: &[u8], size: usize) -> io::Result<()> {
        let heard = &mut self.heard;
        bytes.chunks(size).try_for_each(|piece| {
            self.records.receive(&mut piece.to_vec(), |plain| heard.extend_from_slice(plain)).map(drop)
        })
    }

    /// Lets the client read, and returns what it got.
    fn tell(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let mut plain = Vec::new();
        while !bytes.is_empty() {
            self.client.read_tls(&mut bytes).unwrap();
            self.client.process_new_packets()?;
            let _ = self.client.reader().read_to_end(&mut plain);
        }
        Ok(plain)
    }

    /// Lets the server send something, and checks that the client receives it.
    fn answer(&mut self, plain: &[u8]) {
        let mut sealed = vec![0; plain.len() + 1024];
        let count = self.records.seal(plain, &mut sealed).unwrap();
        assert_eq!(self.tell(&sealed[..count]).unwrap(), plain);
    }

    fn assert_holds_nothing(&self) {
        assert_eq!((self.records.held.capacity(), self.records.unsent.capacity()), (0, 0));
    }
}

#[test]
fn a_handshake_may_come_byte_by_byte() {
    let mut pair = Pair::new(&[ALPN]).shake_hands(1);
    assert_eq!(pair.records.alpn(), Some(ALPN));
    pair.assert_holds_nothing();
    pair.answer(b"hello");
}

#[test]
fn what_comes_with_the_end_of_the_handshake_is_not_lost() {
    for size in [1, usize::MAX] {
        let mut pair = Pair::new(&[ALPN]);
        pair.client.writer().write_all(b"at once").unwrap();
        let mut pair = pair.shake_hands(size);
        assert_eq!(pair.heard, b"at once");
        pair.answer(b"hello");
        pair.assert_holds_nothing();
    }
}

#[test]
fn without_alpn_there_is_no_protocol() {
    assert_eq!(Pair::new(&[]).shake_hands(usize::MAX).records.alpn(), None);
}

#[test]
fn records_come_in_pieces_of_any_size() {
    for size in [1, 7, 1000, usize::MAX] {
        let mut pair = Pair::connected();
        let long = vec![b'x'; 40_000];
        let bytes = [pair.say(b"one "), pair.say(&long), pair.say(b" three")].concat();
        pair.receive(&bytes, size).unwrap();
        assert_eq!(pair.heard, [b"one ", long.as_slice(), b" three"].concat());
        pair.assert_holds_nothing();
    }
}

#[test]
fn half_a_record_is_held_and_no_obstacle_to_an_answer() {
    let mut pair = Pair::connected();
    let bytes = [pair.say(b"whole"), pair.say(b"halved")].concat();
    let (most, last) = bytes.split_at(bytes.len() - 3);
    pair.receive(most, usize::MAX).unwrap();
    assert_eq!(pair.heard, b"whole");
    pair.answer(b"answer");
    pair.receive(last, usize::MAX).unwrap();
    assert_eq!(pair.heard, b"wholehalved");
    pair.assert_holds_nothing();
}

#[test]
fn a_close_notify_ends_the_reading_and_not_the_writing() {
    let mut pair = Pair::connected();
    let last = pair.say(b"last");
    pair.client.send_close_notify();
    let bytes = [last.as_slice(), &pair.spoken(), GARBAGE].concat();
    pair.receive(&bytes, usize::MAX).unwrap();
    assert!(pair.records.peer_closed);
    assert_eq!(pair.heard, b"last");
    pair.answer(b"noted");
    pair.assert_holds_nothing();
}

#[test]
fn a_goodbye_is_a_close_notify_and_the_end() {
    let mut pair = Pair::connected();
    pair.records.say_goodbye();
    let farewell = mem::take(&mut pair.records.unsent);
    pair.tell(&farewell).unwrap();
    assert_eq!(pair.client.reader().read(&mut [0]).unwrap(), 0);
    let late = pair.records.seal(b"late", &mut [0; 100]).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::NotConnected);
}

#[test]
fn garbage_for_a_hello_is_answered_with_an_alert() {
    for size in [1, usize::MAX] {
        let mut pair = Pair::new(&[ALPN]);
        assert_eq!(pair.receive(GARBAGE, size).unwrap_err().kind(), ErrorKind::InvalidData);
        // A fatal alert in plaintext: the keys are not known yet (RFC 8446 §6).
        assert!(
            matches!(pair.records.unsent.as_slice(), [21, 3, _, 0, 2, 2, _]),
            "{:?}",
            pair.records.unsent
        );
        assert_eq!(pair.receive(GARBAGE, size).unwrap_err().kind(), ErrorKind::NotConnected);
    }
}

#[test]
fn garbage_after_the_handshake_is_answered_with_an_alert() {
    let mut forged = Pair::connected().say(b"of another connection");
    forged[7] ^= 1;
    for (garbage, alert) in
        [(GARBAGE, AlertDescription::DecodeError), (forged.as_slice(), AlertDescription::BadRecordMac)]
    {
        let mut pair = Pair::connected();
        let bytes = [pair.say(b"good").as_slice(), garbage].concat();
        assert_eq!(pair.receive(&bytes, usize::MAX).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(pair.heard, b"good");
        let alerts = mem::take(&mut pair.records.unsent);
        assert_eq!(pair.tell(&alerts), Err(rustls::Error::AlertReceived(alert)));
        assert!(pair.records.seal(b"too late", &mut [0; 100]).is_err());
        pair.records.say_goodbye();
        pair.assert_holds_nothing();
    }
}

#[test]
fn a_hello_in_crumbs_is_bounded() {
    let mut pair = Pair::new(&[ALPN]);
    // The header of a hello of nearly 64 KiB, followed by one byte per record: six bytes each.
    let header = [22, 3, 1, 0, 4, 1, 0, 0xff, 0xf0];
    pair.receive(&header, usize::MAX).unwrap();
    let crumbs = (1..=HELD_BYTES_MAX).find(|_| pair.receive(&[22, 3, 1, 0, 1, 0], usize::MAX).is_err());
    assert!(crumbs.unwrap() <= HELD_BYTES_MAX / 6 + 1);
    pair.records.say_goodbye();
    assert_eq!(pair.records.held.capacity(), 0);
}

#[test]
fn a_client_may_change_its_keys_and_ask_for_ours() {
    let mut pair = Pair::connected();
    for round in 0..3_u8 {
        pair.client.refresh_traffic_keys().unwrap();
        let bytes = pair.say(&[round; 10]);
        pair.receive(&bytes, 5).unwrap();
        pair.answer(b"with new keys");
    }
    assert_eq!(pair.heard.len(), 30);
    pair.assert_holds_nothing();
}

/// Returns an encrypter like the client's, for messages that a rustls client never sends.
fn forger(client: ClientConnection) -> (u64, Box<dyn MessageEncrypter>) {
    let Some(SupportedCipherSuite::Tls13(suite)) = client.negotiated_cipher_suite() else {
        panic!("TLS 1.3 was negotiated")
    };
    let (count, secrets) = client.dangerous_extract_secrets().unwrap().tx;
    let (key, iv) = match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (key, iv),
        _ => panic!("a cipher of TLS 1.3"),
    };
    (count, suite.aead_alg.encrypter(key, iv))
}

#[test]
fn a_message_of_the_handshake_in_two_records_may_be_interrupted_by_an_answer() {
    let Pair { client, mut records, .. } = Pair::connected();
    let (first, mut encrypter) = forger(client);
    // A KeyUpdate that does not ask for one in return (RFC 8446 §4.6.3).
    for (at, part) in [&[24, 0][..], &[0, 1, 0]].into_iter().enumerate() {
        let message = OutboundPlainMessage {
            typ: ContentType::Handshake,
            version: ProtocolVersion::TLSv1_2,
            payload: OutboundChunks::Single(part),
        };
        let mut bytes = encrypter.encrypt(message, first + at as u64).unwrap().encode();
        records.receive(&mut bytes, |_| panic!("no plaintext")).unwrap();
        assert_eq!(records.held.is_empty(), at == 1);
        let mut sealed = [0; 100];
        assert!(records.seal(b"meanwhile", &mut sealed).unwrap() > 0);
    }
}
