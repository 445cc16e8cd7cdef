//! How a line begins that is a command, or that looks like one. A line that looks like one may hold a password, so it is
//! never said.

use crate::command;
use lanchat_model::is_hidden;

/// How a line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning<'a> {
    /// As text does.
    Text,
    /// With a slash, perhaps behind blanks or characters that nobody sees, such as a byte order mark. What is behind it.
    Slash(&'a str),
    /// With what somebody could take for the slash of a command. What is behind it.
    Likeness(&'a str),
}

/// How `line` begins.
pub(crate) fn beginning(line: &str) -> Beginning<'_> {
    let bare = line.trim_start_matches(is_blank);
    if let Some(rest) = bare.strip_prefix('/') {
        return Beginning::Slash(rest);
    }
    if let Some(rest) = bare.strip_prefix(is_like_a_slash)
        && command::is_command(&verb(rest))
    {
        return Beginning::Likeness(rest);
    }
    // Behind more than one slash, and behind what shells, mail programs and lists put before what is copied, only a login
    // counts: there is other text that begins like this.
    let is_slash = |c| matches!(c, '/' | '\\') || is_like_a_slash(c);
    let inner = bare.trim_start_matches(|c| is_blank(c) || is_mark(c) || is_slash(c));
    let before = &bare[..bare.len() - inner.len()];
    match before.contains(is_slash) && is_login(inner) {
        true => Beginning::Likeness(inner),
        false => Beginning::Text,
    }
}

/// Whether there is nothing in `line` that anybody sees.
pub(crate) fn is_blank_line(line: &str) -> bool {
    line.chars().all(is_blank)
}

/// The lines of a text, by whatever ends them (Unicode UAX 14, the mandatory breaks): each may begin with a command.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'])
}

/// Whether `line` is a command with a password in it, or looks like one.
pub(crate) fn reveals(line: &str) -> bool {
    match beginning(line) {
        Beginning::Text => false,
        Beginning::Slash(rest) | Beginning::Likeness(rest) => is_login(rest),
    }
}

/// The command that a word stands for, as typed with a keyboard of full-width letters too.
pub(crate) fn verb(rest: &str) -> String {
    let word = rest.split(is_blank).next().unwrap_or_default();
    word.chars().map(narrow).collect()
}

/// Whether what is behind a slash is a command with a password.
fn is_login(rest: &str) -> bool {
    let words = rest.split(is_blank).filter(|word| !word.is_empty()).count();
    command::open_words_of(&verb(rest)).is_some_and(|open| words > open)
}

/// White space, controls, and characters that show nothing.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control() || is_hidden(c)
}

/// Other slashes (UTS 39 confusables of U+002F that are no letters), and those of keyboards for full-width letters.
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

/// The narrow form of a full-width character (U+FF01 to U+FF5E).
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
