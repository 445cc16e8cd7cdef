//! The ledger: compares what was acknowledged with what is kept, while everything that can fail fails.
//!
//! A violation prints the seed; `LANCHAT_SEED=N` draws the same faults and pauses again. The long run, 2,000 kills
//! and a million acknowledged posts: `LANCHAT_LEDGER=long cargo test -p lanchat-tests --test ledger -- --nocapture`.
#![cfg(unix)]

use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use lanchat_tests::ledger::client::seen;
use lanchat_tests::ledger::record::Line;
use lanchat_tests::ledger::{Arena, Cast, Evidence, Fault, Nemesis, Seed, Tally, Violation, check, long_run};
use lanchat_tests::{Addressing, Home, Host, Lan, Pipe, Process, ServerSpec, Signal, TestServer, skipped};

const CAST: Cast = Cast { writers: 2, readers: 2 };
/// Kills of one server in one round; its data lives through all of them.
const KILLS_PER_ROUND: usize = 50;
/// How often a server dies at each chosen point.
const AIMED: usize = 5;

fn client() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ledger-client"))
}

/// Prints a line past the capture of the test runner.
fn tell(words: &str) {
    // If a test run has no stderr, there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "ledger: {words}");
}

fn seed_of(test: &str) -> Seed {
    let seed = Seed::from_environment();
    tell(&format!("{test}: LANCHAT_SEED={}", seed.start()));
    seed
}

/// Fails with the seed and the names of what is wrong.
fn expect_clean(seed: &Seed, evidence: &Evidence) {
    let found = check(evidence);
    assert!(found.is_empty(), "LANCHAT_SEED={}: {found:#?}", seed.start());
}

/// Runs one server that is killed again and again while its clients work.
fn round(seed: Seed) -> (Tally, usize) {
    let mut arena = Arena::open(TestServer::start(), client(), CAST);
    let mut nemesis = Nemesis::new(seed.clone());
    nemesis.torment(&mut arena, KILLS_PER_ROUND);
    if long_run() {
        // The log grows during a calm, so that recovery and replay after the next kills have something to do.
        arena.wait_for_acks(20_000);
        nemesis.torment(&mut arena, 2 * KILLS_PER_ROUND);
    }
    let evidence = arena.close();
    expect_clean(&seed, &evidence);
    (nemesis.tally().clone(), evidence.acked())
}

/// I1 to I6 and I8 under kills at random, resets, half-closed and stalled links, and both sides stopped.
#[test]
fn whatever_is_broken_at_random_nothing_acknowledged_is_lost_doubled_or_reordered() {
    let seed = seed_of("random faults");
    let (kills, acks) = if long_run() { (2_000, 1_000_000) } else { (200, 1) };
    let (rounds, total) = (AtomicUsize::new(0), Mutex::new((Tally::new(), 0)));
    let work = || loop {
        let number = rounds.fetch_add(1, Ordering::Relaxed);
        if number * KILLS_PER_ROUND >= kills && total.lock().unwrap().1 >= acks {
            return;
        }
        let (tally, acked) = round(seed.branch(number as u64));
        let mut total = total.lock().unwrap();
        tally.iter().for_each(|(fault, count)| *total.0.entry(*fault).or_default() += count);
        total.1 += acked;
        tell(&format!("round {number}: {acked} acknowledged; so far {}, {:?}", total.1, total.0));
    };
    thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
    let (tally, acked) = total.into_inner().unwrap();
    assert!(tally[&Fault::KillServer] >= kills && acked >= acks, "{tally:?}, {acked}");
}

/// Returns a failpoint that works `times` times, and then does what `then` says.
fn after(times: u64, then: &str) -> String {
    if times == 0 { then.to_owned() } else { format!("{times}*off->{then}") }
}

/// Starts an armed server and lets it die of its failpoint, during a shutdown if the failpoint is there.
fn die(arena: &mut Arena, failpoints: &str) {
    arena.server.arm(failpoints);
    if !arena.server.try_start_again() {
        return;
    }
    if failpoints.starts_with("server::in_shutdown") {
        arena.wait_for_acks(40);
        arena.server.signal(Signal::Terminate);
    }
    assert_eq!(arena.server.wait(), -1, "{failpoints}: it must crash");
}

