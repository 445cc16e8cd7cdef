//! The one sanitiser: every text that comes from elsewhere passes here before it reaches a
//! terminal.
//!
//! What comes out holds printable characters only. It cannot move the cursor, turn the direction of
//! the text, set a title, ask the terminal a question, or pass for a line of another kind.

use unicode_width::UnicodeWidthChar;

/// Marks on one character that are shown; more of them is an attack on the lines above and below.
/// Written languages need at most four.
const MARKS_MAX: usize = 4;
/// What a tab becomes.
const TAB: &str = "    ";
/// Stands at the start of every row of a message but its first. The first starts with a digit and
/// lines of the program with an asterisk, so no text from elsewhere can look like the start of
/// either.
pub(crate) const CONTINUATION: &str = "      | ";
/// Terminals narrower than this wrap for themselves: there is no room left to do it well.
const COLUMNS_MIN: usize = 24;

/// How much room a message has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room<'a> {
    /// Columns of the terminal.
    pub(crate) columns: usize,
    /// Columns of the first row that are taken already.
    pub(crate) taken: usize,
    /// Rows at most; what is beyond is counted, not shown.
    pub(crate) rows: usize,
    /// What to type to see the rest.
    pub(crate) rest: &'a str,
}

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

/// `text` as rows that fit `room`. All but the first start with [`CONTINUATION`].
pub(crate) fn rows(text: &str, room: Room<'_>) -> Vec<String> {
    let columns = room.columns.max(COLUMNS_MIN) - 1;
    let mut rows: Vec<String> = Vec::new();
    let mut hidden = 0;
    for part in text.split('\n') {
        let part = clean(part.strip_suffix('\r').unwrap_or(part));
        let mut rest = part.as_str();
        loop {
            let taken = if rows.is_empty() { room.taken } else { CONTINUATION.len() };
            let (row, after) = split_at_width(rest, columns.saturating_sub(taken).max(1));
            match () {
                () if rows.len() >= room.rows => hidden += 1,
                () if rows.is_empty() => rows.push(row.to_owned()),
                () => rows.push(format!("{CONTINUATION}{row}")),
            }
            if after.is_empty() {
                break;
            }
            rest = after;
        }
    }
    if hidden > 0 {
        let lines = if hidden == 1 { "line" } else { "lines" };
        rows.push(format!("{CONTINUATION}… ({hidden} more {lines}; {})", room.rest));
    }
    rows
}

/// Columns that `text` takes on a terminal that adds up its characters.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// Columns that clean `text` takes on any terminal, at most.
pub(crate) fn width_at_most(text: &str) -> usize {
    text.chars().map(columns_at_most).sum()
}

/// Columns that a character takes on any terminal, at most. Terminals do not agree, and one that shows a row wider than
/// it was counted wraps it by itself: what stands there is then at the first column, where only the program writes.
///
/// A mark may be shown beside its letter, what is ambiguous in East Asia (UAX #11) is wide in some places, and what is
/// new in Unicode has the width of an emoji or of a square, depending on whose tables are older. Letters that are
/// ambiguous (Greek, Cyrillic) are wide on terminals of legacy encodings alone, and count as narrow.
pub(crate) fn columns_at_most(c: char) -> usize {
    match c {
        ' '..='~' => 1,
        '\u{10000}'.. => 2,
        _ if is_symbol(c) => 2,
        _ if c.is_alphabetic() => c.width().unwrap_or(0).max(1),
        _ => c.width_cjk().unwrap_or(0).max(1),
    }
}

/// Makes visible all that is not.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    let mut before = None;
    for c in text.chars() {
        match c {
            '\t' => out.push_str(TAB),
            // Between the parts of an emoji these choose its looks. Terminals do not agree on the
            // width of what comes of it, so that the parts stand side by side instead.
            '\u{200d}' | '\u{fe00}'..='\u{fe0f}' if before.is_some_and(is_symbol) => continue,
            _ if c.is_control() || is_hidden(c) => push_escape(c, &mut out),
            _ if c.width() == Some(0) => {
                marks += 1;
                if marks > MARKS_MAX {
                    continue;
                }
                if before.is_none() {
                    // A mark needs something of its own text to sit on.
                    out.push('\u{25cc}');
                }
                out.push(c);
                before = before.or(Some('\u{25cc}'));
                continue;
            }
            _ => out.push(c),
        }
        marks = 0;
        before = Some(c);
    }
    out
}

