//! Tests the program in a pipe, against a server hosted by another run of it: order, acknowledgement, trust, exit
//! codes.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use lanchat_model::limits;

/// A server with its host's client; dropping it ends both.
struct Host {
    child: Child,
    /// Held open, because the host leaves when its input ends.
    _input: ChildStdin,
    address: String,
}

impl Host {
    /// Hosts on `listen`, with the data in `data`.
    fn start(folder: &Path, data: &str, listen: &str) -> Self {
        let mut child = program(&folder.join(format!("{data}-home")))
            .args(["host", "--plain", "--follow", "--no-mdns", "--name", "lab", "--listen", listen, "--data"])
            .arg(folder.join(data))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address =
            lines.find_map(|line| Some(line.unwrap().split_once("listening on ")?.1.to_owned())).unwrap();
        // The rest is read too, so that the host never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, _input: input, address }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The host may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lanchat"));
    for variable in ["LANCHAT_DATA", "LANCHAT_NAME", "LANCHAT_LISTEN", "NO_COLOR"] {
        command.env_remove(variable);
    }
    command.env("LANCHAT_HOME", home);
    command
}

struct Run {
    code: i32,
    out: String,
    err: String,
}

/// Runs a client with `input` until it ends.
fn talk(home: PathBuf, server: &str, flags: &[&str], input: &str) -> Run {
    let mut child = program(&home)
        .args(["--server", server])
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // This needs its own thread: the client may stop reading before the end, or write before it has read everything.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn lines_are_sent_in_order_and_all_of_them_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), "data", "127.0.0.1:0");
    let lines: String = (1..=500).map(|n| format!("line {n}\n")).collect();
    let input = format!("/register ana canary-password\n/join dev\n{lines}/join attic\nin the attic\n");
    let ana = talk(folder.path().join("ana"), &host.address, &["--plain"], &input);
    assert_eq!(ana.code, 0, "{}", ana.err);
    assert!(ana.err.contains("First contact") && ana.err.contains("Not yet verified"), "{}", ana.err);

    let bob = "/register bob another-password\n/join dev\n/history 200\n";
    let bob = talk(folder.path().join("bob"), &host.address, &["--json", "--tail", "50"], bob);
    assert_eq!(bob.code, 0, "{}", bob.err);
    let frames: Vec<serde_json::Value> =
        bob.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line =
        |frame: &serde_json::Value| frame["message"].as_str()?.strip_prefix("line ")?.parse::<u32>().ok();
    let live: Vec<u32> = frames.iter().filter_map(line).collect();
    assert_eq!(live, (452..=500).collect::<Vec<_>>(), "the tail, less the entry of the reader");
    let history = frames.iter().find(|frame| frame["type"] == "history").unwrap();
    let older: Vec<u32> = history["entries"].as_array().unwrap().iter().filter_map(line).collect();
    assert!(older.len() >= 199 && older.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{older:?}");
    for run in [&ana.out, &ana.err] {
        assert!(!run.contains("canary-password"));
    }
}

#[test]
fn the_device_is_remembered_and_missed_lines_are_shown_once() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), "data", "127.0.0.1:0");
    let home = |name: &str| folder.path().join(name);
    talk(home("ana"), &host.address, &["--plain"], "/register ana canary-password\n");
    let sent = "/register bob another-password\nhello lobby\n/msg ana psst\n/me waves\n";
    assert_eq!(talk(home("bob"), &host.address, &["--plain"], sent).code, 0);

    let ana = talk(home("ana"), &host.address, &["--plain"], "");
    assert_eq!(ana.code, 0, "{}", ana.err);
    for expected in ["bob  hello lobby", "[private @bob] bob  psst", "* bob waves", "*** new since "] {
        assert_eq!(ana.out.matches(expected).count(), 1, "{expected} in {}", ana.out);
    }
    let again = talk(home("ana"), &host.address, &["--plain", "--tail", "50"], "");
    assert!(again.out.contains("hello lobby") && !again.out.contains("new since"), "{}", again.out);
    for flag in ["--plain", "--json"] {
        let input = "/join lobby\n/msg bob\n/whois bob\n";
        let quiet = talk(home("ana"), &host.address, &[flag], input);
        assert_eq!(quiet.code, 0, "{}", quiet.err);
        for old in ["hello lobby", "psst", "waves"] {
            assert!(!quiet.out.contains(old), "{old} leaked: {}", quiet.out);
        }
    }
    assert!(!again.err.contains("First contact"), "{}", again.err);
}

