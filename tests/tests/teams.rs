//! Teams stay together: a user whose server is missing is told so and led back to it, and nobody hosts next to another
//! unnoticed.
#![cfg(unix)]

use lanchat_tests::{
    Addressing, Home, Host, Lan, Launch, PASSWORD, Pipe, Place, Process, ServerSpec, Signal, Terminal,
    TestPeer, TestServer, alone, lanchat,
};

/// The exit code of a client without a server to connect to.
const EXIT_NO_SERVER: i32 = 2;
/// The exit code of a client that refuses a server that nobody has decided to trust.
const EXIT_TRUST: i32 = 3;
/// What Ctrl+Z sends.
const CTRL_Z: &str = "\x1a";

fn terminal(host: &Host, home: &Home) -> Terminal {
    Terminal::start(host.launch(lanchat()).home(home))
}

fn serve(host: &Host, name: &str) -> TestServer {
    let server = TestServer::start_as(ServerSpec::on(&host.place(), name));
    server.stderr().wait_for_text("advertised");
    server
}

/// Runs a script with these arguments. Returns its exit code, its output and its complaints.
fn script(host: &Host, home: &Home, arguments: &[&str], input: &str) -> (i32, String, String) {
    Process::run(&host.launch(lanchat()).home(home).args(arguments), input)
}

/// Registers an account on a host's server, by its address.
fn register(host: &Host, home: &Home, server: &Host, name: &str) {
    let input = format!("/register {name} {PASSWORD}\n");
    let (code, _, complaints) = script(host, home, &["--server", &server.ipv4()], &input);
    assert_eq!(code, 0, "{complaints}");
}

/// Returns how many servers answer on the link.
fn servers_around(host: &Host) -> usize {
    script(host, &Home::new(), &["discover", "--json"], "").1.lines().count()
}

/// Number 28: while the question is on the screen, a colleague hosts; then Enter.
#[test]
fn whoever_hosts_meanwhile_is_found_at_the_question_and_joined_by_enter() {
    let _alone = alone();
    let Some(lan) = Lan::new(2, Addressing::Both) else { return };
    let [colleague, ana] = lan.hosts() else { panic!("two hosts") };
    let mut terminal = terminal(ana, &Home::new());
    terminal.wait_for_text("Host one here? [Y/n]");
    for (count, answer) in (1..).zip(["perhaps", "1", "/register ana"]) {
        terminal.enter(answer);
        terminal.wait_for("waiting for the question again", |screen| {
            let screen = screen.contents();
            let asked = screen.matches("Host one here? [Y/n]").count();
            (screen.matches("Type y to host").count(), asked) == (count, count + 1)
        });
    }
    let _server = serve(colleague, "colleague");
    terminal.wait_for_text("“colleague”");
    terminal.wait_for_text("Which one?");
    terminal.enter("");
    terminal.wait_for_text("First contact with “colleague”");
    terminal.wait_for_text("/register");
    assert_eq!(servers_around(ana), 1, "nobody hosts beside it");
}

/// The same a moment later: the answer is given before the colleague is seen.
#[test]
fn it_is_looked_once_more_before_hosting() {
    let _alone = alone();
    let Some(lan) = Lan::new(2, Addressing::Both) else { return };
    let [colleague, ana] = lan.hosts() else { panic!("two hosts") };
    // The new server is stopped until the answer is given.
    let server = serve(colleague, "colleague");
    server.signal(Signal::Stop);
    let mut terminal = terminal(ana, &Home::new());
    terminal.wait_for_text("Host one here? [Y/n]");
    terminal.enter("y");
    terminal.wait_for_text("One more look");
    server.signal(Signal::Continue);
    terminal.wait_for_text("First contact with “colleague”");
    assert_eq!(servers_around(ana), 1, "nobody hosts beside it");
}

/// Number 28: the server with the user's account is off, and comes back.
#[test]
fn a_known_server_that_is_off_is_named_and_joined_when_it_is_back() {
    let _alone = alone();
    let Some(lan) = Lan::new(2, Addressing::Both) else { return };
    let [office, ana] = lan.hosts() else { panic!("two hosts") };
    let home = Home::new();
    let mut server = serve(office, "office");
    register(ana, &home, office, "ana");
    assert_eq!(server.stop(), 0);
    let mut terminal = terminal(ana, &home);
    terminal.wait_for_text("No server that you know answers (“office”).");
    terminal.wait_for_text("Host a new server here instead? [y/n]");
    terminal.enter("");
    terminal.wait_for_text("Type y to host");
    terminal.enter("n");
    terminal.wait_for_text("Still looking");
    assert!(!terminal.screen().contains("[Y/n]"), "Enter hosts nothing");
    server.start_again();
    terminal.wait_for_text("lobby>");
    assert_eq!(servers_around(ana), 1);
}