fn push_escape(c: char, out: &mut String) {
    let code = u32::from(c);
    let escape = if code < 0x100 { format!("\\x{code:02x}") } else { format!("\\u{{{code:x}}}") };
    out.push_str(&escape);
}

/// Characters that show nothing, end a line, or turn the direction of the text (UAX #9, UTR #36
/// §3).
pub(crate) fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Roughly the emoji and the signs that they are made of: after these a joiner or selector is no
/// disguise.
fn is_symbol(c: char) -> bool {
    matches!(c, '\u{203c}'..='\u{3299}' | '\u{1f000}'..='\u{1faff}')
}

/// Cuts clean `text` where `columns` are full: behind the last space that fits, or in the middle of
/// a long word.
fn split_at_width(text: &str, columns: usize) -> (&str, &str) {
    let mut used = 0;
    let mut behind_space = None;
    for (at, c) in text.char_indices() {
        used += columns_at_most(c);
        // Whatever its width, the first character is taken: a row must make progress.
        if used > columns && at > 0 {
            return text.split_at(behind_space.unwrap_or(at));
        }
        if c == ' ' {
            behind_space = Some(at + 1);
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use proptest::prelude::*;

    use super::*;

    const ROOM: Room<'_> = Room { columns: 80, taken: 12, rows: 20, rest: "/history" };

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
    fn emoji_keep_their_parts_and_lose_their_joiners() {
        assert_eq!(one_line("❤\u{fe0f} 👩\u{200d}🚀"), "❤ 👩🚀");
        assert_eq!(one_line("a\u{200d}b"), "a\\u{200d}b");
    }

    #[test]
    fn a_message_of_several_lines_is_marked_as_one() {
        assert_eq!(rows("one\r\n*** two\n", ROOM), ["one", "      | *** two", "      | "]);
    }

    #[test]
    fn long_lines_break_at_spaces_and_long_words_anywhere() {
        let room = Room { columns: 24, rows: 9, ..ROOM };
        assert_eq!(
            rows("hello brave newer world", room),
            ["hello ", "      | brave newer ", "      | world"]
        );
        assert_eq!(
            rows(&"x".repeat(30), room),
            ["x".repeat(11), format!("{CONTINUATION}{}", "x".repeat(15)), format!("{CONTINUATION}xxxx")]
        );
        assert_eq!(rows("花花花花花花花", room)[0], "花花花花花");
    }

    #[test]
    fn what_is_over_the_rows_is_counted() {
        let rows = rows(&"line\n".repeat(30), Room { rows: 3, ..ROOM });
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[3], "      | … (28 more lines; /history)");
    }

    /// What a terminal with old tables, or new ones, or set up for East Asia shows at most, but for letters
    /// (Greek and Cyrillic ones are wide on terminals of legacy encodings alone).
    fn pessimistic(c: char) -> usize {
        let letter = c.is_alphabetic() && u32::from(c) < 0x1_0000;
        match (c.width().unwrap_or(0), c.width_cjk().unwrap_or(0)) {
            _ if c.is_ascii() => 1,
            _ if u32::from(c) >= 0x1_0000 => 2,
            (narrow, _) if letter => narrow.max(1),
            (narrow, wide) => narrow.max(wide).max(1),
        }
    }

    #[test]
    fn no_character_makes_a_terminal_wrap_a_row_by_itself() {
        for c in (' '..=char::MAX).filter(|c| !c.is_control()) {
            assert!(columns_at_most(c) >= pessimistic(c), "U+{:04X}", u32::from(c));
        }
        // What comes of that in rows; the others are like one of these.
        for c in (' '..='\u{3fff}').filter(|c| !c.is_control()) {
            let text = format!("k{}", c.to_string().repeat(4)).repeat(12);
            for row in rows(&text, Room { columns: 40, ..ROOM }) {
                let shown: usize = row.chars().map(pessimistic).sum();
                assert!(shown < 40, "U+{:04X} takes {shown} columns: {row:?}", u32::from(c));
            }
        }
    }

    #[test]
    fn marks_that_are_shown_beside_their_letter_forge_no_line() {
        for mark in ["\u{9be}", "\u{dcf}", "\u{b57}", "\u{3248}"] {
            let text = format!(
                "{}aaaa*** carl: you are logged out",
                format!("\u{995}{}", mark.repeat(4)).repeat(17)
            );
            for row in rows(&text, Room { columns: 100, ..ROOM }) {
                let shown: usize = row.chars().map(pessimistic).sum();
                assert!(shown < 100, "{row:?}");
            }
        }
    }

    /// Counts what a terminal was made to do besides printing.
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
        fn unhandled_csi(
            &mut self,
            _: &mut vt100::Screen,
            _: Option<u8>,
            _: Option<u8>,
            _: &[&[u16]],
            _: char,
        ) {
            self.0 += 1;
        }
        fn unhandled_osc(&mut self, _: &mut vt100::Screen, _: &[&[u8]]) {
            self.0 += 1;
        }
    }

    /// Prints `printed` between two known lines and checks that nothing but rows of text came of
    /// it.
    fn assert_only_cells_change(printed: &[String]) {
        let [height, width] = [60, 80].map(|size| NonZero::new(size).unwrap());
        let mut terminal = vt100::Parser::new_with_callbacks(height, width, 0, Witness::default());
        terminal.process(b"before\r\n");
        for row in printed {
            terminal.process(row.as_bytes());
            terminal.process(b"\r\n");
        }
        terminal.process(b"after");
        let after = 1 + printed.len() as u16;
        assert_eq!(terminal.callbacks().0, 0);
        assert_eq!(terminal.screen().cursor_position(), (after, 5));
        assert_eq!(terminal.screen().rows(0, 80).next().unwrap(), "before");
        assert_eq!(terminal.screen().rows(0, 80).nth(after.into()).unwrap(), "after");
        assert_eq!(terminal.screen().fgcolor(), vt100::Color::Default);
        assert!(!terminal.screen().inverse() && !terminal.screen().hide_cursor());
        assert!(!terminal.screen().alternate_screen());
    }

    #[test]
    fn the_witness_sees_what_an_unclean_text_does() {
        let title = vec!["\x1b]0;owned\x07".to_owned()];
        assert!(std::panic::catch_unwind(|| assert_only_cells_change(&title)).is_err());
        assert_only_cells_change(&rows(&title[0], ROOM));
    }

    /// Printable, not printable, controls, and the parts that escape sequences are made of.
    const HOSTILE: &str = "(\\PC|\\pC|[\\x00-\\x1f\\x7f-\\x9f]|\\x1b[\\[\\]P_^c]|[0-9;?nmHJKhlt\\\\]){0,400}";

    proptest! {
        #[test]
        fn no_text_does_more_than_fill_cells(text in HOSTILE) {
            assert_only_cells_change(&rows(&text, ROOM));
        }

        #[test]
        fn no_name_leaves_its_line(text in "(\\PC|[\\x00-\\x1f\\x7f-\\x9f]|\u{202e}|\u{2028}){0,12}") {
            let shown = one_line(&text);
            prop_assert!(!shown.chars().any(|c| c.is_control() || is_hidden(c)));
        }

        #[test]
        fn rows_fit_and_are_bounded(text in "\\PC{0,600}", columns in 1_usize..200) {
            let rows = rows(&text, Room { columns, ..ROOM });
            prop_assert!(rows.len() <= 21);
            for row in &rows[1..] {
                prop_assert!(row.starts_with(CONTINUATION));
                prop_assert!(width(row) <= columns.max(COLUMNS_MIN) + 16 /* the count of hidden lines */);
            }
        }
    }
}