#[test]
fn a_logout_waits_for_what_was_sent_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), "data", "127.0.0.1:0");
    let lines: String = (1..=100).map(|n| format!("line {n}\n")).collect();
    let input = format!("/register ana canary-password\n{lines}/logout\n");
    let ana = talk(folder.path().join("ana"), &host.address, &["--plain"], &input);
    assert_eq!(ana.code, 0, "{}", ana.err);
    assert!(ana.err.contains("You logged out."), "{}", ana.err);
    let bob = "/register bob another-password\n/history 200\n";
    let bob = talk(folder.path().join("bob"), &host.address, &["--plain"], bob);
    for number in 1..=100 {
        assert!(bob.out.contains(&format!("ana  line {number}\n")), "line {number} is not in {}", bob.out);
    }
}

#[test]
fn text_is_said_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), "data", "127.0.0.1:0");
    let run =
        |name: &str, flags: &[&str], input: &str| talk(folder.path().join(name), &host.address, flags, input);
    let lines = ["/usr/bin/ld: warning", "//etc", "/logout", "/login bob canary-password", "  two  spaces "];
    let input = lines.join("\n\n") + "\n";
    let nobody = run("ana", &["--text"], &input);
    assert_eq!(nobody.code, 4, "{}", nobody.err);
    assert!(nobody.err.contains("Log in once without --text"), "{}", nobody.err);

    assert_eq!(run("ana", &["--plain"], "/register ana canary-password\n").code, 0);
    for flags in [&["--text"][..], &["--text", "--plain", "--room", "builds"]] {
        let ana = run("ana", flags, &input);
        assert_eq!(ana.code, 0, "{}", ana.err);
        let said: Vec<&str> = ana.out.lines().filter_map(|line| Some(line.split_once("ana  ")?.1)).collect();
        assert_eq!(said, lines, "{}", ana.out);
    }
    assert_eq!(run("ana", &["--plain"], "still logged in\n").code, 0);
}

#[test]
fn what_goes_wrong_has_its_own_code() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), "data", "127.0.0.1:0");
    let run = |name: &str, flags: &[&str], input: &str| {
        let flags = [&["--plain"], flags].concat();
        talk(folder.path().join(name), &host.address, &flags, input)
    };
    assert_eq!(run("ana", &[], "/register ana canary-password\n").code, 0);
    let cases: [(&str, &[&str], &str, i32, &str); 9] = [
        ("x", &[], "/login ana wrong-password\nhi\n", 4, "password"),
        ("x", &[], "/register ana other-password\n", 4, "name"),
        ("x", &[], "hi\n", 4, "/login NAME PASSWORD"),
        ("x", &[], "", 4, "/login NAME PASSWORD"),
        ("x", &["--follow"], "", 4, "/login NAME PASSWORD"),
        ("ana", &[], "/nope\n", 6, "/help"),
        ("ana", &[], "/msg nobody-here hi\n", 6, "refused"),
        ("ana", &["--room", "a-room"], "/leave lobby\n", 6, "refused"),
        ("ana", &[], "/join \"\"\nhi\n/quit\nnot read\n", 6, "A name cannot be empty"),
    ];
    for (name, flags, input, code, words) in cases {
        let run = run(name, flags, input);
        assert_eq!(run.code, code, "{input:?}: {}", run.err);
        assert!(run.err.contains(words), "{input:?}: {}", run.err);
        assert!(!run.err.contains("canary") && !run.out.contains("not read"), "{}", run.err);
    }
    let long = format!("{} to the end", "a long line ".repeat(20));
    let refused = run("ana", &[], &format!("/msg nobody-here {long}\n"));
    assert!(refused.err.contains(&format!("“{long}”. The server says: “")), "{}", refused.err);
    let fine = run("ana", &[], "//etc is a folder\n/quit\n");
    assert_eq!(fine.code, 0, "{}", fine.err);
    assert!(fine.out.contains("ana  /etc is a folder"), "{}", fine.out);
}

