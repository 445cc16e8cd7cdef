//! The one sanitiser: every text that comes from elsewhere passes here before it reaches a
//! terminal.
//!
//! What comes out holds printable characters only, and those that a script needs between its letters. It cannot move
//! the cursor, turn the direction of the text, set a title, ask the terminal a question, or pass for a line of another
//! kind.

mod imitation;
mod lines;
mod spelling;
#[cfg(test)]
mod terminal_tests;

use lanchat_model::is_hidden;
use unicode_width::UnicodeWidthChar;

pub(crate) use lines::{Lines, Space, lines};
use spelling::Place;

/// Marks on one character that are shown; more of them is an attack on the lines above and below.
/// Written languages need at most four.
const MARKS_MAX: usize = 4;
/// What a tab becomes.
const TAB: &str = "    ";

/// `text` on one line: newlines too are made visible.
pub(crate) fn one_line(text: &str) -> String {
    clean(text)
}

/// A line of JSON as the same value in characters that a terminal only shows: in strings, what is not printable is
/// written as `\uXXXX` (RFC 8259 §7); a carriage return between two values is a space.
pub(crate) fn json(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\r' | '\n' | '\t' => out.push(' '),
            _ if c.is_control() || is_hidden(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            _ => out.push(c),
        }
    }
    out
}

/// What of a text can be sent: without the escape sequences of a terminal (ECMA-48 §5.4), as coloured output has them,
/// and without controls other than tabs and newlines. Each kind of line end is a newline.
pub(crate) fn sendable(text: &str) -> String {
    if !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
        return text.to_owned();
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => skip_sequence(&mut chars),
            '\n' | '\t' => out.push(c),
            _ if c.is_control() => {}
            _ => out.push(c),
        }
    }
    out
}

/// Reads past the rest of an escape sequence; what is none costs its first character at most.
fn skip_sequence(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next_if(|c| matches!(c, ' '..='~')) {
        Some('[') => {
            while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
            chars.next_if(|c| matches!(c, '@'..='~'));
        }
        // A command to the terminal, up to its end: BEL, or another escape.
        Some(']' | 'P' | 'X' | '^' | '_') => while chars.next_if(|c| !c.is_control()).is_some() {},
        Some(' '..='/') => drop(chars.next_if(|c| matches!(c, '0'..='~'))),
        _ => {}
    }
}

/// A stranger's text inside a line of the program: clean, and in quotation marks.
pub(crate) fn quoted(text: &str) -> String {
    lanchat_client::quoted(&clean(text))
}

/// Columns that `text` takes on a terminal that adds up its characters.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

/// Columns that a character takes there.
fn width_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Columns that clean `text` takes on any terminal, at most.
pub(crate) fn width_at_most(text: &str) -> usize {
    text.chars().map(columns_at_most).sum()
}

/// Columns that a character takes on any terminal, at most: they do not agree.
///
/// A mark may be shown beside its letter, what is ambiguous in East Asia (UAX #11) is wide in some places, and what is
/// new in Unicode has the width of an emoji or of a square, depending on whose tables are older. Letters that are
/// ambiguous (Greek, Cyrillic) are wide on terminals of legacy encodings alone, and count as narrow.
pub(crate) fn columns_at_most(c: char) -> usize {
    match c {
        ' '..='~' => 1,
        '\u{10000}'.. => 2,
        _ if spelling::is_symbol(c) => 2,
        _ if c.is_alphabetic() => width_of(c).max(1),
        _ => c.width_cjk().unwrap_or(0).max(1),
    }
}

