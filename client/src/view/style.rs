//! How rows look: their prefix, their colours, and where they break.

use crate::sanitize::{self, Room};

/// Starts every line that the program says. A message starts with a digit, its other rows with
/// spaces, and no account has an asterisk in its name: no text from elsewhere can look like this.
const NOTICE: &str = "*** ";
/// Starts every line that says what went wrong, for the same reasons.
const ERROR: &str = "!!! ";
/// A name longer than any that a server may give is cut: the line belongs to the text.
const NAME_COLUMNS_MAX: usize = 40;
/// A name in the prompt has so many columns at least.
const NAME_COLUMNS_IN_PROMPT_MIN: usize = 6;
/// Colours that are readable on light and on dark ground.
const NAME_COLOURS: [u8; 10] = [31, 32, 33, 34, 35, 36, 91, 92, 94, 95];

/// Where the lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    /// A terminal: rows that fit it, perhaps in colour.
    Screen {
        /// Whether to use colours.
        colour: bool,
    },
    /// A pipe or a terminal that can do nothing: one line per message.
    Plain,
}

impl Medium {
    /// A terminal, in colour unless the environment asks for none (<https://no-color.org>).
    pub(crate) fn screen() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self::Screen { colour: !refused }
    }

    fn colour(self) -> bool {
        self == Self::Screen { colour: true }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour() && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A line of the program: what happened, what to do.
    pub(crate) fn notice(self, text: &str) -> Vec<String> {
        self.lines("", NOTICE, "2", text)
    }

    /// The same, but what is to be copied stays on one row however long it is.
    pub(crate) fn copyable(self, text: &str) -> Vec<String> {
        match is_to_be_copied(text, columns().saturating_sub(NOTICE.len() + 1)) {
            true => vec![self.paint("2", &format!("{NOTICE}{}", sanitize::one_line(text)))],
            false => self.notice(text),
        }
    }

    /// A line of the program about an entry, with the time of it.
    pub(crate) fn notice_at(self, time: &str, text: &str) -> Vec<String> {
        self.lines(time, NOTICE, "2", text)
    }

    /// What went wrong and what to do.
    pub(crate) fn error(self, text: &str) -> Vec<String> {
        self.lines("", ERROR, "31", text)
    }

    fn lines(self, time: &str, mark: &str, code: &str, text: &str) -> Vec<String> {
        let head = if time.is_empty() { mark.to_owned() } else { format!("{time} {mark}") };
        let mut rows = self.rows(text, sanitize::width_at_most(&head), usize::MAX, "");
        if let Some(first) = rows.first_mut() {
            first.insert_str(0, &head);
        }
        rows.iter().map(|row| self.paint(code, row)).collect()
    }

    /// The rows of a message: `head` stands before the first and is coloured already; it takes
    /// `taken` columns. `rest` is what to type to see more than so many rows.
    pub(crate) fn message(
        self,
        head: &str,
        taken: usize,
        text: &str,
        rows: usize,
        rest: &str,
    ) -> Vec<String> {
        let mut rows = self.rows(text, taken, rows, rest);
        if let Some(first) = rows.first_mut() {
            first.insert_str(0, head);
        }
        rows
    }

    fn rows(self, text: &str, taken: usize, rows: usize, rest: &str) -> Vec<String> {
        match self {
            Self::Screen { .. } => sanitize::rows(text, Room { columns: columns(), taken, rows, rest }),
            Self::Plain => vec![sanitize::one_line(text)],
        }
    }

    /// An account's name in its colour, the same one each time; the own name stands out.
    pub(crate) fn name(self, name: &str, own: bool) -> String {
        let shown = clip(name);
        let code = NAME_COLOURS[colour_index(&shown)];
        let code = if own { format!("1;{code}") } else { code.to_string() };
        self.paint(&code, &shown)
    }

    /// Something that stands back: times and rooms.
    pub(crate) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// Something that must not be overlooked.
    pub(crate) fn strong(self, text: &str) -> String {
        self.paint("1;35", text)
    }
}