/// The same while another, new server is there.
#[test]
fn a_known_server_is_waited_for_while_new_ones_are_offered() {
    let _alone = alone();
    let Some(lan) = Lan::new(3, Addressing::Both) else { return };
    let [office, ana, stranger] = lan.hosts() else { panic!("three hosts") };
    let home = Home::new();
    let mut server = serve(office, "office");
    register(ana, &home, office, "ana");
    assert_eq!(server.stop(), 0);
    let _stranger = serve(stranger, "cafe");
    let mut terminal = terminal(ana, &home);
    terminal.wait_for_text("No server that you know answers (“office”).");
    terminal.wait_for_text("These are NEW to you:");
    terminal.wait_for_text("“cafe”");
    terminal.enter("");
    terminal.wait_for_text("Type 1 to join it");
    server.start_again();
    // Found next to the new one, it is what Enter means; found alone, it is connected to.
    terminal.wait_for("waiting for the office", |screen| {
        screen.contents().contains("“office” as ana]") || screen.contents().contains("lobby>")
    });
    if !terminal.screen().contains("lobby>") {
        terminal.enter("");
        terminal.wait_for_text("lobby>");
    }
    terminal.enter("/servers");
    for text in ["“office” as ana; key not verified; here", "New on this network:", "“cafe”"] {
        terminal.wait_for_text(text);
    }
}

/// Number 28: two users see nobody, and both host.
#[test]
fn two_hosts_of_one_link_are_told_of_each_other() {
    let _alone = alone();
    let Some(lan) = Lan::new(2, Addressing::Both) else { return };
    let host = |at: usize, home: &Home, name: &str| {
        let launch = lan.hosts()[at].launch(lanchat()).home(home).args(["host", "--name", name]);
        let terminal = Terminal::start(launch);
        terminal.wait_for_text("/register");
        terminal
    };
    let homes = [Home::new(), Home::new()];
    let first = host(0, &homes[0], "kitchen");
    let second = host(1, &homes[1], "cellar");
    first.wait_for_text("Another server is on this network: “cellar”");
    second.wait_for_text("Another server is on this network: “kitchen”");
    assert!(!first.screen().contains("Another server is on this network: “kitchen”"), "not of itself");
}

/// A user who hosted yesterday hosts again, which does not split anybody off.
#[test]
fn the_own_server_is_hosted_again_by_enter() {
    let _alone = alone();
    let Some(lan) = Lan::new(1, Addressing::Both) else { return };
    let (host, home) = (&lan.hosts()[0], Home::new());
    let input = format!("/register ana {PASSWORD}\nyesterday\n");
    let (code, _, complaints) = script(host, &home, &["host", "--plain", "--name", "kitchen"], &input);
    assert_eq!(code, 0, "{complaints}");
    let mut terminal = terminal(host, &home);
    terminal.wait_for_text("“kitchen” is your own server. Host it here? [Y/n]");
    terminal.enter("");
    terminal.wait_for_text("yesterday");
    terminal.wait_for_text("lobby>");
}

/// Number 39: the list names the server used last, and the user's account there.
#[test]
fn enter_means_the_server_that_was_used_last() {
    let _alone = alone();
    let Some(lan) = Lan::new(3, Addressing::Both) else { return };
    let [attic, cellar, client] = lan.hosts() else { panic!("three hosts") };
    let _servers = [serve(attic, "attic"), serve(cellar, "cellar")];
    let home = Home::new();
    register(client, &home, attic, "ana");
    register(client, &home, cellar, "bob");
    for (server, name) in [(attic, "“attic” as ana"), (cellar, "“cellar” as bob")] {
        let (code, _, complaints) = script(client, &home, &["--server", &server.ipv4()], "here\n");
        assert_eq!(code, 0, "{complaints}");
        let mut terminal = terminal(client, &home);
        terminal.wait_for("waiting for what Enter means", |screen| {
            // The question may take two rows.
            let screen = screen.contents().replace('\n', " ");
            screen.contains("Enter for") && screen.contains(&format!("{name}]"))
        });
        terminal.enter("");
        terminal.wait_for_text("here");
        terminal.wait_for_text("lobby>");
        terminal.enter("/quit");
        assert_eq!(terminal.wait_for_exit(), 0);
    }
}

