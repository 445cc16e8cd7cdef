//! What Tab offers: commands, rooms, names.

use rustyline::completion::Pair;

use super::shared::Words;
use crate::command::{self, Offers};

/// How many offers are shown at most: the list has to fit a screen, because the editor does not show messages while it
/// pages.
const OFFERS_MAX: usize = 20;

/// Returns what can replace the word that `left` ends with, and where that word starts.
pub(crate) fn complete(left: &str, words: &Words) -> (usize, Vec<Pair>) {
    let start = left.char_indices().rfind(|(_, c)| c.is_whitespace()).map_or(0, |(at, c)| at + c.len_utf8());
    let word = &left[start..];
    let verb = left.strip_prefix('/').and_then(|command| command.split_whitespace().next());
    let people = || words.people.iter().map(String::as_str);
    let offers = match (start, word.strip_prefix('/')) {
        (0, Some(begun)) => offer(command::names(), begun, "/", " "),
        // A mention, or the chat with somebody.
        _ if word.starts_with('@') => offer(people(), &word[1..], "@", " "),
        (0, None) if word.is_empty() => Vec::new(),
        (0, None) => offer(people(), word, "", ": "),
        _ => match verb.map(command::offers) {
            Some(Offers::Rooms) => offer(words.rooms.iter().map(String::as_str), word, "", " "),
            Some(Offers::Commands) => offer(command::names(), word, "", " "),
            None if word.is_empty() => Vec::new(),
            Some(Offers::People) | None => offer(people(), word, "", " "),
        },
    };
    (start, offers)
}

fn offer<'a>(names: impl Iterator<Item = &'a str>, begun: &str, before: &str, behind: &str) -> Vec<Pair> {
    let begun = begun.to_ascii_lowercase();
    names
        .filter(|name| name.starts_with(&begun))
        .take(OFFERS_MAX)
        .map(|name| Pair { display: name.to_owned(), replacement: format!("{before}{name}{behind}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers(left: &str) -> Vec<String> {
        let words = Words {
            rooms: ["dev", "lobby"].map(String::from).into(),
            people: ["ana", "andy", "bob"].map(String::from).into(),
        };
        complete(left, &words).1.into_iter().map(|pair| pair.replacement).collect()
    }

    /// Other blanks are the one of a Japanese keyboard and the no-break space.
    #[test]
    fn a_word_begins_behind_a_blank_of_several_bytes() {
        let words =
            Words { rooms: ["lobby"].map(String::from).into(), people: ["bob"].map(String::from).into() };
        for blank in ["\u{3000}", "\u{a0}", "\u{2003}"] {
            for typed in ["/join", "hi", ""] {
                let left = format!("{typed}{blank}");
                assert_eq!(complete(&left, &words).0, left.len(), "{left:?}");
            }
        }
        assert_eq!(offers("/join\u{3000}d"), ["dev "]);
    }

    #[test]
    fn commands_rooms_and_names_are_completed_where_they_belong() {
        assert_eq!(offers("/jo"), ["/join "]);
        for verb in ["join", "J", "leave", "part", "who", "members", "show"] {
            assert_eq!(offers(&format!("/{verb} d")), ["dev "], "{verb}");
        }
        assert_eq!(offers("/msg b"), ["bob "]);
        assert_eq!(offers("AN"), ["ana: ", "andy: "]);
        assert_eq!(offers("hi bo"), ["bob "]);
        assert_eq!(offers("/help wh"), ["who ", "whois "]);
        assert_eq!(offers("@an"), ["@ana ", "@andy "]);
        assert_eq!(offers("and you, @B"), ["@bob "]);
        assert_eq!(offers("/join @b"), ["@bob "]);
        assert_eq!(offers("hi @"), ["@ana ", "@andy ", "@bob "]);
        assert!(offers("me@an").is_empty(), "an address is no mention");
        assert!(offers("").is_empty() && offers("hi ").is_empty());
    }

    #[test]
    fn a_command_is_completed_alike_by_whatever_name_it_is_called() {
        for verb in ["join", "j", "leave", "part", "who", "names", "members", "WHO"] {
            assert_eq!(offers(&format!("/{verb} d")), ["dev "], "{verb}");
        }
        for verb in ["help", "commands", "?"] {
            assert_eq!(offers(&format!("/{verb} whoi")), ["whois "], "{verb}");
        }
        assert_eq!(offers("/unheard-of b"), ["bob "]);
    }
}
