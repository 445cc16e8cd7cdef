//! Passwords at a terminal without a line editor (`--plain`, `TERM=dumb`): asked for without echo, on the thread that
//! reads the lines, so that a password is never the next line of the conversation.

use lanchat_protocol::Secret;

use crate::command::{self, Command, Input};
use crate::input::Typed;
use crate::slash;

// What is asked, with a line editor and without one.
pub(crate) const PASSWORD: &str = "Password: ";
pub(crate) const CURRENT_PASSWORD: &str = "Current password: ";
pub(crate) const NEW_PASSWORD: &str = "New password (8 characters or more): ";
pub(crate) const THE_SAME_AGAIN: &str = "The same again: ";

/// What was typed; a command that needs a password and has none is completed by questions.
pub(crate) fn completed(typed: Typed) -> Typed {
    let Typed::Line(line) = &typed else { return typed };
    let Ok(Input::Command(command)) = command::parse(line) else { return typed };
    let asked = match command {
        Command::Login { name: Some(name), password: None } => {
            ask(PASSWORD).map(|password| Command::Login { name: Some(name), password: Some(password) })
        }
        Command::Register { name: Some(name), password: None } => {
            ask_new().map(|password| Command::Register { name: Some(name), password: Some(password) })
        }
        Command::Passwd(None) => {
            ask(CURRENT_PASSWORD).and_then(|old| Ok(Command::Passwd(Some((old, ask_new()?)))))
        }
        _ => return typed,
    };
    asked.map_or_else(Typed::Unreadable, Typed::Command)
}

fn ask_new() -> Result<Secret, &'static str> {
    let first = ask(NEW_PASSWORD)?;
    match ask(THE_SAME_AGAIN)? == first {
        true => Ok(first),
        false => Err("The two passwords differ. Begin again with the command."),
    }
}

/// Asks on the terminal that the process belongs to, whatever its output is. Nothing is echoed from before the question
/// stands there: whoever sees it may type at once.
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

    // What goes wrong here goes wrong for the question too, which says so.
    let Ok(mut modes) = tcgetattr(std::io::stdin()) else { return };
    *BEFORE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(modes.clone());
    modes.local_modes.remove(LocalModes::ECHO);
    let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &modes);
}

/// Gives the terminal back as it was, also if the program ends at a question.
pub(crate) fn give_back() {
    #[cfg(unix)]
    if let Some(before) = BEFORE.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
        // A terminal that is gone needs nothing.
        let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, &before);
    }
}

/// Windows reads the question's answer without echo from its start.
#[cfg(not(unix))]
fn hide() {}