/// I1 to I6 and I8 when the server dies at the worst moments.
#[test]
fn a_server_that_dies_at_an_aimed_point_loses_doubles_and_reorders_nothing() {
    let seed = seed_of("aimed points");
    let mut chance = seed.branch(1000);
    let (home, mut server) = (Home::new(), TestServer::start());
    let mut shipped = Pipe::json(&home, server.address(), "shipped");
    server.kill();
    let mut arena = Arena::open(server, client(), CAST);
    // Each point comes with how often it may succeed first.
    let points = [
        ("store::before_commit", 200),
        ("store::after_commit", 200),
        ("hub::before_fan_out", 200),
        ("hub::before_ack", 1000),
        ("store::in_checkpoint", 1),
        ("server::in_shutdown", 3),
    ];
    for turn in 0..AIMED {
        for (point, spread) in points {
            // Half of the time it pauses first, so that earlier effects reach others.
            let crash = ["return", "return(30)"][turn % 2];
            die(&mut arena, &format!("{point}={}", after(chance.below(spread), crash)));
        }
    }
    step_the_clock(&mut arena);
    let mut evidence = arena.close();
    let shown = shown_to(&mut shipped, evidence.logs["lobby"].len() as u64);
    evidence.add_reader("shipped", shown);
    expect_clean(&seed, &evidence);
    tell(&format!("aimed points: {AIMED} deaths at each of {points:?}; {} acknowledged", evidence.acked()));
}

/// Returns what the shipped client was shown of the lobby, up to a position. It reconnects by itself, with its polite
/// waits.
fn shown_to(shipped: &mut Pipe, head: u64) -> Vec<Line> {
    let mut lines = Vec::new();
    loop {
        lines.extend(shipped.expect_frame(seen));
        if lines.last().is_some_and(|line| matches!(line, Line::Seen { entry, .. } if entry.seq >= head)) {
            return lines;
        }
    }
}

/// Moves the wall clock a year ahead and then two back, and kills the server that saw it.
fn step_the_clock(arena: &mut Arena) {
    let year = 365 * 24 * 3600 * 1000_i64;
    arena.server.arm(&format!("store::clock=500*off->1000*return({year})->return(-{year})"));
    arena.server.start_again();
    arena.wait_for_acks(2000);
    arena.server.kill();
    arena.server.disarm();
    arena.server.start_again();
}

/// A server that dies while it makes its database comes up the next time, and serves.
#[test]
fn a_server_that_dies_in_a_migration_starts_again_and_serves() {
    let seed = seed_of("migration");
    let mut server = TestServer::start();
    for turn in 0..AIMED as u64 {
        // Before a step, twice within it, and after it.
        for place in 0..4 {
            server.kill();
            for path in server.data_files() {
                std::fs::remove_file(path).unwrap();
            }
            server.arm(&format!("store::in_migration={}", after(place, "return")));
            assert!(!server.try_start_again(), "turn {turn}: it must crash at place {place}");
            server.disarm();
            server.start_again();
        }
    }
    let mut arena = Arena::open(server, client(), CAST);
    arena.wait_for_acks(100);
    expect_clean(&seed, &arena.close());
}

/// Makes a host lose one packet in twenty and, if the kernel has netem, deliver others out of order. Returns whether
/// that worked.
fn make_lossy(host: &Host) -> bool {
    let netem = "tc qdisc add dev lan0 root netem loss 5% delay 2ms 1ms reorder 25%";
    let rule = "add table inet loss; add chain inet loss in { type filter hook input priority 0; };
                add rule inet loss in iifname lan0 numgen random mod 20 == 0 drop";
    let runs = |script: &str| Process::run(&host.launch("sh").args(["-c", script]), "").0 == 0;
    if runs(netem) {
        return true;
    }
    skipped("packets out of order need netem");
    let drops = runs(&format!("nft '{rule}'"));
    if !drops {
        skipped("lost packets need netem or nftables");
    }
    drops
}

