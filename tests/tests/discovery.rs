//! Finding a server on a link without a router, without DNS, and without an address.
#![cfg(unix)]

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use lanchat_tests::{
    Addressing, Avahi, Home, Host, Lan, PASSWORD, Pipe, Process, ServerSpec, Signal, Sniffer, Terminal,
    TestServer, alone, interpreter, lanchat,
};

/// The promise: from the start of the client to the room.
const IN_THE_ROOM_MAX: Duration = Duration::from_secs(3);
/// The promise: from the stop of a server to the removal of its advert.
const GONE_MAX: Duration = Duration::from_secs(2);

/// Shows the certificate of the server at an address, in hex.
const CERTIFICATE: &str = r"
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.set_alpn_protocols(['lanchat/1'])
tls = context.wrap_socket(socket.create_connection((sys.argv[1], 7072)))
print(tls.getpeercert(binary_form=True).hex())
";
/// What comes before a P-256 key in a certificate: the OIDs and the head of the bit string (RFC 5480 §2).
const EC_KEY: &str = "06072a8648ce3d020106082a8648ce3d030107034200";

/// Starts `lanchat` without any address, and checks that it is in the room within the promised time.
fn finds_the_server_and_enters(host: &Host) {
    let home = Home::new();
    let started = Instant::now();
    let mut pipe = Pipe::start(&home, &host.place(), &["--json", "--follow"]);
    pipe.enter(&format!("/register ana {PASSWORD}"));
    pipe.expect("attached", |_| true);
    let took = started.elapsed();
    assert!(took < IN_THE_ROOM_MAX, "it took {took:?}");
    pipe.enter("hello");
    pipe.expect("message", |frame| frame["message"] == "hello");
}

/// Two hosts and a bridge (#2, item 2).
#[test]
fn a_client_finds_the_server_by_mdns_and_is_in_the_room() {
    let _alone = alone();
    let Some(lan) = Lan::new(2, Addressing::Both) else { return };
    let _server = TestServer::start_as(ServerSpec::on(&lan.hosts()[0].place(), "attic"));
    finds_the_server_and_enters(&lan.hosts()[1]);
}

/// The same on a link where all addresses are IPv6 link-local ones.
#[test]
fn a_client_finds_the_server_on_a_link_with_link_local_addresses_only() {
    let _alone = alone();
    let Some(lan) = Lan::new(2, Addressing::LinkLocal) else { return };
    let _server = TestServer::start_as(ServerSpec::on(&lan.hosts()[0].place(), "attic"));
    finds_the_server_and_enters(&lan.hosts()[1]);
}

/// The advert holds a second address, where packets vanish without an answer.
#[test]
fn an_address_that_nobody_can_reach_does_not_hold_the_client_up() {
    let _alone = alone();
    let Some(lan) = Lan::new(2, Addressing::Both) else { return };
    let [server_host, client_host] = lan.hosts() else { panic!("two hosts") };
    server_host.ip("address add 10.88.0.1/24 dev lan0");
    client_host.ip("route add 10.88.0.0/24 dev lan0");
    client_host.ip("neighbour add 10.88.0.1 lladdr 02:00:00:00:00:99 dev lan0 nud permanent");
    let Some(sniffer) = Sniffer::on(&lan) else { return };
    let _server = TestServer::start_as(ServerSpec::on(&server_host.place(), "attic"));
    sniffer.hears_advert_of(Ipv4Addr::new(10, 88, 0, 1));
    finds_the_server_and_enters(client_host);
}

/// An mDNS implementation by others sees name, port and TXT, and a clean stop withdraws them (#2, item 2).
#[test]
fn avahi_sees_the_advert_and_sees_it_go() {
    let _alone = alone();
    let Some(lan) = Lan::new(2, Addressing::Both) else { return };
    let Some(avahi) = Avahi::start(&lan.hosts()[1]) else { return };
    let mut server = TestServer::start_as(ServerSpec::on(&lan.hosts()[0].place(), "attic"));
    let follow = avahi.follow();
    let mut lines = follow.stdout.lines();
    lines.find("waiting for the advert", |line| line.starts_with("=;lan0;").then_some(()));
    let list = avahi.list();
    let advert =
        list.lines().find(|line| line.starts_with("=;lan0;IPv4;")).unwrap_or_else(|| panic!("{list}"));
    let fields: Vec<&str> = advert.split(';').collect();
    let [_, _, _, name, kind, domain, host, address, port, txt] = fields[..] else { panic!("{advert}") };
    assert_eq!((name, kind, domain), ("attic", "_lanchat._tcp", "local"));
    assert!(host.starts_with("lanchat-") && host.ends_with(".local"), "{advert}");
    assert_eq!((address, port), ("10.77.0.1", "7072"));
    assert!(txt.contains("\"name=attic\"") && txt.contains("\"v=1\"") && txt.contains("\"id="), "{advert}");

    let asked = Instant::now();
    server.signal(Signal::Terminate);
    lines.find("waiting for the advert to go", |line| line.starts_with("-;lan0;").then_some(()));
    let took = asked.elapsed();
    assert!(took < GONE_MAX, "it took {took:?}");
    assert_eq!(server.stop(), 0);
}