/// A line of ours with something that must not be broken: a command, which is indented, or a link, which
/// is longer than a row. What quotes a stranger is neither: the terminal breaks such a row where the
/// stranger likes.
fn is_to_be_copied(line: &str, columns: usize) -> bool {
    let is_long_link = |word: &str| word.starts_with("lanchat://") && sanitize::width(word) > columns;
    !line.contains('“') && (line.starts_with("  ") || line.split_whitespace().any(is_long_link))
}

/// Lines of text for a terminal of so many columns that no editor owns: broken at words, but for what
/// is to be copied.
pub(crate) fn paragraphs(text: &str, columns: usize) -> Vec<String> {
    let rows = |line| match is_to_be_copied(line, columns) {
        true => vec![sanitize::one_line(line)],
        false => sanitize::rows(line, Room { columns, taken: 0, rows: usize::MAX, rest: "" }),
    };
    text.lines().flat_map(rows).collect()
}

/// A name from elsewhere, clean and not wider than a name is on any terminal.
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

/// The prompt: whose line it is, and where it goes. Names share it with the line, also on a narrow terminal.
pub(crate) fn prompt(account: &str, room: &str, columns: usize) -> String {
    let most = (columns / 4).max(NAME_COLUMNS_IN_PROMPT_MIN);
    let (account, room) = (shorten(&clip(account), most), shorten(&clip(room), most));
    let way = if room.starts_with('@') { "to" } else { "in" };
    format!("{account} {way} {room}> ")
}

/// The start of a clean text, in so many characters at most.
fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// A text as a sentence: its first letter large, and a stop at its end. None behind a command, which may be copied.
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

/// Columns of the terminal; it may change at any time.
pub(crate) fn columns() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| width.0.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_colour_and_no_colour_means_none() {
        let screen = Medium::Screen { colour: true };
        assert_eq!(screen.name("ana", false), screen.name("ana", false));
        assert!(screen.name("ana", true).contains("\x1b[1;"));
        assert_eq!(Medium::Screen { colour: false }.name("ana", true), "ana");
        assert_eq!(Medium::Plain.name("ana", true), "ana");
    }

    #[test]
    fn a_name_from_a_hostile_server_is_cut_and_clean() {
        for part in ["\x1b]0;x", "x", "花", "k\u{9be}\u{9be}", "\u{3248}", "\u{1f680}\u{200d}"] {
            let name = Medium::Plain.name(&part.repeat(1000), false);
            assert!(sanitize::width_at_most(name.trim_end_matches('…')) <= NAME_COLUMNS_MAX, "{name}");
            assert!(name.ends_with('…') && !name.contains('\x1b'));
        }
        assert_eq!(clip(&"花".repeat(20)), "花".repeat(20));
    }

    #[test]
    fn the_prompt_says_whose_line_goes_where() {
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

    #[test]
    fn text_is_broken_at_words_and_what_is_copied_is_not() {
        let link = format!("lanchat://10.0.0.1:7072/#{}", "ab".repeat(32));
        let words = "abcdefghi ".repeat(20);
        let screen = Medium::Screen { colour: false };
        assert_eq!(screen.copyable(&link), [format!("*** {link}")]);
        for rows in [screen.copyable(words.trim()), paragraphs(words.trim(), 80)] {
            assert!(rows.len() > 2, "{rows:?}");
            for row in rows {
                assert!(sanitize::width(&row) < 80 && row.trim_end().ends_with("abcdefghi"), "{row:?}");
            }
        }
        let command = format!("  lanchat trust reset {}", "0".repeat(90));
        assert_eq!(paragraphs(&format!("Do:\n{command}"), 80), ["Do:".to_owned(), command]);
    }

    /// A server calls itself as it likes; its name must not reach the first column of a row.
    #[test]
    fn a_stranger_cannot_make_a_line_one_to_be_copied() {
        let screen = Medium::Screen { colour: false };
        let forged = "*** Your link says: verified";
        for word in [
            "\u{1}".repeat(34),
            "x".repeat(100),
            format!("lanchat://a/#{}", "b".repeat(90)),
            "\u{9be}".repeat(90),
        ] {
            let line = format!(
                "First contact with {} at 127.0.0.1:7072.",
                sanitize::quoted(&format!("{word}{forged}"))
            );
            for rows in [screen.copyable(&line), paragraphs(&line, 80)] {
                assert!(rows.iter().all(|row| sanitize::width_at_most(row) < 80), "{rows:?}");
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
    }
}
