//! A client that is killed between sending and the answer: the next one sends the same, and each line is there once.
#![cfg(unix)]

use lanchat_tests::{
    Home, Launch, PASSWORD, Pipe, Place, Process, Proxy, Signal, TestPeer, TestServer, lanchat,
};

#[test]
fn a_client_killed_between_send_and_ack_leaves_each_line_exactly_once() {
    let server = TestServer::start();
    let proxy = Proxy::to(server.address());
    let (home, address) = (Home::new(), proxy.address().to_string());
    let mut bob = TestPeer::registered(server.address(), "bob");
    let mut ana = Pipe::start(&home, &Place::Here, &["--plain", "--follow", "--server", &address]);
    ana.enter(&format!("/register ana {PASSWORD}"));
    ana.enter("ready");
    ana.find("ready");
    bob.expect_where("message", |frame| frame["message"] == "ready");

    // What she sends arrives; what the server answers does not.
    proxy.mute();
    let lines = ["one", "two", "three"];
    lines.iter().for_each(|line| ana.enter(line));
    for line in lines {
        assert_eq!(bob.expect("message")["message"], line);
    }
    ana.signal(Signal::Kill);
    ana.process().wait();

    let again = || {
        let launch = Launch::new(lanchat()).home(&home).args(["--plain", "--server", &address]);
        Process::run(&launch, "four\n")
    };
    let (code, shown, said) = again();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("Sending 3 messages that were left from last time."), "{said}");
    for line in lines {
        assert_eq!(shown.lines().filter(|shown| shown.ends_with(line)).count(), 1, "{shown}");
    }
    assert_eq!(bob.expect("message")["message"], "four", "nothing twice");
    let (_, _, said) = again();
    assert!(!said.contains("from last time"), "nothing is left: {said}");
}
