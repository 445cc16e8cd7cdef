//! What a log must hold after a power cut, given what its author knew before: a pure function, with a name for every
//! flaw.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What the author of messages knew at some instant.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The ids of all messages ever sent, and their texts.
    pub sent: BTreeMap<String, String>,
    /// The ids of messages that were acknowledged or shown, and their positions.
    pub acked: BTreeMap<String, u64>,
}

/// A breach of the delivery contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A message was acknowledged or shown at this position, but is not there.
    LostAck(String, u64),
    /// An account was welcomed, but is not there.
    LostAccount(String),
    /// A message is there more than once.
    Doubled(String),
    /// The positions are not 1, 2, 3 …: this one follows a wrong one.
    Hole(u64),
    /// A message that nobody sent, or another text under its id.
    Phantom(String),
}

/// Returns all flaws of `log`, the frames of all entries of a room in the order of their delivery.
pub fn flaws(ledger: &Ledger, log: &[Value]) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let mut found = BTreeMap::new();
    let mut known = BTreeSet::new();
    for (entry, expected) in log.iter().zip(1_u64..) {
        let seq = entry["seq"].as_u64().unwrap_or_default();
        if seq != expected {
            flaws.push(Flaw::Hole(seq));
        }
        if entry["type"] != "message" {
            continue;
        }
        let id = entry["id"].as_str().unwrap_or_default().to_owned();
        if ledger.sent.get(&id).map(String::as_str) != entry["message"].as_str() {
            flaws.push(Flaw::Phantom(id.clone()));
        }
        if !known.insert(id.clone()) {
            flaws.push(Flaw::Doubled(id.clone()));
        }
        found.insert(id, seq);
    }
    for (id, seq) in &ledger.acked {
        if found.get(id) != Some(seq) {
            flaws.push(Flaw::LostAck(id.clone(), *seq));
        }
    }
    flaws
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ledger() -> Ledger {
        let texts = [("a", "one"), ("b", "two")].map(|(id, text)| (id.to_owned(), text.to_owned()));
        Ledger { sent: texts.into(), acked: [("a".to_owned(), 2)].into() }
    }

    fn entry(seq: u64, id: &str, text: &str) -> Value {
        json!({"type": "message", "seq": seq, "id": id, "message": text})
    }

    #[test]
    fn every_flaw_is_called_by_its_name() {
        let joined = json!({"type": "joined", "seq": 1});
        let log = |entries: &[Value]| [std::slice::from_ref(&joined), entries].concat();
        let check = |entries: &[Value]| flaws(&ledger(), &log(entries));
        let (one, two) = (entry(2, "a", "one"), entry(3, "b", "two"));
        assert_eq!(check(&[one.clone(), two.clone()]), []);
        assert_eq!(check(std::slice::from_ref(&one)), [], "what was not acknowledged may be lost");
        assert_eq!(check(&[]), [Flaw::LostAck("a".into(), 2)]);
        assert_eq!(check(&[entry(2, "b", "two")]), [Flaw::LostAck("a".into(), 2)]);
        assert_eq!(check(&[one.clone(), entry(4, "b", "two")]), [Flaw::Hole(4)]);
        assert_eq!(check(&[one.clone(), two, entry(4, "b", "two")]), [Flaw::Doubled("b".into())]);
        assert_eq!(check(&[one, entry(3, "c", "three")]), [Flaw::Phantom("c".into())]);
    }
}
