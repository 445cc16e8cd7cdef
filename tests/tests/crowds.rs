//! Two thousand clients whose server restarts: all are back soon, although the number of places before login stays
//! small. A server that runs out of descriptors accepts again when it has some.
#![cfg(target_os = "linux")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lanchat_tests::{Crowd, Light, ServerSpec, TestPeer, TestServer, report, skipped};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use tokio::task::JoinSet;
use tokio::time::Instant;

const CLIENTS: usize = 2_000;
/// An account has a bounded number of sessions.
const ACCOUNTS: usize = 80;
/// Clients that share one address, as behind a router that translates it.
const NEIGHBOURS: usize = 200;

/// Raises the descriptor limit of this process as far as the system allows. Returns `false` if that is too few for a
/// crowd.
fn make_room() -> bool {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    raised.is_ok() && limit.maximum.is_none_or(|most| most > 2 * CLIENTS as u64)
}

/// Returns the address of a client: the first ones share one address, each of the others has its own.
fn home_of(number: usize) -> Ipv4Addr {
    match number.checked_sub(NEIGHBOURS) {
        None => Ipv4Addr::new(127, 200, 0, 1),
        Some(number) => Ipv4Addr::new(127, 201, (number / 250) as u8, (number % 250 + 1) as u8),
    }
}

/// Waits for the end of a connection, and returns the seconds that the server asked to wait.
async fn end_of(mut light: Light) -> Option<u64> {
    let goodbye = light.expect("goodbye").await.ok()?;
    goodbye["retry_after"].as_u64()
}

/// Connects all clients, each after the wait it was asked for, and reports how long that took.
async fn gather(to: SocketAddr, tokens: &Arc<[String]>, asked: Vec<u64>, what: &str) -> Vec<Light> {
    let (crowd, began) = (Crowd::before(to), Instant::now());
    let mut coming = JoinSet::new();
    for (number, asked) in asked.into_iter().enumerate() {
        let (crowd, tokens) = (Arc::clone(&crowd), Arc::clone(tokens));
        coming.spawn(async move {
            let light = crowd.come(home_of(number), &tokens[number % ACCOUNTS], None, asked).await;
            (number, light, began.elapsed())
        });
    }
    let mut here = coming.join_all().await;
    here.sort_by_key(|(number, ..)| *number);
    let slowest = |from: usize, to: usize| here[from..to].iter().map(|(.., took)| *took).max();
    let refused = crowd.refused.load(Ordering::Relaxed);
    report(&format!(
        "crowds: {what}: {CLIENTS} sessions; {:?} with an address each, {:?} for the {NEIGHBOURS} behind one; \
         {refused} attempts were turned away",
        slowest(NEIGHBOURS, CLIENTS).unwrap_or_default(),
        slowest(0, NEIGHBOURS).unwrap_or_default(),
    ));
    here.into_iter().map(|(_, light, _)| light).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_clients_come_back_to_a_server_that_restarts() {
    if !make_room() {
        return skipped("the system lets a process have too few descriptors for a crowd");
    }
    let mut server = TestServer::start();
    let mut tokens = Vec::new();
    for number in 0..ACCOUNTS {
        tokens.push(Light::register(server.address(), &format!("user{number}")).await.1);
    }
    let tokens: Arc<[String]> = tokens.into();
    let crowd = gather(server.address(), &tokens, vec![0; CLIENTS], "at first").await;

    let ends: JoinSet<_> = crowd
        .into_iter()
        .enumerate()
        .map(|(number, light)| async move { (number, end_of(light).await) })
        .collect();
    assert_eq!(server.stop(), 0);
    let mut asked = ends.join_all().await;
    asked.sort_unstable();
    let asked: Vec<u64> = asked
        .into_iter()
        .map(|(number, asked)| asked.unwrap_or_else(|| panic!("{number} was not told when to come back")))
        .collect();
    let waits = |seconds: u64| asked.iter().filter(|asked| **asked == seconds).count();
    let most = asked.iter().copied().max().unwrap_or_default();
    let spread: Vec<usize> = (1..=most).map(waits).collect();
    report(&format!("crowds: clients asked to wait 1, 2, ... seconds: {spread:?}"));
    assert!(
        spread.iter().all(|count| *count < CLIENTS / 2),
        "a server spreads those that come back: {spread:?}"
    );
    server.start_again();
    let crowd = gather(server.address(), &tokens, asked, "after a restart").await;

    server.kill();
    drop(crowd);
    server.start_again();
    drop(gather(server.address(), &tokens, vec![0; CLIENTS], "after a kill").await);
    assert_eq!(server.stop(), 0);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn a_server_takes_as_many_descriptors_as_the_system_gives() {
    let starter = ["prlimit", "--nofile=64:1000", "--"].map(str::to_owned);
    let server = TestServer::start_as(ServerSpec::default().under(starter.to_vec()));
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.id())).expect("the server runs");
    let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("Linux tells it");
    assert_eq!(files.split_whitespace().nth(3), Some("1000"), "{files}");
}

#[test]
fn accepting_survives_running_out_of_descriptors() {
    let starter = ["prlimit", "--nofile=64", "--"].map(str::to_owned);
    let mut server = TestServer::start_as(ServerSpec::default().under(starter.to_vec()));
    let mut ana = TestPeer::registered(server.address(), "ana");
    // Each has an address of its own, so that the server itself does not turn anybody away.
    let crowd: Vec<Socket> = (1..=120_u8)
        .map(|number| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            let from = SocketAddr::from(([127, 202, 0, number], 0));
            socket.bind(&from.into()).expect("any loopback address is ours");
            socket.connect(&server.address().into()).expect("the kernel takes it in");
            socket
        })
        .collect();
    server.stderr().wait_for_text("accept failed");
    assert_eq!(ana.send("lobby", "still here")["type"], "ack");
    drop(crowd);
    let mut bob = TestPeer::registered(server.address(), "bob");
    bob.send("lobby", "so am I");
    assert_eq!(server.stop(), 0);
}
