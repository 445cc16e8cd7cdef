//! What a person types: text, or a command after a slash. One table holds all commands.

mod arguments;
mod help;
mod room;
pub(crate) mod slash;
mod table;
#[cfg(test)]
mod tests;

use lanchat_model::{AccountName, Seq};
use lanchat_protocol::Secret;

use crate::near::nearest;
use arguments::Given;
pub(crate) use arguments::room_names;
pub(crate) use help::{help, help_for};
pub(crate) use room::room;
use slash::Beginning;
pub(crate) use table::Offers;
use table::{Row, TABLE, find};

/// The reason why a line that begins almost like a command is not sent: it may hold a password.
const LIKENESS: &str = "This looks like a command, but does not begin with a plain /, so it was not sent. \
                        Begin a command with /; to send this as text, put a word before it.";
/// The answer to an empty name.
pub(crate) const EMPTY_NAME: &str =
    "A name cannot be empty. It has 2 to 32 of the letters a to z, digits, '.', '_' and '-'.";

/// A parsed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Nothing to do.
    Blank,
    /// Text for the current room.
    Say(String),
    /// A command.
    Command(SlashCommand),
}

/// A command. An argument that is missing and can be asked for is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SlashCommand {
    /// Make an account.
    Register { name: Option<String>, password: Option<Secret> },
    /// Log in by password.
    Login { name: Option<String>, password: Option<Secret> },
    /// Log out and forget this device's login.
    Logout,
    /// Change the password: the old one and the new one.
    Passwd(Option<(Secret, Secret)>),
    /// Enter a room and make it the current one.
    Join(String),
    /// Leave a room, or the current one.
    Leave(Option<String>),
    /// List the rooms.
    Rooms,
    /// List who is in a room, or in the current one.
    Who(Option<String>),
    /// Write to one person, or make the chat with that person the current room.
    Message { to: String, text: Option<String> },
    /// Answer the last private message.
    Reply(String),
    /// Show older lines of the current room.
    History(Option<u64>),
    /// Show a whole message, of a room or of the current one.
    Show { room: Option<String>, seq: Seq },
    /// Send an action.
    Me(String),
    /// Be away.
    Away(Option<String>),
    /// Be back.
    Back,
    /// Ask about somebody.
    Whois(String),
    /// Show the six words of the server's key, or note that they were compared.
    Trust(Option<String>),
    /// List known servers.
    Servers,
    /// Show all commands, or how to use one.
    Help(Option<String>),
    /// Leave the program.
    Quit,
}

/// Returns the names of all commands, without their slash.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.name)
}

/// Returns the name of the command that `line` holds or resembles, if that command may carry a password.
pub(crate) fn secretive(line: &str) -> Option<&'static str> {
    secretive_row(line).map(|row| row.name)
}

/// Returns how many words at the start of `line` are not secret, or `None` if it is not a command that may carry a
/// password.
pub(crate) fn open_words(line: &str) -> Option<usize> {
    secretive_row(line)?.open_words
}

fn secretive_row(line: &str) -> Option<&'static Row> {
    match slash::beginning(line) {
        Beginning::Slash(rest) | Beginning::Likeness(rest) => {
            find(&slash::verb(rest)).filter(|row| row.open_words.is_some())
        }
        Beginning::Text => None,
    }
}

/// Returns what Tab offers after the command `verb`.
pub(crate) fn offers(verb: &str) -> Offers {
    find(verb).map_or(Offers::People, |row| row.offers)
}

/// Returns whether `line` is a `/reply`, perhaps without its text.
pub(crate) fn is_reply(line: &str) -> bool {
    let command = line.strip_prefix('/').and_then(|rest| rest.split_whitespace().next());
    command.and_then(find).is_some_and(|row| row.name == table::REPLY)
}

/// Returns whether the typed `name` means `account`.
pub(crate) fn is_account(name: &str, account: &str) -> bool {
    name.parse::<AccountName>().is_ok_and(|name| name.as_str() == account)
}

/// Takes one line of input verbatim.
pub(crate) fn verbatim(line: String) -> Input {
    if slash::is_blank_line(&line) { Input::Blank } else { Input::Say(line) }
}

/// Parses one line of input.
///
/// # Errors
/// A sentence that says what to type instead.
pub(crate) fn parse(line: &str) -> Result<Input, String> {
    if slash::is_blank_line(line) {
        return Ok(Input::Blank);
    }
    if slash::lines(line).skip(1).any(slash::reveals) {
        return Err(
            "One of these lines is a command with a password, so none was sent. Send the others without it."
                .into(),
        );
    }
    let command = match slash::beginning(line) {
        Beginning::Text => return Ok(Input::Say(line.to_owned())),
        Beginning::Slash(command) => command,
        Beginning::Likeness(_) => return Err(LIKENESS.into()),
    };
    if command.starts_with('/') {
        return Ok(Input::Say(command.to_owned()));
    }
    let (verb, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let row = find(verb).ok_or_else(|| unknown(verb))?;
    (row.parse)(&Given::new(row.name, row.usage(), rest)).map(Input::Command)
}

fn unknown(verb: &str) -> String {
    if verb.is_empty() {
        return "A command needs a name: /help lists them all. To send a slash, type //.".into();
    }
    let shown = crate::sanitize::one_line(verb);
    let begun = verb.to_ascii_lowercase();
    let longer = names().find(|name| begun.len() > 1 && name.starts_with(&begun));
    match longer.or_else(|| nearest(verb, TABLE.iter().flat_map(Row::called))) {
        Some(name) => format!("There is no command /{shown}. Did you mean /{name}? /help lists them all."),
        None => format!("There is no command /{shown}. /help lists them all. To send a slash, type //."),
    }
}
