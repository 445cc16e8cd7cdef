//! Strangers before the login: however many connections they hold, and from however many addresses, they cannot keep
//! anybody out, and a user who waits at the prompt does not notice them.
#![cfg(target_os = "linux")]

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Instant;

use lanchat_model::limits;
use lanchat_tests::{
    Addressing, DEADLINE, Home, Host, Lan, PASSWORD, Pipe, Place, Process, Proxy, ServerSpec, Terminal,
    TestPeer, TestServer, interpreter, lanchat, skipped,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use socket2::{Domain, Socket, Type};

/// Opens silent connections to argv[2:] from each of argv[1] addresses `PREFIX:N`, and holds those that are left.
const SILENT: &str = r"
import ipaddress, socket, sys
count, target, interface = int(sys.argv[1]), sys.argv[2], sys.argv[3]
prefix, held = ipaddress.IPv6Address(sys.argv[4]), []
to = socket.getaddrinfo(target + ('%' + interface if interface else ''), 7072)[0][4]
for round in range(1200 // count + 1):
    for number in range(count):
        silent = socket.socket(socket.AF_INET6)
        at = str(prefix + number) + ('%' + interface if interface else '')
        silent.bind(socket.getaddrinfo(at, 0)[0][4])
        silent.settimeout(2)
        try:
            silent.connect(to)
        except OSError:
            pass
        held.append(silent)
print('held', flush=True)
sys.stdin.read()
";

/// Raises the descriptor limit of this process as far as the system allows. Returns `false` if that is too few for the
/// tests.
fn make_room() -> bool {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let is_enough = raised.is_ok() && limit.maximum.is_none_or(|most| most > 4000);
    if !is_enough {
        skipped("the system lets a process have too few descriptors for a crowd");
    }
    is_enough
}

/// Opens more silent connections from this address than a server has places.
fn silent(server: &TestServer, from: Ipv4Addr) -> Vec<Socket> {
    let connect = |_| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((from, 0)).into()).expect("any loopback address is ours");
        socket.connect(&server.address().into()).expect("the kernel takes it in");
        socket
    };
    (0..limits::CONNECTIONS_BEFORE_LOGIN_MAX + 100).map(connect).collect()
}

#[test]
fn silent_connections_keep_nobody_out_not_even_at_their_own_address() {
    if !make_room() {
        return;
    }
    let server = TestServer::start();
    let elsewhere = silent(&server, Ipv4Addr::new(127, 9, 0, 1));
    let mut ana = TestPeer::registered(server.address(), "ana");
    let here = silent(&server, Ipv4Addr::LOCALHOST);
    let mut bob = TestPeer::registered(server.address(), "bob");
    let held = elsewhere.iter().chain(&here).filter(|socket| is_open(socket)).count();
    assert!(held <= limits::CONNECTIONS_BEFORE_LOGIN_MAX, "{held} are held");
    ana.attach();
    bob.send("lobby", "we are in");
    ana.expect_where("message", |frame| frame["message"] == "we are in");
}

