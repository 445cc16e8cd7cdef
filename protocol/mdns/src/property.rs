//! What must hold for every message, whoever sends it. Checked by the fuzz target, and by a test here with messages
//! damaged at random.

use std::net::SocketAddr;
use std::time::Duration;

use lanchat_model::limits;
use tokio::time::Instant;

use crate::Service;
use crate::browse::adverts;
use crate::message::{PORT, is_response, parse};
use crate::records::Records;
use crate::responder::{Heard, Responder};

/// How many messages a responder may multicast for one received message until all is quiet: three probes, two
/// announcements and an answer, and the same again for a name that is probed again.
const SAID_MAX: usize = 12;

/// Checks a message: a browser takes no more of it than its bounds allow, and a responder, in whatever phase, answers
/// with a bounded number of whole messages.
pub fn message(bytes: &[u8]) {
    let found = adverts(bytes, 1, [192, 0, 2, 1].into());
    assert!(found.len() <= limits::MDNS_INSTANCES_MAX, "{} servers", found.len());
    for advert in found {
        assert!(!advert.addresses.is_empty() && advert.addresses.len() <= limits::MDNS_ADDRESSES_MAX);
        let text: usize = advert.txt.iter().map(|(key, value)| key.len() + value.len()).sum();
        assert!(text <= bytes.len(), "{text} bytes of text");
    }
    for patience in [limits::NAME_CONTESTED_MAX, Duration::ZERO] {
        for is_served in [false, true] {
            for port in [PORT, 50_000] {
                is_answered(bytes, port, patience, is_served);
            }
        }
    }
}

/// Checks what a responder does with a message that arrives when it starts, or while it serves.
fn is_answered(bytes: &[u8], port: u16, patience: Duration, is_served: bool) {
    let mut now = Instant::now();
    let mut responder = Responder::new(records(), false, patience, now);
    if is_served {
        quiet(&mut responder, &mut now);
    }
    let from: SocketAddr = ([192, 0, 2, 9], port).into();
    match responder.heard(bytes, from, now) {
        Heard::Reply(reply) => is_whole(&reply),
        Heard::Conflict => assert!(!patience.is_zero(), "a name that is kept is not given up"),
        Heard::Nothing => {}
    }
    quiet(&mut responder, &mut now);
    if patience.is_zero() || is_served {
        responder.goodbye().iter().for_each(|said| is_whole(said));
    }
}

/// Sends everything that is due.
fn quiet(responder: &mut Responder, now: &mut Instant) {
    let mut said = 0;
    while let Some(due) = responder.due() {
        *now = (*now).max(due);
        if let Some(bytes) = responder.next(*now) {
            is_whole(&bytes);
            said += 1;
        }
        assert!(said <= SAID_MAX, "it never ends");
    }
}

fn is_whole(said: &[u8]) {
    assert!(said.len() <= limits::MDNS_PACKET_BYTES_MAX, "{} bytes", said.len());
    let packet = parse(said);
    assert!(packet.is_some(), "what is said is a message");
    let is_question = packet.is_some_and(|packet| !packet.questions.is_empty());
    assert!(is_question || is_response(said));
}

fn records() -> Records {
    let service = Service {
        instance: "attic".into(),
        host: "lanchat-abababab".into(),
        port: 7072,
        txt: vec![("name".into(), "attic".into())],
        patience: limits::NAME_CONTESTED_MAX,
    };
    Records::new(&service, vec![[192, 0, 2, 1].into(), [0xfe80, 0, 0, 0, 0, 0, 0, 1].into()])
}

#[cfg(test)]
mod tests {
    use simple_dns::{CLASS, Packet, QCLASS, QTYPE, Question, TYPE};

    use super::*;
    use crate::message::{instance_of, named, service_type};
    use crate::records::{ALL, META, PTR_SET};

