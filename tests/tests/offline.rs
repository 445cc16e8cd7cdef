//! A lost connection: the prompt says so, messages are kept, and commands are not carried out later.
#![cfg(unix)]

use lanchat_tests::{
    Addressing, Home, Host, Lan, Launch, PASSWORD, Pipe, Place, Process, Proxy, ServerSpec, Terminal,
    TestPeer, TestServer, lanchat,
};

/// Starts ana at a terminal, in the lobby of the server at `address`.
fn ana(home: &Home, place: &Place, address: &str) -> Terminal {
    let mut pipe = Pipe::start(home, place, &["--plain", "--server", address]);
    pipe.enter(&format!("/register ana {PASSWORD}"));
    assert_eq!(pipe.finish(), 0, "{}", pipe.complaints());
    let terminal = Terminal::start(Launch::new(lanchat()).at(place).home(home).args(["--server", address]));
    terminal.wait_for_text("lobby>");
    terminal
}

fn prompt(terminal: &Terminal, what: &str) {
    terminal.wait_for(&format!("waiting for the prompt {what:?}"), |screen| {
        screen.contents().trim_end().lines().last().is_some_and(|row| row.contains(what))
    });
}

/// Number 38, with a closed connection.
#[test]
fn a_command_typed_offline_is_refused_and_a_line_is_sent_later() {
    let server = TestServer::start();
    let proxy = Proxy::to(server.address());
    let home = Home::new();
    let mut terminal = ana(&home, &Place::Here, &proxy.address().to_string());
    let mut bob = TestPeer::registered(server.address(), "bob");
    proxy.cut();
    prompt(&terminal, "lobby (offline)>");
    for (count, command) in (1..).zip(["/join dev", "/away lunch", "/who"]) {
        terminal.enter(command);
        terminal.wait_for(&format!("waiting for what comes of {command}"), |screen| {
            screen.contents().matches("You are offline").count() == count
        });
    }
    terminal.enter("said while offline");
    terminal.wait_for_text("Not on the server yet, to lobby: “said while offline”");
    proxy.join(server.address());
    prompt(&terminal, "lobby>");
    assert_eq!(bob.expect_where("message", |_| true)["message"], "said while offline");
    // Refused commands had no effect: the room does not exist, and ana is not away.
    let rooms = bob.request(serde_json::json!({"type": "rooms"}));
    assert!(!rooms.to_string().contains("\"dev\""), "{rooms}");
    let whois = bob.request(serde_json::json!({"type": "whois", "username": "ana"}));
    assert_eq!(whois["state"], "online", "{whois}");
}

/// Number 38, with a link that is lost silently: the cable is out.
#[test]
fn a_cable_that_is_out_is_noticed_by_what_is_typed() {
    let Some(lan) = Lan::new(2, Addressing::Both) else { return };
    let [server_host, client] = lan.hosts() else { panic!("two hosts") };
    let server = TestServer::start_as(ServerSpec::on(&server_host.place(), "office"));
    server.stderr().wait_for_text("advertised");
    let home = Home::new();
    let mut terminal = ana(&home, &client.place(), &server_host.ipv4());
    lan.unplug(0);
    terminal.enter("into the void");
    prompt(&terminal, "lobby (offline)>");
    // The command that was on its way is given up too.
    lan.plug(0);
    prompt(&terminal, "lobby>");
    lan.unplug(0);
    terminal.enter("/who");
    terminal.wait_for_text("Your last command was not answered any more");
    lan.plug(0);
    prompt(&terminal, "lobby>");
    let (code, shown, complaints) = read_back(client, server_host);
    assert_eq!((code, shown.matches("ana  into the void").count()), (0, 1), "{shown}{complaints}");
}

/// Returns what a stranger reads in the lobby.
fn read_back(client: &Host, server: &Host) -> (i32, String, String) {
    let home = Home::new();
    let launch = client.launch(lanchat()).home(&home).args(["--plain", "--server", &server.ipv4()]);
    Process::run(&launch.args(["--tail", "50"]), &format!("/register carol {PASSWORD}\n"))
}

/// A script does not lose a command, since its lines must keep their order.
#[test]
fn a_script_waits_with_its_commands() {
    let server = TestServer::start();
    let proxy = Proxy::to(server.address());
    let home = Home::new();
    let address = proxy.address().to_string();
    let mut pipe = Pipe::start(&home, &Place::Here, &["--plain", "--follow", "--server", &address]);
    pipe.enter(&format!("/register ana {PASSWORD}"));
    pipe.enter("ready");
    pipe.find("ready");
    proxy.cut();
    pipe.process().stderr.wait_for_text("Connection lost");
    pipe.enter("/join dev");
    pipe.enter("in dev");
    proxy.join(server.address());
    pipe.find("in dev");
    let mut bob = TestPeer::registered(server.address(), "bob");
    bob.request(serde_json::json!({"type": "join", "room": "dev"}));
    let history = bob.request(serde_json::json!({"type": "history", "room": "dev"}));
    assert!(history.to_string().contains("in dev"), "{history}");
}
