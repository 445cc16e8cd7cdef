//! The clients of a ledger run: programs that may be killed at any moment, and continue from their record.
//!
//! They speak the wire protocol by hand, without the caution of the client library, which would repair or hide what a
//! broken server does. They reconnect at once, where a polite client waits.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::record::{self, Entry, Line, Record};
use crate::{PASSWORD, TestPeer};

/// Posts on their way at once: as many as a server accepts from one session.
const WINDOW: usize = lanchat_model::limits::UNACKED_PER_SESSION_MAX;
/// The pause between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(10);
/// Silence after which a connection is given up and replaced: longer than any stall.
const PATIENCE: Duration = Duration::from_secs(4);
/// A room that only some clients are in. Everybody is in the lobby.
pub const VAULT: &str = "vault";

/// What a client does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Posts for ever, to the lobby and the vault in turn.
    Write,
    /// Resends unacknowledged posts, and ends when all are acknowledged.
    Settle,
    /// Reads the lobby and the vault for ever.
    Read,
    /// Reads until it was shown these positions, then ends.
    ReadUntil(BTreeMap<String, u64>),
    /// Reads the lobby for ever, and tries to learn something about the vault.
    Pry,
    /// As `Pry`, until it was shown these positions.
    PryUntil(BTreeMap<String, u64>),
}

impl Part {
    /// Returns the part as words of a command line.
    pub fn words(&self) -> Vec<String> {
        let (word, until) = match self {
            Self::Write => ("write", None),
            Self::Settle => ("settle", None),
            Self::Read => ("read", None),
            Self::ReadUntil(until) => ("read", Some(until)),
            Self::Pry => ("pry", None),
            Self::PryUntil(until) => ("pry", Some(until)),
        };
        let until = until.into_iter().flatten().map(|(room, seq)| format!("{room}={seq}"));
        std::iter::once(word.to_owned()).chain(until).collect()
    }

    /// Parses the part from words of a command line.
    pub fn parse(words: &[String]) -> Option<Self> {
        let (word, until) = words.split_first()?;
        let positions = until.iter().map(|word| {
            let (room, seq) = word.split_once('=')?;
            Some((room.to_owned(), seq.parse().ok()?))
        });
        let positions: BTreeMap<String, u64> = positions.collect::<Option<_>>()?;
        Some(match (word.as_str(), positions.is_empty()) {
            ("write", true) => Self::Write,
            ("settle", true) => Self::Settle,
            ("read", true) => Self::Read,
            ("read", false) => Self::ReadUntil(positions),
            ("pry", true) => Self::Pry,
            ("pry", false) => Self::PryUntil(positions),
            _ => return None,
        })
    }

    fn is_initiated(&self) -> bool {
        !matches!(self, Self::Pry | Self::PryUntil(_))
    }

    /// Returns whether a reader at `cursors` has seen what it was started for.
    fn is_done(&self, cursors: &BTreeMap<String, u64>) -> bool {
        let (Self::ReadUntil(until) | Self::PryUntil(until)) = self else { return false };
        until.iter().all(|(room, seq)| cursors.get(room).is_some_and(|seen| seen >= seq))
    }
}

/// A client: its name, and where it keeps its record.
pub struct Client {
    name: String,
    server: SocketAddr,
    token: PathBuf,
    record: PathBuf,
}

impl Client {
    /// Makes the client `name`, whose files are in `folder`.
    pub fn new(name: &str, server: SocketAddr, folder: &Path) -> Self {
        let file = |kind: &str| folder.join(format!("{name}.{kind}"));
        Self { name: name.to_owned(), server, token: file("token"), record: file("record") }
    }

    /// Returns where the record of this client is.
    pub fn record(&self) -> &Path {
        &self.record
    }

    /// Plays a part until it is over. Reconnects when a connection ends.
    ///
    /// # Errors
    /// Errors of the client's own files. Errors of the server are handled.
    pub fn play(&self, part: &Part) -> io::Result<()> {
        let lines = record::read(&self.record);
        let mut record = Record::open(&self.record)?;
        let (mut outbox, mut cursors) = (Outbox::of(&self.name, &lines), record::cursors(&lines));
        drop(lines);
        loop {
            if *part == Part::Settle && outbox.waiting.is_empty() || part.is_done(&cursors) {
                return Ok(());
            }
            if let Some(peer) = self.enter(part, &mut record)? {
                match part {
                    Part::Write | Part::Settle => write(peer, part, &mut outbox, &mut record)?,
                    _ => read(peer, part, &mut cursors, &mut record)?,
                }
            }
            // Anything may have happened, and it may be over in a moment.
            thread::park_timeout(PAUSE);
        }
    }

