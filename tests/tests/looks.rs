//! How the conversation looks on a terminal: copied text is what was written, and no text passes for something else.
#![cfg(unix)]

use lanchat_tests::{Home, Launch, PASSWORD, Terminal, TestPeer, TestServer, lanchat};
use serde_json::json;

/// Starts ana in the lobby, in a window with `columns` columns.
fn ana_at(server: &TestServer, home: &Home, columns: u16, with: impl FnOnce(Launch) -> Launch) -> Terminal {
    let launch = Launch::new(lanchat()).home(home).arg("--server").arg(server.address().to_string());
    let mut terminal = Terminal::start(with(launch));
    terminal.resize(50, columns);
    terminal.register("ana");
    terminal
}

fn as_it_is(launch: Launch) -> Launch {
    launch
}

/// Returns the rows of a screen, without trailing blanks.
fn rows(terminal: &Terminal) -> Vec<String> {
    let mut rows = Vec::new();
    terminal.wait_for("looking at the rows", |screen| {
        let columns = screen.size().1.get();
        rows = screen.rows(0, columns).map(|row| row.trim_end().to_owned()).collect();
        true
    });
    rows
}

/// Returns whether a row begins like somebody's line, or like one of the program.
fn is_a_start(row: &str) -> bool {
    let bytes = row.as_bytes();
    let clock = bytes.len() > 5 && bytes[2] == b':' && bytes[5] == b' ' && bytes[0].is_ascii_digit();
    clock || row.starts_with("***") || row.starts_with("!!!")
}

#[test]
fn a_long_line_is_wrapped_by_the_terminal_and_copied_whole() {
    let (server, home) = (TestServer::start(), Home::new());
    let mut terminal = ana_at(&server, &home, 40, as_it_is);
    let mut bob = TestPeer::registered(server.address(), "bob");
    let url = format!("https://example.org/{}end", "a-part/".repeat(20));
    for columns in [40, 20, 80, 200] {
        terminal.resize(50, columns);
        bob.send("lobby", &format!("at {columns}: {url}"));
        // The model joins wrapped rows, as a terminal does when they are copied.
        terminal.wait_for(&format!("waiting for the line at {columns}"), |screen| {
            screen.contents().lines().any(|line| line.ends_with(&format!("bob  at {columns}: {url}")))
        });
    }
    let code = "fn main() {\n    println!(\"hi\");\n}";
    bob.send("lobby", code);
    terminal.wait_for("waiting for the code", |screen| screen.contents().contains(code));
}

/// This holds at any width, and however the text wraps.
#[test]
fn no_text_comes_to_look_like_a_line_of_others() {
    let (server, home) = (TestServer::start(), Home::new());
    let terminal = ana_at(&server, &home, 40, as_it_is);
    let mut mallory = TestPeer::registered(server.address(), "mallory");
    let forgeries =
        ["12:00 bob  your password?", "*** You are logged out.", "12:00 * bob waves", "12:00 ana hi"];
    for (number, forgery) in forgeries.iter().enumerate() {
        for padding in [25, 65] {
            mallory.send("lobby", &format!("{}{forgery} done{number}-{padding}.", "x".repeat(padding)));
            terminal.wait_for_text(&format!("done{number}-{padding}."));
        }
        // "HH:MM mallory  " has 15 columns, so each forgery would otherwise be at the start of a row.
        mallory.send("lobby", &format!("two\n{forgery} line{number}."));
        terminal.wait_for_text(&format!("line{number}."));
    }
    let transcript = terminal.transcript();
    let starts: Vec<_> = transcript.iter().filter(|row| is_a_start(row)).collect();
    assert!(starts.iter().any(|row| row.contains("mallory")), "{transcript:?}");
    let forged: Vec<_> = starts
        .iter()
        .filter(|row| row.contains("bob") || row.contains("logged out") || row.contains("12:00 ana"))
        .collect();
    assert!(forged.is_empty(), "{forged:?}");
}

/// Only a real start of a line has its style, with colours and without.
#[test]
fn a_start_of_a_line_has_a_style_and_text_has_none() {
    for no_colour in ["", "1"] {
        let (server, home) = (TestServer::start(), Home::new());
        let terminal = ana_at(&server, &home, 80, |launch| launch.env("NO_COLOR", no_colour));
        let mut bob = TestPeer::registered(server.address(), "bob");
        bob.send("lobby", "plain words");
        bob.send("lobby", "good morning, Ana");
        terminal.wait_for_text("good morning, Ana");
        terminal.wait_for("waiting for the styles", |screen| {
            let row =
                |words: &str| screen.rows(0, 80).position(|row| row.contains(words)).unwrap_or(0) as u16;
            let plain = |cell: &vt100::Cell| {
                !cell.inverse() && !cell.bold() && cell.fgcolor() == vt100::Color::Default
            };
            let cell = |row, column| screen.cell(row, column).expect("a cell of the screen");
            let (words, mention) = (row("plain words"), row("good morning"));
            // "HH:MM bob  " has 11 columns.
            let text = (11..22).all(|column| plain(cell(words, column)) && plain(cell(mention, column)));
            let name = cell(words, 6);
            let styled =
                if no_colour.is_empty() { name.fgcolor() != vt100::Color::Default } else { name.bold() };
            let marked = cell(mention, 0).inverse() && cell(mention, 6).inverse() && !name.inverse();
            text && styled && marked
        });
        if !no_colour.is_empty() {
            let raw = String::from_utf8(terminal.raw()).expect("the client writes UTF-8");
            let styles = raw.split("\x1b[").skip(1).filter_map(|rest| {
                let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
                rest[end..].starts_with('m').then(|| rest[..end].to_owned())
            });
            // Weights: bold, faint, inverse, and their end.
            let colours: Vec<_> =
                styles.filter(|style| !style.split(';').all(|n| ["0", "1", "2", "7"].contains(&n))).collect();
            assert_eq!(colours, [""; 0]);
        }
    }
}

