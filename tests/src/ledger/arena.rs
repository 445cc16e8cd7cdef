//! An arena: one server, a link that can be broken, and clients in processes of their own, with their records.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use super::checker::Evidence;
use super::client::{Client, Part, VAULT};
use super::dump::dump;
use super::record;
use crate::{DEADLINE, Launch, Place, Process, Proxy, Signal, TestPeer, TestServer};

/// The pause between two looks at a record.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Who is in an arena, apart from the client that pries.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// Clients that post.
    pub writers: usize,
    /// Clients that read.
    pub readers: usize,
}

struct Actor {
    name: String,
    part: Part,
    process: Process,
}

/// A running server and its clients.
pub struct Arena {
    /// The server.
    pub server: TestServer,
    /// The link between the server and its clients, if they have one that can be broken.
    pub link: Option<Proxy>,
    actors: Vec<Actor>,
    program: PathBuf,
    place: Place,
    folder: TempDir,
}

impl Arena {
    /// Starts the clients against a server, over a link that can be broken. `program` is the `ledger-client`.
    pub fn open(server: TestServer, program: &Path, cast: Cast) -> Self {
        let link = Proxy::to(server.address());
        Self::open_at(server, Some(link), program, cast, &Place::Here)
    }

    /// As [`Arena::open`], but with the clients at another place, and over the link that is there.
    pub fn open_at(
        server: TestServer,
        link: Option<Proxy>,
        program: &Path,
        cast: Cast,
        place: &Place,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut arena = Self {
            server,
            link,
            actors: Vec::new(),
            program: program.to_owned(),
            place: place.clone(),
            folder,
        };
        for number in 0..cast.writers {
            arena.admit(format!("writer{number}"), Part::Write);
        }
        for number in 0..cast.readers {
            arena.admit(format!("reader{number}"), Part::Read);
        }
        arena.admit("prier".to_owned(), Part::Pry);
        arena
    }

    fn admit(&mut self, name: String, part: Part) {
        let process = self.start(&name, &part);
        self.actors.push(Actor { name, part, process });
    }

    fn start(&self, name: &str, part: &Part) -> Process {
        let launch = Launch::new(&self.program).at(&self.place).arg(name);
        let launch = launch.arg(self.address().to_string()).arg(self.folder.path());
        Process::start(&launch.args(part.words()))
    }

    fn address(&self) -> SocketAddr {
        self.link.as_ref().map_or_else(|| self.server.address(), Proxy::address)
    }

    fn client(&self, name: &str) -> Client {
        Client::new(name, self.address(), self.folder.path())
    }

    /// Returns how many clients there are.
    pub fn clients(&self) -> usize {
        self.actors.len()
    }

    /// Moves the server, with its data, out of its namespace, for the end of the run.
    pub fn come_home(&mut self) {
        self.server.come_home();
        self.place = Place::Here;
    }

    /// Sends a signal to a client.
    pub fn signal_client(&self, number: usize, signal: Signal) {
        self.actors[number].process.signal(signal);
    }

    /// Kills a client, and starts it again on its record.
    pub fn kill_client(&mut self, number: usize) {
        self.actors[number].process.signal(Signal::Kill);
        self.actors[number].process.wait();
        self.actors[number].process = self.start(&self.actors[number].name, &self.actors[number].part);
    }

    /// Waits until every writer's record holds `more` acknowledged posts more than now.
    pub fn wait_for_acks(&self, more: usize) {
        let writers = || self.actors.iter().filter(|actor| actor.part == Part::Write);
        let mut counts: Vec<_> = writers().map(|actor| AckCount::of(self.client(&actor.name))).collect();
        for (actor, count) in writers().zip(&mut counts) {
            let (goal, mut until) = (count.acks + more, Instant::now() + DEADLINE);
            while count.acks < goal {
                assert!(actor.process.status().is_none(), "{} gave up", actor.name);
                assert!(Instant::now() < until, "{} is acknowledged nothing", actor.name);
                if count.go_on() {
                    until = Instant::now() + DEADLINE;
                } else {
                    // A file cannot notify us: look at it again.
                    thread::park_timeout(LOOK_AGAIN);
                }
            }
        }
    }