    /// Connects, logs in and enters the rooms. Returns `None` if that is not possible now.
    fn enter(&self, part: &Part, record: &mut Record) -> io::Result<Option<TestPeer>> {
        let Ok(mut peer) = TestPeer::try_connect(self.server, PATIENCE) else { return Ok(None) };
        let Some(welcome) = self.log_in(&mut peer) else { return Ok(None) };
        // The previous token stays valid until this one is used, so a kill in between does not lock anybody out.
        let token = welcome["token"].as_str().unwrap_or_default();
        let fresh = self.token.with_extension("fresh");
        std::fs::write(&fresh, token)?;
        std::fs::rename(&fresh, &self.token)?;
        record.write(&[Line::Epoch(welcome["epoch"].as_str().unwrap_or_default().to_owned())])?;
        let rooms = welcome["rooms"].as_array().map(Vec::as_slice).unwrap_or_default();
        if part.is_initiated() && rooms.iter().all(|room| room["room"] != VAULT) {
            let joined = peer.try_answer_to("join", json!({"type": "join", "room": VAULT, "tail": 0}));
            if joined.is_none_or(|frame| frame["type"] != "room") {
                return Ok(None);
            }
        }
        Ok(Some(peer))
    }

    /// Logs in by token, otherwise by password, otherwise as a new account. Returns `None` if the connection ended, or
    /// the server refuses for now.
    fn log_in(&self, peer: &mut TestPeer) -> Option<Value> {
        let mut ask = |frame: Value| peer.try_answer_to("login", frame);
        if let Ok(token) = std::fs::read_to_string(&self.token) {
            let answer = ask(json!({"type": "resume", "token": token}))?;
            if answer["type"] == "welcome" {
                return Some(answer);
            }
        }
        for kind in ["register", "login"] {
            let answer = ask(json!({"type": kind, "username": self.name, "password": PASSWORD}))?;
            if answer["type"] == "welcome" {
                return Some(answer);
            }
        }
        None
    }
}

/// A writer's unanswered posts, and the number of its next post.
struct Outbox {
    writer: String,
    waiting: VecDeque<(String, String)>,
    next: u64,
}

impl Outbox {
    fn of(writer: &str, lines: &[Line]) -> Self {
        let mut outbox = Self { writer: writer.to_owned(), waiting: VecDeque::new(), next: 0 };
        for line in lines {
            match line {
                Line::Sent { room, id } => {
                    outbox.waiting.push_back((room.clone(), id.clone()));
                    outbox.next += 1;
                }
                Line::Acked { id, .. } => outbox.settle(id),
                _ => {}
            }
        }
        outbox
    }

    fn settle(&mut self, id: &str) {
        // Answers come in order, so the search ends at once.
        if let Some(at) = self.waiting.iter().position(|(_, waiting)| waiting == id) {
            self.waiting.remove(at);
        }
    }

    /// Makes new posts until the window is full, as lines of the record.
    fn fill(&mut self) -> Vec<Line> {
        let first = self.waiting.len();
        while self.waiting.len() < WINDOW {
            let room = if self.next.is_multiple_of(4) { VAULT } else { "lobby" };
            self.waiting.push_back((room.to_owned(), post_id(&self.writer, self.next)));
            self.next += 1;
        }
        let fresh = self.waiting.iter().skip(first);
        fresh.map(|(room, id)| Line::Sent { room: room.clone(), id: id.clone() }).collect()
    }
}

/// Returns 32 hex digits that identify a writer's post.
fn post_id(writer: &str, number: u64) -> String {
    let name = writer.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    format!("{name:016x}{number:016x}")
}

/// Posts until the connection ends, or nothing is left to settle. It works in bursts: a full window, then all of its
/// answers.
fn write(mut peer: TestPeer, part: &Part, outbox: &mut Outbox, record: &mut Record) -> io::Result<()> {
    loop {
        if *part == Part::Write {
            record.write(&outbox.fill())?;
        }
        let mut lines = String::new();
        for (room, id) in outbox.waiting.iter().take(WINDOW) {
            // Bodies of several sizes, so that pages of the database fill and split.
            let padding = ".".repeat(usize::from(id.as_bytes()[31]) * 2);
            let frame = json!({"type": "send", "id": id, "room": room, "message": format!("{id} {padding}")});
            lines += &format!("{frame}\n");
        }
        peer.write_bytes(lines.as_bytes());
        let mut under_way = outbox.waiting.len().min(WINDOW);
        while under_way > 0 {
            let Some(frames) = next_frames(&mut peer) else { return Ok(()) };
            let acks: Vec<Line> = frames.iter().filter_map(acked).collect();
            record.write(&acks)?;
            for ack in &acks {
                if let Line::Acked { id, .. } = ack {
                    outbox.settle(id);
                }
            }
            if frames.iter().any(|frame| frame["type"] == "error") {
                // The post was refused. Later ones must not overtake it, so everything left is sent again.
                return Ok(());
            }
            under_way -= acks.len().min(under_way);
        }
        if outbox.waiting.is_empty() && *part == Part::Settle {
            return Ok(());
        }
    }
}

