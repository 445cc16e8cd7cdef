//! Power cuts: every post acknowledged or shown before a cut is there after it, once, in order, and no acknowledgement
//! leaves before the sync that covers it.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use lanchat_tests::ledger::{Seed, long_run};
use lanchat_tests::power::{
    Disk, Event, Exchange, Flaw, Ledger, Survival, Trace, acks_before_their_sync, can_trace, flaws, tracer,
};
use lanchat_tests::{PASSWORD, ServerSpec, TestPeer, TestServer, new_id, report};
use serde_json::{Value, json};

/// Makes the store commit without waiting for the disk, which is wrong, and which the checks must find.
const UNSYNCED: &str = "store::synchronous_normal=return";
/// Rounds in which each of the writers posts as much as it may without an answer.
const ROUNDS: usize = 24;
/// Posts of one writer in one round.
const POSTS: usize = 16;
/// The size of a post, large enough that the journal is checkpointed on the way.
const POST_BYTES: usize = 5000;

/// What the outside world knew at one instant.
struct Mark {
    /// The connection that was opened at that instant.
    port: u16,
    /// Acknowledgements and deliveries that had arrived.
    known: usize,
}

/// A run of a server under the tracer.
struct Run {
    trace: Trace,
    server_id: Value,
    sent: Vec<(String, String)>,
    /// In the order of their arrival.
    known: Vec<(String, u64)>,
    marks: Vec<Mark>,
}

/// Lets two writers post to a server that starts on an empty disk, until it is told to stop.
fn record(spec: ServerSpec) -> Run {
    let mut server = TestServer::start_as(spec.under(tracer(&[])));
    let mut writers = ["ana", "bob"].map(|name| TestPeer::registered(server.address(), name));
    let mut run = Run {
        trace: Trace::read("", Path::new("/")),
        server_id: writers[0].hello()["server_id"].clone(),
        sent: Vec::new(),
        known: Vec::new(),
        marks: Vec::new(),
    };
    for _ in 0..ROUNDS {
        // The greeting was heard, so everything before it has left the server.
        let port = TestPeer::connect(server.address()).port();
        run.marks.push(Mark { port, known: run.known.len() });
        for writer in &mut writers {
            for _ in 0..POSTS {
                let id = new_id();
                let text = format!("{id} {}", "power ".repeat(POST_BYTES / 6));
                let frame = json!({"type": "send", "id": id, "room": "lobby", "message": text});
                writer.write_line(&frame.to_string());
                run.sent.push((id, text));
            }
        }
        for writer in &mut writers {
            run.hear(writer);
        }
    }
    let port = TestPeer::connect(server.address()).port();
    run.marks.push(Mark { port, known: run.known.len() });
    assert_eq!(server.stop(), 0);
    run.trace = Trace::read(&server.log(), &server.data());
    run
}

impl Run {
    /// Reads until all posts of a round are acknowledged. Posts shown on the way count like acknowledged ones: they
    /// must not vanish either.
    fn hear(&mut self, writer: &mut TestPeer) {
        let mut open = POSTS;
        while open > 0 {
            let frame = writer.next_frame().expect("the server goes on");
            open -= usize::from(frame["type"] == "ack");
            if let (Some(id), Some(seq)) = (frame["id"].as_str(), frame["seq"].as_u64()) {
                self.known.push((id.to_owned(), seq));
            }
        }
    }

    /// Returns where in the trace the marks are.
    fn instants(&self) -> Vec<usize> {
        let mut passed = 0;
        let at = |mark: &Mark| {
            let (at, _) =
                self.trace.accepted(mark.port, passed).expect("each mark is in the trace, in order");
            passed = at + 1;
            at
        };
        self.marks.iter().map(at).collect()
    }

    /// Returns whether the database itself was synced while writers posted.
    fn checkpoints(&self) -> bool {
        let marks = self.instants();
        let span = &self.trace.events()[marks[0]..marks[marks.len() - 1]];
        span.contains(&Event::Synced("lanchat.db".into()))
    }

    /// Returns instants to cut at: at marks, inside and around syncs, and anywhere.
    fn cuts(&self, count: usize, chance: &mut Seed) -> Vec<usize> {
        let (marks, events) = (self.instants(), self.trace.events());
        let is_sync = |event: &Event| matches!(event, Event::SyncBegan(_) | Event::Synced(_));
        let syncs: Vec<_> = (0..events.len()).filter(|at| is_sync(&events[*at])).collect();
        let mut cuts: Vec<_> = (0..count)
            .map(|number| match number % 3 {
                0 => marks[chance.index(marks.len())] + 1,
                1 => syncs[chance.index(syncs.len())] + chance.index(2),
                _ => chance.index(events.len() + 1),
            })
            .collect();
        cuts.sort_unstable();
        cuts
    }

    /// Returns the instants of the first start, when key and database are made, at which something becomes durable or
    /// gets another name.
    fn first_start(&self) -> impl Iterator<Item = usize> {
        let events = &self.trace.events()[..self.instants()[0]];
        let matters = |event: &Event| {
            matches!(event, Event::Synced(_) | Event::Renamed(..) | Event::Removed(_) | Event::Opened(_))
        };
        events.iter().enumerate().filter(move |(_, event)| matters(event)).map(|(at, _)| at + 1)
    }

