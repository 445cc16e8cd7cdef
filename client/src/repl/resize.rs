//! Keeps the line being typed intact when the window's width changes.
//!
//! Some terminals rewrap their rows then (tmux, VTE, kitty, Windows Terminal), others leave them unchanged (xterm, the
//! Linux console). What has to be cleared differs, and only the terminal knows: its cursor's column tells which it did.

use std::cell::Cell;

use unicode_width::UnicodeWidthChar;

/// What is assumed if the terminal does not tell. Only the Windows console cannot be asked, and it rewraps.
const REWRAPS: bool = cfg!(windows);

/// A row and a column, from 0, counted from the start of the prompt.
type Position = (usize, usize);

/// A line as it was painted, and the widths of the window.
pub(super) struct Shown<'a> {
    /// Columns of the prompt.
    pub(super) prompt: usize,
    pub(super) line: &'a str,
    /// The part of it before the cursor.
    pub(super) left: &'a str,
    /// Rows of what is shown below it.
    pub(super) below: usize,
    pub(super) before: usize,
    pub(super) now: usize,
}

/// Returns what to write to clear the line, so that the editor, which clears as many rows as the line took before,
/// clears only empty ones. `cursor` asks the terminal where its cursor is, row and column from 1. It is called until it
/// is known whether the terminal rewraps, which `rewraps` remembers. Returns `None` if the line is where the editor
/// believes it to be.
pub(super) fn clear(
    shown: &Shown<'_>,
    rewraps: &Cell<Option<bool>>,
    cursor: impl Fn() -> Option<Position>,
) -> Option<String> {
    let kept = place(shown.prompt, shown.left, shown.before);
    let mut wrapped = wrapped(shown);
    let end = place(shown.prompt, shown.line, shown.before).0 + shown.below;
    let is_full = wrapped.1 == shown.now && rewraps.get() != Some(false);
    if kept.0 == wrapped.0 && end == 0 && !is_full {
        return None;
    }
    if (is_full || kept.0 != wrapped.0 && rewraps.get().is_none())
        && let Some((_, column)) = cursor()
    {
        if is_full && column == 1 {
            wrapped = (wrapped.0 + 1, 0);
        }
        let is_in = |expected: Position| expected.1.min(shown.now.saturating_sub(1)) + 1 == column;
        match (is_in(wrapped), is_in(kept)) {
            (true, false) => rewraps.set(Some(true)),
            (false, true) => rewraps.set(Some(false)),
            // If both or neither fits, the next resize may tell.
            _ => {}
        }
    }
    let start = if rewraps.get().unwrap_or(REWRAPS) { wrapped.0 } else { kept.0 };
    if start == kept.0 && end == 0 {
        return None;
    }
    // Go up to the start of the line, or of the screen, clear, and go down again to where the editor believes the
    // cursor to be.
    let mut text = up(start) + "\r\x1b[J" + &"\n".repeat(end.max(kept.0));
    text.push_str(&up(end.max(kept.0) - kept.0));
    Some(text)
}

/// Returns whether the line takes one row at both widths.
pub(super) fn is_one_row(shown: &Shown<'_>) -> bool {
    let fits = |columns| place(shown.prompt, shown.line, columns).0 == 0;
    shown.below == 0 && fits(shown.before) && fits(shown.now)
}

fn up(rows: usize) -> String {
    if rows > 0 { format!("\x1b[{rows}A") } else { String::new() }
}

/// Returns where `text` ends, counted as the editor counts, if it starts after a prompt of `prompt` columns.
fn place(prompt: usize, text: &str, columns: usize) -> Position {
    let (mut row, mut column) = (0, prompt);
    for c in text.chars() {
        let width = c.width().unwrap_or(usize::from(c == '\t'));
        column += width;
        if c == '\n' {
            (row, column) = (row + 1, 0);
        } else if column > columns {
            (row, column) = (row + 1, width);
        }
    }
    if column == columns { (row + 1, 0) } else { (row, column) }
}

