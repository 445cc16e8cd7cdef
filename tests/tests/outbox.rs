//! A client that is killed between sending and the answer: the next one sends the same posts, and each line is there
//! once, even if nothing can be written any more.
#![cfg(unix)]

use lanchat_tests::{
    FakeIdentity, FakeServer, Home, Launch, PASSWORD, Pipe, Place, Process, Proxy, Signal, TestPeer,
    TestServer, TinyDisk, lanchat,
};

/// The exit code of a script that leaves while the server does not answer.
const EXIT_LOST: i32 = 5;

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

    // Her messages arrive, but the server's answers do not.
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
    let (code, _, said) = again();
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("from last time"), "nothing is left: {said}");
}

/// When a script leaves while the server is silent, its unwritten lines exist nowhere else.
#[test]
fn what_could_not_be_kept_is_told_whole_at_the_end() {
    let server = TestServer::start();
    let proxy = Proxy::to(server.address());
    let (home, folder, address) = (Home::new(), tempfile::tempdir().unwrap(), proxy.address().to_string());
    let state = folder.path().join("state");
    let launch = || {
        let launch = Launch::new(lanchat()).home(&home).arg("--home").arg(&state);
        launch.args(["--plain", "--server", &address])
    };
    let (code, _, said) = Process::run(&launch(), &format!("/register ana {PASSWORD}\n"));
    assert_eq!(code, 0, "{said}");
    let outbox = state.join("outbox");
    let _ = std::fs::remove_dir_all(&outbox);
    std::fs::write(&outbox, "in the way").unwrap();
    let mut bob = TestPeer::registered(server.address(), "bob");
    let mut ana = Pipe::launch(&launch());
    ana.enter("ready");
    ana.find("ready");
    bob.expect_where("message", |frame| frame["message"] == "ready");
    proxy.mute();
    ana.enter("the whole of it");
    assert_eq!(bob.expect("message")["message"], "the whole of it");
    ana.signal(Signal::Terminate);
    assert_eq!(ana.process().wait(), EXIT_LOST);
    let said = ana.complaints();
    assert!(said.contains("They could NOT be kept:\n  lobby: “the whole of it”"), "{said}");
}

/// `lanchat` with its home on a small disk.
fn on(disk: &TinyDisk, address: &str) -> Launch {
    let starter = disk.starter();
    let launch = Launch::new(&starter[0]).args(&starter[1..]).arg(lanchat());
    launch.arg("--home").arg(disk.data()).args(["--plain", "--server", address])
}

/// Sends lines in a run of its own, which must succeed, and returns its complaints.
fn say(disk: &TinyDisk, address: &str, input: &str) -> String {
    let (code, shown, said) = Process::run(&on(disk, address), input);
    assert_eq!(code, 0, "{shown}\n{said}");
    said
}

/// A user who starts with a full disk is let in, is told what is not kept, and stays logged in: a token that could not
/// be written does not make the stored one stale.
#[test]
fn a_disk_that_is_full_at_the_start_keeps_nobody_from_talking() {
    let Some(disk) = TinyDisk::new(1024 * 1024) else { return };
    let server = TestServer::start();
    let proxy = Proxy::to(server.address());
    let address = proxy.address().to_string();
    let mut bob = TestPeer::registered(server.address(), "bob");
    let mut hears = |text: &str| assert_eq!(bob.expect("message")["message"], text);
    say(&disk, &address, &format!("/register ana {PASSWORD}\nfirst\n"));
    hears("first");
    // A killed program leaves posts that were written while there was space.
    let mut killed = Pipe::launch(&on(&disk, &address).arg("--follow"));
    killed.enter("ready");
    killed.find("ready");
    hears("ready");
    proxy.mute();
    killed.enter("left behind");
    hears("left behind");
    killed.signal(Signal::Kill);
    killed.process().wait();

    disk.fill(0);
    let said = say(&disk, &address, "second\n");
    assert!(said.contains("left from last time"), "{said}");
    hears("second");
    // The leftover file took space, and is gone now.
    disk.fill(0);
    for line in ["third", "fourth"] {
        let said = say(&disk, &address, &format!("{line}\n"));
        assert!(said.contains("are lost if this program ends"), "{said}");
        assert!(!said.contains("from last time"), "it has arrived: {said}");
        hears(line);
    }
    // Check a session that is lost and resumed, and the next start after it.
    let mut lost = Pipe::launch(&on(&disk, &address).arg("--follow"));
    lost.enter("fifth");
    hears("fifth");
    for line in ["sixth", "seventh"] {
        proxy.reset();
        lost.process().stderr.wait_for_text("Connection lost");
        lost.enter(line);
        hears(line);
    }
    lost.signal(Signal::Terminate);
    assert_eq!(lost.process().wait(), 0, "{}", lost.complaints());
    say(&disk, &address, "eighth\n");
    hears("eighth");

    // A login that cannot be kept lasts for this run, and the user is told.
    say(&disk, &address, "/logout\n");
    let said = say(&disk, &address, &format!("/login ana {PASSWORD}\nninth\n"));
    assert!(said.contains("need your password again next time"), "{said}");
    hears("ninth");

    disk.free();
    say(&disk, &address, &format!("/login ana {PASSWORD}\ntenth\n"));
    hears("tenth");
    let said = say(&disk, &address, "last\n");
    assert!(!said.contains("No space left"), "{said}");
    hears("last");
}

/// A script that leaves waits for its last acks. Whoever answers in the server's place meanwhile does not settle them.
#[test]
fn who_leaves_while_another_key_answers_does_not_end_well() {
    let server = TestServer::start();
    let proxy = Proxy::to(server.address());
    let (home, address) = (Home::new(), proxy.address().to_string());
    let mut bob = TestPeer::registered(server.address(), "bob");
    let mut ana = Pipe::start(&home, &Place::Here, &["--plain", "--follow", "--server", &address]);
    ana.enter(&format!("/register ana {PASSWORD}"));
    ana.enter("ready");
    ana.find("ready");
    bob.expect_where("message", |frame| frame["message"] == "ready");
    proxy.mute();
    ana.enter("the last word");
    assert_eq!(bob.expect("message")["message"], "the last word");
    let id = "0123456789abcdef0123456789abcdef";
    let impostor = FakeServer::start(FakeIdentity::with_own_key(id), id);
    ana.signal(Signal::Terminate);
    proxy.cut();
    proxy.join(impostor.address());
    assert_ne!(ana.process().wait(), 0, "its last word may not be on the server");
    assert_eq!(impostor.trusted_bytes(), 0);
}
