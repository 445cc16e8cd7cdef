//! Strangers who advertise: they may be found, but they cannot lead a client away, stop it, or hide a server.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use lanchat_tests::{
    Addressing, FakeAdvert, FakeAdverts, FakeIdentity, FakeServer, Home, Host, Lan, PASSWORD, Pipe, Process,
    ServerSpec, Sniffer, Terminal, TestServer, alone, lanchat,
};
use serde_json::Value;

/// The exit code of a client that refuses a server that nobody has decided to trust.
const EXIT_TRUST: i32 = 3;
/// `office`, with its first letter from another alphabet.
const LOOK_ALIKE: &str = "\u{43e}ffice";
/// Our port.
const PORT: u16 = 7072;
/// The port of a host that has nothing to do with us.
const PRINTER: u16 = 9100;

fn office(host: &Host) -> TestServer {
    TestServer::start_as(ServerSpec::on(&host.place(), "office"))
}

/// Runs a script that logs in and sends something. Returns its exit code, its output and its complaints.
fn script(host: &Host, home: &Home, arguments: &[&str], verb: &str) -> (i32, String, String) {
    let launch = host.launch(lanchat()).home(home).args(arguments);
    Process::run(&launch, &format!("/{verb} ana {PASSWORD}\na word for the office\n"))
}

/// Registers ana at the only server, found by its advert.
fn register(host: &Host, home: &Home) {
    let (code, _, complaints) = script(host, home, &[], "register");
    assert_eq!(code, 0, "{complaints}");
}

/// Returns how many servers a home trusts.
fn trusted(host: &Host, home: &Home) -> usize {
    let (code, list, error) = Process::run(&host.launch(lanchat()).home(home).args(["trust", "list"]), "");
    assert_eq!(code, 0, "{error}");
    list.lines().filter(|line| line.contains("verified")).count()
}

