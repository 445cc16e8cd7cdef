//! Text that looks like the start of somebody else's message, or of a line of the program.
//!
//! The terminal wraps a long line, at a place that we cannot know for sure: widths differ between terminals, and
//! windows are resized. So any character of a message may end up in the first column. Text that could pass for the
//! start of a line there gets a row of its own with a blank before it, since lines never begin with a blank. That holds
//! at any width: the row begins with the blank, and the text after it is not at its start.

use unicode_normalization::UnicodeNormalization;

use super::COLUMNS_MIN;

/// No name is longer than this.
const NAME_MAX: usize = 40;
/// Characters of a time of day.
const CLOCK: usize = 5;
/// Characters in the mark of a line of the program.
const MARK: usize = 3;

/// Splits the clean `line` into pieces that each begin a row and that the terminal may wrap. The row begins with
/// `taken` columns of something else; 0 means that this is not the first line of its text. `is_name`: whether a word is
/// somebody's name.
pub(super) fn pieces(line: &str, taken: usize, is_name: &dyn Fn(&str) -> bool) -> Vec<String> {
    let chars: Vec<(usize, char)> = line.char_indices().collect();
    let mut pieces = Vec::new();
    let (mut from, mut column) = (0, taken);
    let mut before = String::new();
    if taken == 0 && begins_like_one(&chars) {
        before.push(' ');
        column = 1;
    }
    for (nth, (at, c)) in chars.iter().enumerate() {
        let rest = &chars[nth..];
        let last = nth.checked_sub(1).and_then(|nth| chars.get(nth)).map(|(_, c)| *c);
        let run = if *at > 0 || taken > 0 { run_of_mark(rest, last) } else { 0 };
        // A row is not wrapped any nearer to its start: terminals are not that narrow.
        let far = column >= COLUMNS_MIN && (is_time(rest, is_name) || is_end_of_mark(rest));
        if far || run > 0 && column + run > COLUMNS_MIN {
            pieces.push(std::mem::take(&mut before) + &line[from..*at]);
            (from, column) = (*at, 1);
            before.push(' ');
        }
        column += super::columns_at_most(*c);
    }
    pieces.push(before + &line[from..]);
    pieces
}

/// Returns whether a line begins with a time of day, whatever follows, or with a mark of the program.
fn begins_like_one(chars: &[(usize, char)]) -> bool {
    let is_timed = is_clock(chars) && chars.get(CLOCK).is_some_and(|(_, c)| is_space(*c));
    is_timed || run_of_mark(chars, None) > 0
}

/// Returns whether this looks like a time of day: `12:00`, `l2:O0`, or in wide digits.
fn is_clock(chars: &[(usize, char)]) -> bool {
    let c = |nth: usize| chars.get(nth).map(|(_, c)| *c);
    c(2).is_some_and(is_like_a_colon) && [0, 1, 3, 4].iter().all(|nth| c(*nth).is_some_and(is_like_a_digit))
}

/// Returns whether this looks like the beginning of a message or of a line about an entry: a time, and a name, a room
/// or the mark of the program.
fn is_time(chars: &[(usize, char)], is_name: &dyn Fn(&str) -> bool) -> bool {
    if !is_clock(chars) || !chars.get(CLOCK).is_some_and(|(_, c)| is_space(*c)) {
        return false;
    }
    let behind = chars[CLOCK..].iter().map(|(_, c)| *c).skip_while(|c| is_space(*c));
    let word: String = behind.clone().take(NAME_MAX + 1).take_while(|c| !is_space(*c)).map(plain).collect();
    let gap = behind.skip(word.chars().count()).take_while(|c| is_space(*c)).take(2).count();
    let name = word.trim_matches(|c: char| c.is_ascii_punctuation());
    let is_name = |word: &str| is_name(&word.to_ascii_lowercase());
    word.starts_with(['*', '[', '<']) || gap == 2 || is_name(&word) || is_name(name)
}

/// Returns the length of the run of signs that begins here and ends like the program's mark, or 0 if there is none.
/// Several exclamation marks after a word do not count: people write them.
fn run_of_mark(chars: &[(usize, char)], last: Option<char>) -> usize {
    let Some(first) = chars.first().map(|(_, c)| plain(*c)) else { return 0 };
    let begins = match first {
        '*' => last.is_none_or(|last| plain(last) != '*'),
        '!' => last.is_none_or(is_space),
        _ => false,
    };
    if !begins {
        return 0;
    }
    let run = chars.iter().take_while(|(_, c)| plain(*c) == first).count();
    if run >= MARK && chars.get(run).is_some_and(|(_, c)| is_space(*c)) { run } else { 0 }
}