    /// Cuts the power at these instants, and returns what is wrong after each.
    fn cut(&self, cuts: &[(usize, Survival)], chance: &mut Seed) -> Vec<(usize, Survival, Vec<Flaw>)> {
        let marks = self.instants();
        let mut disk = Disk::default();
        let mut applied = 0;
        let mut found = Vec::new();
        for (at, survival) in cuts {
            self.trace.events()[applied..*at].iter().for_each(|event| disk.apply(event));
            applied = *at;
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            let data = folder.path().join("data");
            fs::create_dir(&data).expect("a folder can be made");
            fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("it is ours");
            disk.after_cut(&data, *survival, chance).expect("the disk can be written");
            let passed = marks.iter().filter(|mark| *mark < at).count();
            let known = passed.checked_sub(1).map(|last| self.marks[last].known);
            found.push((*at, *survival, self.flaws_of(&data, known)));
        }
        found
    }

    /// Starts a server on what is left, and compares it with what was `known`, or with nothing if nobody was greeted
    /// yet.
    fn flaws_of(&self, data: &Path, known: Option<usize>) -> Vec<Flaw> {
        let server = TestServer::start_as(ServerSpec::default().on_data(data));
        let mut auditor = TestPeer::connect(server.address());
        let mut found = Vec::new();
        let login = json!({"type": "login", "username": "bob", "password": PASSWORD});
        if known.is_some() {
            assert_eq!(auditor.hello()["server_id"], self.server_id, "a server that was met keeps its key");
        }
        if auditor.request(login)["type"] != "welcome" {
            found.extend(known.map(|_| Flaw::LostAccount("bob".to_owned())));
            auditor.register("auditor");
        }
        auditor.request(json!({"type": "attach", "cursors": {"lobby": 0}}));
        let is_entry = |frame: &Value| frame["seq"].is_u64() && frame["room"] == "lobby";
        let log: Vec<_> = auditor.barrier().into_iter().filter(is_entry).collect();
        let ledger = Ledger {
            sent: self.sent.iter().cloned().collect(),
            acked: self.known[..known.unwrap_or(0)].iter().cloned().collect(),
        };
        let next = auditor.send("lobby", "and life goes on");
        assert_eq!(next["seq"].as_u64(), u64::try_from(log.len()).ok().map(|head| head + 1));
        found.extend(flaws(&ledger, &log));
        found
    }
}

/// A cut at any instant loses nothing that was acknowledged (#3; PROTOCOL §6).
#[test]
fn what_was_acknowledged_survives_power_cuts() {
    if !can_trace() {
        return;
    }
    let (runs, cuts) = if long_run() { (9, 60) } else { (1, 54) };
    for number in 1..=runs {
        let mut chance = Seed::from_environment();
        let seed = chance.start();
        report(&format!("power: run {number} of {runs}, {cuts} cuts, LANCHAT_SEED={seed}"));
        let run = record(ServerSpec::default());
        assert!(run.checkpoints(), "the journal was not checkpointed on the way: post more");
        let survivals = [Survival::Nothing, Survival::Some, Survival::Some, Survival::Everything];
        let mut cuts = run.cuts(cuts, &mut chance);
        cuts.extend(run.first_start());
        cuts.sort_unstable();
        let cuts: Vec<_> = cuts.into_iter().map(|at| (at, survivals[chance.index(4)])).collect();
        for (at, survival, flaws) in run.cut(&cuts, &mut chance) {
            assert_eq!(flaws, [], "cut at {at}, of what was not synced: {survival:?}, seed {seed}");
        }
        report(&format!("power: {} messages acknowledged, {} cuts, 0 flaws", run.sent.len(), cuts.len()));
    }
}

/// The negative control: a store that does not wait for the disk loses acknowledged posts, and the check finds it.
#[test]
fn a_store_that_does_not_sync_is_found_out_by_a_power_cut() {
    if !can_trace() {
        return;
    }
    let run = record(ServerSpec::default().faulty(UNSYNCED));
    let instants = run.instants();
    let cuts: Vec<_> = instants.iter().skip(1).step_by(6).map(|at| (at + 1, Survival::Nothing)).collect();
    let flaws: Vec<_> = run.cut(&cuts, &mut Seed::new(0)).into_iter().flat_map(|(.., flaws)| flaws).collect();
    assert!(flaws.iter().any(|flaw| matches!(flaw, Flaw::LostAck(..))), "not found out: {flaws:?}");
}

/// Runs a conversation in lock step under the tracer. Returns the messages whose acknowledgement left too early.
fn early_acks(spec: ServerSpec) -> (usize, Vec<String>) {
    const MESSAGES: usize = 40;
    let mut server = TestServer::start_as(spec.under(tracer(&[])));
    let mut author = TestPeer::registered(server.address(), "ana");
    author.barrier();
    let mut exchanges = Vec::new();
    let mut before = TestPeer::connect(server.address()).port();
    for _ in 0..MESSAGES {
        let text = new_id();
        author.send("lobby", &text);
        author.expect("message");
        let after = TestPeer::connect(server.address()).port();
        exchanges.push(Exchange { text, before, after });
        before = after;
    }
    let port = author.port();
    assert_eq!(server.stop(), 0);
    let trace = Trace::read(&server.log(), &server.data());
    (exchanges.len(), acks_before_their_sync(&trace, port, &exchanges))
}

/// The order of system calls says the same as the cuts: first the disk, then the author.
#[test]
fn no_acknowledgement_leaves_before_the_sync_that_covers_it() {
    if can_trace() {
        assert_eq!(early_acks(ServerSpec::default()).1, [] as [String; 0]);
    }
}

/// The negative control of the test above.
#[test]
fn acknowledgements_that_leave_before_their_sync_are_found_out() {
    if can_trace() {
        let (messages, early) = early_acks(ServerSpec::default().faulty(UNSYNCED));
        assert_eq!(early.len(), messages, "without a sync each of them is early");
    }
}
