//! What `/help` shows.

use super::table::{Row, TABLE, find};
use super::unknown;

/// Returns what `/help` shows. It fits a terminal of 24 lines of 80 columns, prompt included.
pub(crate) fn help() -> Vec<String> {
    let mut lines = vec!["Type a line to send it to the room that the prompt names. Commands:".to_owned()];
    lines.extend(TABLE.iter().map(|row| format!("  {:<19} {}", row.usage(), row.help)));
    lines.push("Tab completes names and commands. // sends a slash. Ctrl+C twice leaves.".into());
    lines
}

/// Returns what `/help COMMAND` shows.
///
/// # Errors
/// A sentence that says what to type instead.
pub(crate) fn help_for(verb: &str) -> Result<Vec<String>, String> {
    let verb = verb.trim_start_matches('/');
    let row = find(verb).ok_or_else(|| unknown(verb))?;
    Ok(about(row))
}

fn about(row: &Row) -> Vec<String> {
    let mut lines = vec![format!("Usage: {}", row.usage()), format!("  {}", row.help)];
    if !row.aliases.is_empty() {
        let aliases: Vec<String> = row.aliases.iter().map(|alias| format!("/{alias}")).collect();
        lines.push(format!("  Also: {}", aliases.join(", ")));
    }
    lines.extend(row.notes.iter().map(|note| format!("  {note}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::names;

    #[test]
    fn help_fits_a_small_terminal() {
        let help = help();
        assert!(help.len() <= 24, "{} lines", help.len());
        for line in &help {
            // The line comes after the program's mark, and must end before the last column.
            assert!(crate::sanitize::width(line) + 4 < 80, "{line}");
        }
        for line in names().flat_map(|name| help_for(name).unwrap()) {
            assert!(crate::sanitize::width(&line) + 4 < 80, "{line}");
        }
        let most = format!("at most {} at a time", lanchat_model::limits::HISTORY_PAGE_MAX);
        assert!(help_for("history").unwrap().concat().contains(&most));
    }
}
