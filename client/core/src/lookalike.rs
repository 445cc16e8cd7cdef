//! Names that a person would mistake for one another: compared by what they look like (UTS 39 §4), not by their
//! letters.

use lanchat_model::is_invisible;
use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton;

/// Returns whether two names look so much alike that one may be mistaken for the other: `lab` and
/// `1ab`, `LAB` in Cyrillic letters, `ｌａｂ` in wide ones, `la b`, or one with invisible
/// characters in it.
///
/// Upper and lower case count as equal, though they look different: nobody remembers which it was. Some names are
/// called alike that a careful reader can tell apart; the opposite error would be worse.
pub fn look_alike(one: &str, other: &str) -> bool {
    let (one, other) = (looks(one), looks(other));
    one.iter().any(|look| other.contains(look))
}

/// Returns what a name may look like. There are two results, since case folding and confusables do not commute: `I` is
/// the capital of `i`, and looks like an `l`.
fn looks(name: &str) -> [String; 2] {
    let shown: String = name.nfkd().filter(|c| !is_blank(*c)).collect();
    let folded = shown.to_lowercase();
    [look(&shown), look(&folded)]
}

/// Returns the skeleton of the folded skeleton. Taking it again is needed, since folding makes letters that look like
/// others: `0` looks like `O`, which folds to `o`.
fn look(text: &str) -> String {
    let skeleton_of = |text: &str| skeleton(text).collect::<String>();
    let folded = skeleton_of(text).to_lowercase();
    skeleton_of(&folded).chars().filter(|c| !is_blank(*c)).collect()
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || is_invisible(c)
}

#[cfg(test)]
mod tests {
    use unicode_security::GeneralSecurityProfile;
    use unicode_security::general_security_profile::IdentifierType;

    use super::*;

    /// Our table covers what other tables have, which are regenerated with each version of Unicode.
    #[test]
    fn what_unicode_ignores_by_default_is_blank() {
        let ignored = |c: &char| c.identifier_type() == Some(IdentifierType::Default_Ignorable);
        let ignored: Vec<char> = ('\0'..=char::MAX).filter(ignored).collect();
        assert!(ignored.len() > 100, "{}", ignored.len());
        assert!(ignored.iter().all(|c| is_blank(*c)), "{ignored:?}");
    }

    #[test]
    fn a_name_in_disguise_is_known_again() {
        for (name, disguise) in [
            ("lab", "lab"),
            ("lab", "LAB"),
            ("lab", "1ab"),
            ("lab", "|ab"),
            ("lab", "Iab"),
            ("lab", "l\u{430}b"),                    // Cyrillic a
            ("LAB", "L\u{410}\u{412}"),              // Cyrillic A and Ve
            ("lab", "L\u{410}\u{412}"),              // the same, in the other case
            ("office", "\u{43e}ffice"),              // Cyrillic o
            ("office", "0FFICE"),                    // a digit
            ("lab", "\u{ff4c}\u{ff41}\u{ff42}"),     // full width
            ("lab", "\u{1d425}\u{1d41a}\u{1d41b}"),  // mathematical bold
            ("lab", "la\u{200b}b"),                  // zero width space
            ("lab", "l\u{200d}a\u{2060}b\u{feff}"),  // joiner, word joiner, byte order mark
            ("lab", "\u{202e}lab"),                  // turned around
            ("lab", "lab\u{e0041}\u{fe0f}\u{3164}"), // tag, selector, filler
            ("lab", "  lab\u{a0}"),                  // blanks
            ("my lab", "my\u{2003}\u{2800}lab"),     // wide and Braille blanks
            ("print-room", "print\u{2010}room"),     // another hyphen
            ("comer", "corner"),                     // two letters for one
            ("stra\u{df}e", "STRA\u{df}E"),          // a letter without a capital
            ("caf\u{e9}", "cafe\u{301}"),            // composed and decomposed
            ("\u{3bf}\u{3c1}", "op"),                // Greek
        ] {
            assert!(look_alike(name, disguise) && look_alike(disguise, name), "{name} and {disguise:?}");
        }
    }

    #[test]
    fn another_name_is_another_name() {
        for (name, other) in [
            ("lab", "lob"),
            ("lab", "labs"),
            ("office", "workshop"),
            ("\u{4f1a}", "\u{8b70}"),
            ("pi2", "pi3"),
            ("lab", ""),
        ] {
            assert!(!look_alike(name, other), "{name} and {other}");
        }
    }
}
