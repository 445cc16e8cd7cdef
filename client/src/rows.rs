//! Lines on a terminal without an editor: lists, and what is printed before the editor starts.

/// Indents the rest of a line that is longer than a row. Lines of a list never begin like this.
const INDENT: &str = "       ";
/// Terminals narrower than this break rows themselves: there is too little room to do it well.
const COLUMNS_MIN: usize = 24;

/// Breaks the clean `text` into rows that a terminal with `columns` columns does not break itself: it would break them
/// where a stranger's text wants it to, and put the rest at the first column.
pub(crate) fn fitted(text: &str, columns: usize) -> String {
    let columns = columns.max(COLUMNS_MIN) - 1;
    text.lines().map(|line| broken(line, columns)).collect::<Vec<_>>().join("\n")
}

/// Breaks a line after blanks, and within a word that is longer than a row.
fn broken(line: &str, columns: usize) -> String {
    let (mut out, mut used) = (String::new(), 0);
    for word in line.split_inclusive(' ') {
        let width: usize = word.trim_end().chars().map(columns_at_most).sum();
        if used + width > columns && used > INDENT.len() {
            begin_row(&mut out, &mut used);
        }
        for c in word.chars() {
            if used + columns_at_most(c) > columns && c != ' ' {
                begin_row(&mut out, &mut used);
            }
            out.push(c);
            used += columns_at_most(c);
        }
    }
    out
}

fn begin_row(out: &mut String, used: &mut usize) {
    out.truncate(out.trim_end().len());
    out.push('\n');
    out.push_str(INDENT);
    *used = INDENT.len();
}

/// Returns the most columns that any terminal gives a character: they disagree on what is not ASCII.
fn columns_at_most(c: char) -> usize {
    if c.is_ascii() { 1 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_behind_blanks_and_a_long_word_anywhere() {
        assert_eq!(fitted("short\nand two", 80), "short\nand two");
        assert_eq!(fitted("one two three four five six", 24), "one two three four five\n       six");
        assert_eq!(
            fitted(&"x".repeat(60), 24),
            format!(
                "{}\n{INDENT}{}\n{INDENT}{}\n{INDENT}xxxxx",
                "x".repeat(23),
                "x".repeat(16),
                "x".repeat(16)
            )
        );
    }

    #[test]
    fn no_row_is_wider_than_a_terminal_and_no_text_begins_one() {
        for word in ["x", "花", "k\u{9be}", "\u{1f680}", "a b", "\u{3248} "] {
            for columns in [1, 24, 40, 80, 200] {
                let line = format!("  1  {}“{}*** FORGED” known", "10.77.0.3:7072  ", word.repeat(60));
                for (nth, row) in fitted(&line, columns).lines().enumerate() {
                    let width: usize = row.chars().map(columns_at_most).sum();
                    assert!(width < columns.max(COLUMNS_MIN), "{row:?}");
                    assert!(nth == 0 || row.starts_with(INDENT), "{row:?}");
                }
            }
        }
    }
}
