//! The line being typed: whatever is pressed or pasted, and however the window changes, it is neither lost nor
//! duplicated.
#![cfg(unix)]

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use lanchat_model::limits;
use lanchat_tests::{DEADLINE, Home, Launch, Terminal, TestPeer, TestServer, lanchat, skipped};
use serde_json::json;

fn launch(server: &TestServer, home: &Home) -> Launch {
    Launch::new(lanchat()).home(home).arg("--server").arg(server.address().to_string())
}

fn register(mut terminal: Terminal) -> Terminal {
    terminal.register("ana");
    terminal
}

/// Ana at her terminal, and somebody who hears her.
fn ana(server: &TestServer, home: &Home) -> (Terminal, TestPeer) {
    let watcher = TestPeer::registered(server.address(), "watcher");
    (register(Terminal::start(launch(server, home))), watcher)
}

/// Returns the next message of ana that `peer` gets.
fn from_ana(peer: &mut TestPeer) -> String {
    let frame = peer.expect_where("message", |frame| frame["username"] == "ana");
    frame["message"].as_str().expect("a text").to_owned()
}

/// A paste in Latin-1, Alt as the eighth bit, mouse reports that an earlier program has left on: none of them ends the
/// client, and everything typed before and after is kept.
#[test]
fn bytes_that_are_no_text_cost_neither_the_client_nor_the_draft() {
    let (server, home) = (TestServer::start(), Home::new());
    let (mut terminal, mut watcher) = ana(&server, &home);
    for (bytes, instead) in [
        (&b"caf\xe9 au lait"[..], "caf\u{fffd} au lait"),
        (b"\x1b[200~na\xefve\x1b[201~", "na\u{fffd}ve"),
        (b"\xf8", "\u{fffd}"),
        (b"\x1b[M \xa3\xb0", ""),
        (b"\x1b[<35;120;33M\x1b[<0;120;33m", ""),
        (b"\x1b[32;100;30M", ""),
        (b"\x1b[I", ""),
    ] {
        terminal.type_slowly("before ");
        terminal.press_bytes(&[bytes, b" behind\r"].concat());
        assert_eq!(from_ana(&mut watcher), format!("before {instead} behind"), "{}", bytes.escape_ascii());
    }
    // The user is told once, not for each byte.
    let told = terminal.transcript().iter().filter(|row| row.contains("no UTF-8")).count();
    assert_eq!(told, 1);
    // Half a character waits for its rest, but not for ever.
    terminal.press_bytes(b"x\xc3");
    terminal.wait_for_bytes("x\u{fffd}".as_bytes());
}

#[test]
fn one_ctrl_c_costs_no_draft() {
    let (server, home) = (TestServer::start(), Home::new());
    let (mut terminal, mut watcher) = ana(&server, &home);
    terminal.type_slowly("a long thought");
    terminal.press("\x03");
    terminal.wait_for_text("Cleared; Up brings it back. Ctrl+C again within 3 seconds leaves.");
    terminal.press("\x1b[A");
    terminal
        .wait_for("waiting for the thought", |screen| screen.contents().contains("lobby> a long thought"));
    terminal.press("\r");
    assert_eq!(from_ana(&mut watcher), "a long thought");
    // The line is kept only in memory: it may be a password in the wrong place.
    terminal.type_slowly("not for the disk");
    terminal.press("\x03\x19");
    terminal.wait_for("waiting for what was cleared", |screen| {
        screen.contents().contains("lobby> not for the disk")
    });
    terminal.press("\x15");
    terminal.enter("/quit");
    assert_eq!(terminal.wait_for_exit(), 0);
    let kept: String = home.files().iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    assert!(kept.contains("a long thought") && !kept.contains("not for the disk"));
}

#[test]
fn ctrl_c_says_what_the_next_one_does() {
    let (server, home) = (TestServer::start(), Home::new());
    let (mut terminal, _watcher) = ana(&server, &home);
    terminal.press("\x03");
    terminal.wait_for_text("Press Ctrl+C again within 3 seconds to leave.");
    terminal.press("\x03");
    assert_eq!(terminal.wait_for_exit(), 0);
}