/// Number 39: a server by its name, under the rules for every advert (ADR 7).
#[test]
fn a_server_can_be_named_by_what_it_is_called() {
    let _alone = alone();
    let Some(lan) = Lan::new(3, Addressing::Both) else { return };
    let [workshop, client, cafe] = lan.hosts() else { panic!("three hosts") };
    let home = Home::new();
    let login = format!("/register ana {PASSWORD}\nhello\n");
    let by_name = |home: &Home, name: &str, input: &str| script(client, home, &["--server", name], input);
    let mut server = serve(workshop, "Workshop");
    let (code, _, complaints) = by_name(&home, "workshop", &login);
    assert_eq!(code, 0, "who knows none goes to the only one of the name: {complaints}");
    let (code, _, complaints) = by_name(&home, "nowhere", "hello\n");
    assert_eq!(code, EXIT_NO_SERVER, "{complaints}");
    assert!(complaints.contains("“Workshop”"), "it says who is here: {complaints}");

    let _cafe = serve(cafe, "the cafe");
    let (code, _, complaints) = by_name(&home, "The Cafe", &login);
    assert_eq!(code, EXIT_TRUST, "{complaints}");
    assert!(complaints.contains("--server 10.77.0.3:7072, or --first-contact"), "{complaints}");
    let (code, _, complaints) = by_name(&home, "WORKSHOP", "still here\n");
    assert_eq!(code, 0, "{complaints}");
    assert!(!complaints.contains("First contact"), "{complaints}");
    // The known one is off, and somebody takes its name.
    assert_eq!(server.stop(), 0);
    let _rogue = serve(client, "workshop");
    let (code, _, complaints) = by_name(&home, "workshop", "a secret\n");
    assert_eq!(code, EXIT_TRUST, "{complaints}");
    assert!(complaints.contains("is NOT the server of this name that you know"), "{complaints}");
}

/// Hosts in a terminal and returns the address.
fn host_in_terminal(home: &Home, arguments: &[&str]) -> (Terminal, std::net::SocketAddr) {
    let launch = Launch::new(lanchat()).home(home);
    let launch = launch.args(["host", "--no-mdns", "--listen", "127.0.0.1:0"]).args(arguments);
    let terminal = Terminal::start(launch);
    terminal.wait_for_text("listening on 127.0.0.1:");
    let screen = terminal.screen();
    let address = screen.lines().find_map(|line| line.split_once("listening on ")?.1.trim().parse().ok());
    (terminal, address.expect("the banner shows the address"))
}

/// Number 30: whether the editor or the terminal itself reads the keyboard.
#[test]
fn ctrl_z_of_the_host_freezes_nobody() {
    for arguments in [&[][..], &["--plain"]] {
        let home = Home::new();
        let (mut host, address) = host_in_terminal(&home, arguments);
        let mut bob = TestPeer::registered(address, "bob");
        host.press(CTRL_Z);
        host.wait_for_text("Ctrl+Z does not stop this program");
        bob.send("lobby", "after");
        assert_eq!(bob.expect("message")["message"], "after");
        // The same while a password is asked for.
        host.enter("/register ana");
        host.wait_for_text("New password");
        host.press(CTRL_Z);
        bob.send("lobby", "still");
        bob.expect_where("message", |frame| frame["message"] == "still");
    }
}

/// The control: a client that does not host is stopped, and comes back to everything that was said.
#[test]
fn ctrl_z_of_a_guest_stops_the_guest() {
    let server = TestServer::start();
    let (home, address) = (Home::new(), server.address().to_string());
    let mut pipe = Pipe::start(&home, &Place::Here, &["--plain", "--server", &address]);
    pipe.enter(&format!("/register ana {PASSWORD}"));
    assert_eq!(pipe.finish(), 0, "{}", pipe.complaints());
    let shell = format!("'{}' --server {address}; echo stopped; fg", lanchat().display());
    let launch = Launch::new("bash").args(["--norc", "--noprofile", "-i", "-m", "-c", &shell]).home(&home);
    let mut guest = Terminal::start(launch);
    guest.wait_for_text("lobby>");
    let mut bob = TestPeer::registered(server.address(), "bob");
    guest.press(CTRL_Z);
    guest.wait_for_text("stopped");
    bob.send("lobby", "said meanwhile");
    guest.wait_for_text("said meanwhile");
}
