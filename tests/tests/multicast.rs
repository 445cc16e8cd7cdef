//! A link flooded with multicast DNS: no program grows, and the server is found all the same.
#![cfg(target_os = "linux")]

use std::fs;
use std::time::Duration;

use lanchat_tests::mdns_flood::FloodKind;
use lanchat_tests::{
    Addressing, Home, Host, Lan, Process, ServerSpec, Terminal, TestServer, interpreter, lanchat, report,
};

/// The promise, whatever is sent and for however long.
const GROWTH_MAX_KIB: u64 = 32 * 1024;
/// How long a flood of one kind lasts: a program that keeps what it hears has grown far past the bound by then.
const FLOOD: Duration = Duration::from_secs(6);

/// Claims the name "attic" and each name that it may be changed to, again and again: `CLAIMS ADDRESS probe` probes for
/// them with greater data (RFC 6762 §8.2), `CLAIMS ADDRESS both` also announces them. Prints "begun" when it has begun.
const CLAIMS: &str = r"
import socket, struct, sys, time
group = ('224.0.0.251', 5353)
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
link.bind(('', 5353))
link.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[1]))
link.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
def name(*labels): return b''.join(bytes([len(label)]) + label for label in labels) + bytes(1)
def messages(instance):
    owner = name(instance, b'_lanchat', b'_tcp', b'local')
    data = struct.pack('>HHH', 65535, 65535, 65535) + name(b'rogue', b'local')
    srv = owner + struct.pack('>HHIH', 33, 1, 120, len(data)) + data
    yield struct.pack('>6H', 0, 0, 1, 0, 1, 0) + owner + struct.pack('>HH', 255, 1) + srv
    if sys.argv[2] == 'both': yield struct.pack('>6H', 0, 0x8400, 0, 1, 0, 0) + srv
names = [b'attic'] + [b'attic (%d)' % number for number in range(2, 20)]
claims = [message for instance in names for message in messages(instance)]
begun = False
while True:
    for message in claims: link.sendto(message, group)
    if not begun: print('begun', flush=True)
    begun = True
    time.sleep(0.1)
";

/// Returns the resident memory of a process and its peak, in KiB.
fn resident(id: i32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux tells it");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    };
    (field("VmRSS:"), field("VmHWM:"))
}

fn flood(host: &Host, kind: FloodKind) -> Process {
    let launch = host.launch(env!("CARGO_BIN_EXE_mdns-flood"));
    Process::start(&launch.args([kind.word(), &FLOOD.as_secs().to_string(), &host.ipv4()]))
}

/// Returns whether one search of the usual length finds the server.
fn discovers(host: &Host, home: &Home) -> bool {
    let (_, list, _) = Process::run(&host.launch(lanchat()).home(home).arg("discover"), "");
    list.contains("attic")
}

/// Each kind of record in turn: what a program keeps of one would still be there during the next.
#[test]
fn a_flood_of_records_costs_the_server_no_memory_and_hides_it_from_nobody() {
    let Some(lan) = Lan::new(3, Addressing::Both) else { return };
    let [server_host, attacker, client_host] = lan.hosts() else { panic!("three hosts") };
    let server = TestServer::start_as(ServerSpec::on(&server_host.place(), "attic"));
    let home = Home::new();
    assert!(discovers(client_host, &home), "found before the floods");
    let (before, _) = resident(server.id());
    for kind in FloodKind::ALL {
        let flood = flood(attacker, kind);
        assert!(discovers(client_host, &home), "found during the flood of {}", kind.word());
        assert_eq!(flood.wait(), 0, "the flood of {} was none", kind.word());
        flood.stderr.wait_for_end();
        let sent = flood.stderr.text();
        let (after, most) = resident(server.id());
        report(&format!("{}: {}: {before} KiB, then {after}, at most {most}", kind.word(), sent.trim()));
        assert!(most < before + GROWTH_MAX_KIB, "grew by {} KiB under {}", most - before, kind.word());
    }
    assert!(discovers(client_host, &home), "found after the floods");
}

/// A host that claims every name cannot keep the server from a name for longer than `limits::NAME_CONTESTED_MAX`: by
/// the end of one search it is announced, and the next search finds it.
fn is_found_while_its_names_are_claimed(claims: &str) {
    let Some(python) = interpreter() else { return };
    let Some(lan) = Lan::new(3, Addressing::Both) else { return };
    let [server_host, attacker, client_host] = lan.hosts() else { panic!("three hosts") };
    let home = Home::new();
    let claim = || {
        let launch = attacker.launch(&python);
        let claiming = Process::start(&launch.args(["-c", CLAIMS, &attacker.ipv4(), claims]));
        claiming.stdout.wait_for_text("begun");
        claiming
    };
    let claiming = claim();
    let server = TestServer::start_as(ServerSpec::on(&server_host.place(), "attic"));
    let _while_it_begins = discovers(client_host, &home);
    assert!(discovers(client_host, &home), "one that begins is found");
    drop((claiming, server));
    let server = TestServer::start_as(ServerSpec::on(&server_host.place(), "attic"));
    assert!(discovers(client_host, &home), "found while nobody claims its name");
    let claiming = claim();
    let _while_it_gives_in = discovers(client_host, &home);
    assert!(discovers(client_host, &home), "one that was there before is found");
    drop((claiming, server));
}

#[test]
fn who_asks_for_every_name_hides_no_server() {
    is_found_while_its_names_are_claimed("probe");
}

#[test]
fn who_says_to_have_every_name_hides_no_server() {
    is_found_while_its_names_are_claimed("both");
}

/// A client that looks for a server listens to the same link.
#[test]
fn a_flood_of_records_costs_who_looks_around_no_memory() {
    let Some(lan) = Lan::new(2, Addressing::Both) else { return };
    let [attacker, client_host] = lan.hosts() else { panic!("two hosts") };
    let home = Home::new();
    for kind in [FloodKind::A, FloodKind::Srv, FloodKind::Ptr, FloodKind::Advert] {
        let flood = flood(attacker, kind);
        let client = Process::start(&client_host.launch(lanchat()).home(&home).arg("discover"));
        let (mut first, mut most) = (None, 0);
        while client.status().is_none() {
            // The client may end between the two checks.
            let Ok(status) = fs::read_to_string(format!("/proc/{}/status", client.id())) else { break };
            let name = status.lines().next().unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
            if let Some(now) = now.filter(|_| name.ends_with("lanchat")) {
                first.get_or_insert(now);
                most = most.max(now);
            }
            // A sample now and then is enough: the system keeps the peak.
            std::thread::park_timeout(Duration::from_millis(20));
        }
        drop(flood);
        let first = first.expect("it was seen");
        report(&format!("{}: {first} KiB, at most {most}", kind.word()));
        assert!(most < first + GROWTH_MAX_KIB, "grew by {} KiB under {}", most - first, kind.word());
    }
}

/// A server that a client hosts is the same server.
#[test]
fn a_flood_of_records_costs_who_hosts_no_memory() {
    let Some(lan) = Lan::new(2, Addressing::Both) else { return };
    let [host, attacker] = lan.hosts() else { panic!("two hosts") };
    let home = Home::new();
    let terminal = Terminal::start(host.launch(lanchat()).home(&home).arg("host"));
    terminal.wait_for_text("/register");
    let (before, _) = resident(terminal.id());
    assert_eq!(flood(attacker, FloodKind::Srv).wait(), 0, "the flood was none");
    let (_, most) = resident(terminal.id());
    assert!(most < before + GROWTH_MAX_KIB, "grew by {} KiB", most - before);
}