    /// Returns valid messages of every kind that a server hears or sends.
    fn whole() -> Vec<Vec<u8>> {
        let question = |name, kind: QTYPE, unicast| {
            let mut packet = Packet::new_query(7);
            packet.questions = vec![Question::new(name, kind, QCLASS::CLASS(CLASS::IN), unicast)];
            packet
        };
        let ptr = || question(service_type(), QTYPE::TYPE(TYPE::PTR), false);
        let ours = records();
        let mut knows = ptr();
        let said = ours.response(ALL);
        knows.answers = parse(&said).unwrap().answers;
        let service = Service {
            instance: "attic".into(),
            host: "another".into(),
            port: 9999,
            txt: Vec::new(),
            patience: Duration::ZERO,
        };
        let other = Records::new(&service, vec![[192, 0, 2, 2].into()]);
        let questions = [
            ptr(),
            knows,
            question(named(&["_services", "_dns-sd", "_udp", "local"]), QTYPE::TYPE(TYPE::PTR), true),
            question(instance_of("attic"), QTYPE::ANY, true),
            question(named(&["lanchat-abababab", "local"]), QTYPE::TYPE(TYPE::AAAA), false),
        ];
        let asked = questions.iter().map(|packet| packet.build_bytes_vec_compressed().unwrap());
        let said = [&ours, &other]
            .map(|of| [of.response(ALL), of.response(PTR_SET), of.response(META), of.probe(), of.goodbye()]);
        asked.chain(said.into_iter().flatten()).collect()
    }

    /// SplitMix64: the same numbers in every run.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, end: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            usize::try_from((mixed ^ (mixed >> 31)) % end.max(1) as u64).unwrap()
        }
    }

    /// Damages a message in one way that no correct sender would.
    fn damage(bytes: &mut Vec<u8>, others: &[Vec<u8>], dice: &mut Dice) {
        let at = dice.below(bytes.len());
        match dice.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1_u8 << dice.below(8)),
            // A pointer to anywhere.
            2 => {
                let pointer = [0xc0 | dice.below(64) as u8, dice.below(256) as u8];
                bytes.splice(at..(at + 2).min(bytes.len()), pointer);
            }
            // Counts of questions and records.
            3 => {
                bytes.iter_mut().skip(4 + dice.below(8)).take(1).for_each(|byte| *byte = dice.below(40) as u8)
            }
            4 => {
                let other = &others[dice.below(others.len())];
                bytes.extend_from_slice(&other[dice.below(other.len())..]);
            }
            _ => {
                let (from, count) = (dice.below(bytes.len()), dice.below(40));
                let piece = bytes[from..(from + count).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }

    #[test]
    fn messages_that_are_whole_hold_it() {
        whole().iter().for_each(|bytes| message(bytes));
    }

    #[test]
    fn messages_that_are_damaged_hold_it() {
        let (whole, mut dice) = (whole(), Dice(6762));
        for _ in 0..4000 {
            let mut bytes = whole[dice.below(whole.len())].clone();
            for _ in 0..=dice.below(8) {
                damage(&mut bytes, &whole, &mut dice);
            }
            message(&bytes);
        }
    }

    #[test]
    fn the_longest_message_of_a_server_is_read() {
        let service = Service {
            instance: "x".repeat(limits::SERVER_NAME_BYTES_MAX),
            host: "lanchat-abababab".into(),
            port: 7072,
            txt: vec![
                ("v".into(), "1".into()),
                ("id".into(), "0".repeat(32)),
                ("name".into(), "x".repeat(limits::SERVER_NAME_BYTES_MAX)),
            ],
            patience: Duration::ZERO,
        };
        let addresses = (0..limits::MDNS_ADDRESSES_MAX as u16).map(|n| [0xfd00, 0, 0, 0, 0, 0, 0, n].into());
        let records = Records::new(&service, addresses.collect());
        let said = records.response(ALL);
        assert_eq!(adverts(&said, 1, [192, 0, 2, 1].into()).len(), 1, "{} bytes", said.len());
    }
}
