//! Invisible characters that nevertheless belong to the spelling of a language, if they come between the letters or
//! signs that use them: joiners (UAX #31 §2.3.1), variation selectors (Unicode §23.4), and the tags of a flag (UTS #51
//! ED-14a).
//!
//! Persian separates the parts of a word by U+200C. Sinhala and Malayalam choose between forms by U+200D, which also
//! joins a family of emoji. A Japanese name may need one glyph of several. Anywhere else such a character only makes
//! two different texts look the same.

use unicode_normalization::char::canonical_combining_class;
use unicode_script::{Script, UnicodeScript};

const NON_JOINER: char = '\u{200c}';
const JOINER: char = '\u{200d}';
/// Begins the flags that are spelled with tags.
const BLACK_FLAG: char = '\u{1f3f4}';
/// Ends such a flag.
const CANCEL_TAG: char = '\u{e007f}';
/// How many letters such a flag has: two for a country, and up to four for a part of it (`gbwls`).
const FLAG_LETTERS: std::ops::RangeInclusive<usize> = 3..=6;
/// The combining class of a virama, the sign that removes a letter's vowel (UAX #44).
const VIRAMA: u8 = 9;

/// A place in a text, described by what comes before it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TextContext {
    /// The character right before it.
    last: Option<char>,
    /// The last character that is not a selector.
    base: Option<char>,
    /// The last character with a script of its own: marks and joiners take their letter's script.
    letter: Option<char>,
}

impl TextContext {
    /// Moves past one more character.
    pub(super) fn step(&mut self, c: char) {
        self.last = Some(c);
        if !is_selector(c) {
            self.base = Some(c);
        }
        if c.script() != Script::Inherited {
            self.letter = Some(c);
        }
    }

    /// Returns whether nothing comes before it.
    pub(super) fn is_start(&self) -> bool {
        self.last.is_none()
    }

    /// Returns whether `c` comes right before it.
    pub(super) fn is_behind(&self, c: char) -> bool {
        self.last == Some(c)
    }

    /// Returns whether the invisible `c` belongs here, with `rest` after it.
    pub(super) fn takes(&self, c: char, rest: &str) -> bool {
        let Some(last) = self.last else { return c == JOINER && rest.starts_with(is_cursive) };
        if matches!(last, JOINER | NON_JOINER) {
            return false;
        }
        match c {
            NON_JOINER => is_virama(last) || self.letter.is_some_and(is_cursive),
            JOINER => self.takes_joiner(last, rest),
            '\u{fe0e}' | '\u{fe0f}' => is_symbol(last) || matches!(last, '#' | '*' | '0'..='9' | '©' | '®'),
            '\u{fe00}'..='\u{fe0d}' => has_standard_variants(last),
            '\u{e0100}'..='\u{e01ef}' => last.script() == Script::Han,
            '\u{180b}'..='\u{180f}' => last.script() == Script::Mongolian,
            // A tag after a tag was checked together with the first one.
            '\u{e0020}'..=CANCEL_TAG => {
                last == BLACK_FLAG && is_flag(c, rest) || is_tag(last) && last != CANCEL_TAG
            }
            _ => false,
        }
    }

    fn takes_joiner(&self, last: char, rest: &str) -> bool {
        let emoji = self.base.is_some_and(is_symbol) && rest.starts_with(is_symbol);
        // Bengali has the joiner before the virama, the others after it.
        let indic =
            is_virama(last) || !last.is_ascii() && last.is_alphabetic() && rest.starts_with(is_virama);
        emoji || indic || self.letter.is_some_and(is_cursive) || rest.starts_with(is_cursive)
    }
}

/// Returns whether `c` belongs to a script whose letters join their neighbours.
fn is_cursive(c: char) -> bool {
    matches!(
        c.script(),
        Script::Arabic
            | Script::Syriac
            | Script::Mongolian
            | Script::Nko
            | Script::Adlam
            | Script::Mandaic
            | Script::Manichaean
            | Script::Hanifi_Rohingya
            | Script::Phags_Pa
            | Script::Sogdian
            | Script::Old_Uyghur
            | Script::Chorasmian
            | Script::Psalter_Pahlavi
    )
}

fn is_virama(c: char) -> bool {
    canonical_combining_class(c) == VIRAMA
}

fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{180b}'..='\u{180f}')
}

fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0020}'..=CANCEL_TAG)
}

/// Returns whether `first` and what follows spell a whole place name with its end tag.
fn is_flag(first: char, rest: &str) -> bool {
    let is_letter = |c: char| matches!(c, '\u{e0030}'..='\u{e0039}' | '\u{e0061}'..='\u{e007a}');
    let letters = rest.chars().take(*FLAG_LETTERS.end()).take_while(|c| is_letter(*c)).count();
    is_letter(first) && FLAG_LETTERS.contains(&(letters + 1)) && rest.chars().nth(letters) == Some(CANCEL_TAG)
}

/// Returns whether `c` is, roughly, an emoji or a sign that emoji are made of.
pub(super) fn is_symbol(c: char) -> bool {
    matches!(c, '\u{203c}'..='\u{3299}' | '\u{1f000}'..='\u{1faff}')
}

/// Returns whether `c` is, roughly, in the list of standardised variants, apart from emoji.
fn has_standard_variants(c: char) -> bool {
    let script = matches!(c.script(), Script::Han | Script::Myanmar | Script::Phags_Pa | Script::Manichaean);
    script || is_symbol(c) || matches!(c, '0' | '\u{ff01}'..='\u{ff1f}')
}

#[cfg(test)]
mod tests {
    use crate::sanitize::one_line;

    #[test]
    fn what_a_language_needs_is_shown_as_it_is_written() {
        for text in [
            "می\u{200c}روم و نامه\u{200c}ها",        // Persian: I go, letters
            "ه\u{200d} ۱۴۰۳",                        // Arabic: the year of the Hijra
            "کتاب\u{64f}\u{200c}ها",                 // after a vowel sign
            "ශ\u{dca}\u{200d}රී ලංකා",                 // Sinhala: Sri Lanka
            "ന\u{d4d}\u{200d}റെ",                    // Malayalam
            "র\u{200d}\u{9cd}যাম",                    // Bengali
            "क\u{94d}\u{200c}ष",                     // Devanagari
            "葛\u{e0100}城市",                       // a name in Japan
            "1\u{fe0f}\u{20e3} ©\u{fe0f} ❤\u{fe0f}", // keycap, sign, heart
            "👩\u{200d}👩\u{200d}👧\u{200d}👦 👩🏽\u{200d}🚀 🏳\u{fe0f}\u{200d}🌈", // family, rocket, rainbow
            "❤\u{fe0f}\u{200d}🔥 🇮🇷",
            "🏴\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}!", // Wales
            "ᠰ\u{180b}",                                                 // Mongolian
        ] {
            assert_eq!(one_line(text), text);
        }
    }

    #[test]
    fn elsewhere_the_same_characters_are_visible() {
        for (text, shown) in [
            ("pay\u{200d}pal", "pay\\u{200d}pal"),
            ("Auf\u{200c}lage", "Auf\\u{200c}lage"),
            ("👩\u{200d}x", "👩\\u{200d}x"),
            ("a\u{fe0f}", "a\\u{fe0f}"),
            ("城a\u{e0100}", "城a\\u{e0100}"),
            ("🏴\u{e0067}x", "🏴\\u{e0067}x"),
            ("a\u{e0067}\u{e0062}\u{e0077}\u{e007f}", "a\\u{e0067}\\u{e0062}\\u{e0077}\\u{e007f}"),
        ] {
            assert_eq!(one_line(text), shown);
        }
    }

    #[test]
    fn more_of_the_same_is_left_out() {
        assert_eq!(one_line("می\u{200c}\u{200c}\u{200c}روم"), "می\u{200c}روم");
        assert_eq!(one_line("❤\u{fe0f}\u{fe0f}"), "❤\u{fe0f}");
    }

    #[test]
    fn what_turns_the_direction_is_visible_beside_any_letter() {
        for c in ['\u{200e}', '\u{200f}', '\u{61c}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}'] {
            for beside in ["م", "ක", "👩", "城", "a"] {
                let shown = one_line(&format!("{beside}{c}{beside}"));
                assert!(!shown.contains(c) && shown.contains("\\u{"), "{shown:?}");
            }
        }
    }
}
