//! How lines look: what is at their start, and in which style. The terminal decides where they break.

use std::iter::once;

use lanchat_model::RoomRef;

use crate::sanitize::{self, Lines, Space};

/// Starts every line of the program. A message starts with a digit, and account names cannot hold an asterisk; text
/// that looks like this is never at the start of a row ([`sanitize::lines`]).
const NOTICE: &str = "***";
/// Starts every line that says what went wrong, for the same reasons.
const ERROR: &str = "!!!";
/// A name longer than any valid one is cut: the line belongs to the text.
const NAME_COLUMNS_MAX: usize = 40;
/// The least columns that a name has in the prompt.
const NAME_COLUMNS_IN_PROMPT_MIN: usize = 6;
/// Colours that are readable on light and on dark backgrounds.
const NAME_COLOURS: [u8; 10] = [31, 32, 33, 34, 35, 36, 91, 92, 94, 95];

/// Where the lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    /// A terminal, which wraps lines. The program's start of a line has a style, which other people's text never has:
    /// so a row that only imitates the start of a line can be told apart.
    Screen {
        /// Whether to use colours; without them the start of a line is bold.
        colour: bool,
    },
    /// A terminal that can only wrap lines.
    Dumb,
    /// A pipe: one line per message.
    Plain,
}

/// What an entry becomes.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// Lines to print, without their newlines.
    pub(crate) rows: Vec<String>,
    /// About how many terminal rows they take.
    pub(crate) height: usize,
}

/// What comes before the text of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineHead<'a> {
    /// When it was said.
    pub(crate) time: &'a str,
    /// Its room, as shown; empty for the current room.
    pub(crate) place: &'a str,
    /// Whether that room is a private one.
    pub(crate) private: bool,
    /// Whether the text says what somebody does.
    pub(crate) action: bool,
    /// Who said it.
    pub(crate) name: &'a str,
    /// Whether the user said it.
    pub(crate) own: bool,
    /// Whether the user is named in it.
    pub(crate) mention: bool,
}

/// The colour of something, and its weight where there are no colours.
#[derive(Clone, Copy)]
struct Style(&'static str, &'static str);

/// For text in the background.
const FAINT: Style = Style("2", "");
const NOTICE_MARK: Style = Style("1;36", "1");
const ERROR_MARK: Style = Style("1;31", "1");
const ERROR_TEXT: Style = Style("31", "");