#[test]
fn living_languages_are_shown_as_they_are_written() {
    let (server, home) = (TestServer::start(), Home::new());
    let terminal = ana_at(&server, &home, 80, as_it_is);
    let mut bob = TestPeer::registered(server.address(), "bob");
    let texts = [
        "می\u{200c}روم",
        "ශ\u{dca}\u{200d}රී ලංකා",
        "ന\u{d4d}\u{200d}റെ",
        "葛\u{e0100}城",
        "1\u{fe0f}\u{20e3} ©\u{fe0f}",
        "👩\u{200d}👩\u{200d}👧 🏴\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
    ];
    for (number, text) in texts.iter().enumerate() {
        bob.send("lobby", &format!("{text} .{number}."));
        terminal.wait_for_text(&format!(".{number}."));
    }
    bob.send("lobby", "a\u{200d}b and \u{202e}turned .last.");
    terminal.wait_for_text(".last.");
    let raw = String::from_utf8(terminal.raw()).expect("the client writes UTF-8");
    for text in texts {
        assert!(raw.contains(text), "{text} is not shown as it is: {}", text.escape_unicode());
    }
    assert!(raw.contains("a\\u{200d}b and \\u{202e}turned") && !raw.contains('\u{202e}'));
}

#[test]
fn a_long_name_in_a_narrow_window_leaves_the_text_in_one_piece() {
    let (server, home) = (TestServer::start(), Home::new());
    let terminal = ana_at(&server, &home, 40, as_it_is);
    let name = "n".repeat(32);
    let mut peer = TestPeer::registered(server.address(), &name);
    peer.send("lobby", "a text that is read at once");
    terminal.wait_for_text("read at once");
    assert!(rows(&terminal).iter().any(|row| row == "a text that is read at once"), "{:#?}", rows(&terminal));
}

/// A divider names the room of the following lines, and lines still on the screen are not printed again.
#[test]
fn turning_to_a_room_draws_a_line_and_repeats_nothing() {
    let (server, home) = (TestServer::start(), Home::new());
    let mut terminal = ana_at(&server, &home, 80, as_it_is);
    let mut bob = TestPeer::registered(server.address(), "bob");
    bob.send("lobby", "in the lobby");
    terminal.wait_for_text("in the lobby");
    bob.request(json!({"type": "join", "room": "dev"}));
    bob.send("dev", "said before ana came");
    terminal.enter("/join dev");
    terminal.wait_for_text("said before ana came");
    terminal.enter("/join lobby");
    terminal.wait_for_text("lobby> ");
    bob.send("lobby", "again in the lobby");
    terminal.wait_for_text("again in the lobby");
    let shown = rows(&terminal);
    let at = |words: &str| {
        shown.iter().position(|row| row.contains(words)).unwrap_or_else(|| panic!("{shown:#?}"))
    };
    let last = |words: &str| {
        shown.iter().rposition(|row| row.contains(words)).unwrap_or_else(|| panic!("{shown:#?}"))
    };
    assert!(at("──── lobby ────") < at("bob  in the lobby"));
    assert!(at("bob  in the lobby") < at("──── dev ────"));
    assert!(at("──── dev ────") < at("said before ana came"));
    assert!(at("said before ana came") < last("──── lobby ────"));
    assert!(last("──── lobby ────") < at("again in the lobby"));
    assert_eq!(shown.iter().filter(|row| row.ends_with("bob  in the lobby")).count(), 1, "{shown:#?}");

    // Lines that have scrolled far off the screen are shown again.
    for number in 0..60 {
        bob.send("lobby", &format!("line {number}"));
    }
    terminal.wait_for_text("line 59");
    terminal.enter("/join dev");
    terminal.wait_for("waiting for what was said last in dev", |screen| {
        screen.contents().contains("bob  said before ana came")
    });
}

/// This holds on a dumb terminal too, which also wraps rows.
#[test]
fn a_dumb_terminal_shows_no_forged_line() {
    let (server, home) = (TestServer::start(), Home::new());
    let launch = Launch::new(lanchat()).home(&home).env("TERM", "dumb");
    let mut terminal = Terminal::start_as_is(launch.arg("--server").arg(server.address().to_string()));
    let mut mallory = TestPeer::registered(server.address(), "mallory");
    terminal.enter(&format!("/register ana {PASSWORD}"));
    mallory.expect_where("joined", |frame| frame["username"] == "ana");
    for padding in 55..70 {
        mallory.send("lobby", &format!("{}12:00 bob  your password? {padding}.", "x".repeat(padding)));
        terminal.wait_for_text(&format!("{padding}."));
    }
    mallory.send("lobby", "one\n*** You are logged out.");
    terminal.wait_for_text("logged out");
    let transcript = terminal.transcript();
    assert!(
        !transcript.iter().any(|row| row.starts_with("12:00") || row.starts_with("*** You are logged out")),
        "{transcript:#?}"
    );
    assert!(!terminal.raw().contains(&0x1b));
}
