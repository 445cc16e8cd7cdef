//! The checker: the delivery contract as a function from what happened to what is wrong with it. It does not depend on
//! any server.
//!
//! `ARCHITECTURE.md` states the invariants; I1 to I8 below are those of the delivery contract.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::record::{Entry, Line};

/// How many violations are reported: a broken server may break a rule a million times, and the first ones show why.
const TOLD_MAX: usize = 20;

/// Everything known after a run, when every post was answered and every reader has caught up.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The record of each writer, by name.
    pub writers: BTreeMap<String, Vec<Line>>,
    /// The record of each reader, by name.
    pub readers: BTreeMap<String, Vec<Line>>,
    /// The rooms that a reader is in, if it is not in all of them.
    pub rooms_of: BTreeMap<String, BTreeSet<String>>,
    /// The log of each room in the end, oldest first.
    pub logs: BTreeMap<String, Vec<Entry>>,
}

/// What is wrong. Each names the invariant that it breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// I1: acknowledged, but not in the log.
    LostAck {
        /// The post.
        id: String,
    },
    /// I5: acknowledged at one position, but stored at another.
    MovedAck {
        /// The post.
        id: String,
        /// What an ack said.
        acked: u64,
        /// Where it is.
        stored: u64,
    },
    /// I1, I5: in the log more than once.
    Doubled {
        /// The post.
        id: String,
    },
    /// I5: sent again until it was answered, but not in the log.
    Unsettled {
        /// The post.
        id: String,
    },
    /// I2: a log with a position missing, or out of place.
    BrokenLog {
        /// The room.
        room: String,
        /// The position that should have come.
        expected: u64,
    },
    /// I2: a reader was not shown a position before a later one or the end of the run.
    Hole {
        /// The reader.
        reader: String,
        /// The room.
        room: String,
        /// The first position that is missing.
        expected: u64,
    },
    /// I2: a reader was shown a position again, or an earlier one later.
    Repeated {
        /// The reader.
        reader: String,
        /// The room.
        room: String,
        /// The position.
        seq: u64,
    },
    /// I3: a reader was shown an entry that is not in the log.
    Phantom {
        /// The reader.
        reader: String,
        /// The room.
        room: String,
        /// The position.
        seq: u64,
    },
    /// I4: an author's earlier post comes after a later one.
    Reordered {
        /// The post that was sent first.
        earlier: String,
        /// The post that was sent second.
        later: String,
    },
    /// In the log, under an id or an author that nobody sent it as.
    Altered {
        /// The room.
        room: String,
        /// The position.
        seq: u64,
    },
    /// I6: a reader learned of a room that it is not in.
    Leaked {
        /// The reader.
        reader: String,
        /// The room.
        room: String,
    },
    /// I8: the epoch changed although nothing was restored.
    EpochChanged,
}

/// Where the posts ended up.
struct Stored<'a> {
    /// The first place of each post, and its entry.
    places: HashMap<&'a str, (&'a str, &'a Entry)>,
    doubled: Vec<&'a str>,
}

/// Returns the violations in the order of the rules, at most 20.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let stored = Stored::of(evidence);
    let mut found = logs(evidence, &stored);
    for lines in evidence.writers.values() {
        found.extend(written(lines, &stored));
    }
    for (reader, lines) in &evidence.readers {
        found.extend(shown(reader, lines, evidence));
    }
    let lines = evidence.writers.values().chain(evidence.readers.values()).flatten();
    let epochs: BTreeSet<_> = lines.filter(|line| matches!(line, Line::Epoch(_))).map(as_epoch).collect();
    found.extend((epochs.len() > 1).then_some(Violation::EpochChanged));
    found.truncate(TOLD_MAX);
    found
}

fn as_epoch(line: &Line) -> &str {
    if let Line::Epoch(epoch) = line { epoch } else { "" }
}

impl Evidence {
    /// Adds a reader that is only in the lobby.
    pub fn add_reader(&mut self, name: &str, lines: Vec<Line>) {
        self.readers.insert(name.to_owned(), lines);
        self.rooms_of.insert(name.to_owned(), BTreeSet::from(["lobby".to_owned()]));
    }
}