impl Medium {
    /// Returns a terminal, in colour unless the environment disables it (<https://no-color.org>).
    pub(crate) fn screen() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self::Screen { colour: !refused }
    }

    fn paint(self, Style(colour, weight): Style, text: &str) -> String {
        match self {
            Self::Screen { colour: true } => painted(colour, text),
            Self::Screen { colour: false } => painted(weight, text),
            Self::Dumb | Self::Plain => text.to_owned(),
        }
    }

    /// Makes a line of the program: what happened, what to do.
    pub(crate) fn notice(self, text: &str) -> Vec<String> {
        self.lines("", (NOTICE, NOTICE_MARK), FAINT, text)
    }

    /// Makes a line of the program about an entry, with its time.
    pub(crate) fn notice_at(self, time: &str, text: &str) -> Vec<String> {
        self.lines(time, (NOTICE, NOTICE_MARK), FAINT, text)
    }

    /// Makes a line that says what went wrong and what to do.
    pub(crate) fn error(self, text: &str) -> Vec<String> {
        self.lines("", (ERROR, ERROR_MARK), ERROR_TEXT, text)
    }

    /// Makes the text below the line being typed. Its newlines and columns stay.
    pub(crate) fn below(self, text: &str) -> String {
        let rows = text.split('\n').map(|row| self.paint(ERROR_TEXT, &sanitize::one_line(row)));
        rows.collect::<Vec<_>>().join("\n")
    }

    /// Makes the divider to another room: lines after it without a room's name are in this room.
    pub(crate) fn divider(self, room: &str) -> Vec<String> {
        match self {
            Self::Screen { .. } | Self::Dumb => {
                let line = format!("──── {} ────", clip(room));
                vec![format!("{} {}", self.paint(NOTICE_MARK, NOTICE), self.paint(NOTICE_MARK, &line))]
            }
            Self::Plain => Vec::new(),
        }
    }

    fn lines(self, time: &str, (mark, mark_style): (&str, Style), style: Style, text: &str) -> Vec<String> {
        let time = if time.is_empty() { String::new() } else { format!("{time} ") };
        let head = format!("{time}{mark} ");
        let lines = self.wrapped(text, head.len(), usize::MAX, &|_| false).lines;
        let head = self.paint(mark_style, head.trim_end()) + " ";
        let heads = once(head).chain(std::iter::repeat_with(String::new));
        heads.zip(lines).map(|(head, line)| head + &self.paint(style, &line)).collect()
    }

    /// Lays out a message in a bounded number of terminal rows. `rest` is what to type to see more.
    pub(crate) fn message(
        self,
        head: &LineHead<'_>,
        text: &str,
        rows: usize,
        rest: &str,
        is_name: &dyn Fn(&str) -> bool,
    ) -> Block {
        let (head, taken) = self.head(head);
        let Lines { mut lines, height, hidden } = self.wrapped(text, taken, rows, is_name);
        match lines.first_mut() {
            Some(first) => first.insert_str(0, &head),
            None => lines.push(head),
        }
        if hidden > 0 {
            let count = if hidden == 1 { "line" } else { "lines" };
            lines.push(self.paint(FAINT, &format!("… ({hidden} more {count}; {rest})")));
        }
        Block { rows: lines, height: height + usize::from(hidden > 0) }
    }

    fn wrapped(self, text: &str, taken: usize, rows: usize, is_name: &dyn Fn(&str) -> bool) -> Lines {
        let space = Space { columns: columns(), taken, rows, is_name };
        match self {
            Self::Screen { .. } => sanitize::lines(text, &space),
            Self::Dumb => sanitize::lines(&sanitize::one_line(text), &Space { rows: usize::MAX, ..space }),
            Self::Plain => Lines { lines: vec![sanitize::one_line(text)], height: 1, hidden: 0 },
        }
    }

    /// Returns what comes before the text, and its columns.
    fn head(self, head: &LineHead<'_>) -> (String, usize) {
        let LineHead { time, place, private, action, name, own, mention } = *head;
        let (before, after) = if action { ("* ", " ") } else { ("", "  ") };
        let name = clip(name);
        let gap = if place.is_empty() { "" } else { " " };
        let bare = format!("{time} {place}{gap}{before}{name}");
        let taken = sanitize::width_at_most(&bare) + after.len();
        let shown = match self {
            Self::Dumb | Self::Plain => bare,
            Self::Screen { colour: false } => painted(if mention { "1;7" } else { "1" }, &bare),
            Self::Screen { colour: true } => {
                let time = painted(if mention { "7" } else { "2" }, time);
                let place = painted(if private { "1;35" } else { "2" }, place);
                let name = painted(&name_code(&name, own, mention), &name);
                format!("{time} {place}{gap}{before}{name}")
            }
        };
        (shown + after, taken)
    }
}

/// Returns `text` in a style (ECMA-48 §8.3.117) that ends with it.
fn painted(code: &str, text: &str) -> String {
    match code.is_empty() || text.is_empty() {
        true => text.to_owned(),
        false => format!("\x1b[{code}m{text}\x1b[0m"),
    }
}

/// Returns the colour of an account's name, always the same one. The user's own name stands out, and so do people who
/// name the user.
fn name_code(name: &str, own: bool, mention: bool) -> String {
    let code = NAME_COLOURS[colour_index(name)];
    match (own, mention) {
        (true, _) => format!("1;{code}"),
        (false, true) => format!("1;7;{code}"),
        (false, false) => code.to_string(),
    }
}

/// Returns lines of text for a terminal without an editor: clean, and without other people's text at the start of a
/// row.
pub(crate) fn paragraphs(text: &str) -> Vec<String> {
    let space = Space { columns: columns(), taken: 0, rows: usize::MAX, is_name: &|_| false };
    text.lines().flat_map(|line| sanitize::lines(line, &space).lines).collect()
}

/// Returns a foreign name, sanitised and cut to the width of the longest name.
pub(crate) fn clip(name: &str) -> String {
    let clean = sanitize::one_line(name);
    let mut columns = 0;
    let cut = clean.char_indices().find(|(_, c)| {
        columns += sanitize::columns_at_most(*c);
        columns > NAME_COLUMNS_MAX
    });
    match cut {
        None => clean,
        Some((end, _)) => format!("{}…", &clean[..end]),
    }
}