/// Ctrl+Z restores the terminal for the shell; the draft is there when the program goes on.
#[test]
fn a_program_that_was_stopped_goes_on_with_its_draft() {
    let (server, home) = (TestServer::start(), Home::new());
    let mut watcher = TestPeer::registered(server.address(), "watcher");
    let shell = Launch::new("bash").home(&home).env("PS1", "shell> ").args(["--norc", "--noprofile", "-i"]);
    let mut terminal = Terminal::start(shell);
    terminal.wait_for_text("shell> ");
    terminal.enter(&format!("{} --server {}", lanchat().display(), server.address()));
    let mut terminal = register(terminal);
    terminal.type_slowly("before");
    terminal.press("\x1a");
    terminal.wait_for_text("Stopped");
    // The shell echoes what is typed, and reads it in lines.
    terminal.enter("echo $((40 + 2)) is");
    terminal.wait_for_text("42 is");
    terminal.enter("fg");
    terminal
        .wait_for("waiting for the draft", |screen| screen.contents().trim_end().ends_with("lobby> before"));
    terminal.press_bytes(b" \xe9 behind\r");
    assert_eq!(from_ana(&mut watcher), "before \u{fffd} behind");
    terminal.enter("/quit");
    terminal.wait_for("waiting for the shell", |screen| screen.contents().trim_end().ends_with("shell>"));
    terminal.enter("exit");
    terminal.wait_for_exit();
}

/// The reason why a line is not sent is shown below it, where the user looks after pasting.
#[test]
fn a_paste_that_is_too_long_says_so_below_itself_and_stays() {
    let (server, home) = (TestServer::start(), Home::new());
    let (mut terminal, mut watcher) = ana(&server, &home);
    let paste = format!("{}THE-END", "word ".repeat(limits::MESSAGE_BYTES_MAX / 5 + 1));
    terminal.paste(&paste);
    terminal.wait_for_text("THE-END");
    terminal.press("\r");
    let words = format!("a message has at most {}", limits::MESSAGE_BYTES_MAX);
    terminal.wait_for("waiting for the words below the line", |screen| {
        let contents = screen.contents();
        contents.find("THE-END").zip(contents.find(&words)).is_some_and(|(line, words)| line < words)
    });
    // Cleared, brought back and shortened, it is the same line.
    terminal.press("\x15");
    terminal.wait_for("waiting for the words to go", |screen| !screen.contents().contains(&words));
    terminal.press("\x19");
    terminal.wait_for_text("THE-END");
    terminal.press(&"\x7f".repeat(2 * 5 + "THE-END".len()));
    terminal.press("\r");
    assert_eq!(from_ana(&mut watcher), "word ".repeat(limits::MESSAGE_BYTES_MAX / 5 - 1));
}

/// A terminal inside the terminal. It rewraps its rows when its width changes, as most modern terminals do.
struct Tmux {
    home: Home,
}

impl Tmux {
    /// Starts tmux. Returns `None`, with a line that says so, if it is not installed.
    fn new() -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            skipped("no tmux, which wraps rows anew: apt-get install tmux");
            return None;
        }
        let tmux = Self { home: Home::new() };
        std::fs::write(tmux.home.path().join("conf"), "set -g status off\n").expect("a folder of ours");
        Some(tmux)
    }

    fn socket(&self) -> PathBuf {
        self.home.path().join("socket")
    }

    fn launch(&self, server: &TestServer, home: &Home) -> Launch {
        let launch = Launch::new("tmux").home(home).arg("-S").arg(self.socket());
        let launch = launch.arg("-f").arg(self.home.path().join("conf")).args([
            "new-session",
            "-x",
            "100",
            "-y",
            "24",
        ]);
        launch.arg(lanchat()).arg("--server").arg(server.address().to_string())
    }

    /// Waits until the program in it knows that its window has `columns` columns.
    fn wait_for_columns(&self, columns: u16) {
        let asked = Command::new("tmux")
            .arg("-S")
            .arg(self.socket())
            .args(["list-panes", "-F", "#{pane_tty}"])
            .output();
        let name =
            String::from_utf8(asked.expect("tmux can be asked").stdout).expect("the name of a terminal");
        let pane = std::fs::File::open(name.trim()).expect("the terminal of a pane");
        let until = Instant::now() + DEADLINE;
        while rustix::termios::tcgetwinsize(&pane).expect("the size of a terminal").ws_col != columns {
            assert!(Instant::now() < until, "the pane does not get {columns} columns");
            std::thread::yield_now();
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // It ends with its last program, but after a failed test there may be one left.
        let _ = Command::new("tmux").arg("-S").arg(self.socket()).arg("kill-server").output();
    }
}

