//! What a user is told who is no longer logged in, or cannot log in; and that a login is never replaced unasked.
#![cfg(unix)]

use lanchat_tests::{
    Home, Launch, PASSWORD, Pipe, Place, Process, ServerSpec, Terminal, TestPeer, TestServer, lanchat,
};
use serde_json::json;

/// The exit code of a client whose login failed.
const EXIT_LOGIN: i32 = 4;
/// The exit code of a client that was refused something.
const EXIT_REFUSED: i32 = 6;

fn launch(server: &TestServer, home: &Home) -> Launch {
    Launch::new(lanchat()).home(home).args(["--server", &server.address().to_string()])
}

fn script(server: &TestServer, home: &Home, input: &str) -> (i32, String) {
    let (code, _, complaints) = Process::run(&launch(server, home), input);
    (code, complaints)
}

fn registered(server: &TestServer, home: &Home, name: &str) {
    let (code, complaints) = script(server, home, &format!("/register {name} {PASSWORD}\n"));
    assert_eq!(code, 0, "{complaints}");
}

/// Number 41: another device changed the password, which ends this login.
#[test]
fn a_login_that_is_no_longer_good_is_said_to_be() {
    let server = TestServer::start();
    let (phone, laptop) = (Home::new(), Home::new());
    let (code, complaints) = script(&server, &phone, "/register ana first-password\n");
    assert_eq!(code, 0, "{complaints}");
    let input = "/login ana first-password\n/passwd first-password another-password\n";
    let (code, complaints) = script(&server, &laptop, input);
    assert_eq!(code, 0, "{complaints}");

    let (code, complaints) = script(&server, &phone, "hello\n");
    assert_eq!(code, EXIT_LOGIN, "{complaints}");
    assert!(complaints.contains("was logged in as ana, and is not any more"), "{complaints}");
    assert!(complaints.contains("/login NAME"), "{complaints}");
    // The user is told once: afterwards no login is kept, and the server is known.
    let terminal = Terminal::start(launch(&server, &phone));
    terminal.wait_for_text("no login is kept on this device");
    drop(terminal);

    // A person at a terminal.
    let (code, complaints) = script(&server, &phone, "/login ana another-password\n");
    assert_eq!(code, 0, "{complaints}");
    let (code, complaints) = script(&server, &laptop, "/passwd another-password third-password\n");
    assert_eq!(code, 0, "{complaints}");
    let mut terminal = Terminal::start(launch(&server, &phone));
    terminal.wait_for_text("was logged in as ana, and is not any more");
    terminal.wait_for_text("/login ana");
    assert!(!terminal.screen().contains("/register"), "nobody is taken for new");
    terminal.enter("/login ana third-password");
    terminal.wait_for_text("lobby>");
}

/// Number 41: the client does not offer what a server does not support.
#[test]
fn a_server_without_registration_says_so_before_it_is_tried() {
    let server = TestServer::start_as(ServerSpec::default().arg("--registration").arg("closed"));
    let home = Home::new();
    let mut terminal = Terminal::start(launch(&server, &home));
    terminal.wait_for_text("takes no new accounts");
    terminal.enter("hello");
    terminal.wait_for_text("You are not logged in.");
    assert!(!terminal.screen().contains("/register"), "{}", terminal.screen());
    let (code, complaints) = script(&server, &home, "hello\n");
    assert_eq!(code, EXIT_LOGIN, "{complaints}");
    assert!(
        complaints.contains("takes no new accounts") && !complaints.contains("/register"),
        "{complaints}"
    );
}

/// Number 36, at a terminal.
#[test]
fn a_new_account_takes_the_place_of_the_remembered_one_only_if_asked() {
    let server = TestServer::start();
    let home = Home::new();
    registered(&server, &home, "ana");
    let mut terminal = Terminal::start(launch(&server, &home));
    terminal.wait_for_text("lobby>");
    for answer in ["", "n"] {
        terminal.enter("/register bob");
        terminal.wait_for_text("Leave ana and make bob? [y/N]");
        if answer.is_empty() {
            terminal.enter("what");
            terminal.wait_for_text("Type y or n.");
        }
        terminal.enter(answer);
        terminal.wait_for_text("You are still ana.");
        terminal.wait_for_text("lobby>");
    }
    terminal.enter("still ana here");
    terminal.wait_for_text("still ana here");
    terminal.enter("/register bob");
    terminal.wait_for_text("Leave ana and make bob? [y/N]");
    terminal.enter("y");
    terminal.wait_for_text("New password");
    terminal.enter(PASSWORD);
    terminal.wait_for_text("same again");
    terminal.enter(PASSWORD);
    terminal.wait_for_text("You are bob");
}

