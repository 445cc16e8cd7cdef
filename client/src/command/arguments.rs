//! The arguments of a command, read as the command needs them.

use lanchat_model::{RoomName, Seq, limits};
use lanchat_protocol::Secret;

use super::EMPTY_NAME;
use super::room::{is_private, room};
use crate::view::sentence;

/// What was typed after a command. Each way to read it fails with a sentence that says what to type instead.
pub(super) struct Given<'a> {
    /// The command, without its slash.
    command: &'static str,
    /// How the command is used.
    usage: String,
    /// Without blanks at its ends.
    text: &'a str,
}

impl<'a> Given<'a> {
    pub(super) fn new(command: &'static str, usage: String, text: &'a str) -> Self {
        Self { command, usage, text: text.trim() }
    }

    /// Returns the whole text, if there is any.
    pub(super) fn anything(&self) -> Option<String> {
        (!self.text.is_empty()).then(|| self.text.to_owned())
    }

    /// Returns a required text.
    pub(super) fn text(&self) -> Result<String, String> {
        self.anything().ok_or_else(|| format!("The text is missing. Usage: {}", self.usage))
    }

    /// Returns a required name. It may be quoted, as people write "" for an empty name.
    pub(super) fn name(&self) -> Result<String, String> {
        self.as_name(self.text)
    }

    fn as_name(&self, text: &str) -> Result<String, String> {
        let name = unquote(text);
        if text.is_empty() {
            return Err(format!("A name is missing. Usage: {}", self.usage));
        }
        if name.is_empty() {
            return Err(format!("A name cannot be empty. Usage: {}", self.usage));
        }
        Ok(name.to_owned())
    }

    /// Returns a required room.
    pub(super) fn room(&self) -> Result<String, String> {
        self.as_room(self.name()?)
    }

    /// Returns an optional room.
    pub(super) fn maybe_room(&self) -> Result<Option<String>, String> {
        self.anything().map(|name| self.as_room(name)).transpose()
    }

    /// Checks the name of a room. The name of a private chat is checked where it is used.
    fn as_room(&self, name: String) -> Result<String, String> {
        if is_private(&name) || room(&name).is_ok() {
            return Ok(name);
        }
        let words = sentence(&room_names());
        let like: String = name.trim_start_matches('#').to_lowercase().replace(char::is_whitespace, "-");
        match like.parse::<RoomName>() {
            Ok(like) => Err(format!("{words} Did you mean /{} {like}?", self.command)),
            Err(_) => Err(words),
        }
    }

    /// Returns a name and a password, both of which can be asked for. A password may hold spaces.
    pub(super) fn credentials(&self) -> Result<(Option<String>, Option<Secret>), String> {
        let Some((name, password)) = self.first_word() else { return Ok((None, None)) };
        let name = unquote(name);
        if name.is_empty() {
            return Err(EMPTY_NAME.into());
        }
        Ok((Some(name.to_owned()), password.map(|password| Secret(password.to_owned()))))
    }

    /// Returns the old password and the new one, both of which can be asked for.
    pub(super) fn passwords(&self) -> Result<Option<(Secret, Secret)>, String> {
        let mut words = self.text.split_whitespace().map(|word| Secret(word.to_owned()));
        match (words.next(), words.next(), words.next()) {
            (None, ..) => Ok(None),
            (Some(old), Some(new), None) => Ok(Some((old, new))),
            _ => {
                Err("Type /passwd alone to be asked for both passwords. In a script: /passwd OLD NEW".into())
            }
        }
    }

    /// Returns the recipient of a private message, and its text if there is one.
    pub(super) fn message(&self) -> Result<(String, Option<String>), String> {
        let (to, text) = self.first_word().unwrap_or_default();
        Ok((self.as_name(to.strip_prefix('@').unwrap_or(to))?, text.map(str::to_owned)))
    }

    /// Returns how many lines to show; a number beyond any page counts as a large one.
    pub(super) fn count(&self) -> Result<Option<u64>, String> {
        let digits = self.text.bytes().all(|byte| byte.is_ascii_digit());
        match self.text {
            "" => Ok(None),
            text => match text.parse() {
                Ok(count) if count > 0 => Ok(Some(count)),
                Err(_) if digits => Ok(Some(u64::MAX)),
                _ => Err(format!("/{} takes a number from 1 up, for example /{0} 50", self.command)),
            },
        }
    }

    /// Returns the number of a message, and its room if one is given.
    pub(super) fn place(&self) -> Result<(Option<String>, Seq), String> {
        let (room, number) = match self.text.rsplit_once(char::is_whitespace) {
            Some((room, number)) => (Some(room.trim_end().to_owned()), number),
            None => (None, self.text),
        };
        let seq = number.parse().ok().and_then(|number: u64| Seq::try_from(number).ok());
        match seq.filter(|seq| *seq > Seq::ZERO) {
            Some(seq) => Ok((room, seq)),
            None => {
                Err(format!("The end of a message that was cut names the command. Usage: {}", self.usage))
            }
        }
    }

    /// Splits off the first word.
    fn first_word(&self) -> Option<(&'a str, Option<&'a str>)> {
        let (first, rest) = self.text.split_once(char::is_whitespace).unwrap_or((self.text, ""));
        let rest = rest.trim_start();
        (!first.is_empty()).then_some((first, (!rest.is_empty()).then_some(rest)))
    }
}

/// Says which names rooms can have.
pub(crate) fn room_names() -> String {
    let most = limits::NAME_CHARS_MAX;
    format!("room names use a to z, digits, '.', '_' and '-', and have at most {most} characters")
}

fn unquote(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim()
}