#[test]
fn discover_lists_servers_for_people_and_for_programs() {
    let _alone = alone();
    let Some(lan) = Lan::new(2, Addressing::Both) else { return };
    let _attic = TestServer::start_as(ServerSpec::on(&lan.hosts()[0].place(), "attic"));
    let home = Home::new();
    let launch = lan.hosts()[1].launch(lanchat()).home(&home);
    let (code, list, error) = Process::run(&launch.clone().arg("discover"), "");
    assert_eq!(code, 0, "{error}");
    assert!(list.contains("attic") && list.contains("7072"), "{list}");
    let (code, list, error) = Process::run(&launch.args(["discover", "--json"]), "");
    assert_eq!(code, 0, "{error}");
    let found: Vec<serde_json::Value> =
        list.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    assert_eq!(found[0]["name"], "attic", "{list}");
}

#[test]
fn several_servers_make_a_numbered_list() {
    let _alone = alone();
    let Some(lan) = Lan::new(3, Addressing::Both) else { return };
    let [attic, cellar, client] = lan.hosts() else { panic!("three hosts") };
    let servers = [(attic, "attic"), (cellar, "cellar")]
        .map(|(host, name)| TestServer::start_as(ServerSpec::on(&host.place(), name)));
    for server in &servers {
        server.stderr().wait_for_text("advertised");
    }
    let home = Home::new();
    let mut terminal = Terminal::start(client.launch(lanchat()).home(&home));
    terminal.wait_for("waiting for the list", |screen| {
        let screen = screen.contents();
        ["attic", "cellar", "1", "2", "new"].iter().all(|word| screen.contains(word))
    });
    let screen = terminal.screen();
    let row = screen.lines().find(|line| line.contains("cellar")).expect("cellar is listed");
    let number = row.chars().find(char::is_ascii_digit).expect("it has a number");
    terminal.enter(&number.to_string());
    terminal.wait_for_text("ot yet verified");
    terminal.wait_for_text("/register");
}

/// Two servers with one name: the second gets a number, and both are found, each under its own name.
#[test]
fn a_server_whose_name_is_taken_gets_a_number() {
    let _alone = alone();
    let Some(lan) = Lan::new(3, Addressing::Both) else { return };
    let [first, second, client] = lan.hosts() else { panic!("three hosts") };
    let mut first = TestServer::start_as(ServerSpec::on(&first.place(), "attic"));
    first.stderr().wait_for_text("advertised");
    let second = TestServer::start_as(ServerSpec::on(&second.place(), "attic"));
    second.stderr().wait_for_text("renamed");
    second.stderr().wait_for_text("advertised");
    let home = Home::new();
    let (code, list, error) = Process::run(&client.launch(lanchat()).home(&home).arg("discover"), "");
    assert_eq!((code, list.lines().count()), (0, 2), "{list}{error}");
    assert_eq!(first.stop(), 0);
    assert!(!first.log().contains("renamed"), "the first keeps its name");
}

/// An address that is added while the server runs is advertised, and appears in a certificate with the same key.
#[test]
fn a_server_follows_its_addresses_and_keeps_its_key() {
    let _alone = alone();
    let Some(lan) = Lan::new(2, Addressing::Both) else { return };
    let [server_host, client_host] = lan.hosts() else { panic!("two hosts") };
    let (Some(sniffer), Some(python)) = (Sniffer::on(&lan), interpreter()) else { return };
    let certificate = |address: &str| {
        let launch = client_host.launch(&python).args(["-W", "ignore", "-c", CERTIFICATE, address]);
        let (code, hex, error) = Process::run(&launch, "");
        assert_eq!(code, 0, "{error}");
        hex
    };
    let server = TestServer::start_as(ServerSpec::on(&server_host.place(), "attic"));
    sniffer.hears_advert_of(Ipv4Addr::new(10, 77, 0, 1));
    let before = certificate("10.77.0.1");
    let san = |text: &str| text.contains("87040a4d0032");
    assert!(!san(&before));
    server_host.ip("address add 10.77.0.50/24 dev lan0");
    server.stderr().wait_for_text("addresses changed");
    let after = certificate("10.77.0.50");
    assert!(san(&after), "the new address is in the certificate");
    let key = |text: &str| text.find(EC_KEY).map(|at| text[at..at + EC_KEY.len() + 132].to_owned());
    assert_eq!(key(&after).expect("an EC key"), key(&before).expect("an EC key"), "the key stays");
    sniffer.hears_advert_of(Ipv4Addr::new(10, 77, 0, 50));
}

/// A client that knows a server finds it again after it has moved.
#[test]
fn a_client_finds_its_server_again_at_another_address() {
    let _alone = alone();
    let Some(lan) = Lan::new(2, Addressing::Both) else { return };
    let [server_host, client_host] = lan.hosts() else { panic!("two hosts") };
    let mut server = TestServer::start_as(ServerSpec::on(&server_host.place(), "attic"));
    let home = Home::new();
    let mut pipe = Pipe::start(&home, &client_host.place(), &["--plain"]);
    pipe.enter(&format!("/register ana {PASSWORD}"));
    assert_eq!(pipe.finish(), 0, "{}", pipe.complaints());
    assert_eq!(server.stop(), 0);
    server_host.ip("address delete 10.77.0.1/24 dev lan0");
    server_host.ip("address add 10.77.0.200/24 dev lan0");
    server.start_again();
    let mut pipe = Pipe::start(&home, &client_host.place(), &["--json", "--follow"]);
    pipe.enter("back again");
    pipe.expect("message", |frame| frame["message"] == "back again");
}