impl<'a> Stored<'a> {
    fn of(evidence: &'a Evidence) -> Self {
        let mut stored = Self { places: HashMap::new(), doubled: Vec::new() };
        for (room, log) in &evidence.logs {
            for entry in log.iter().filter(|entry| entry.id != "-") {
                if stored.places.contains_key(&*entry.post) {
                    stored.doubled.push(&entry.post);
                } else {
                    stored.places.insert(&entry.post, (room, entry));
                }
            }
        }
        stored
    }
}

/// Checks the logs by themselves, and against everything that was sent.
fn logs(evidence: &Evidence, stored: &Stored<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (room, log) in &evidence.logs {
        for (expected, entry) in (1..).zip(log) {
            if entry.seq != expected {
                found.push(Violation::BrokenLog { room: room.clone(), expected });
                break;
            }
        }
    }
    found.extend(stored.doubled.iter().map(|id| Violation::Doubled { id: (*id).to_owned() }));
    let mut sent = HashSet::new();
    for (writer, lines) in &evidence.writers {
        for line in lines {
            if let Line::Sent { room, id } = line {
                sent.insert((&**writer, &**room, &**id));
            }
        }
    }
    for (room, entry) in stored.places.values() {
        if entry.id != entry.post || !sent.contains(&(&*entry.author, room, &*entry.id)) {
            found.push(Violation::Altered { room: (*room).to_owned(), seq: entry.seq });
        }
    }
    found
}

/// Checks what a writer was promised.
fn written(lines: &[Line], stored: &Stored<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut acked = HashSet::new();
    for line in lines {
        let Line::Acked { id, seq, .. } = line else { continue };
        acked.insert(&**id);
        match stored.places.get(&**id) {
            None => found.push(Violation::LostAck { id: id.clone() }),
            Some((_, entry)) if entry.seq != *seq => {
                found.push(Violation::MovedAck { id: id.clone(), acked: *seq, stored: entry.seq });
            }
            Some(_) => {}
        }
    }
    // The latest post of each room so far.
    let mut last: HashMap<&str, (u64, &str)> = HashMap::new();
    for line in lines {
        let Line::Sent { room, id } = line else { continue };
        let Some((_, entry)) = stored.places.get(&**id) else {
            if !acked.contains(&**id) {
                found.push(Violation::Unsettled { id: id.clone() });
            }
            continue;
        };
        if let Some((_, earlier)) = last.get(&**room).filter(|(seq, _)| *seq > entry.seq) {
            found.push(Violation::Reordered { earlier: (*earlier).to_owned(), later: id.clone() });
        } else {
            last.insert(room, (entry.seq, id));
        }
    }
    found
}

/// Checks what a reader was shown.
fn shown(reader: &str, lines: &[Line], evidence: &Evidence) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut cursors: BTreeMap<&str, u64> = BTreeMap::new();
    let allowed = evidence.rooms_of.get(reader);
    for line in lines {
        let Line::Seen { room, entry } = line else { continue };
        if allowed.is_some_and(|rooms| !rooms.contains(room)) {
            found.push(Violation::Leaked { reader: reader.into(), room: room.clone() });
            continue;
        }
        let (reader, room_name) = (reader.to_owned(), room.clone());
        let expected = cursors.get(&**room).copied().unwrap_or(0) + 1;
        if entry.seq > expected {
            found.push(Violation::Hole { reader: reader.clone(), room: room_name.clone(), expected });
        } else if entry.seq < expected {
            found.push(Violation::Repeated {
                reader: reader.clone(),
                room: room_name.clone(),
                seq: entry.seq,
            });
        }
        let log = evidence.logs.get(room).map(Vec::as_slice).unwrap_or_default();
        let kept = usize::try_from(entry.seq).ok().and_then(|seq| log.get(seq.checked_sub(1)?));
        if kept != Some(entry) {
            found.push(Violation::Phantom { reader, room: room_name, seq: entry.seq });
        }
        cursors.insert(room, entry.seq.max(expected - 1));
    }
    for (room, log) in &evidence.logs {
        let seen = cursors.get(&**room).copied().unwrap_or(0);
        if seen < log.len() as u64 && allowed.is_none_or(|rooms| rooms.contains(room)) {
            let (reader, room) = (reader.to_owned(), room.clone());
            found.push(Violation::Hole { reader, room, expected: seen + 1 });
        }
    }
    found
}

#[cfg(test)]
mod tests;
