//! Recognises lines that begin like a command. A line that only looks like a command may hold a password, so it is
//! never sent as text.

use lanchat_model::is_hidden;

use super::table::find;

/// How a line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning<'a> {
    /// Like text.
    Text,
    /// With a slash, perhaps after blanks or invisible characters, such as a byte order mark. Holds the rest of the
    /// line.
    Slash(&'a str),
    /// With something that a person could mistake for the slash of a command. Holds the rest of the line.
    Likeness(&'a str),
}

/// Returns how `line` begins.
pub(crate) fn beginning(line: &str) -> Beginning<'_> {
    let bare = line.trim_start_matches(is_blank);
    if let Some(rest) = bare.strip_prefix('/') {
        return Beginning::Slash(rest);
    }
    if let Some(rest) = bare.strip_prefix(is_like_a_slash)
        && find(&verb(rest)).is_some()
    {
        return Beginning::Likeness(rest);
    }
    // After more than one slash, and after the marks that shells, mail programs and lists put before copied text, only
    // a login counts: other text may begin like this too.
    let is_slash = |c| matches!(c, '/' | '\\') || is_like_a_slash(c);
    let inner = bare.trim_start_matches(|c| is_blank(c) || is_mark(c) || is_slash(c));
    let before = &bare[..bare.len() - inner.len()];
    match before.contains(is_slash) && is_login(inner) {
        true => Beginning::Likeness(inner),
        false => Beginning::Text,
    }
}

/// Returns whether `line` holds nothing visible.
pub(crate) fn is_blank_line(line: &str) -> bool {
    line.chars().all(is_blank)
}

/// Returns the lines of a text, split at every mandatory break (Unicode UAX 14): each may begin with a command.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'])
}

/// Returns whether `line` is a command with a password in it, or looks like one.
pub(crate) fn reveals(line: &str) -> bool {
    match beginning(line) {
        Beginning::Text => false,
        Beginning::Slash(rest) | Beginning::Likeness(rest) => is_login(rest),
    }
}

/// Returns the command that a word stands for, even if typed in full-width letters.
pub(crate) fn verb(rest: &str) -> String {
    let word = rest.split(is_blank).next().unwrap_or_default();
    word.chars().map(narrow).collect()
}

/// Returns whether the text after a slash is a command with a password.
fn is_login(rest: &str) -> bool {
    let words = rest.split(is_blank).filter(|word| !word.is_empty()).count();
    let open = find(&verb(rest)).and_then(|row| row.open_words);
    open.is_some_and(|open| words > open)
}

/// Returns whether `c` is white space, a control, or invisible.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control() || is_hidden(c)
}

/// Returns whether `c` is another slash: a UTS 39 confusable of U+002F that is not a letter, or one of a full-width
/// keyboard.
fn is_like_a_slash(c: char) -> bool {
    matches!(
        c,
        '\u{ff0f}'
            | '\u{2044}'
            | '\u{2215}'
            | '\u{29f8}'
            | '\u{2571}'
            | '\u{27cb}'
            | '\u{1735}'
            | '\u{2cc6}'
            | '\u{1d23a}'
            | '\u{2041}'
            | '\u{ff3c}'
            | '\u{2afd}'
            | '\u{338}'
    )
}

fn is_mark(c: char) -> bool {
    matches!(c, '0'..='9' | '.' | ':' | '`' | '(' | '[' | '{' | '<' | ')' | ']' | '"' | '\'' | '>' | '$' | '%' | '#' | '-' | '*' | '•' | '\u{2018}'..='\u{201f}' | '«' | '»')
}

/// Returns the narrow form of a full-width character (U+FF01 to U+FF5E).
fn narrow(c: char) -> char {
    match u32::from(c) {
        code @ 0xff01..=0xff5e => char::from_u32(code - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_before_a_slash_changes_nothing() {
        for before in ["", " ", "\t", "\u{feff}", "\u{a0}", "\u{3000}", "\u{200b}\u{feff} ", "\u{202e}", "\0"]
        {
            assert_eq!(beginning(&format!("{before}/quit")), Beginning::Slash("quit"), "{before:?}");
        }
        assert!(is_blank_line("\u{feff} \t\u{200b}") && !is_blank_line("\u{feff}."));
    }

    #[test]
    fn what_looks_like_a_command_is_no_text() {
        for line in [
            "／login ana secret",
            "　／ｌｏｇｉｎ　ana　secret",
            "⁄join dev",
            "∕quit",
            "\"/login ana secret\"",
            "> /passwd old new",
            "$ /register ana secret",
            "\\login ana secret",
            "'/LOGIN ana secret'",
            "／／login ana secret",
            "／ login ana secret",
            "\\/login ana secret",
            "(/login ana secret)",
            "`/login ana secret`",
            "1. /login ana secret",
            "- [／passwd old new",
        ] {
            assert!(matches!(beginning(line), Beginning::Likeness(_)), "{line}");
        }
        for line in [
            "hi / there",
            "⁄2 of them",
            "╱╲",
            "> /usr/bin/ld",
            "`/login` logs you in",
            "ノート忘れました",
            "ノルウェー",
            "＼o／",
            "／o／",
            "／jion dev",
            "1. login ana secret",
            "\\o/",
            "- /join dev",
        ] {
            assert_eq!(beginning(line), Beginning::Text, "{line}");
        }
    }

    #[test]
    fn a_line_reveals_a_password_if_one_stands_there() {
        for line in ["/login ana x", " /register ana x", "／passwd old", "\u{feff}/PASSWORD old new"] {
            assert!(reveals(line), "{line:?}");
        }
        for line in ["/login ana", "/passwd", "/msg ana x y", "login ana x", "//login ana"] {
            assert!(!reveals(line), "{line:?}");
        }
    }
}