/// Returns about how many terminal rows a printed line takes.
pub(crate) fn height(row: &str, columns: usize) -> usize {
    let mut parts = row.split('\x1b');
    let plain = parts.next().map(sanitize::width).unwrap_or_default();
    let styled = parts.map(|part| part.split_once('m').map_or(0, |(_, text)| sanitize::width(text)));
    (plain + styled.sum::<usize>()).div_ceil(columns.max(1)).max(1)
}

/// Returns the prompt: whose line it is, and where it goes. Names leave room for the line, even on a narrow terminal.
pub(crate) fn prompt(account: &str, room: &RoomRef, columns: usize) -> String {
    let most = (columns / 4).max(NAME_COLUMNS_IN_PROMPT_MIN);
    let way = if room.is_private() { "to" } else { "in" };
    let (account, room) = (shorten(&clip(account), most), shorten(&room.to_string(), most));
    format!("{account} {way} {room}> ")
}

/// Returns the start of a clean text, at most `most` characters.
fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Returns a text as a sentence: with a capital letter and a full stop. A command at its end gets no stop, since it may
/// be copied.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let last = text.rsplit(['.', ':', '?']).next().unwrap_or_default().trim_start();
    let is_command = last.starts_with('/') || last.starts_with("lanchat ");
    let stop = if is_command || last.is_empty() || text.ends_with(['!', '”', '…']) { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}

/// FNV-1a: spreads short names well, and gives the same colour on every computer.
fn colour_index(name: &str) -> usize {
    let hash =
        name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash as usize % NAME_COLOURS.len()
}

/// Returns the columns of the terminal, which may change at any time.
pub(crate) fn columns() -> usize {
    size().0
}

