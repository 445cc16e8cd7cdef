//! Turns a text into lines that the terminal wraps itself, so that copied text is what was written.

use super::{COLUMNS_MIN, clean, imitation, width};

/// How much room a text has.
#[derive(Clone, Copy)]
pub(crate) struct Space<'a> {
    /// Columns of the terminal.
    pub(crate) columns: usize,
    /// Columns of the first row that are already taken.
    pub(crate) taken: usize,
    /// The most rows to show; further ones are counted, not shown.
    pub(crate) rows: usize,
    /// Whether a word is somebody's name.
    pub(crate) is_name: &'a dyn Fn(&str) -> bool,
}

/// A text, ready to be shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    /// Clean lines, each of which begins a row. The first comes after the taken columns.
    pub(crate) lines: Vec<String>,
    /// About how many terminal rows they take.
    pub(crate) height: usize,
    /// Rows that were left out.
    pub(crate) hidden: usize,
}

/// Lays out `text` in `space`. Only lines that could pass for the start of somebody else's line ([`imitation`]) are
/// indented, by a blank.
pub(crate) fn lines(text: &str, space: &Space<'_>) -> Lines {
    let columns = space.columns.max(COLUMNS_MIN);
    let mut out = Lines::default();
    for (nth, part) in text.split('\n').enumerate() {
        let part = clean(part.strip_suffix('\r').unwrap_or(part));
        let taken = if nth == 0 { space.taken } else { 0 };
        for (piece, line) in imitation::pieces(&part, taken, space.is_name).into_iter().enumerate() {
            let taken = if piece == 0 { taken } else { 0 };
            let height = (taken + width(&line)).div_ceil(columns).max(1);
            let left = space.rows.saturating_sub(out.height);
            if height <= left {
                out.height += height;
                out.lines.push(line);
                continue;
            }
            out.hidden += height - left;
            if left > 0 {
                let fits = fitting(&line, (left * columns).saturating_sub(taken));
                out.lines.push(line[..fits].to_owned());
                out.height += left;
            }
        }
    }
    out
}

/// Returns how many bytes of `line` fit into `columns`.
fn fitting(line: &str, columns: usize) -> usize {
    let mut used = 0;
    for (at, c) in line.char_indices() {
        used += super::width_of(c);
        if used > columns {
            return at;
        }
    }
    line.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody(_: &str) -> bool {
        false
    }

    fn space(columns: usize, rows: usize) -> Space<'static> {
        Space { columns, taken: 12, rows, is_name: &nobody }
    }

    #[test]
    fn a_line_is_whole_however_long_and_is_not_indented() {
        let url = format!("https://example.org/{}", "path/".repeat(60));
        let shown = lines(&url, &space(40, 20));
        assert_eq!(shown.lines, [&*url]);
        assert_eq!(shown.height, (12 + url.len()).div_ceil(40));
        assert_eq!(lines("one\r\n  two\n", &space(80, 20)).lines, ["one", "  two", ""]);
    }

    #[test]
    fn what_is_over_the_rows_is_counted() {
        let shown = lines(&"line\n".repeat(30), &space(80, 3));
        assert_eq!((shown.lines.len(), shown.height, shown.hidden), (3, 3, 28));
        let shown = lines(&"x".repeat(500), &space(100, 2));
        assert_eq!((shown.lines[0].len(), shown.height, shown.hidden), (188, 2, 4));
        let shown = lines("花花花花花花花花花花花花花花花花花花花花", &space(20, 1));
        assert_eq!((shown.lines[0].as_str(), shown.height), ("花花花花", 1));
        assert_eq!(lines("x", &space(80, 0)), Lines { lines: vec![], height: 0, hidden: 1 });
    }
}
