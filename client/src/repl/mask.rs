//! How the own line is painted: passwords as stars, control characters not at all. Widths stay as
//! the editor counts them.

use unicode_width::UnicodeWidthChar;

use crate::command;

/// `line` as stars. A newline stays one, and a tab takes its column: the editor counts their rows and columns, and would
/// clear what stands above otherwise.
pub(crate) fn all(line: &str) -> String {
    let star = |c: char| match c {
        '\n' => "\n".to_owned(),
        '\t' => "*".to_owned(),
        c => "*".repeat(c.width().unwrap_or(0)),
    };
    line.chars().map(star).collect()
}

/// `line` without control characters other than newlines: the editor counts no column for them, and
/// one for a tab.
pub(crate) fn controls(line: &str) -> String {
    line.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|c| *c == '\n' || !c.is_control()).collect()
}

/// A command that logs in or changes a password, with everything behind the name as stars; other
/// lines as they are.
pub(crate) fn credentials(line: &str) -> String {
    let (shown, hidden) = line.split_at(open_part(line));
    format!("{shown}{}", all(hidden))
}

/// What of such a command may be remembered: the command and the name. `None`: the line is another
/// one.
pub(crate) fn memorable(line: &str) -> Option<&str> {
    command::open_words(line)?;
    line.get(..open_part(line)).map(str::trim_end)
}

/// How many bytes of `line` are no secret.
fn open_part(line: &str) -> usize {
    let Some(open_words) = command::open_words(line) else { return line.len() };
    let mut words = 0;
    let mut inside = false;
    for (at, c) in line.char_indices() {
        let starts = !inside && !c.is_whitespace();
        inside = !c.is_whitespace();
        if starts && words == open_words {
            return at;
        }
        words += usize::from(starts);
    }
    line.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_stars_and_are_not_remembered() {
        assert_eq!(credentials("/login ana s3cret x"), "/login ana ********");
        assert_eq!(credentials("/passwd old new"), "/passwd *******");
        assert_eq!(credentials("/join room x"), "/join room x");
        assert_eq!(memorable("/login  ana   s3cret"), Some("/login  ana"));
        assert_eq!(memorable("/register ana"), Some("/register ana"));
        assert_eq!(memorable("/passwd a b"), Some("/passwd"));
        assert_eq!(memorable("hello"), None);
    }

    #[test]
    fn widths_stay() {
        assert_eq!(all("aé花"), "****");
        assert_eq!(all("a\tb\n"), "***\n");
        assert_eq!(controls("a\x1b[2Jb\n\tc"), "a[2Jb\n c");
    }
}
