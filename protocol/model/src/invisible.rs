//! Characters that show nothing: one table, for names and for what reaches a terminal.

/// `Default_Ignorable_Code_Point` (UAX #44; DerivedCoreProperties.txt of Unicode 14.0.0, with the code points that it sets
/// aside for such characters to come): the first and the last of each range.
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
    ('\u{fff0}', '\u{fff8}'),   // set aside
    ('\u{1bca0}', '\u{1bca3}'), // shorthand controls
    ('\u{1d173}', '\u{1d17a}'), // musical beams and slurs
    ('\u{e0000}', '\u{e0fff}'), // tags, more variation selectors
];

/// Whether a character shows nothing by itself, ends a line, or turns the direction of the text (UAX #9, UTR #36 §3):
/// what is `Default_Ignorable_Code_Point`, the two separators of lines, and the marks of interlinear annotations.
pub fn is_hidden(c: char) -> bool {
    let is_in = |(first, last): &(char, char)| (*first..=*last).contains(&c);
    // Nearly all characters of most texts come before all of them.
    c >= '\u{ad}'
        && (DEFAULT_IGNORABLE.iter().any(is_in)
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}'))
}

/// Whether a character is none for a name: control characters, what [`is_hidden`], and the blank of the Braille patterns,
/// which shows nothing and is no white space to Unicode.
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
        // As the file counts them.
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
        // People who write Braille write its blank.
        assert!(!is_hidden('\u{2800}') && !is_hidden('\u{1b}') && is_hidden('\u{3164}'));
    }
}
