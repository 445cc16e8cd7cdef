//! The one sanitiser: every text from elsewhere passes through here before it reaches a terminal.
//!
//! The result holds only printable characters, and those that a script needs between its letters. It cannot move the
//! cursor, reverse the direction of the text, set a title, query the terminal, or pass for a line of another kind.

mod imitation;
mod lines;
mod spelling;
#[cfg(test)]
mod terminal_tests;

use lanchat_model::is_hidden;
use unicode_width::UnicodeWidthChar;

pub(crate) use lines::{Lines, Space, lines};
use spelling::TextContext;

/// How many marks on one character are shown; more would be an attack on the lines above and below. Written languages
/// need at most four.
const MARKS_MAX: usize = 4;
/// The replacement for a tab.
const TAB: &str = "    ";
/// No terminal is narrower; one that is shows what it can.
const COLUMNS_MIN: usize = 20;

/// Returns `text` on one line: newlines are made visible too.
pub(crate) fn one_line(text: &str) -> String {
    clean(text)
}

/// Returns a line of JSON as the same value in characters that a terminal merely shows: unprintable characters in
/// strings become `\uXXXX` (RFC 8259 §7), and a carriage return between two values becomes a space.
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

/// Returns the part of a text that can be sent: without terminal escape sequences (ECMA-48 §5.4), which coloured output
/// has, and without controls other than tabs and newlines. Every kind of line end becomes a newline.
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

/// Skips the rest of an escape sequence. If it is not one, at most its first character is lost.
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

/// Returns a stranger's text for a line of the program: clean, and in quotation marks.
pub(crate) fn quoted(text: &str) -> String {
    lanchat_client::quoted(&clean(text))
}

/// Returns the columns that `text` takes on a terminal that adds up its characters.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

/// Returns the columns that a character takes on such a terminal.
fn width_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Returns the most columns that clean `text` takes on any terminal.
pub(crate) fn width_at_most(text: &str) -> usize {
    text.chars().map(columns_at_most).sum()
}

/// Returns the most columns that a character takes on any terminal: they disagree.
///
/// A mark may be shown next to its letter. East Asian ambiguous characters (UAX #11) are wide in some places. New
/// Unicode characters have the width of an emoji or of a replacement square, depending on the age of the tables.
/// Ambiguous letters (Greek, Cyrillic) are wide only on terminals with legacy encodings, and count as narrow.
pub(crate) fn columns_at_most(c: char) -> usize {
    match c {
        ' '..='~' => 1,
        '\u{10000}'.. => 2,
        _ if spelling::is_symbol(c) => 2,
        _ if c.is_alphabetic() => width_of(c).max(1),
        _ => c.width_cjk().unwrap_or(0).max(1),
    }
}

/// Makes invisible characters visible, except those that belong to the spelling of the characters around them.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    let mut place = TextContext::default();
    for (at, c) in text.char_indices() {
        match c {
            '\t' => out.push_str(TAB),
            _ if is_hidden(c) => match place.takes(c, &text[at + c.len_utf8()..]) {
                true => {
                    out.push(c);
                    place.step(c);
                    continue;
                }
                // Repeating it does not change what is seen.
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
                    // A mark needs a character of its own text to sit on.
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
            // The character's escape was written.
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
