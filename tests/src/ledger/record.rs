//! Records: what one client wrote down, line by line, on a disk that the server does not use.
//!
//! A line is written before it is acted on: a send before it goes out, an ack before its post leaves the outbox, an
//! entry before the cursor moves. So the record is also the outbox and the cursor store of its client.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Result, Write};
use std::path::Path;

/// What a client wrote down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A post is about to be sent, for the first time.
    Sent {
        /// Where.
        room: String,
        /// Its id.
        id: String,
    },
    /// A post was acknowledged.
    Acked {
        /// Where.
        room: String,
        /// Its id.
        id: String,
        /// Its position, as the ack says.
        seq: u64,
    },
    /// An entry was shown.
    Seen {
        /// Where.
        room: String,
        /// What.
        entry: Entry,
    },
    /// The epoch that a welcome named.
    Epoch(String),
}

/// An entry of a log, as it was shown to a client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// Its position.
    pub seq: u64,
    /// The author.
    pub author: String,
    /// Its id; `-` for a join or a leave.
    pub id: String,
    /// Its text up to the first space: the id under which its author sent it.
    pub post: String,
}

impl Line {
    fn write(&self, out: &mut Vec<u8>) {
        let written = match self {
            Self::Sent { room, id } => writeln!(out, "sent {room} {id}"),
            Self::Acked { room, id, seq } => writeln!(out, "acked {room} {id} {seq}"),
            Self::Seen { room, entry: Entry { seq, author, id, post } } => {
                writeln!(out, "seen {room} {seq} {author} {id} {post}")
            }
            Self::Epoch(epoch) => writeln!(out, "epoch {epoch}"),
        };
        written.expect("memory takes what is written to it");
    }

    fn read(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        Some(match words[..] {
            ["sent", room, id] => Self::Sent { room: room.into(), id: id.into() },
            ["acked", room, id, seq] => {
                Self::Acked { room: room.into(), id: id.into(), seq: seq.parse().ok()? }
            }
            ["seen", room, seq, author, id, post] => {
                let seq = seq.parse().ok()?;
                let entry = Entry { seq, author: author.into(), id: id.into(), post: post.into() };
                Self::Seen { room: room.into(), entry }
            }
            ["epoch", epoch] => Self::Epoch(epoch.into()),
            _ => return None,
        })
    }
}

/// Reads a record. A last line without a line end was never acted on, and does not count.
///
/// # Panics
/// When the file is damaged, or exists but cannot be read.
pub fn read(path: &Path) -> Vec<Line> {
    if !path.exists() {
        return Vec::new();
    }
    let text = std::fs::read_to_string(path).expect("a record can be read");
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let line = |line| Line::read(line).unwrap_or_else(|| panic!("{} is damaged: {line:?}", path.display()));
    whole.lines().map(line).collect()
}

/// A growing record.
pub struct Record {
    file: File,
}

impl Record {
    /// Opens a record, and cuts off a last line that a kill left incomplete.
    ///
    /// # Errors
    /// Those of the file.
    pub fn open(path: &Path) -> Result<Self> {
        if let Ok(bytes) = std::fs::read(path) {
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            OpenOptions::new().write(true).open(path)?.set_len(whole as u64)?;
        }
        Ok(Self { file: OpenOptions::new().create(true).append(true).open(path)? })
    }

    /// Writes lines down. They are on disk when this returns.
    ///
    /// # Errors
    /// Those of the file.
    pub fn write(&mut self, lines: &[Line]) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        lines.iter().for_each(|line| line.write(&mut bytes));
        self.file.write_all(&bytes)?;
        self.file.sync_data()
    }
}

/// Returns the last position that was seen in each room, where reading continues.
pub fn cursors(lines: &[Line]) -> BTreeMap<String, u64> {
    let mut cursors = BTreeMap::new();
    for line in lines {
        if let Line::Seen { room, entry } = line {
            cursors.insert(room.clone(), entry.seq);
        }
    }
    cursors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_without_a_torn_tail() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        let entry = Entry { seq: 4, author: "ana".into(), id: "-".into(), post: "joined".into() };
        let lines = [
            Line::Epoch("e".into()),
            Line::Sent { room: "lobby".into(), id: "a1".into() },
            Line::Acked { room: "lobby".into(), id: "a1".into(), seq: 3 },
            Line::Seen { room: "vault".into(), entry },
        ];
        Record::open(&path).unwrap().write(&lines).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"seen lobby 5 an").unwrap();
        assert_eq!(read(&path), lines);
        Record::open(&path).unwrap().write(&lines[..1]).unwrap();
        assert_eq!(read(&path).len(), 5);
        assert_eq!(cursors(&lines), BTreeMap::from([("vault".to_owned(), 4)]));
    }
}
