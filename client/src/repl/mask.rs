//! How the user's line is painted: passwords as stars, control characters not at all. Widths stay as the editor counts
//! them.

use unicode_width::UnicodeWidthChar;

use crate::command;

/// Returns `line` as stars. A newline stays, and a tab takes one column: the editor counts rows and columns, and would
/// otherwise clear rows above.
pub(crate) fn all(line: &str) -> String {
    let star = |c: char| match c {
        '\n' => "\n".to_owned(),
        '\t' => "*".to_owned(),
        c => "*".repeat(c.width().unwrap_or(0)),
    };
    line.chars().map(star).collect()
}

/// Returns `line` without control characters other than newlines: the editor does not count columns for them, but
/// counts one for a tab.
pub(crate) fn controls(line: &str) -> String {
    line.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|c| *c == '\n' || !c.is_control()).collect()
}

/// Returns a command that logs in or changes a password with everything after the name as stars, and other lines
/// unchanged.
pub(crate) fn credentials(line: &str) -> String {
    let (shown, hidden) = line.split_at(open_part(line));
    format!("{shown}{}", all(hidden))
}

/// Returns what of such a command may be remembered: the command and the name. Returns `None` for other lines.
pub(crate) fn memorable(line: &str) -> Option<&str> {
    command::open_words(line)?;
    line.get(..open_part(line)).map(str::trim_end)
}

/// Returns how many bytes of `line` are not secret.
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