/// Returns where the cursor is on a terminal that has rewrapped the line. The column after the last one means that the
/// line fills its rows: the cursor is in the last row or in the next, depending on the terminal. If the terminal does
/// not tell, the last row is assumed, so that a message is never cleared.
fn wrapped(shown: &Shown<'_>) -> Position {
    let Shown { prompt, line, left, before, now, .. } = *shown;
    let end = place(prompt, line, before);
    let (row, column) = place(prompt, left, now);
    // The editor itself began a new row, which is not a wrap.
    if left.len() == line.len() && end.0 > 0 && end.1 == 0 && !line.ends_with('\n') {
        return (row + usize::from(column > 0), 0);
    }
    let is_at_end = left.len() == line.len() && !line.ends_with('\n');
    if is_at_end && row > 0 && column == 0 { (row - 1, now) } else { (row, column) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_as_the_editor_counts_them() {
        assert_eq!(place(7, "abc", 80), (0, 10));
        assert_eq!(place(7, "abc", 10), (1, 0), "the cursor stands in the next row");
        assert_eq!(place(7, "abcd", 10), (1, 1));
        assert_eq!(place(0, "花花花", 5).0, 1);
        assert_eq!(place(0, "a\nb\n", 80), (2, 0));
    }

    /// 7 and 153 columns: two rows of 100, three of 60, four of 40.
    const LINE: &str = "zebra 789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 \
                        123456789 123456789 123456789 123456789 123456789 123456789 123";

    fn shown(before: usize, now: usize) -> Shown<'static> {
        Shown { prompt: 7, line: LINE, left: LINE, below: 0, before, now }
    }

    fn cleared(before: usize, now: usize, cursor: Position, rewraps: &Cell<Option<bool>>) -> String {
        clear(&shown(before, now), rewraps, || Some(cursor)).expect("there is something to clear")
    }

    #[test]
    fn the_column_of_the_cursor_tells_whether_the_line_was_wrapped_anew() {
        let rewraps = Cell::new(None);
        assert_eq!(7 + LINE.len(), 160);
        assert_eq!(cleared(100, 60, (24, 41), &rewraps), "\x1b[2A\r\x1b[J\n");
        assert_eq!(rewraps.get(), Some(true));
        assert_eq!(cleared(60, 30, (24, 11), &rewraps), "\x1b[5A\r\x1b[J\n\n");
        let rewraps = Cell::new(None);
        assert_eq!(cleared(100, 50, (24, 50), &rewraps), "\x1b[1A\r\x1b[J\n");
        assert_eq!(rewraps.get(), Some(false));
        let known = clear(&shown(50, 40), &rewraps, || unreachable!("it is known"));
        assert_eq!(known.as_deref(), Some("\x1b[3A\r\x1b[J\n\n\n"));
    }

    /// 100 columns to 80: two rows, the second of them full.
    #[test]
    fn a_line_that_fills_its_rows_clears_no_message_above_it() {
        let stays = Cell::new(Some(true));
        assert_eq!(cleared(100, 80, (24, 80), &stays), "\x1b[1A\r\x1b[J\n");
        assert_eq!(cleared(100, 80, (24, 1), &stays), "\x1b[2A\r\x1b[J\n");
        assert_eq!(clear(&shown(100, 80), &stays, || None).as_deref(), Some("\x1b[1A\r\x1b[J\n"));
        // One row that becomes a full one.
        let one = Shown { line: &LINE[..63], left: &LINE[..63], ..shown(100, 70) };
        assert_eq!(clear(&one, &stays, || Some((24, 70))), None);
        assert_eq!(clear(&one, &stays, || None), None);
        assert_eq!(clear(&one, &stays, || Some((24, 1))).as_deref(), Some("\x1b[1A\r\x1b[J"));
    }

    #[test]
    fn nothing_is_cleared_without_need() {
        let rewraps = Cell::new(None);
        let short = Shown { line: "hi", left: "hi", ..shown(100, 40) };
        assert!(is_one_row(&short) && !is_one_row(&shown(200, 100)) && !is_one_row(&shown(100, 200)));
        assert_eq!(clear(&short, &rewraps, || unreachable!("nobody asks")), None);
    }

    #[test]
    fn without_an_answer_no_message_is_cleared() {
        let rewraps = Cell::new(None);
        let silent = clear(&shown(100, 60), &rewraps, || None);
        assert_eq!(silent.as_deref(), Some(if REWRAPS { "\x1b[2A\r\x1b[J\n" } else { "\x1b[1A\r\x1b[J\n" }));
        assert_eq!(rewraps.get(), None);
    }

    #[test]
    fn a_cursor_within_the_line_counts_the_rows_above_it() {
        let rewraps = Cell::new(Some(true));
        let within = Shown { left: &LINE[..63], ..shown(100, 40) };
        let cleared = clear(&within, &rewraps, || unreachable!("it is known"));
        assert_eq!(
            cleared.as_deref(),
            Some("\x1b[1A\r\x1b[J\n\x1b[1A"),
            "one row above, the editor believes in none"
        );
    }
}
