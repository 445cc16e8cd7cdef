//! A script whose input is not read to its end is told so, and its exit code shows it.
#![cfg(unix)]

use lanchat_tests::{
    FakeIdentity, FakeServer, Home, Launch, PASSWORD, Process, Signal, TestServer, interpreter, lanchat,
};

/// The exit code of a client that did not send all of its input.
const EXIT_REFUSED: i32 = 6;

fn registered(server: &TestServer, home: &Home) {
    let launch = Launch::new(lanchat()).home(home).args(["--server", &server.address().to_string()]);
    let (code, _, complaints) = Process::run(&launch, &format!("/register ana {PASSWORD}\n"));
    assert_eq!(code, 0, "{complaints}");
}

/// An input that cannot be read is not the same as one that has ended.
#[test]
fn an_input_that_cannot_be_read_is_not_taken_for_its_end() {
    let (server, home) = (TestServer::start(), Home::new());
    registered(&server, &home);
    let shell = r#"exec "$0" --text --server "$1" </"#;
    let launch = Launch::new("sh").home(&home).args(["-c", shell]);
    let launch = launch.arg(lanchat()).arg(server.address().to_string());
    let (code, _, complaints) = Process::run(&launch, "");
    assert_eq!(code, EXIT_REFUSED, "{complaints}");
    assert!(complaints.contains("cannot be read"), "{complaints}");
}

/// A process that shares our standard input may have made it non-blocking.
#[test]
fn an_input_that_does_not_wait_is_waited_for() {
    let (server, home) = (TestServer::start(), Home::new());
    registered(&server, &home);
    let program = "import os, sys; os.set_blocking(0, False); os.execv(sys.argv[1], sys.argv[1:])";
    let Some(python) = interpreter() else { return };
    let launch = Launch::new(python).home(&home).args(["-c", program]).arg(lanchat());
    let launch = launch.args(["--plain", "--server", &server.address().to_string()]);
    let mut process = Process::start(&launch);
    let mut output = process.stdout.lines();
    for line in ["first", "second", "third"] {
        process.write(&format!("{line}\n"));
        output.find(line, |row| row.contains(line).then_some(()));
    }
    process.close_stdin();
    assert_eq!(process.wait(), 0, "{}", process.stderr.text());
}

/// The login is not answered yet when the program is told to stop: the lines after it were never sent.
#[test]
fn a_script_that_is_stopped_says_that_lines_were_not_sent() {
    let id = "0123456789abcdef0123456789abcdef";
    let server = FakeServer::start(FakeIdentity::with_own_key(id), id);
    let home = Home::new();
    let launch = Launch::new(lanchat()).home(&home).args(["--server", &server.address().to_string()]);
    let mut process = Process::start(&launch);
    process.write(&format!("/register ana {PASSWORD}\nimportant\n"));
    server.wait_for_trust();
    process.signal(Signal::Terminate);
    assert_eq!(process.wait(), EXIT_REFUSED, "{}", process.stderr.text());
    assert!(process.stderr.text().contains("were not sent"), "{}", process.stderr.text());
}

/// Nobody receives the output: a program that reads has failed, and one that only sends is told.
#[test]
fn an_output_that_cannot_be_written_is_told() {
    let (server, home) = (TestServer::start(), Home::new());
    registered(&server, &home);
    for (forms, expected) in [("--plain", 0), ("--json", 0), ("--plain --follow", 1), ("--json --follow", 1)]
    {
        let shell = r#"exec "$0" $2 --server "$1" >/dev/full"#;
        let launch = Launch::new("sh").home(&home).args(["-c", shell]).arg(lanchat());
        let launch = launch.args([server.address().to_string().as_str(), forms]);
        let (code, _, complaints) = Process::run(&launch, "said all the same\n");
        assert_eq!(code, expected, "{forms}: {complaints}");
        assert!(complaints.contains("The output cannot be written"), "{complaints}");
    }
    assert!(server.stores(b"said all the same"));
}
