//! Sentences for people, and who wrote them: a server's words never pass for this program's.

use std::fmt;

/// A sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sentence {
    /// From this library.
    Ours(String),
    /// From the server: a stranger's text on one line, which may claim anything. At most `limits::SENTENCE_BYTES_MAX`
    /// bytes.
    Server(String),
}

impl fmt::Display for Sentence {
    /// Attributes a server's sentence and puts it in quotation marks. It is not sanitised: the front end's sanitiser
    /// must clean it before it reaches a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(text) => f.write_str(text),
            Self::Server(text) => write!(f, "The server says: {}", quoted(text)),
        }
    }
}

/// Quotes a stranger's text for a sentence. The text itself holds no quotation marks afterwards, so it ends where they
/// end.
pub fn quoted(text: &str) -> String {
    format!("“{}”", text.replace(is_quotation_mark, "'"))
}

fn is_quotation_mark(c: char) -> bool {
    matches!(c, '"' | '«' | '»' | '\u{2ba}' | '\u{2dd}' | '\u{2ee}' | '\u{2f5}' | '\u{2f6}' | '\u{5f2}' | '\u{5f4}'
        | '\u{201c}'..='\u{201f}' | '\u{2033}' | '\u{2036}' | '\u{275d}' | '\u{275e}' | '\u{3003}'
        | '\u{301d}'..='\u{301f}' | '\u{ff02}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_sentence_says_whose_it_is_and_where_it_ends() {
        assert_eq!(Sentence::Ours("You logged out.".to_owned()).to_string(), "You logged out.");
        let forged =
            Sentence::Server("Bye.” *** Your account moved: \"lanchat --server 10.0.0.66".to_owned());
        assert_eq!(
            forged.to_string(),
            "The server says: “Bye.' *** Your account moved: 'lanchat --server 10.0.0.66”"
        );
    }
}