/// The link loses one packet in twenty, and delivers some of the others out of order.
#[test]
fn a_link_that_loses_and_reorders_packets_costs_nothing() {
    let Some(lan) = Lan::new(2, Addressing::Both) else { return };
    let [host, guest] = lan.hosts() else { panic!("two hosts") };
    if !make_lossy(host) || !make_lossy(guest) {
        return;
    }
    let seed = seed_of("lossy link");
    let listen = format!("{}:7072", host.ipv4()).parse().unwrap();
    let spec = ServerSpec { place: host.place(), listen: Some(listen), ..ServerSpec::default() };
    let mut arena = Arena::open_at(TestServer::start_as(spec), None, client(), CAST, &guest.place());
    let mut nemesis = Nemesis::new(seed.clone());
    for _ in 0..5 {
        arena.wait_for_acks(100);
        nemesis.strike(&mut arena, Fault::KillServer);
    }
    arena.come_home();
    expect_clean(&seed, &arena.close());
}

/// Runs a deliberately wrong server as `scene` says, until the checker names a violation that `is_it` accepts. The
/// server's behaviour in one run depends on when it dies; in ten runs the fault shows.
fn expect_caught(scene: impl Fn(&mut Arena), wrong: &str, is_it: impl Fn(&Violation) -> bool) {
    let mut verdicts = Vec::new();
    for _ in 0..10 {
        let spec = ServerSpec::default().faulty(wrong);
        let mut arena = Arena::open(TestServer::start_as(spec), client(), CAST);
        scene(&mut arena);
        arena.server.disarm();
        arena.server.start_again();
        let found = check(&arena.close());
        if let Some(caught) = found.iter().find(|violation| is_it(violation)) {
            return tell(&format!("negative control {wrong}: caught as {caught:?}"));
        }
        verdicts.push(found);
    }
    panic!("{wrong} was not caught: {verdicts:#?}");
}

/// Lets the server serve for a while, and kills it.
fn serve_and_die(arena: &mut Arena) {
    arena.wait_for_acks(300);
    arena.server.kill();
}

/// Waits until the server dies by itself.
fn wait_for_death(arena: &mut Arena) {
    assert_eq!(arena.server.wait(), -1, "it must crash");
}

#[test]
fn control_an_ack_before_the_commit_is_a_lost_ack() {
    let wrong = "hub::ack_before_commit=return;store::before_commit=60*off->return(100)";
    expect_caught(wait_for_death, wrong, |found| matches!(found, Violation::LostAck { .. }));
}

#[test]
fn control_a_fan_out_before_the_commit_is_a_phantom() {
    let wrong = "hub::fan_out_before_commit=return;store::before_commit=60*off->return(100)";
    expect_caught(wait_for_death, wrong, |found| matches!(found, Violation::Phantom { .. }));
}

#[test]
fn control_a_resend_that_is_not_recognised_is_doubled() {
    let scene = |arena: &mut Arena| {
        wait_for_death(arena);
        // Posts that were committed but not acknowledged are sent again, to a server that should recognise them.
        arena.server.arm("store::dedupe_off=return");
        arena.server.start_again();
        serve_and_die(arena);
    };
    let wrong = "store::after_commit=60*off->return";
    expect_caught(scene, wrong, |found| matches!(found, Violation::Doubled { .. }));
}

#[test]
fn control_a_page_that_begins_one_too_late_is_a_hole() {
    let wrong = "store::page_off_by_one=return;hub::gap_unchecked=return";
    expect_caught(serve_and_die, wrong, |found| matches!(found, Violation::Hole { .. }));
}

#[test]
fn control_a_ring_overrun_that_is_not_repaired_is_a_hole() {
    let wrong = "hub::ring_overrun=return;hub::gap_unchecked=return";
    expect_caught(serve_and_die, wrong, |found| matches!(found, Violation::Hole { .. }));
}