/// Returns whether the server has not closed it.
fn is_open(socket: &Socket) -> bool {
    use std::io::{ErrorKind, Read};
    let mut stream = TcpStream::from(socket.try_clone().expect("there are descriptors"));
    stream.set_nonblocking(true).expect("a socket need not block");
    stream.read(&mut [0; 1]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// The first connection to be closed is told why, in words that a client of any version understands (PROTOCOL §2).
#[test]
fn the_oldest_is_told_that_its_place_is_needed() {
    if !make_room() {
        return;
    }
    let server = TestServer::start();
    let mut oldest = TestPeer::connect(server.address());
    assert_eq!(oldest.request(json!({"type": "ping"}))["type"], "pong");
    let _crowd = silent(&server, Ipv4Addr::LOCALHOST);
    let told = oldest.next_frame().expect("a word");
    assert_eq!((&told["code"], &told["fatal"]), (&json!("login_timeout"), &json!(true)), "{told}");
    assert!(told["reason"].as_str().is_some_and(|reason| reason.contains("crowded")), "{told}");
    assert_eq!(oldest.next_frame(), None);
}

/// A user who reads the welcome is not disturbed, and what is finally typed is sent (#10, item 5).
#[test]
fn a_person_at_the_prompt_holds_no_place_and_gets_in_all_the_same() {
    if !make_room() {
        return;
    }
    let (server, home) = (TestServer::start(), Home::new());
    let first = silent(&server, Ipv4Addr::LOCALHOST);
    let at = ["--server".to_owned(), server.address().to_string()];
    let mut terminal = Terminal::start(lanchat_tests::Launch::new(lanchat()).home(&home).args(at));
    terminal.wait_for_text("/register");
    let mut later = TestPeer::connect(server.address());
    let second = silent(&server, Ipv4Addr::LOCALHOST);
    assert_eq!(
        later.next_frame().expect("a word")["code"],
        "login_timeout",
        "those before it went before it"
    );
    terminal.enter("/register ana");
    for question in ["New password", "same again"] {
        terminal.wait_for_text(question);
        terminal.enter(PASSWORD);
    }
    terminal.wait_for_text("lobby>");
    let said = terminal.transcript().concat();
    assert!(!said.contains("lost") && !said.contains("crowded"), "{said}");
    drop((first, second));
}

/// Starts a process on a host that opens and holds silent connections from `count` addresses, starting at `prefix`.
fn crowd_of(host: &Host, prefix: &str, count: usize, target: &str, interface: &str) -> Option<Process> {
    let addresses: Vec<String> = (0..count)
        .map(|number| {
            let base: std::net::Ipv6Addr = prefix.parse().expect("an address");
            let address = std::net::Ipv6Addr::from(u128::from(base) + number as u128);
            format!("address add {address}/64 dev lan0 nodad")
        })
        .collect();
    addresses.iter().for_each(|words| host.ip(words));
    let launch =
        host.launch(interpreter()?).args(["-c", SILENT, &count.to_string(), target, interface, prefix]);
    let crowd = Process::start(&launch);
    crowd.stdout.wait_for_text("held");
    Some(crowd)
}

/// Registers an account at the server from this host.
fn gets_in(host: &Host, target: &str, name: &str) {
    let home = Home::new();
    let mut pipe = Pipe::start(&home, &host.place(), &["--plain", "--server", target]);
    pipe.process().write(&format!("/register {name} {PASSWORD}\nhello\n"));
    assert_eq!(pipe.finish(), 0, "{}", pipe.complaints());
}

/// One host attacks with 40 link-local addresses, and with 16 connections from one address of the common network.
#[test]
fn one_ipv6_host_keeps_nobody_out_of_its_link_and_its_network() {
    let Some(lan) = Lan::new(3, Addressing::LinkLocal) else { return };
    let [server_host, attacker, victim] = lan.hosts() else { panic!("three hosts") };
    server_host.ip("address add fe80::5/64 dev lan0 nodad");
    server_host.ip("address add fd00:77::5/64 dev lan0 nodad");
    victim.ip("address add fd00:77::7/64 dev lan0 nodad");
    let mut server = TestServer::start_as(ServerSpec::on(&server_host.place(), "attic"));
    let Some(_crowd) = crowd_of(attacker, "fe80::1000", 40, "fe80::5", "lan0") else { return };
    gets_in(victim, "[fe80::5%lan0]:7072", "ana");
    let _more = crowd_of(attacker, "fd00:77::1000", 1, "fd00:77::5", "");
    gets_in(victim, "[fd00:77::5]:7072", "bob");
    assert_eq!(server.stop(), 0);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn seventeen_people_behind_one_address_read_the_welcome_and_a_pipe_gets_through() {
    let (server, home) = (TestServer::start(), Home::new());
    let at = ["--plain", "--server", &server.address().to_string()].map(str::to_owned);
    let at: Vec<&str> = at.iter().map(String::as_str).collect();
    let homes: Vec<Home> = (0..17).map(|_| Home::new()).collect();
    let mut readers: Vec<Pipe> = homes.iter().map(|home| Pipe::start(home, &Place::Here, &at)).collect();
    for reader in &mut readers {
        reader.process().stderr.wait_for_text("ot yet verified");
    }
    let mut pipe = Pipe::start(&home, &Place::Here, &at);
    pipe.process().write(&format!("/register ci {PASSWORD}\nthe build failed\n"));
    assert_eq!(pipe.finish(), 0, "{}", pipe.complaints());
}

/// Starts a pipe to the server behind the proxy.
fn pipe(home: &Home, proxy: &Proxy) -> Pipe {
    Pipe::start(home, &Place::Here, &["--plain", "--server", &proxy.address().to_string()])
}

/// A known server closes the connection without a word: the client says so and tries again, and no line is lost.
#[test]
fn a_client_that_is_turned_away_says_that_it_is_crowded_and_its_lines_are_sent() {
    let (server, home) = (TestServer::start(), Home::new());
    let proxy = Proxy::to(server.address());
    let mut first = pipe(&home, &proxy);
    first.process().write(&format!("/register ci {PASSWORD}\n"));
    assert_eq!(first.finish(), 0, "{}", first.complaints());
    proxy.cut();
    let mut later = pipe(&home, &proxy);
    later.process().write("the build failed\n");
    later.process().stderr.wait_for_text("The server is crowded");
    proxy.join(server.address());
    assert_eq!(later.finish(), 0, "{}", later.complaints());
    let mut ana = TestPeer::registered(server.address(), "ana");
    let told = ana.request(json!({"type": "history", "room": "lobby"}));
    assert_eq!(told["entries"].to_string().matches("the build failed").count(), 1, "{told}");
}

/// Waits until the client has closed its side of a cut connection. Until then Linux lists it as established (1) or as
/// closed by the peer only (8).
fn wait_until_noticed(proxy: &Proxy) {
    let (port, began) = (format!(":{:04X}", proxy.address().port()), Instant::now());
    let is_held = |line: &str| {
        let mut fields = line.split_whitespace().skip(2);
        fields.next().is_some_and(|remote| remote.ends_with(&port))
            && fields.next().is_some_and(|state| state == "01" || state == "08")
    };
    while std::fs::read_to_string("/proc/net/tcp").expect("Linux lists sockets").lines().any(is_held) {
        assert!(began.elapsed() < DEADLINE, "the client does not notice");
        std::thread::yield_now();
    }
}

/// A user who waits at the prompt and then logs in meets the same, and waits.
#[test]
fn a_login_that_finds_the_server_crowded_is_sent_when_there_is_a_place() {
    let (server, home) = (TestServer::start(), Home::new());
    let proxy = Proxy::to(server.address());
    let mut person = pipe(&home, &proxy);
    person.process().stderr.wait_for_text("ot yet verified");
    proxy.cut();
    wait_until_noticed(&proxy);
    person.enter(&format!("/register ana {PASSWORD}"));
    person.process().stderr.wait_for_text("The server is crowded");
    proxy.join(server.address());
    person.enter("hello");
    assert_eq!(person.finish(), 0, "{}", person.complaints());
}

/// A port without a known server may be something else: the client mentions both possibilities.
#[test]
fn an_unknown_port_that_closes_without_a_word_is_tried_for_a_while_and_both_reasons_are_told() {
    let (server, home) = (TestServer::start(), Home::new());
    let proxy = Proxy::to(server.address());
    proxy.cut();
    let mut stranger = pipe(&home, &proxy);
    stranger.process().write("hello\n");
    assert_eq!(stranger.finish(), 2);
    let said = stranger.complaints();
    assert!(said.contains("crowded: try again later") && said.contains("something else"), "{said}");
}