#[test]
fn a_narrower_window_that_wraps_anew_shows_the_line_once() {
    let Some(tmux) = Tmux::new() else { return };
    let (server, home) = (TestServer::start(), Home::new());
    let mut watcher = TestPeer::registered(server.address(), "watcher");
    let mut terminal = Terminal::start(tmux.launch(&server, &home));
    terminal.resize(24, 100);
    let mut terminal = register(terminal);
    watcher.send("lobby", "said before");
    terminal.wait_for_text("said before");
    let line = format!("zebra {}end", "one two three four five six seven eight nine ten ".repeat(3));
    terminal.press(&line);
    terminal.wait_for_text("end");
    let is_once = |contents: &str, end: &str| {
        // Wrapping does not matter here.
        let contents = contents.replace('\n', "");
        let (zebras, said) = (contents.matches("zebra").count(), contents.matches("said before").count());
        zebras == 1 && said == 1 && contents.trim_end().ends_with(end)
    };
    for columns in [60, 40, 25, 50, 100, 30, 31, 90] {
        terminal.resize(24, columns);
        tmux.wait_for_columns(columns);
        // A key follows the resize: then the client has seen the new width too.
        for (key, end) in [("", "end"), ("!", "end!"), ("\x7f", "end")] {
            terminal.press(key);
            terminal.wait_for(&format!("waiting for one zebra at {columns} columns"), |screen| {
                is_once(&screen.contents(), end)
            });
        }
    }
    // If the line fills the window to the last column, an empty row may follow it.
    let filled = |columns: usize| columns * (1 + ("ana in lobby> ".len() + line.len()) / columns);
    for columns in [40, 60, 23] {
        let missing = filled(columns) - "ana in lobby> ".len() - line.len();
        let more = "z".repeat(missing);
        terminal.resize(24, 100);
        tmux.wait_for_columns(100);
        terminal.press(&more);
        terminal.wait_for("waiting for the line to be longer", |screen| {
            is_once(&screen.contents(), &format!("end{more}"))
        });
        let columns = u16::try_from(columns).expect("a width");
        terminal.resize(24, columns);
        tmux.wait_for_columns(columns);
        terminal.wait_for(&format!("waiting for one zebra in {columns} full columns"), |screen| {
            is_once(&screen.contents(), &format!("end{more}"))
        });
        terminal.press("!\x7f");
        terminal.press(&"\x7f".repeat(missing));
        terminal.wait_for("waiting for the line as it was", |screen| is_once(&screen.contents(), "end"));
    }
    terminal.press("\r");
    assert_eq!(from_ana(&mut watcher), line);
}

/// In a window that does not rewrap its rows, like the harness's, no message is lost.
#[test]
fn a_window_that_leaves_its_rows_loses_no_message() {
    let (server, home) = (TestServer::start(), Home::new());
    let (mut terminal, mut watcher) = ana(&server, &home);
    watcher.send("lobby", "said before");
    terminal.wait_for_text("said before");
    terminal
        .press("zebra one two three four five six seven eight nine ten eleven twelve thirteen fourteen end");
    terminal.wait_for_text("end");
    for columns in [60, 40] {
        terminal.resize(24, columns);
        terminal.wait_for(&format!("waiting for the line at {columns} columns"), |screen| {
            let contents = screen.contents();
            contents.trim_end().ends_with("fourteen end") && contents.contains("said before")
        });
    }
}

/// People who were there before are completed too, and so are mentions.
#[test]
fn tab_knows_who_was_there_before() {
    let (server, home) = (TestServer::start(), Home::new());
    let _bertha = TestPeer::registered(server.address(), "bertha");
    drop(TestPeer::registered(server.address(), "doris"));
    let mut terminal = register(Terminal::start(launch(&server, &home)));
    let mut watcher = TestPeer::registered(server.address(), "watcher");
    terminal.press("hi @be");
    terminal.complete("hi @bertha ");
    terminal.press("and @do");
    terminal.complete("and @doris ");
    terminal.press("\r");
    assert_eq!(from_ana(&mut watcher), "hi @bertha and @doris ");
    terminal.press("be");
    terminal.complete("bertha: ");
    terminal.press("\x15");
    watcher.request(json!({"type": "join", "room": "garden"}));
    terminal.enter("/join garden");
    terminal.wait_for_text("garden> ");
    terminal.press("wat");
    terminal.complete("watcher: ");
}