/// Returns what `lanchat discover --json` finds.
fn discovered(host: &Host, home: &Home) -> Vec<Value> {
    let (_, list, _) = Process::run(&host.launch(lanchat()).home(home).args(["discover", "--json"]), "");
    list.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// Anyone who answers name lookups on this network decides where a name leads. If a server of the name is known, that
/// server is meant.
#[test]
fn a_name_that_the_system_resolves_leads_to_no_other_server_than_the_one_that_is_known_by_it() {
    let Some(lan) = Lan::new(2, Addressing::Both) else { return };
    let [known_host, client] = lan.hosts() else { panic!("two hosts") };
    let home = Home::new();
    let mut known = TestServer::start_as(ServerSpec::on(&known_host.place(), "localhost"));
    let address = known_host.ipv4();
    assert_eq!(script(client, &home, &["--server", &address], "register").0, 0);
    // The stranger is at the address that `localhost` resolves to on the client.
    let stranger = TestServer::start_as(ServerSpec::on(&client.place(), "stranger"));
    for is_there in [true, false] {
        if !is_there {
            known.stop();
        }
        let (code, _, complaints) = script(client, &home, &["--server", "localhost"], "login");
        assert_eq!(code, EXIT_TRUST, "{complaints}");
        assert!(complaints.contains("NOT the server of this name that you know"), "{complaints}");
    }
    assert!(!stranger.stores(b"a word for the office"));
    assert_eq!(script(client, &Home::new(), &["--server", "localhost"], "register").0, 0, "it leads there");
}

/// Servers choose their own names. If two known ones have the same, the network decides which of them it resolves to.
#[test]
fn a_name_that_two_known_servers_have_leads_to_neither() {
    let Some(lan) = Lan::new(2, Addressing::Both) else { return };
    let [known_host, client] = lan.hosts() else { panic!("two hosts") };
    let home = Home::new();
    let known = TestServer::start_as(ServerSpec::on(&known_host.place(), "localhost"));
    assert_eq!(script(client, &home, &["--server", &known_host.ipv4()], "register").0, 0);
    let data = tempfile::tempdir().expect("a temporary folder can be made");
    let data = data.path().join("data");
    let mut cafe = TestServer::start_as(ServerSpec::on(&client.place(), "cafe").on_data(&data));
    assert_eq!(script(client, &home, &["--server", "127.0.0.1"], "register").0, 0);
    assert_eq!(cafe.stop(), 0);
    let renamed = TestServer::start_as(ServerSpec::on(&client.place(), "localhost").on_data(&data));
    assert_eq!(script(client, &home, &["--server", "127.0.0.1"], "login").0, 0, "by its address it is meant");
    let (code, _, complaints) = script(client, &home, &["--server", "localhost"], "login");
    assert_eq!(code, EXIT_TRUST, "{complaints}");
    assert!(complaints.contains("ANOTHER one whose name looks the same"), "{complaints}");
    drop((known, renamed));
}

/// A server's id is in its adverts, so anybody can put it into a certificate.
#[test]
fn who_claims_the_id_of_a_new_server_does_not_stand_in_its_place() {
    let _alone = alone();
    let Some(lan) = Lan::new(3, Addressing::Both) else { return };
    let [office_host, client, rogue_host] = lan.hosts() else { panic!("three hosts") };
    let office = office(office_host);
    let data = tempfile::tempdir().expect("a temporary folder can be made");
    let data = data.path().join("data");
    let mut rogue = TestServer::start_as(ServerSpec::on(&rogue_host.place(), "cellar").on_data(&data));
    assert_eq!(rogue.stop(), 0);
    let id = discovered(client, &Home::new())[0]["server_id"].as_str().expect("an id").to_owned();
    std::fs::write(data.join("identity/server.id"), format!("{id}\n")).expect("it can be written");
    rogue.start_again();

    let found = discovered(client, &Home::new());
    let names: BTreeSet<&str> = found.iter().filter_map(|found| found["name"].as_str()).collect();
    assert_eq!(names, BTreeSet::from(["cellar", "office"]), "{found:?}");
    let home = Home::new();
    let (code, _, complaints) = script(client, &home, &["--plain"], "register");
    assert_ne!(code, 0, "{complaints}");
    assert!(complaints.contains("says that it is this one"), "{complaints}");
    assert_eq!(trusted(client, &home), 0, "nobody has chosen");
    assert!(!rogue.stores(b"a word for the office") && !office.stores(b"a word for the office"));
}

/// Sets up a rogue server in place of the known one, which is off, with the account and the password of a script.
fn rogue(name: &str) -> Option<(Lan, TestServer, Home)> {
    let lan = Lan::new(3, Addressing::Both)?;
    let [office_host, client, rogue_host] = lan.hosts() else { panic!("three hosts") };
    let home = Home::new();
    let mut server = office(office_host);
    register(client, &home);
    assert_eq!(server.stop(), 0);
    let rogue = TestServer::start_as(ServerSpec::on(&rogue_host.place(), name));
    let (code, _, complaints) =
        script(rogue_host, &Home::new(), &["--server", &rogue_host.ipv4()], "register");
    assert_eq!(code, 0, "{complaints}");
    Some((lan, rogue, home))
}

/// Issue 10, number 2: a new server is not chosen by itself, and with the flag only if its name is unlike any known
/// one.
#[test]
fn who_knows_a_server_goes_to_no_new_one_by_itself() {
    let _alone = alone();
    let Some((lan, _rogue, home)) = rogue("printer-room") else { return };
    let client = &lan.hosts()[1];
    for arguments in [&["--plain"][..], &["--json"]] {
        let (code, output, complaints) = script(client, &home, arguments, "login");
        assert_eq!(code, EXIT_TRUST, "{output}{complaints}");
        assert!(complaints.contains("printer-room") && complaints.contains("office"), "{complaints}");
        assert!(complaints.contains("--server 10.77.0.3:7072, or --first-contact"), "{complaints}");
    }
    assert_eq!(trusted(client, &home), 1, "nothing new is trusted");
    let (code, _, complaints) = script(client, &home, &["--first-contact"], "login");
    assert_eq!(code, 0, "{complaints}");
    assert_eq!(trusted(client, &home), 2);
}

#[test]
fn a_server_whose_name_looks_like_a_known_one_is_said_to_be_another() {
    let _alone = alone();
    let Some((lan, _rogue, home)) = rogue(LOOK_ALIKE) else { return };
    let client = &lan.hosts()[1];
    for arguments in [&[][..], &["--first-contact"]] {
        let (code, output, complaints) = script(client, &home, arguments, "login");
        assert_eq!(code, EXIT_TRUST, "{output}{complaints}");
        assert!(complaints.contains("NOT the server of this name that you know"), "{complaints}");
    }
    assert_eq!(trusted(client, &home), 1, "nothing new is trusted");
    assert_eq!(discovered(client, &home)[0]["namesake"], true);

    let mut terminal = Terminal::start(client.launch(lanchat()).home(&home));
    terminal.wait_for_text("NEW to you");
    terminal.wait_for_text("NOT the server of this name that you know");
    terminal.enter("1");
    terminal.wait_for_text("which you know and whose name looks the same");
    terminal.wait_for_text("ot yet verified");
}

/// The first of two known servers to answer must not win, not even for a person: the one used last is chosen if it
/// alone answers; otherwise the list asks.
#[test]
fn a_known_server_that_was_not_used_last_is_gone_to_by_a_person_alone() {
    let _alone = alone();
    let Some(lan) = Lan::new(3, Addressing::Both) else { return };
    let [office_host, client, cafe_host] = lan.hosts() else { panic!("three hosts") };
    let home = Home::new();
    let mut office = office(office_host);
    register(client, &home);
    let mut cafe = TestServer::start_as(ServerSpec::on(&cafe_host.place(), "cafe"));
    let (code, _, complaints) = script(client, &home, &["--server", &cafe_host.ipv4()], "register");
    assert_eq!(code, 0, "{complaints}");

    assert_eq!(office.stop(), 0);
    let mut terminal = Terminal::start(client.launch(lanchat()).home(&home));
    terminal.wait_for_text("You are ana on “cafe”");
    terminal.enter("/quit");
    assert_eq!(terminal.wait_for_exit(), 0);

    office.start_again();
    assert_eq!(cafe.stop(), 0);
    let mut terminal = Terminal::start(client.launch(lanchat()).home(&home));
    terminal.wait_for_text("“cafe”, which you used last, does not answer");
    terminal.wait_for_text("Which one?");
    assert!(!terminal.screen().contains("You are ana"), "{}", terminal.screen());
    terminal.enter("1");
    terminal.wait_for_text("You are ana on “office”");
}

/// Issue 10, number 3: the known id appears at another host, with another key, while the server restarts.
#[test]
fn a_forged_advert_ends_no_client() {
    let _alone = alone();
    let Some(lan) = Lan::new(3, Addressing::Both) else { return };
    let [office_host, client, forger] = lan.hosts() else { panic!("three hosts") };
    let mut server = office(office_host);
    let home = Home::new();
    register(client, &home);
    let id = discovered(client, &home)[0]["server_id"].as_str().expect("an id").to_owned();
    let mut pipe = Pipe::start(&home, &client.place(), &["--json", "--follow"]);
    pipe.expect("attached", |_| true);

    let impostor = FakeServer::start_on(
        forger,
        (Ipv4Addr::new(10, 77, 0, 3), PORT),
        FakeIdentity::with_own_key(&id),
        &id,
    );
    let advert = FakeAdvert { server_id: id, name: "office".into(), address: forger.ipv4(), port: PORT };
    let Some(_adverts) = FakeAdverts::from(forger, &[advert]) else { return };
    assert_eq!(server.stop(), 0);
    impostor.wait_for_connections(1);
    pipe.process().stderr.wait_for_text("Another server answers at 10.77.0.3:7072, not “office”");
    server.start_again();
    pipe.process().stderr.wait_for_text("Back.");
    pipe.enter("here again");
    pipe.expect("message", |frame| frame["message"] == "here again");
    assert_eq!(impostor.trusted_bytes(), 0, "the impostor was told something");
    assert_eq!(pipe.complaints().matches("Another server answers").count(), 1, "{}", pipe.complaints());
    assert!(!pipe.complaints().contains("trust reset"), "{}", pipe.complaints());
}

/// Returns 300 adverts, every third with the known id, for hosts that do not exist and ports that do not answer.
fn flood(known_id: &str) -> Vec<FakeAdvert> {
    let advert = |n: u16| FakeAdvert {
        server_id: if n.is_multiple_of(3) { known_id.to_owned() } else { format!("{n:032x}") },
        name: if n.is_multiple_of(2) { format!("office {n}") } else { format!("a{n}") },
        address: if n.is_multiple_of(4) {
            "10.77.0.3".to_owned()
        } else {
            format!("10.77.0.{}", 20 + n % 200)
        },
        port: 20_000 + n,
    };
    (0..300).map(advert).collect()
}

/// Issue 10, number 4, with the server at its old address.
#[test]
fn a_known_server_is_found_under_300_fake_adverts_every_time() {
    let _alone = alone();
    let Some(lan) = Lan::new(3, Addressing::Both) else { return };
    let [office_host, client, flooder] = lan.hosts() else { panic!("three hosts") };
    let _server = office(office_host);
    let home = Home::new();
    register(client, &home);
    let id = discovered(client, &home)[0]["server_id"].as_str().expect("an id").to_owned();
    let Some(_adverts) = FakeAdverts::from(flooder, &flood(&id)) else { return };
    for round in 1..=9 {
        let (code, _, complaints) = Process::run(&client.launch(lanchat()).home(&home), "still here\n");
        assert_eq!(code, 0, "round {round}: {complaints}");
    }
}

/// The same with a server that has moved, which only its advert can show, and with one that nobody knows yet.
#[test]
fn a_server_that_moved_and_one_that_is_new_are_found_under_300_fake_adverts() {
    let _alone = alone();
    let Some(lan) = Lan::new(3, Addressing::Both) else { return };
    let [office_host, client, flooder] = lan.hosts() else { panic!("three hosts") };
    let mut server = office(office_host);
    let home = Home::new();
    register(client, &home);
    let id = discovered(client, &home)[0]["server_id"].as_str().expect("an id").to_owned();
    assert_eq!(server.stop(), 0);
    office_host.ip("address delete 10.77.0.1/24 dev lan0");
    office_host.ip("address add 10.77.0.9/24 dev lan0");
    // Adverts name IPv6 addresses too, and they stay.
    office_host.ip("-6 address flush dev lan0");
    let Some(_adverts) = FakeAdverts::from(flooder, &flood(&id)) else { return };
    server.start_again();
    let (code, _, complaints) = Process::run(&client.launch(lanchat()).home(&home), "you moved\n");
    assert_eq!(code, 0, "{complaints}");
    let found = discovered(client, &Home::new());
    assert_eq!(found.len(), 1, "those that do not answer are left out: {found:?}");
    assert_eq!((&found[0]["server_id"], &found[0]["known"]), (&Value::from(id), &Value::from(false)));
}

/// Everybody can read an advert, but copying it must not take anything away from the server.
#[test]
fn a_server_is_found_whose_id_and_name_somebody_else_advertises_at_other_hosts() {
    let _alone = alone();
    let Some(lan) = Lan::new(3, Addressing::Both) else { return };
    let [office_host, client, forger] = lan.hosts() else { panic!("three hosts") };
    // The real address comes after the forged ones, however addresses are sorted.
    office_host.ip("address delete 10.77.0.1/24 dev lan0");
    office_host.ip("address add 10.77.0.250/24 dev lan0");
    let _server = office(office_host);
    let id = discovered(client, &Home::new())[0]["server_id"].clone();
    let advert = |n: u16| FakeAdvert {
        server_id: id.as_str().expect("an id").to_owned(),
        name: "office".into(),
        address: format!("10.77.0.{n}"),
        port: PORT,
    };
    let adverts: Vec<FakeAdvert> = (20..120).map(advert).collect();
    let Some(_adverts) = FakeAdverts::from(forger, &adverts) else { return };
    let found = discovered(client, &Home::new());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["server_id"], id);
}