/// Returns the columns and rows of the terminal, or 80 and 24 if it does not tell.
pub(crate) fn size() -> (usize, usize) {
    terminal_size::terminal_size().map_or((80, 24), |(columns, rows)| (columns.0.into(), rows.0.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: Medium = Medium::Screen { colour: false };
    const COLOUR: Medium = Medium::Screen { colour: true };

    fn head(name: &str) -> LineHead<'_> {
        LineHead { time: "10:00", place: "", private: false, action: false, name, own: false, mention: false }
    }

    fn message(medium: Medium, head: &LineHead<'_>, text: &str) -> Vec<String> {
        medium.message(head, text, 20, "/history", &|name| name == "bob").rows
    }

    #[test]
    fn a_name_keeps_its_colour_and_no_colour_means_none() {
        assert_eq!(message(COLOUR, &head("ana"), "hi"), message(COLOUR, &head("ana"), "hi"));
        assert!(message(COLOUR, &LineHead { own: true, ..head("ana") }, "hi")[0].contains("\x1b[1;"));
        assert_eq!(message(BARE, &head("ana"), "hi"), ["\x1b[1m10:00 ana\x1b[0m  hi"]);
        assert_eq!(message(Medium::Plain, &head("ana"), "hi"), ["10:00 ana  hi"]);
    }

    #[test]
    fn whoever_names_the_user_is_marked_without_a_change_to_what_is_copied() {
        for medium in [BARE, COLOUR] {
            let marked = message(medium, &LineHead { mention: true, ..head("bob") }, "ana?");
            assert!(marked[0].contains("7m10:00") && marked[0].ends_with("  ana?"), "{marked:?}");
            assert_eq!((height(&marked[0], 15), height(&marked[0], 14)), (1, 2), "it has 15 columns");
        }
        assert_eq!(
            message(Medium::Plain, &LineHead { mention: true, ..head("bob") }, "ana?"),
            ["10:00 bob  ana?"]
        );
    }

    /// Text that imitates a line never has a style, and real lines always have one.
    #[test]
    fn a_start_of_a_line_has_a_style_and_text_never_has() {
        for medium in [BARE, COLOUR] {
            for line in
                [medium.notice("x"), medium.error("x"), medium.notice_at("10:00", "x"), medium.divider("x")]
            {
                assert!(line[0].starts_with("\x1b["), "{line:?}");
            }
            let rows = message(medium, &head("carl"), "one\n12:00 bob  two\n*** three");
            assert!(rows[0].starts_with("\x1b["));
            assert_eq!(rows[1..], [" 12:00 bob  two", " *** three"]);
        }
    }

    #[test]
    fn what_is_copied_is_what_was_written() {
        let url = format!("https://example.org/{}", "a/".repeat(150));
        assert_eq!(message(BARE, &head("bob"), &url), [format!("\x1b[1m10:00 bob\x1b[0m  {url}")]);
        let link = format!("lanchat://10.0.0.1:7072/#{}", "ab".repeat(32));
        assert_eq!(BARE.notice(&link), [format!("\x1b[1m***\x1b[0m {link}")]);
        let command = format!("  lanchat trust reset {}", "0".repeat(90));
        assert_eq!(paragraphs(&format!("Do:\n{command}")), ["Do:".to_owned(), command]);
    }

    #[test]
    fn a_long_name_leaves_the_text_whole() {
        let name = "n".repeat(32);
        let rows = message(BARE, &head(&name), "the text of it");
        assert_eq!(rows, [format!("\x1b[1m10:00 {name}\x1b[0m  the text of it")]);
    }

    #[test]
    fn a_name_from_a_hostile_server_is_cut_and_clean() {
        for part in ["\x1b]0;x", "x", "花", "k\u{9be}\u{9be}", "\u{3248}", "\u{1f680}\u{200d}"] {
            let name = part.repeat(1000);
            let (shown, taken) = Medium::Plain.head(&head(&name));
            let clipped = clip(&name);
            assert!(sanitize::width_at_most(clipped.trim_end_matches('…')) <= NAME_COLUMNS_MAX, "{clipped}");
            assert!(
                clipped.ends_with('…') && shown.ends_with(&format!("{clipped}  ")) && !shown.contains('\x1b')
            );
            assert!(taken <= NAME_COLUMNS_MAX + 10);
        }
        assert_eq!(clip(&"花".repeat(20)), "花".repeat(20));
    }

    #[test]
    fn the_prompt_says_whose_line_goes_where() {
        let prompt = |account: &str, room: &str, columns| prompt(account, &room.parse().unwrap(), columns);
        assert_eq!(prompt("ana", "lobby", 80), "ana in lobby> ");
        assert_eq!(prompt("ana", "@bob", 24), "ana to @bob> ");
        let (ana, room) = ("a".repeat(32), "b".repeat(32));
        assert_eq!(prompt(&ana, &room, 80), format!("{}… in {}…> ", &ana[..19], &room[..19]));
        assert_eq!(prompt(&ana, &room, 40), format!("{}… in {}…> ", &ana[..9], &room[..9]));
        assert_eq!(shorten("abcdef", 6), "abcdef");
        assert_eq!(shorten("abcdefg", 6), "abcde…");
    }

    #[test]
    fn what_went_wrong_is_a_sentence() {
        assert_eq!(sentence("no answer: try again"), "No answer: try again.");
        for text in ["Who is it?", "It says: “no”", "Usage: /passwd OLD NEW", "/me waves", ""] {
            assert_eq!(sentence(text), text);
        }
    }

    /// A server can choose any name, but the name must not reach the first column of a row.
    #[test]
    fn a_stranger_in_a_line_of_the_program_forges_no_other() {
        for forged in ["*** Your link says: verified", "12:00 bob  hi"] {
            let line = format!(
                "First contact with {} at 127.0.0.1:7072.",
                sanitize::quoted(&format!("lab {forged}"))
            );
            for rows in [BARE.notice(&line), paragraphs(&line)] {
                assert_eq!(rows.len(), 2, "{rows:?}");
                assert!(rows[1].starts_with(' '), "{rows:?}");
            }
        }
    }

    #[test]
    fn lines_of_the_program_start_as_no_name_can() {
        for line in [Medium::Plain.notice("x"), Medium::Plain.error("x")] {
            let mark = line[0].chars().next().unwrap();
            assert!(!mark.is_ascii_digit());
            assert!(format!("{mark}{mark}").parse::<lanchat_model::AccountName>().is_err());
        }
        assert_eq!(Medium::Plain.notice_at("14:03", "ana joined"), ["14:03 *** ana joined"]);
        assert_eq!(Medium::Plain.error("x"), ["!!! x"]);
        assert!(Medium::Plain.divider("dev").is_empty());
        assert_eq!(Medium::Dumb.divider("dev"), ["*** ──── dev ────"]);
    }

    #[test]
    fn a_terminal_that_can_do_nothing_wraps_lines_too() {
        let rows = message(Medium::Dumb, &head("carl"), "one\ntwo words 12:00 bob  hi");
        assert_eq!(rows, ["10:00 carl  one\\x0atwo words ", " 12:00 bob  hi"]);
        assert_eq!(
            message(Medium::Plain, &head("carl"), "one\n12:00 bob  hi"),
            ["10:00 carl  one\\x0a12:00 bob  hi"]
        );
    }
}