/// The lines after it are meant for the room or the account that it was to change to.
#[test]
fn a_script_ends_at_the_first_command_that_cannot_be_understood() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), "data", "127.0.0.1:0");
    let run = |input: &str| talk(folder.path().join("ana"), &host.address, &["--plain"], input);
    assert_eq!(run("/register ana canary-password\n").code, 0);
    for (number, line) in [
        "/join ",
        "/join",
        "/join \"\"",
        "/jion x",
        "/",
        "/msg",
        "/msg ",
        "/msg @",
        "/msg nobody-here",
        "/login ",
        "/login",
        "/login bob",
        "/register ",
        "/register bob",
        "/passwd",
        "/passwd a b c",
        "/history x",
        "/me ",
        "/reply ",
        "／join x",
        "/join a b!",
        "/join a\0",
    ]
    .into_iter()
    .enumerate()
    {
        let run = run(&format!("before {number}\n{line}\nCANARY\n/quit\n"));
        assert_eq!(run.code, 6, "{line:?}: {}", run.err);
        assert!(!run.err.trim().is_empty(), "{line:?}");
        assert!(run.out.contains(&format!("ana  before {number}\n")), "{line:?}: {}", run.out);
    }
    let all = run("/history 500\n");
    assert_eq!(all.out.matches("ana  before ").count(), 22, "{}", all.out);
    assert!(!all.out.contains("CANARY"), "{}", all.out);
}

#[test]
fn another_login_takes_the_place_of_the_remembered_one() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), "data", "127.0.0.1:0");
    let shared = || folder.path().join("shared");
    talk(shared(), &host.address, &["--plain"], "/register ana canary-password\n");
    talk(
        shared(),
        &host.address,
        &["--plain"],
        "/register bob canary-password\nI am bob\n/login ana canary-password\nI am ana\n",
    );
    let last = talk(shared(), &host.address, &["--plain", "--tail", "50"], "still ana\n");
    for expected in ["bob  I am bob", "ana  I am ana", "ana  still ana"] {
        assert_eq!(last.out.matches(expected).count(), 1, "{expected} in {}", last.out);
    }
}

#[test]
fn a_login_of_whoever_is_logged_in_makes_no_other_device() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), "data", "127.0.0.1:0");
    let run = |home: &str, input: &str| talk(folder.path().join(home), &host.address, &["--plain"], input);
    assert_eq!(run("first", "/register ana canary-password\n").code, 0);
    for number in 0..limits::DEVICES_PER_ACCOUNT_MAX {
        let input = format!("/login Ana canary-password\nline {number}\n/login ana\n");
        let script = run("script", &input);
        assert_eq!(script.code, 0, "{}", script.err);
        assert!(script.out.contains(&format!("ana  line {number}\n")), "{}", script.out);
        let told = script.err.matches("You are logged in as ana already.").count();
        assert_eq!(told, if number == 0 { 1 } else { 2 }, "{}", script.err);
    }
    let first = run("first", "still here\n");
    assert_eq!(first.code, 0, "the first device was logged out: {}", first.err);
    // An invalid token is not an obstacle.
    assert_eq!(run("first", "/passwd canary-password another-password\n").code, 0);
    assert_eq!(run("script", "/login ana another-password\nand here\n").code, 0);
}