/// Number 36, where nobody can be asked.
#[test]
fn a_script_does_not_replace_its_login_by_a_registration() {
    let server = TestServer::start();
    let home = Home::new();
    let input = format!("/register ana {PASSWORD}\nfirst\n/register bob {PASSWORD}\nsecond\n");
    let (code, complaints) = script(&server, &home, &input);
    assert_eq!(code, EXIT_REFUSED, "{complaints}");
    assert!(complaints.contains("You are ana here") && complaints.contains("/logout"), "{complaints}");
    let (code, complaints) = script(&server, &home, "still logged in\n");
    assert_eq!(code, 0, "{complaints}");
    assert!(complaints.contains("You are ana"), "{complaints}");
    let (code, complaints) = script(&server, &home, &format!("/logout\n/register bob {PASSWORD}\nhello\n"));
    assert_eq!(code, 0, "{complaints}");
}

/// Changes the password of `peer`'s account, which logs out its other devices.
fn change_password(peer: &mut TestPeer) {
    let changed =
        peer.request(json!({"type": "passwd", "old": PASSWORD, "new": "another-password", "renew": true}));
    assert_eq!(changed["type"], "ok", "{changed}");
}

/// A reader that is logged out cannot log in again, since its input has ended.
#[test]
fn a_reader_that_is_logged_out_elsewhere_ends_and_says_so() {
    for form in ["--plain", "--json"] {
        let server = TestServer::start();
        let mut phone = TestPeer::registered(server.address(), "ana");
        let home = Home::new();
        let address = server.address().to_string();
        let mut reader = Pipe::start(&home, &Place::Here, &[form, "--follow", "--server", &address]);
        reader.enter(&format!("/login ana {PASSWORD}"));
        reader.enter("ready");
        reader.find("ready");
        reader.process().close_stdin();
        phone.send("lobby", "still heard");
        reader.find("still heard");
        change_password(&mut phone);
        assert_eq!(reader.process().wait(), EXIT_LOGIN, "{}", reader.complaints());
        assert!(reader.complaints().contains("/login NAME"), "{}", reader.complaints());
    }
}

/// A reader that logs out by itself has nothing to stay for.
#[test]
fn a_reader_that_logs_out_ends() {
    let server = TestServer::start();
    let home = Home::new();
    let (code, _, complaints) = Process::run(
        &launch(&server, &home).args(["--plain", "--follow"]),
        &format!("/register ana {PASSWORD}\n/logout\n"),
    );
    assert_eq!(code, 0, "{complaints}");
}

/// Somebody types while another device logs out this one.
#[test]
fn a_line_that_is_finished_just_after_a_log_out_comes_back() {
    let server = TestServer::start();
    let mut phone = TestPeer::registered(server.address(), "ana");
    let home = Home::new();
    let (code, complaints) = script(&server, &home, &format!("/login ana {PASSWORD}\n"));
    assert_eq!(code, 0, "{complaints}");
    let mut terminal = Terminal::start(launch(&server, &home));
    terminal.wait_for_text("lobby>");
    terminal.press("a long story");
    change_password(&mut phone);
    terminal.wait_for_text("Type /login to log in again.");
    terminal.enter("");
    terminal.wait_for_text("the Up key brings back what you typed");
    terminal.enter("/login ana another-password");
    let at_the_prompt = |terminal: &Terminal, line: &str| {
        terminal.wait_for(&format!("waiting for {line:?} at the prompt"), |screen| {
            screen.contents().trim_end().lines().last().is_some_and(|row| row.trim_end().ends_with(line))
        });
    };
    at_the_prompt(&terminal, "lobby>");
    // The line is before the login in the history.
    terminal.press("\x1b[A\x1b[A");
    at_the_prompt(&terminal, "lobby> a long story");
    terminal.enter("");
    phone.expect_where("message", |frame| frame["message"] == "a long story");
}
