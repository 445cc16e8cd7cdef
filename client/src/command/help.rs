//! What `/help` shows.

use super::{TABLE, find, unknown, usage_of};

/// What `/help` shows: fits a terminal of 24 lines of 80 columns, its prompt included.
pub(crate) fn help() -> Vec<String> {
    let mut lines = vec!["Type a line to send it to the room that the prompt names. Commands:".to_owned()];
    lines.extend(TABLE.iter().map(|entry| format!("  {:<19} {}", usage_of(entry), entry.help)));
    lines.push("Tab completes names and commands. // sends a slash. Ctrl+C twice leaves.".into());
    lines
}

/// What `/help COMMAND` shows.
///
/// # Errors
/// A sentence that says what to type instead.
pub(crate) fn help_for(verb: &str) -> Result<Vec<String>, String> {
    let verb = verb.trim_start_matches('/');
    let entry = find(verb).ok_or_else(|| unknown(verb))?;
    let mut lines = vec![format!("Usage: {}", usage_of(entry)), format!("  {}", entry.help)];
    if !entry.aliases.is_empty() {
        let aliases: Vec<String> = entry.aliases.iter().map(|alias| format!("/{alias}")).collect();
        lines.push(format!("  Also: {}", aliases.join(", ")));
    }
    let notes: &[&str] = match entry.name {
        "register" => &["In a script: /register NAME PASSWORD, or --password-file FILE"],
        "login" => &["In a script: /login NAME PASSWORD, or --password-file FILE"],
        "passwd" => &["In a script: /passwd OLD NEW"],
        "join" => &["Room names use a to z, digits, '.', '_' and '-'."],
        "leave" => &["In a private chat: go back to the room before. /rooms keeps the chat."],
        "msg" => &["They need not be online: they get it at their next login."],
        "reply" => {
            &["The line shows who gets it, whoever else writes meanwhile.", "In a script use /msg NAME TEXT."]
        }
        "history" => &["Shows 50 lines if you give no COUNT, and at most 200 at a time."],
        "show" => &["A long message is cut where it arrives. Its last line says what to type."],
        "trust" => &[
            "Compare the six words with those that the host sees with /trust.",
            "The same: /trust verify. Or type what you were told: /trust SIX WORDS",
        ],
        _ => &[],
    };
    lines.extend(notes.iter().map(|note| format!("  {note}")));
    Ok(lines)
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
            // Behind the mark of a line of the program, and before the last column.
            assert!(crate::sanitize::width(line) + 4 < 80, "{line}");
        }
        for line in names().flat_map(|name| help_for(name).unwrap()) {
            assert!(crate::sanitize::width(&line) + 4 < 80, "{line}");
        }
        let most = format!("at most {} at a time", lanchat_model::limits::HISTORY_PAGE_MAX);
        assert!(help_for("history").unwrap().concat().contains(&most));
    }
}
