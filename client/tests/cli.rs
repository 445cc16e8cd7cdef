//! Tests the program from outside, as far as it does not need a server: flags, exit codes, the state folder.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Variables that the program must not depend on here.
const VARIABLES: [&str; 4] = ["LANCHAT_HOME", "LANCHAT_DATA", "TERM", "NO_COLOR"];

struct Run {
    code: i32,
    out: String,
    err: String,
}

fn lanchat(home: &Path, arguments: &[&str], input: &str) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lanchat"));
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.env("LANCHAT_HOME", home).args(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The program may end without reading its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
}

fn home() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    (folder, home)
}

#[test]
fn version_and_help_are_no_errors() {
    let (_folder, home) = home();
    let version = lanchat(&home, &["--version"], "");
    assert_eq!(
        (version.code, version.out.as_str()),
        (0, concat!("lanchat ", env!("CARGO_PKG_VERSION"), "\n"))
    );
    let help = lanchat(&home, &["--help"], "");
    assert_eq!(help.code, 0);
    for promised in [
        "Exit codes:",
        "--plain",
        "--json",
        "--follow",
        "--tail",
        "also with --json",
        "--server",
        "LANCHAT_HOME",
        "discover",
        "trust",
    ] {
        assert!(help.out.contains(promised), "{promised}");
    }
    assert!(!home.exists(), "nothing is made for a question");
}

#[test]
fn bad_flags_are_usage_errors() {
    let (_folder, home) = home();
    for bad in [
        &["--bogus"][..],
        &["--plain", "--json"],
        &["--server", "no host:7072"],
        &["hosst"],
        &["workshop"],
        &["--server", "host:99999"],
        &["lanchat://host/#abc"],
        &["--room", ""],
        &["trust", "reset", "not-an-id"],
        &["--server", "localhost", "discover"],
    ] {
        let run = lanchat(&home, bad, "");
        assert_eq!(run.code, 1, "{bad:?}: {}", run.err);
        assert!(!run.err.is_empty() && run.out.is_empty(), "{bad:?}");
    }
}

#[test]
fn a_value_that_is_none_is_told_what_would_be() {
    let (_folder, home) = home();
    for (flags, words) in [
        (["--tail", "some"], "--tail needs a number from 0 to 1000, for example --tail 50"),
        (["--tail", "1001"], "--tail needs a number from 0 to 1000, for example --tail 50"),
        (["--room", "tea room"], "room names use a to z, digits, '.', '_' and '-'"),
        (["--server", "pi:0"], "a port is a number from 1 to 65535"),
        (["--server", ""], "HOST"),
    ] {
        let run = lanchat(&home, &flags, "");
        assert_eq!(run.code, 1, "{flags:?}");
        assert!(run.err.contains(words) && !run.err.contains("invalid digit"), "{flags:?}: {}", run.err);
    }
}

/// A refusal by the system is reported once, with the path and what to do.
#[test]
fn a_state_folder_that_cannot_be_made_is_told_once() {
    let (folder, _) = home();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let below = file.join("below").join("home");
    let run = lanchat(&below, &["trust", "list"], "");
    assert_eq!(run.code, 1);
    assert_eq!(run.err.matches("os error").count(), 1, "{}", run.err);
    assert!(run.err.contains("file") && run.err.contains("--home DIR"), "{}", run.err);
}

#[test]
fn a_server_that_does_not_answer_has_its_own_code() {
    let (_folder, home) = home();
    // The port was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    for mode in ["--plain", "--json"] {
        let run = lanchat(&home, &[mode, "--server", &address], "/login ana canary-password\n");
        assert_eq!(run.code, 2, "{}", run.err);
        assert!(run.err.matches(&address).count() == 1 && run.out.is_empty(), "{}", run.err);
        assert!(!run.err.contains("canary"), "{}", run.err);
    }
}

#[test]
fn something_else_on_the_port_is_no_server() {
    let (_folder, home) = home();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let other = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        // The client may have hung up by the time the answer is written.
        let _ = peer.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let run = lanchat(&home, &["--plain", "--server", &address], "");
    other.join().unwrap();
    assert_eq!(run.code, 2, "{}", run.err);
    assert!(run.err.contains("not a lanchat server"), "{}", run.err);
}

#[test]
fn damaged_pins_fail_closed_and_are_left_alone() {
    let (_folder, home) = home();
    assert_eq!(lanchat(&home, &["trust", "list"], "").code, 0);
    let pins = home.join("pins.json");
    for damage in ["", "{", "{\"version\":1,\"pins\":{\"x\":1}}", "\u{0}\u{0}"] {
        fs::write(&pins, damage).unwrap();
        restrict(&pins, 0o600);
        for arguments in [&["trust", "list"][..], &["discover"], &["--plain", "--server", "127.0.0.1:1"]] {
            let run = lanchat(&home, arguments, "");
            assert_eq!(run.code, 1, "{damage:?} {arguments:?}: {}", run.err);
            assert!(run.err.contains("pins.json"), "{}", run.err);
        }
        assert_eq!(fs::read_to_string(&pins).unwrap(), damage, "the file is evidence");
    }
}

#[test]
fn a_state_folder_that_others_may_use_is_refused() {
    let (_folder, home) = home();
    fs::create_dir(&home).unwrap();
    restrict(&home, 0o755);
    if cfg!(unix) {
        let run = lanchat(&home, &["trust", "list"], "");
        assert_eq!(run.code, 1);
        assert!(run.err.contains("chmod 700"), "{}", run.err);
    }
}

#[test]
fn trust_is_listed_and_an_unknown_server_is_said_to_be() {
    let (_folder, home) = home();
    let list = lanchat(&home, &["trust", "list"], "");
    assert_eq!((list.code, list.out.as_str()), (0, "You trust no server yet.\n"));
    let id = "0".repeat(32);
    for task in ["reset", "verify"] {
        let run = lanchat(&home, &["trust", task, &id], "");
        assert_eq!(run.code, 1);
        assert!(run.err.contains("lanchat trust list"), "{}", run.err);
    }
}

fn restrict(path: &Path, mode: u32) {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    #[cfg(not(unix))]
    let _ = (path, mode);
}
