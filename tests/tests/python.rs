//! The documentation's example client, which does not share code with us, in one room with `lanchat`.
#![cfg(unix)]

use std::path::Path;

use lanchat_tests::{Home, Launch, PASSWORD, Pipe, Process, TestServer, interpreter};

/// Returns a launch of `chat.py` as `name`, with a home of its own.
fn chat(server: &TestServer, home: &Home, name: &str) -> Option<Launch> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/chat.py");
    let (host, port) = (server.address().ip().to_string(), server.address().port().to_string());
    Some(Launch::new(interpreter()?).arg("-u").arg(script).args([&host, &port, name]).home(home))
}

/// They talk to each other (#2, item 10).
#[test]
fn chat_py_and_lanchat_talk_to_each_other() {
    let (server, homes) = (TestServer::start(), [Home::new(), Home::new()]);
    let Some(launch) = chat(&server, &homes[0], "monty") else { return };
    let mut lanchat = Pipe::json(&homes[1], server.address(), "ana");
    let mut python = Process::start(&launch);
    python.write(&format!("{PASSWORD}\nhello from Python\n"));
    let heard = lanchat.expect("message", |frame| frame["username"] == "monty");
    assert_eq!(heard["message"], "hello from Python");
    lanchat.enter("hello from lanchat");
    python.stdout.wait_for_text("hello from lanchat");
    python.write("goodbye\n");
    python.close_stdin();
    assert_eq!(python.wait(), 0, "{}", python.stderr.text());
    lanchat.expect("message", |frame| frame["message"] == "goodbye");
}

/// The password is asked for once; the key is known from then on.
#[test]
fn chat_py_comes_back_to_its_account_and_trusts_the_key_that_it_knows() {
    let (server, home) = (TestServer::start(), Home::new());
    for _ in 0..2 {
        let Some(launch) = chat(&server, &home, "monty") else { return };
        let (code, _, error) = Process::run(&launch, &format!("{PASSWORD}\nhello\n"));
        assert_eq!(code, 0, "{error}");
    }
}

#[test]
fn chat_py_refuses_a_server_with_another_key() {
    let (mut server, home) = (TestServer::start(), Home::new());
    let Some(launch) = chat(&server, &home, "monty") else { return };
    assert_eq!(Process::run(&launch, &format!("{PASSWORD}\n")).0, 0);
    server.kill();
    std::fs::remove_dir_all(server.data()).expect("a folder can be removed");
    server.start_again();
    let (code, _, error) = Process::run(&launch, &format!("{PASSWORD}\n"));
    assert_ne!(code, 0);
    assert!(error.contains("another key"), "{error}");
}