/// Returns the next frame, and those that arrived with it, which are written down together.
fn next_frames(peer: &mut TestPeer) -> Option<Vec<Value>> {
    let first = peer.next_frame()?;
    Some(std::iter::once(first).chain(std::iter::from_fn(|| peer.ready_frame())).collect())
}

/// Returns the line for an ack, or `None` for other frames.
fn acked(frame: &Value) -> Option<Line> {
    let word = |key: &str| frame[key].as_str().map(str::to_owned);
    let line = || Some(Line::Acked { room: word("room")?, id: word("id")?, seq: frame["seq"].as_u64()? });
    if frame["type"] == "ack" { line() } else { None }
}

/// Reads until the connection ends, or the wanted positions were shown.
fn read(
    mut peer: TestPeer,
    part: &Part,
    cursors: &mut BTreeMap<String, u64>,
    record: &mut Record,
) -> io::Result<()> {
    if !part.is_initiated() {
        let history = peer.try_answer_to("pry", json!({"type": "history", "room": VAULT}));
        record.write(&history.iter().filter_map(leaked).collect::<Vec<_>>())?;
    }
    let rooms: &[&str] = if part.is_initiated() { &["lobby", VAULT] } else { &["lobby"] };
    let from: BTreeMap<_, _> =
        rooms.iter().map(|room| (*room, cursors.get(*room).copied().unwrap_or(0))).collect();
    if peer.try_answer_to("attach", json!({"type": "attach", "cursors": from, "tail": 0})).is_none() {
        return Ok(());
    }
    while !part.is_done(cursors) {
        let Some(frames) = next_frames(&mut peer) else { return Ok(()) };
        let lines: Vec<Line> = frames.iter().filter_map(seen).collect();
        record.write(&lines)?;
        cursors.extend(record::cursors(&lines));
    }
    Ok(())
}

/// Returns the line for an entry, or `None` for other frames.
pub fn seen(frame: &Value) -> Option<Line> {
    Some(Line::Seen { room: frame["room"].as_str()?.to_owned(), entry: entry_of(frame)? })
}

/// Returns the entry in a frame, if it is one.
pub(super) fn entry_of(frame: &Value) -> Option<Entry> {
    let kind = frame["type"].as_str()?;
    let (id, post) = match kind {
        "message" => (frame["id"].as_str()?, frame["message"].as_str()?.split(' ').next()?),
        "joined" | "left" => ("-", kind),
        _ => return None,
    };
    let author = frame["username"].as_str()?.to_owned();
    Some(Entry { seq: frame["seq"].as_u64()?, author, id: id.to_owned(), post: post.to_owned() })
}

/// Returns what an answer reveals about the vault to a client that is not in it; a refusal reveals nothing.
fn leaked(answer: &Value) -> Option<Line> {
    if answer["type"] == "error" {
        return None;
    }
    let entry = Entry { seq: 0, author: "-".into(), id: "-".into(), post: "leaked".into() };
    Some(Line::Seen { room: VAULT.to_owned(), entry })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_survive_a_command_line() {
        let until = BTreeMap::from([("lobby".to_owned(), 7), (VAULT.to_owned(), 2)]);
        for part in [Part::Write, Part::Settle, Part::Read, Part::ReadUntil(until.clone()), Part::Pry] {
            assert_eq!(Part::parse(&part.words()), Some(part));
        }
        assert!(Part::ReadUntil(until.clone()).is_done(&until));
        assert!(!Part::ReadUntil(until).is_done(&BTreeMap::from([("lobby".to_owned(), 7)])));
        assert_eq!(Part::parse(&["write".to_owned(), "lobby".to_owned()]), None);
    }

    #[test]
    fn an_outbox_is_what_was_sent_and_not_acknowledged() {
        let sent = |n| Line::Sent { room: "lobby".into(), id: post_id("ana", n) };
        let acked = Line::Acked { room: "lobby".into(), id: post_id("ana", 0), seq: 9 };
        let mut outbox = Outbox::of("ana", &[sent(0), sent(1), acked, sent(2)]);
        assert_eq!(outbox.waiting.len(), 2);
        let fresh = outbox.fill();
        assert_eq!(fresh.len(), WINDOW - 2);
        assert_eq!(fresh[0], Line::Sent { room: "lobby".into(), id: post_id("ana", 3) });
    }
}