/// Issue 10, number 4: an advert leads only to hosts on the link, and to each of them once.
#[test]
fn an_advert_leads_nowhere_but_to_a_host_of_the_link_and_there_once() {
    let _alone = alone();
    let Some(lan) = Lan::new(2, Addressing::Both) else { return };
    let [client, stranger] = lan.hosts() else { panic!("two hosts") };
    let Some(sniffer) = Sniffer::on(&lan) else { return };
    let id = "0123456789abcdef0123456789abcdef";
    // The ports are open, so that visitors are seen.
    let local =
        FakeServer::start_on(client, (Ipv4Addr::LOCALHOST, PRINTER), FakeIdentity::with_own_key(id), id);
    let printer_address = Ipv4Addr::new(10, 77, 0, 2);
    let printer =
        FakeServer::start_on(stranger, (printer_address, PRINTER), FakeIdentity::with_own_key(id), id);
    // A default route, so that a packet to the internet is visible on the link.
    client.ip("route add default via 10.77.0.2");
    let elsewhere = ["127.0.0.1", "10.77.0.255", "10.77.0.0", "224.0.0.1", "255.255.255.255", "192.0.2.9"];
    let mut adverts = Vec::new();
    for (n, address) in (0..).zip(elsewhere.iter().copied().chain(std::iter::repeat_n("10.77.0.2", 165))) {
        let (server_id, name) = (format!("{n:032x}"), format!("fake {n}"));
        adverts.push(FakeAdvert { server_id, name, address: address.to_owned(), port: PRINTER });
    }
    let Some(_adverts) = FakeAdverts::from(stranger, &adverts) else { return };
    let found = discovered(client, &Home::new());
    assert_eq!(found.len(), 1, "{found:?}");
    sniffer.hears(client, stranger, "all was heard");
    assert_eq!(printer.connections(), 1, "one look at one address and port");
    assert_eq!(local.connections(), 0, "the loopback interface was looked at");
    let own = Ipv4Addr::new(10, 77, 0, 1);
    assert!(sniffer.heard_from_to(own, printer_address), "the control: a look is heard");
    for address in elsewhere {
        assert!(!sniffer.heard_from_to(own, address.parse().expect("an address")), "{address} was looked at");
    }
}

/// Two people on one computer: the server's advert names the computer's own addresses.
#[test]
fn a_server_on_the_same_computer_is_found() {
    let _alone = alone();
    let Some(lan) = Lan::new(1, Addressing::Both) else { return };
    let host = &lan.hosts()[0];
    let _server = office(host);
    register(host, &Home::new());
}