/// Makes visible all that is not, but for what belongs to the spelling of the characters around it.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    let mut place = Place::default();
    for (at, c) in text.char_indices() {
        match c {
            '\t' => out.push_str(TAB),
            _ if is_hidden(c) => match place.takes(c, &text[at + c.len_utf8()..]) {
                true => {
                    out.push(c);
                    place.step(c);
                    continue;
                }
                // One more of the same changes nothing that is seen.
                false if place.is_behind(c) => continue,
                false => push_escape(c, &mut out),
            },
            _ if c.is_control() => push_escape(c, &mut out),
            _ if c.width() == Some(0) => {
                marks += 1;
                if marks > MARKS_MAX {
                    continue;
                }
                if place.is_start() {
                    // A mark needs something of its own text to sit on.
                    out.push('\u{25cc}');
                    place.step('\u{25cc}');
                }
                out.push(c);
                place.step(c);
                continue;
            }
            _ => out.push(c),
        }
        marks = 0;
        match is_hidden(c) {
            // Its escape stands there.
            true => place.step('}'),
            false => place.step(c),
        }
    }
    out
}

fn push_escape(c: char, out: &mut String) {
    let code = u32::from(c);
    let escape = if code < 0x100 { format!("\\x{code:02x}") } else { format!("\\u{{{code:x}}}") };
    out.push_str(&escape);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_printable_becomes_visible() {
        assert_eq!(one_line("a\x1b[2Jb\x07"), "a\\x1b[2Jb\\x07");
        assert_eq!(one_line("x\u{202e}y\u{9b}z\u{200b}"), "x\\u{202e}y\\x9bz\\u{200b}");
        assert_eq!(one_line("one\ntwo\ttabs\u{2028}"), "one\\x0atwo    tabs\\u{2028}");
        assert_eq!(one_line("\u{e0041}\u{feff}\u{7f}"), "\\u{e0041}\\u{feff}\\x7f");
        assert_eq!(one_line("Ána 花子 żółw"), "Ána 花子 żółw");
    }

    #[test]
    fn json_keeps_its_value_and_loses_what_a_terminal_obeys() {
        let line = "{\"a\":\"x\u{9b}2J\u{202e}y\u{7f}\u{e0041}\u{feff}é花\",\r\"b\":\"\\u001b[2J\"}";
        let shown = json(line);
        assert_eq!(shown, r#"{"a":"x\u009b2J\u202ey\u007f\udb40\udc41\ufeffé花", "b":"\u001b[2J"}"#);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&shown), value(line));
    }

    #[test]
    fn what_is_sent_has_no_controls_and_loses_no_text() {
        assert_eq!(sendable("\x1b[1;31merror\x1b[0m: x\ty"), "error: x\ty");
        assert_eq!(sendable("one\r\ntwo\rthree\n"), "one\ntwo\nthree\n");
        assert_eq!(sendable("\x1b]0;title\x07text\x1b]8;;u\x1b\\link\x1b]8;;\x1b\\"), "textlink");
        assert_eq!(sendable("a\x07b\x00c\u{9b}d\x1b(Be\x7f"), "abcde");
        assert_eq!(sendable("Ána 花子 \u{200d}"), "Ána 花子 \u{200d}");
        assert_eq!(sendable("\x1b[31"), "");
    }

    #[test]
    fn a_quotation_ends_where_its_marks_do() {
        assert_eq!(quoted("Bob”: online, “x\""), "“Bob': online, 'x'”");
        assert_eq!(quoted("a\nb\x1b[2J"), "“a\\x0ab\\x1b[2J”");
    }

    #[test]
    fn marks_are_capped_and_never_sit_on_what_is_before_the_text() {
        let zalgo = format!("a{}b", "\u{301}".repeat(50));
        assert_eq!(one_line(&zalgo), format!("a{}b", "\u{301}".repeat(MARKS_MAX)));
        assert_eq!(one_line("\u{301}a"), "\u{25cc}\u{301}a");
    }

    #[test]
    fn what_no_spelling_needs_stays_visible() {
        assert_eq!(one_line("a\u{200d}b"), "a\\u{200d}b");
        assert_eq!(one_line("a\u{200c}"), "a\\u{200c}");
        assert_eq!(one_line("\u{200d}"), "\\u{200d}");
        assert_eq!(one_line("x\u{fe0f}\u{e0061}"), "x\\u{fe0f}\\u{e0061}");
        assert_eq!(one_line("م\u{202e}م\u{200f}م"), "م\\u{202e}م\\u{200f}م");
    }
}