    /// Ends the run: every writer resends until every post is answered, the log is dumped, and every reader catches up.
    /// The server must be running and disarmed, and keeps running.
    ///
    /// # Panics
    /// When a client gave up earlier, or does not finish.
    pub fn close(&mut self) -> Evidence {
        for actor in &mut self.actors {
            let complaint = actor.process.stderr.text();
            assert!(actor.process.status().is_none(), "{} gave up: {complaint}", actor.name);
            // This kills a stopped client too.
            actor.process.signal(Signal::Kill);
            actor.process.wait();
        }
        self.finish(|part| (*part == Part::Write).then_some(Part::Settle));
        // A reader that a bad link kept out until now would add an entry that the dump does not hold.
        self.read_until(&BTreeMap::from(["lobby", VAULT].map(|room| (room.to_owned(), 1))));
        let logs = self.dump();
        let head = |log: &Vec<record::Entry>| log.last().map_or(0, |entry| entry.seq);
        self.read_until(&logs.iter().map(|(room, log)| (room.clone(), head(log))).collect());
        let mut evidence = Evidence { logs, ..Evidence::default() };
        for Actor { name, part, .. } in &self.actors {
            let lines = record::read(self.client(name).record());
            match part {
                Part::Write => drop(evidence.writers.insert(name.clone(), lines)),
                Part::Pry => evidence.add_reader(name, lines),
                _ => drop(evidence.readers.insert(name.clone(), lines)),
            }
        }
        evidence
    }

    /// Lets every reader read up to these positions of the rooms that it may see.
    fn read_until(&self, heads: &BTreeMap<String, u64>) {
        let lobby = BTreeMap::from([("lobby".to_owned(), heads["lobby"])]);
        self.finish(|part| match part {
            Part::Read => Some(Part::ReadUntil(heads.clone())),
            Part::Pry => Some(Part::PryUntil(lobby.clone())),
            _ => None,
        });
    }

    /// Lets clients with a last part play it, all at once, and waits for them.
    fn finish(&self, last: impl Fn(&Part) -> Option<Part>) {
        let parts = self.actors.iter().filter_map(|actor| Some((&actor.name, last(&actor.part)?)));
        let running: Vec<_> = parts.map(|(name, part)| (name, self.start(name, &part))).collect();
        for (name, process) in running {
            assert_eq!(process.wait(), 0, "{name} fails: {}", process.stderr.text());
        }
    }

    fn dump(&self) -> BTreeMap<String, Vec<record::Entry>> {
        let mut auditor = TestPeer::connect(self.server.address());
        auditor.register("auditor");
        let joined = auditor.request(json!({"type": "join", "room": VAULT, "tail": 0}));
        assert_eq!(joined["type"], "room", "{joined}");
        ["lobby", VAULT].into_iter().map(|room| (room.to_owned(), dump(&mut auditor, room))).collect()
    }
}

/// Counts the acks in a growing record.
struct AckCount {
    path: PathBuf,
    read: u64,
    acks: usize,
}

impl AckCount {
    fn of(client: Client) -> Self {
        let mut count = Self { path: client.record().to_owned(), read: 0, acks: 0 };
        count.go_on();
        count
    }

    /// Counts the acks since the last call. Returns whether there were any.
    fn go_on(&mut self) -> bool {
        let mut fresh = Vec::new();
        let opened = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.read))?;
            file.read_to_end(&mut fresh)
        });
        if opened.is_err() {
            // The client has written nothing yet.
            return false;
        }
        let whole = fresh.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines = fresh[..whole].split(|byte| *byte == b'\n');
        let acks = lines.filter(|line| line.starts_with(b"acked ")).count();
        self.read += whole as u64;
        self.acks += acks;
        acks > 0
    }
}

impl Evidence {
    /// Returns how many posts were acknowledged, each counted once.
    pub fn acked(&self) -> usize {
        let lines = self.writers.values().flatten();
        let ids = lines.filter_map(|line| match line {
            record::Line::Acked { id, .. } => Some(id),
            _ => None,
        });
        ids.collect::<BTreeSet<_>>().len()
    }
}
