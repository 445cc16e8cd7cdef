//! Characters that show nothing: one table, for names and for terminal output.

/// `Default_Ignorable_Code_Point` (UAX #44; DerivedCoreProperties.txt of Unicode 14.0.0, with the code points that it
/// reserves for future characters of this kind): the first and the last of each range.
const DEFAULT_IGNORABLE: [(char, char); 17] = [
    ('\u{ad}', '\u{ad}'),       // soft hyphen
    ('\u{34f}', '\u{34f}'),     // combining grapheme joiner
    ('\u{61c}', '\u{61c}'),     // Arabic letter mark
    ('\u{115f}', '\u{1160}'),   // Hangul fillers
    ('\u{17b4}', '\u{17b5}'),   // Khmer inherent vowels
    ('\u{180b}', '\u{180f}'),   // Mongolian selectors
    ('\u{200b}', '\u{200f}'),   // zero width space, joiners, direction marks
    ('\u{202a}', '\u{202e}'),   // embeddings and overrides of direction
    ('\u{2060}', '\u{206f}'),   // word joiner, invisible operators, isolates
    ('\u{3164}', '\u{3164}'),   // Hangul filler
    ('\u{fe00}', '\u{fe0f}'),   // variation selectors
    ('\u{feff}', '\u{feff}'),   // byte order mark
    ('\u{ffa0}', '\u{ffa0}'),   // halfwidth Hangul filler
    ('\u{fff0}', '\u{fff8}'),   // reserved
    ('\u{1bca0}', '\u{1bca3}'), // shorthand controls
    ('\u{1d173}', '\u{1d17a}'), // musical beams and slurs
    ('\u{e0000}', '\u{e0fff}'), // tags, more variation selectors
];

/// Returns whether a character shows nothing by itself, ends a line, or changes the text direction (UAX #9,
/// UTR #36 §3). These are `Default_Ignorable_Code_Point`, the line separators, and the interlinear annotation marks.
pub fn is_hidden(c: char) -> bool {
    let is_in = |(first, last): &(char, char)| (*first..=*last).contains(&c);
    // In most texts, nearly all characters come before the first of these.
    c >= '\u{ad}'
        && (DEFAULT_IGNORABLE.iter().any(is_in)
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}'))
}

/// Returns whether a character is invisible, and so not allowed in a name: control characters, those that [`is_hidden`]
/// finds, and the Braille blank, which shows nothing but is not white space in Unicode.
pub fn is_invisible(c: char) -> bool {
    c.is_control() || is_hidden(c) || c == '\u{2800}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_whole_in_order_and_apart() {
        for pair in DEFAULT_IGNORABLE.windows(2) {
            assert!(pair[0].0 <= pair[0].1 && pair[0].1 < pair[1].0, "{pair:?}");
        }
        // The total that the Unicode file states.
        let count: u32 =
            DEFAULT_IGNORABLE.iter().map(|(first, last)| u32::from(*last) - u32::from(*first) + 1).sum();
        assert_eq!(count, 4174);
    }

    #[test]
    fn what_people_write_is_seen() {
        for text in ["Ána Мария 花子 한글 ខ្មែរ", "O'Neil-Smith, Jr.", "🦀👋🏽", "a\u{301}"]
        {
            assert!(!text.chars().any(is_invisible), "{text}");
        }
        for c in
            ['\u{3164}', '\u{115f}', '\u{2800}', '\u{200d}', '\u{202e}', '\u{e0041}', '\u{1b}', '\u{2029}']
        {
            assert!(is_invisible(c), "{c:?}");
        }
        // People who write Braille use its blank.
        assert!(!is_hidden('\u{2800}') && !is_hidden('\u{1b}') && is_hidden('\u{3164}'));
    }
}
