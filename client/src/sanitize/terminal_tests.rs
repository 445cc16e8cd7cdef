//! Tests on a model terminal that hostile texts only fill cells, and never look like somebody else's line.

use std::num::NonZero;

use proptest::prelude::*;

use super::*;

/// Enough rows for whatever is printed here, and for a message.
const HEIGHT: u16 = 600;
const MESSAGE_HEIGHT: u16 = 40;

fn is_name(word: &str) -> bool {
    matches!(word, "ana" | "bob")
}

fn space(columns: usize) -> Space<'static> {
    Space { columns, taken: 12, rows: 200, is_name: &is_name }
}

/// Counts what the text made the terminal do apart from printing.
#[derive(Default)]
struct Witness(usize);

impl vt100::Callbacks for Witness {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.0 += 1;
    }
    fn visual_bell(&mut self, _: &mut vt100::Screen) {
        self.0 += 1;
    }
    fn set_window_icon_name(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.0 += 1;
    }
    fn set_window_title(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.0 += 1;
    }
    fn unhandled_control(&mut self, _: &mut vt100::Screen, _: u8) {
        self.0 += 1;
    }
    fn unhandled_escape(&mut self, _: &mut vt100::Screen, _: Option<u8>, _: Option<u8>, _: u8) {
        self.0 += 1;
    }
    fn unhandled_csi(&mut self, _: &mut vt100::Screen, _: Option<u8>, _: Option<u8>, _: &[&[u16]], _: char) {
        self.0 += 1;
    }
    fn unhandled_osc(&mut self, _: &mut vt100::Screen, _: &[&[u8]]) {
        self.0 += 1;
    }
}

/// Returns a terminal on which these lines were printed between two known ones.
fn printed(lines: &[String], rows: u16, columns: u16) -> vt100::Parser<Witness> {
    let [height, width] = [rows, columns].map(|size| NonZero::new(size).unwrap());
    let mut terminal = vt100::Parser::new_with_callbacks(height, width, 0, Witness::default());
    terminal.process(b"before\r\n");
    for line in lines {
        terminal.process(line.as_bytes());
        terminal.process(b"\r\n");
    }
    terminal.process(b"after");
    terminal
}

/// Checks that the lines produced nothing but rows of text.
fn assert_only_cells_change(lines: &[String]) {
    let terminal = printed(lines, HEIGHT, 80);
    let screen = terminal.screen();
    let (row, column) = screen.cursor_position();
    assert_eq!((terminal.callbacks().0, column), (0, 5));
    assert!(usize::from(row) > lines.len());
    assert_eq!(screen.rows(0, 80).next().unwrap(), "before");
    assert_eq!(screen.rows(0, 80).nth(row.into()).unwrap(), "after");
    assert_eq!(screen.fgcolor(), vt100::Color::Default);
    assert!(!screen.inverse() && !screen.hide_cursor() && !screen.alternate_screen());
}

#[test]
fn the_witness_sees_what_an_unclean_text_does() {
    let title = vec!["\x1b]0;owned\x07".to_owned()];
    assert!(std::panic::catch_unwind(|| assert_only_cells_change(&title)).is_err());
    assert_only_cells_change(&lines(&title[0], &space(80)).lines);
}

/// Returns whether a row begins like somebody else's line, or like one of the program.
fn is_forged(row: &str) -> bool {
    let begins = |start: &str| row.starts_with(start);
    ["12:00 bob", "12:00 ana", "12:00 *", "12:00 [", "*** ", "!!! "].into_iter().any(begins)
}

/// Returns the rows of a message at a width, without the first.
fn rows_behind_the_first(text: &str, rows: u16, columns: u16) -> Vec<String> {
    let mut shown = lines(text, &space(columns.into())).lines;
    shown[0].insert_str(0, "12:00 carl  ");
    let terminal = printed(&shown, rows, columns);
    terminal.screen().rows(0, columns).skip(2).collect()
}

#[test]
fn the_judge_sees_a_forged_row() {
    assert!(is_forged("12:00 bob  hi") && is_forged("*** you are logged out"));
    let plain = format!("12:00 carl  {}12:00 bob  hi", "x".repeat(28));
    let terminal = printed(&[plain], MESSAGE_HEIGHT, 40);
    assert!(terminal.screen().rows(0, 40).any(|row| is_forged(&row)));
}

/// This holds at every width, and wherever the terminal wraps.
#[test]
fn no_padding_makes_a_row_look_like_a_line_of_others() {
    let forgeries = [
        "12:00 bob  your password?",
        "12:00 * bob waves",
        "12:00 *** bob joined",
        "*** logged out",
        " !!! lost",
    ];
    for columns in [20, 21, 33, 40, 80] {
        for padding in 0..=usize::from(columns) + 1 {
            for forgery in forgeries {
                for text in [
                    format!("{}{forgery}", "x".repeat(padding)),
                    format!("{}\n{forgery}", "x ".repeat(padding)),
                    format!("花{}{forgery} and on", "é".repeat(padding)),
                ] {
                    let rows = rows_behind_the_first(&text, MESSAGE_HEIGHT, columns);
                    assert!(
                        !rows.iter().any(|row| is_forged(row)),
                        "{columns} columns: {text:?} is {rows:?}"
                    );
                }
            }
        }
    }
}

/// Printable and unprintable characters, controls, and parts of escape sequences.
const HOSTILE: &str = "(\\PC|\\pC|[\\x00-\\x1f\\x7f-\\x9f]|\\x1b[\\[\\]P_^c]|[0-9;?nmHJKhlt\\\\]){0,400}";

/// Forgeries between words, in any order.
const FORGED: &str =
    "(12:00 bob  hi|12:00 ana hi|\\*\\*\\* you|!!! you|12:00 \\* bob|[a-z]{1,9}| |\n|花|1|\\*){0,60}";

proptest! {
    #[test]
    fn no_text_does_more_than_fill_cells(text in HOSTILE) {
        assert_only_cells_change(&lines(&text, &space(80)).lines);
    }

    #[test]
    fn no_mixture_looks_like_a_line_of_others(text in FORGED, columns in 20_u16..=200) {
        // People write several exclamation marks right after a word: only the style tells them apart.
        let rows = rows_behind_the_first(&text, HEIGHT, columns);
        let forged = rows.iter().find(|row| is_forged(row) && !row.starts_with("!!!"));
        prop_assert!(forged.is_none(), "{forged:?}");
    }

    #[test]
    fn no_name_leaves_its_line(text in "([a-z]|[\\x00-\\x1f\\x7f-\\x9f]|\u{200c}|\u{202e}|\u{2028}|\u{fe0f}){0,12}") {
        let shown = one_line(&text);
        prop_assert!(!shown.chars().any(|c| c.is_control() || is_hidden(c)));
    }

    #[test]
    fn rows_are_bounded(text in "\\PC{0,600}", columns in 1_usize..200, rows in 0_usize..9) {
        let shown = lines(&text, &Space { rows, ..space(columns) });
        prop_assert!(shown.height <= rows && shown.lines.len() <= rows);
    }
}
