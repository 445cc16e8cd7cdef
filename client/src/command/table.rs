//! The table of commands. A row holds everything about a command: its names, its parser, what Tab offers after it, and
//! its help. So a command cannot be added without one of them.

use super::SlashCommand;
use super::arguments::Given;

/// What Tab offers after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offers {
    /// Names of people, who can be mentioned in any text.
    People,
    /// Names of rooms.
    Rooms,
    /// Names of commands.
    Commands,
}

/// A command.
pub(super) struct Row {
    /// Its name in lists, in lower case.
    pub(super) name: &'static str,
    /// Its other names.
    pub(super) aliases: &'static [&'static str],
    /// What is typed after it, with optional parts in brackets.
    pub(super) arguments: &'static str,
    /// What it does, in the list of all commands.
    pub(super) help: &'static str,
    /// More to know, shown in the help on this command.
    pub(super) notes: &'static [&'static str],
    /// What Tab offers after it.
    pub(super) offers: Offers,
    /// How many of its words are not secret, its name included. `None`: none of them is ever secret.
    pub(super) open_words: Option<usize>,
    /// Parses its arguments.
    pub(super) parse: fn(&Given<'_>) -> Result<SlashCommand, String>,
}

impl Row {
    /// Returns all its names.
    pub(super) fn called(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Returns its usage line.
    pub(super) fn usage(&self) -> String {
        match self.arguments {
            "" => format!("/{}", self.name),
            arguments => format!("/{} {arguments}", self.name),
        }
    }
}

/// The command whose line shows its recipient.
pub(super) const REPLY: &str = "reply";

/// All commands, in the order of `/help`.
pub(super) static TABLE: [Row; 20] = [
    Row {
        name: "register",
        aliases: &[],
        arguments: "[NAME]",
        help: "make an account; you choose a password",
        notes: &["In a script: /register NAME PASSWORD, or --password-file FILE"],
        offers: Offers::People,
        open_words: Some(2),
        parse: |given| given.credentials().map(|(name, password)| SlashCommand::Register { name, password }),
    },
    Row {
        name: "login",
        aliases: &[],
        arguments: "[NAME]",
        help: "log in with your password, once per device",
        notes: &["In a script: /login NAME PASSWORD, or --password-file FILE"],
        offers: Offers::People,
        open_words: Some(2),
        parse: |given| given.credentials().map(|(name, password)| SlashCommand::Login { name, password }),
    },
    Row {
        name: "logout",
        aliases: &[],
        arguments: "",
        help: "log out, and forget this device",
        notes: &[],
        offers: Offers::People,
        open_words: None,
        parse: |_| Ok(SlashCommand::Logout),
    },
    Row {
        name: "passwd",
        aliases: &["password"],
        arguments: "",
        help: "change your password; logs out your other devices",
        notes: &["In a script: /passwd OLD NEW"],
        offers: Offers::People,
        open_words: Some(1),
        parse: |given| given.passwords().map(SlashCommand::Passwd),
    },
    Row {
        name: "join",
        aliases: &["j"],
        arguments: "ROOM",
        help: "enter a room and talk there; a new name makes a room",
        notes: &["Room names use a to z, digits, '.', '_' and '-'."],
        offers: Offers::Rooms,
        open_words: None,
        parse: |given| given.room().map(SlashCommand::Join),
    },
    Row {
        name: "leave",
        aliases: &["part"],
        arguments: "[ROOM]",
        help: "leave this room, or the one you name",
        notes: &["In a private chat: go back to the room before. /rooms keeps the chat."],
        offers: Offers::Rooms,
        open_words: None,
        parse: |given| given.maybe_room().map(SlashCommand::Leave),
    },
    Row {
        name: "rooms",
        aliases: &["list"],
        arguments: "",
        help: "list the rooms and your private chats",
        notes: &[],
        offers: Offers::People,
        open_words: None,
        parse: |_| Ok(SlashCommand::Rooms),
    },
    Row {
        name: "who",
        aliases: &["names", "members"],
        arguments: "[ROOM]",
        help: "list who is in this room, or in the one you name",
        notes: &[],
        offers: Offers::Rooms,
        open_words: None,
        parse: |given| given.maybe_room().map(SlashCommand::Who),
    },
    Row {
        name: "msg",
        aliases: &["dm", "m", "query", "tell"],
        arguments: "NAME [TEXT]",
        help: "write to one person; without TEXT, move to that chat",
        notes: &["They need not be online: they get it at their next login."],
        offers: Offers::People,
        open_words: None,
        parse: |given| given.message().map(|(to, text)| SlashCommand::Message { to, text }),
    },
    Row {
        name: REPLY,
        aliases: &["r"],
        arguments: "TEXT",
        help: "answer whoever wrote to you last in private",
        notes: &[
            "The line shows who gets it, whoever else writes meanwhile.",
            "In a script use /msg NAME TEXT.",
        ],
        offers: Offers::People,
        open_words: None,
        parse: |given| given.text().map(SlashCommand::Reply),
    },
    Row {
        name: "history",
        aliases: &["h"],
        arguments: "[COUNT]",
        help: "show older lines of this room; again for more",
        notes: &["Shows 50 lines if you give no COUNT, and at most 200 at a time."],
        offers: Offers::People,
        open_words: None,
        parse: |given| given.count().map(SlashCommand::History),
    },
    Row {
        name: "show",
        aliases: &[],
        arguments: "[ROOM] NUMBER",
        help: "show a long message whole",
        notes: &["A long message is cut where it arrives. Its last line says what to type."],
        offers: Offers::Rooms,
        open_words: None,
        parse: |given| given.place().map(|(room, seq)| SlashCommand::Show { room, seq }),
    },
    Row {
        name: "me",
        aliases: &["action"],
        arguments: "TEXT",
        help: "say what you do: /me waves",
        notes: &[],
        offers: Offers::People,
        open_words: None,
        parse: |given| given.text().map(SlashCommand::Me),
    },
    Row {
        name: "away",
        aliases: &["afk"],
        arguments: "[REASON]",
        help: "tell everybody that you are away",
        notes: &[],
        offers: Offers::People,
        open_words: None,
        parse: |given| Ok(SlashCommand::Away(given.anything())),
    },
    Row {
        name: "back",
        aliases: &[],
        arguments: "",
        help: "tell everybody that you are back",
        notes: &[],
        offers: Offers::People,
        open_words: None,
        parse: |_| Ok(SlashCommand::Back),
    },
    Row {
        name: "whois",
        aliases: &[],
        arguments: "NAME",
        help: "show who somebody is and when last seen",
        notes: &[],
        offers: Offers::People,
        open_words: None,
        parse: |given| given.name().map(SlashCommand::Whois),
    },
    Row {
        name: "trust",
        aliases: &[],
        arguments: "[verify]",
        help: "show the six words of the server, and verify them",
        notes: &[
            "Compare the six words with those that the host sees with /trust.",
            "The same: /trust verify. Or type what you were told: /trust SIX WORDS",
        ],
        offers: Offers::People,
        open_words: None,
        parse: |given| Ok(SlashCommand::Trust(given.anything())),
    },
    Row {
        name: "servers",
        aliases: &[],
        arguments: "",
        help: "list the servers that you know, and the others here",
        notes: &[],
        offers: Offers::People,
        open_words: None,
        parse: |_| Ok(SlashCommand::Servers),
    },
    Row {
        name: "help",
        aliases: &["commands", "?"],
        arguments: "[COMMAND]",
        help: "show this list, or how to use one command",
        notes: &[],
        offers: Offers::Commands,
        open_words: None,
        parse: |given| Ok(SlashCommand::Help(given.anything())),
    },
    Row {
        name: "quit",
        aliases: &["exit", "q", "bye"],
        arguments: "",
        help: "leave; what you sent stays sent",
        notes: &[],
        offers: Offers::People,
        open_words: None,
        parse: |_| Ok(SlashCommand::Quit),
    },
];

/// Returns the row of the command with this name or alias.
pub(super) fn find(verb: &str) -> Option<&'static Row> {
    let verb = verb.to_ascii_lowercase();
    TABLE.iter().find(|row| row.called().any(|name| name == verb))
}
