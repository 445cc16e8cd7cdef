//! Passwords at a terminal without a line editor (`--plain`, `TERM=dumb`). They are asked for without echo, on the
//! thread that reads the lines, so that a password never becomes the next line of the conversation.

use lanchat_protocol::Secret;

use crate::command::{self, Input, SlashCommand, slash};

// The questions, with and without a line editor.
pub(crate) const PASSWORD: &str = "Password: ";
pub(crate) const CURRENT_PASSWORD: &str = "Current password: ";
pub(crate) const NEW_PASSWORD: &str = "New password (8 characters or more): ";
pub(crate) const THE_SAME_AGAIN: &str = "The same again: ";

/// Completes, by questions, a command that needs a password and has none. Returns `None` for any other line.
///
/// # Errors
/// A sentence that says why there is no password.
pub(crate) fn completed(line: &str) -> Option<Result<SlashCommand, &'static str>> {
    let Ok(Input::Command(command)) = command::parse(line) else { return None };
    let asked =
        match command {
            SlashCommand::Login { name: Some(name), password: None } => ask(PASSWORD)
                .map(|password| SlashCommand::Login { name: Some(name), password: Some(password) }),
            SlashCommand::Register { name: Some(name), password: None } => ask_new()
                .map(|password| SlashCommand::Register { name: Some(name), password: Some(password) }),
            SlashCommand::Passwd(None) => {
                ask(CURRENT_PASSWORD).and_then(|old| Ok(SlashCommand::Passwd(Some((old, ask_new()?)))))
            }
            _ => return None,
        };
    Some(asked)
}

fn ask_new() -> Result<Secret, &'static str> {
    let first = ask(NEW_PASSWORD)?;
    match ask(THE_SAME_AGAIN)? == first {
        true => Ok(first),
        false => Err("The two passwords differ. Begin again with the command."),
    }
}

/// Asks on the terminal that the process belongs to, wherever its output goes. Echo is off before the question appears,
/// since the user may type as soon as they see it.
fn ask(question: &str) -> Result<Secret, &'static str> {
    hide();
    let answer = rpassword::prompt_password(question);
    give_back();
    let answer = answer
        .map_err(|_| "The password cannot be asked for without showing it, so it was not asked for.")?;
    if slash::is_blank_line(&answer) { Err("Cancelled.") } else { Ok(Secret(answer)) }
}

/// The terminal as it was before a question.
#[cfg(unix)]
static BEFORE: std::sync::Mutex<Option<rustix::termios::Termios>> = std::sync::Mutex::new(None);

#[cfg(unix)]
fn hide() {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

    // If this fails, the question fails too, and reports it.
    let Ok(mut modes) = tcgetattr(std::io::stdin()) else { return };
    *BEFORE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(modes.clone());
    modes.local_modes.remove(LocalModes::ECHO);
    let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &modes);
}

/// Restores the terminal, even if the program ends at a question.
pub(crate) fn give_back() {
    #[cfg(unix)]
    if let Some(before) = BEFORE.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
        // A terminal that is gone need not be restored.
        let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, &before);
    }
}

/// On Windows the answer is read without echo from the start.
#[cfg(not(unix))]
fn hide() {}