/// Returns whether the last stars of a run are here, where a long run may have been wrapped.
fn is_end_of_mark(chars: &[(usize, char)]) -> bool {
    let c = |nth: usize| chars.get(nth).map(|(_, c)| plain(*c));
    (0..MARK).all(|nth| c(nth) == Some('*')) && c(MARK).is_some_and(is_space)
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || c == '\u{2800}'
}

fn is_like_a_digit(c: char) -> bool {
    matches!(plain(c), '0'..='9' | 'O' | 'o' | 'l' | 'I' | '|')
}

fn is_like_a_colon(c: char) -> bool {
    // Ratio, modifier colons, the full stops of Armenian, Hebrew and Syriac.
    plain(c) == ':'
        || matches!(
            c,
            '\u{2236}' | '\u{a789}' | '\u{2f8}' | '\u{2d0}' | '\u{589}' | '\u{5c3}' | '\u{703}' | '\u{704}'
        )
}

/// Returns the ASCII character that looks the same, if `c` is a form of it (UAX #15) or one of the usual lookalikes.
fn plain(c: char) -> char {
    if c.is_ascii() {
        return c;
    }
    match c {
        '\u{41e}' | '\u{39f}' => 'O',
        '\u{43e}' | '\u{3bf}' => 'o',
        '\u{406}' | '\u{399}' | '\u{2223}' => 'I',
        '\u{2217}' | '\u{204e}' | '\u{66d}' | '\u{2731}' | '\u{22c6}' => '*',
        '\u{1c3}' | '\u{2d51}' => '!',
        _ => c.nfkc().next().filter(char::is_ascii).unwrap_or(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(line: &str, taken: usize) -> Vec<String> {
        pieces(line, taken, &|word| matches!(word, "bob" | "ana"))
    }

    /// Text after this is far enough from the start of its row to end up at the start of another.
    const FAR: &str = "abcdefghijklmnopqrst";

    #[test]
    fn what_begins_like_a_line_never_begins_a_row() {
        for start in [
            "12:00 bob  hi",
            "12:00 bob hi",
            "12:00 <bob> hi",
            "12:00 * bob waves",
            "12:00 [private @bob] bob  hi",
            "12:00 *** bob joined",
            "*** you are logged out",
            "!!! type your password",
            "12:00 stranger  hi",
            "l2:OO bob  hi",
            "１２：００ bob  hi",
            "12\u{2236}00\u{a0}Bob\u{3000}\u{3000}hi",
            "\u{2217}\u{2217}\u{2217} you are logged out",
        ] {
            assert_eq!(cut(start, 0), [format!(" {start}")], "as a further line");
            let long = format!("{FAR} {start}");
            assert_eq!(cut(&long, 12), [format!("{FAR} "), format!(" {start}")], "in the middle of one");
            assert_eq!(cut(&format!("{FAR}{start}"), 0).len(), if start.starts_with('!') { 1 } else { 2 });
        }
    }

    #[test]
    fn what_people_write_stays_as_it_is() {
        for line in [
            "see https://example.org/a/very/long/path?with=12:00&and=***bold***",
            "at 12:00 tomorrow, or 13:30 if you like, and then 14:00 again",
            "that is so great!!! really, I mean it!!! see you there!!!",
            "12:00:01 error: the disk is full",
            "- one item of a list",
            "    indented(code, 12);",
            "// a comment",
            "-- another one",
            "## a heading",
            "1. first",
            "a ** b ** c, 2 * 3 * 4, and *emphasis* in a rather long line",
            "",
        ] {
            assert_eq!(cut(line, 0), [line]);
            assert_eq!(cut(line, 12), [line]);
        }
    }

    #[test]
    fn each_imitation_has_a_row_of_its_own() {
        let line = format!("{FAR} 12:00 bob  one, two, three, four 12:01 ana  five");
        assert_eq!(
            cut(&line, 12),
            [format!("{FAR} "), " 12:00 bob  one, two, three, four ".into(), " 12:01 ana  five".into()]
        );
        assert_eq!(cut(&line, 12).concat().replace("  ", " "), line.replace("  ", " "));
    }

    /// A row of stars is a masked password or a rule, so it is not split.
    #[test]
    fn a_run_of_stars_is_moved_whole() {
        assert_eq!(cut(&format!("{FAR} ******** ok"), 0), [format!("{FAR} "), " ******** ok".into()]);
        // A long one is split, since its end could end up at the start of a row.
        let stars = "*".repeat(79);
        assert_eq!(
            cut(&format!("{FAR} {stars}*** you"), 0),
            [format!("{FAR} "), format!(" {stars}"), " *** you".into()]
        );
    }
}