#[test]
fn a_changed_key_stops_everything_until_it_is_reset() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), "data", "127.0.0.1:0");
    let address = host.address.clone();
    let ana = || folder.path().join("ana");
    assert_eq!(talk(ana(), &address, &["--plain"], "/register ana canary-password\n").code, 0);
    drop(host);
    let _impostor = Host::start(folder.path(), "other-data", &address);
    let refused = talk(ana(), &address, &["--plain"], "/login ana canary-password\nsecret\n");
    assert_eq!(refused.code, 3, "{}", refused.err);
    let command =
        refused.err.lines().find_map(|line| line.trim().strip_prefix("lanchat trust reset ")).unwrap();
    assert!(refused.err.contains("CHANGED") && !refused.err.contains("canary"), "{}", refused.err);

    let reset = program(&ana()).args(["trust", "reset", command.trim()]).output().unwrap();
    assert!(reset.status.success());
    let fresh = talk(ana(), &address, &["--plain"], "/register ana canary-password\n");
    assert_eq!(fresh.code, 0, "{}", fresh.err);
    assert!(fresh.err.contains("First contact"));
}

#[test]
fn a_reader_that_has_read_enough_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), "data", "127.0.0.1:0");
    let mut child = program(&folder.path().join("ana"))
        .args(["--plain", "--follow", "--server", &host.address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"/register ana canary-password\nhello\n").unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    drop(out);
    // Nobody reads the answers; the program's input is sent all the same.
    for number in 1..=500 {
        writeln!(stdin, "line {number}").unwrap();
    }
    // The end of the input ends the program, since there is no reader to stay for.
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let bob = "/register bob another-password\n/history 200\n";
    let bob = talk(folder.path().join("bob"), &host.address, &["--plain"], bob);
    for number in 320..=500 {
        assert!(bob.out.contains(&format!("ana  line {number}\n")), "line {number} is not in {}", bob.out);
    }
}

#[test]
fn a_refusal_is_told_by_the_code_although_nobody_reads() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), "data", "127.0.0.1:0");
    let mut child = program(&folder.path().join("ana"))
        .args(["--plain", "--server", &host.address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"/register ana canary-password\nhello\n/msg nobody-here hi\n").unwrap();
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(6));
}

#[test]
fn a_server_can_be_named_in_matters_of_trust() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), "data", "127.0.0.1:0");
    let home = folder.path().join("ana");
    assert_eq!(talk(home.clone(), &host.address, &["--plain"], "/register ana canary-password\n").code, 0);
    let trust = |task: &str, server: &str| program(&home).args(["trust", task, server]).output().unwrap();
    assert_eq!(trust("verify", "another").status.code(), Some(1));
    assert!(trust("verify", "lab").status.success());
    assert!(trust("reset", "LAB").status.success());
    assert_eq!(trust("reset", "lab").status.code(), Some(1), "it is forgotten");
    let other = Host::start(folder.path(), "other-data", "127.0.0.1:0");
    for address in [&host.address, &other.address] {
        talk(home.clone(), address, &["--plain"], "/register bob canary-password\n");
    }
    let ambiguous = trust("reset", "lab");
    assert_eq!(ambiguous.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ambiguous.stderr).contains("Several servers"));
}

#[test]
fn the_old_password_is_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), "data", "127.0.0.1:0");
    let input = "/register ana canary-password\n/passwd not-that-one a-new-password\n/msg carol hey\n";
    let run = talk(folder.path().join("ana"), &host.address, &["--plain"], input);
    assert_eq!(run.code, 6);
    assert!(run.err.contains("!!! The old password is wrong."), "{}", run.err);
    assert!(run.err.contains("Your message to @carol was not sent: “hey”. "), "{}", run.err);
    assert!(run.err.contains("Nobody else is online."), "{}", run.err);
}
