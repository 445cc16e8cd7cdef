//! What a person types: text, or a command behind a slash. One table says what commands there are.

mod help;

use lanchat_model::{AccountName, RoomName, Seq, limits};
use lanchat_protocol::Secret;

use crate::near::nearest;
use crate::slash::{self, Beginning};
use crate::view::sentence;
pub(crate) use help::{help, help_for};

/// Why a line that begins almost like a command is not said: it may hold a password.
const LIKENESS: &str = "This looks like a command, but does not begin with a plain /, so it was not sent. \
                        Begin a command with /; to send this as text, put a word before it.";
/// What is said of a name that has nothing in it.
pub(crate) const EMPTY_NAME: &str =
    "A name cannot be empty. It has 2 to 32 of the letters a to z, digits, '.', '_' and '-'.";

/// A line, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Nothing to do.
    Blank,
    /// Text for the current room.
    Say(String),
    /// A command.
    Command(Command),
}

/// A command. What is missing and can be asked for is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Make an account.
    Register { name: Option<String>, password: Option<Secret> },
    /// Log in by password.
    Login { name: Option<String>, password: Option<Secret> },
    /// Forget this device.
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
    /// Show one message whole, of a room or of the current one.
    Show { room: Option<String>, seq: Seq },
    /// Say what one does.
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

/// A line of the table.
struct Entry {
    name: &'static str,
    aliases: &'static [&'static str],
    arguments: &'static str,
    help: &'static str,
}

const fn entry(
    name: &'static str,
    aliases: &'static [&'static str],
    arguments: &'static str,
    help: &'static str,
) -> Entry {
    Entry { name, aliases, arguments, help }
}

/// All commands, in the order of `/help`.
const TABLE: [Entry; 20] = [
    entry("register", &[], "[NAME]", "make an account; you choose a password"),
    entry("login", &[], "[NAME]", "log in with your password, once per device"),
    entry("logout", &[], "", "log out, and forget this device"),
    entry("passwd", &["password"], "", "change your password; logs out your other devices"),
    entry("join", &["j"], "ROOM", "enter a room and talk there; a new name makes a room"),
    entry("leave", &["part"], "[ROOM]", "leave this room, or the one you name"),
    entry("rooms", &["list"], "", "list the rooms and your private chats"),
    entry("who", &["names", "members"], "[ROOM]", "list who is in this room, or in the one you name"),
    entry(
        "msg",
        &["dm", "m", "query", "tell"],
        "NAME [TEXT]",
        "write to one person; without TEXT, move to that chat",
    ),
    entry("reply", &["r"], "TEXT", "answer whoever wrote to you last in private"),
    entry("history", &["h"], "[COUNT]", "show older lines of this room; again for more"),
    entry("show", &[], "[ROOM] NUMBER", "show a long message whole"),
    entry("me", &["action"], "TEXT", "say what you do: /me waves"),
    entry("away", &["afk"], "[REASON]", "tell everybody that you are away"),
    entry("back", &[], "", "tell everybody that you are back"),
    entry("whois", &[], "NAME", "show who somebody is and when last seen"),
    entry("trust", &[], "[verify]", "show the six words of the server, and verify them"),
    entry("servers", &[], "", "list the servers that you know, and the others here"),
    entry("help", &["commands", "?"], "[COMMAND]", "show this list, or how to use one command"),
    entry("quit", &["exit", "q", "bye"], "", "leave; what you sent stays sent"),
];

/// The names of all commands, without their slash.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|entry| entry.name)
}

/// The name of the command that `line` holds or looks like, if it is a command that may carry a password.
pub(crate) fn secretive(line: &str) -> Option<&'static str> {
    match slash::beginning(line) {
        Beginning::Slash(rest) | Beginning::Likeness(rest) => secretive_verb(&slash::verb(rest)),
        Beginning::Text => None,
    }
}

/// The name of the command that is called by `verb`, if it may carry a password.
pub(crate) fn secretive_verb(verb: &str) -> Option<&'static str> {
    let name = find(verb)?.name;
    matches!(name, "register" | "login" | "passwd").then_some(name)
}

/// Whether `verb` calls a command.
pub(crate) fn is_command(verb: &str) -> bool {
    find(verb).is_some()
}

/// Whether `verb` calls a command that takes a `what`, as its usage names it.
pub(crate) fn takes(verb: &str, what: &str) -> bool {
    find(verb).is_some_and(|entry| entry.arguments.contains(what))
}

/// Whether `line` is a `/reply`, perhaps without its text.
pub(crate) fn is_reply(line: &str) -> bool {
    let command = line.strip_prefix('/').and_then(|rest| rest.split_whitespace().next());
    command.and_then(find).is_some_and(|entry| entry.name == "reply")
}

/// Whether `name`, as typed, is `account`.
pub(crate) fn is_account(name: &str, account: &str) -> bool {
    name.parse::<AccountName>().is_ok_and(|name| name.as_str() == account)
}

/// Takes one line of input as it is.
pub(crate) fn verbatim(line: String) -> Input {
    if slash::is_blank_line(&line) { Input::Blank } else { Input::Say(line) }
}

/// Understands one line of input.
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
    let entry = find(verb).ok_or_else(|| unknown(verb))?;
    build(entry, rest.trim()).map(Input::Command)
}

fn find(verb: &str) -> Option<&'static Entry> {
    let verb = verb.to_ascii_lowercase();
    TABLE.iter().find(|entry| entry.name == verb || entry.aliases.contains(&verb.as_str()))
}

fn unknown(verb: &str) -> String {
    if verb.is_empty() {
        return "A command needs a name: /help lists them all. To send a slash, type //.".into();
    }
    let shown = crate::sanitize::one_line(verb);
    let all = || TABLE.iter().flat_map(|entry| std::iter::once(&entry.name).chain(entry.aliases)).copied();
    let begun = verb.to_ascii_lowercase();
    let longer = names().find(|name| begun.len() > 1 && name.starts_with(&begun));
    match longer.or_else(|| nearest(verb, all())) {
        Some(name) => format!("There is no command /{shown}. Did you mean /{name}? /help lists them all."),
        None => format!("There is no command /{shown}. /help lists them all. To send a slash, type //."),
    }
}

fn build(entry: &Entry, rest: &str) -> Result<Command, String> {
    let optional = || (!rest.is_empty()).then(|| rest.to_owned());
    let needed = |what: &str| match rest {
        "" => Err(format!("{what} is missing. Usage: {}", usage_of(entry))),
        _ => Ok(rest.to_owned()),
    };
    Ok(match entry.name {
        "register" => {
            let (name, password) = credentials(rest)?;
            Command::Register { name, password }
        }
        "login" => {
            let (name, password) = credentials(rest)?;
            Command::Login { name, password }
        }
        "logout" => Command::Logout,
        "passwd" => Command::Passwd(passwords(rest)?),
        "join" => Command::Join(room(entry, named(entry, rest)?)?),
        "leave" => Command::Leave(optional().map(|name| room(entry, name)).transpose()?),
        "rooms" => Command::Rooms,
        "who" => Command::Who(optional().map(|name| room(entry, name)).transpose()?),
        "msg" => message(entry, rest)?,
        "reply" => Command::Reply(needed("The text")?),
        "history" => Command::History(count(entry, rest)?),
        "show" => show(entry, rest)?,
        "me" => Command::Me(needed("The text")?),
        "away" => Command::Away(optional()),
        "back" => Command::Back,
        "whois" => Command::Whois(named(entry, rest)?),
        "trust" => Command::Trust(optional()),
        "servers" => Command::Servers,
        "help" => Command::Help(optional()),
        _ => Command::Quit,
    })
}

/// A name that has to be there. It may be quoted, as people do to say "nothing".
fn named(entry: &Entry, text: &str) -> Result<String, String> {
    let name = unquote(text);
    if text.is_empty() {
        return Err(format!("A name is missing. Usage: {}", usage_of(entry)));
    }
    if name.is_empty() {
        return Err(format!("A name cannot be empty. Usage: {}", usage_of(entry)));
    }
    Ok(name.to_owned())
}

/// The name of a room, or of a private chat, which is looked at where it is looked for.
fn room(entry: &Entry, name: String) -> Result<String, String> {
    if name.starts_with('@') || name.trim_start_matches('#').parse::<RoomName>().is_ok() {
        return Ok(name);
    }
    let words = sentence(&room_names());
    let like: String = name.trim_start_matches('#').to_lowercase().replace(char::is_whitespace, "-");
    match like.parse::<RoomName>() {
        Ok(like) => Err(format!("{words} Did you mean /{} {like}?", entry.name)),
        Err(_) => Err(words),
    }
}

/// What rooms can be called.
pub(crate) fn room_names() -> String {
    let most = limits::NAME_CHARS_MAX;
    format!("room names use a to z, digits, '.', '_' and '-', and have at most {most} characters")
}

fn unquote(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim()
}

/// A name and a password, both of which can be asked for. A password may hold spaces.
fn credentials(rest: &str) -> Result<(Option<String>, Option<Secret>), String> {
    if rest.is_empty() {
        return Ok((None, None));
    }
    let (name, password) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let name = unquote(name);
    if name.is_empty() {
        return Err(EMPTY_NAME.into());
    }
    let password = password.trim_start();
    let password = (!password.is_empty()).then(|| Secret(password.to_owned()));
    Ok((Some(name.to_owned()), password))
}

fn passwords(rest: &str) -> Result<Option<(Secret, Secret)>, String> {
    let mut words = rest.split_whitespace().map(|word| Secret(word.to_owned()));
    match (words.next(), words.next(), words.next()) {
        (None, ..) => Ok(None),
        (Some(old), Some(new), None) => Ok(Some((old, new))),
        _ => Err("Type /passwd alone to be asked for both passwords. In a script: /passwd OLD NEW".into()),
    }
}

fn message(entry: &Entry, rest: &str) -> Result<Command, String> {
    let (to, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let to = named(entry, to.strip_prefix('@').unwrap_or(to))?;
    let text = text.trim_start();
    Ok(Command::Message { to, text: (!text.is_empty()).then(|| text.to_owned()) })
}

/// How many lines; a number that no page can have is as good as any other large one.
fn count(entry: &Entry, rest: &str) -> Result<Option<u64>, String> {
    let digits = rest.bytes().all(|byte| byte.is_ascii_digit());
    match rest {
        "" => Ok(None),
        _ => match rest.parse() {
            Ok(count) if count > 0 => Ok(Some(count)),
            Err(_) if digits => Ok(Some(u64::MAX)),
            _ => Err(format!("/{} takes a number from 1 up, for example /{0} 50", entry.name)),
        },
    }
}

fn show(entry: &Entry, rest: &str) -> Result<Command, String> {
    let (room, number) = match rest.rsplit_once(char::is_whitespace) {
        Some((room, number)) => (Some(room.trim_end().to_owned()), number),
        None => (None, rest),
    };
    let seq = number.parse().ok().and_then(|number: u64| Seq::try_from(number).ok());
    match seq.filter(|seq| *seq > Seq::ZERO) {
        Some(seq) => Ok(Command::Show { room, seq }),
        None => {
            Err(format!("The end of a message that was cut names the command. Usage: {}", usage_of(entry)))
        }
    }
}

fn usage_of(entry: &Entry) -> String {
    match entry.arguments {
        "" => format!("/{}", entry.name),
        arguments => format!("/{} {arguments}", entry.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> Command {
        match parse(line).unwrap() {
            Input::Command(command) => command,
            other => panic!("{line} is {other:?}"),
        }
    }

    #[test]
    fn text_is_said_and_two_slashes_say_one() {
        assert_eq!(parse("hi there"), Ok(Input::Say("hi there".into())));
        assert_eq!(parse("//etc"), Ok(Input::Say("/etc".into())));
        assert_eq!(parse("  \t"), Ok(Input::Blank));
        assert_eq!(parse("one\n/quit"), Ok(Input::Say("one\n/quit".into())));
        assert_eq!(parse("  two\n  indented"), Ok(Input::Say("  two\n  indented".into())));
        assert_eq!(parse("\u{feff}"), Ok(Input::Blank));
    }

    #[test]
    fn a_login_is_never_said_whatever_stands_before_it() {
        for before in [" ", "\t", "\u{feff}", "\u{a0}", "\u{feff}\u{200b}"] {
            assert_eq!(
                command(&format!("{before}/login ana s3cret")),
                command("/login ana s3cret"),
                "{before:?}"
            );
        }
        for line in
            ["／login ana s3cret", "\"/login ana s3cret\"", "hi\n/login ana s3cret", "/me x\n ／passwd a b"]
        {
            assert!(parse(line).unwrap_err().contains(" sent."), "{line}");
        }
    }

    #[test]
    fn commands_have_aliases_and_arguments() {
        assert_eq!(command("/names dev"), Command::Who(Some("dev".into())));
        assert_eq!(command("/EXIT"), Command::Quit);
        assert_eq!(command("/part"), Command::Leave(None));
        assert_eq!(command("/dm @bob  hello  you"), command("/msg bob hello  you"));
        assert_eq!(command("/msg bob"), Command::Message { to: "bob".into(), text: None });
        assert_eq!(command("/history 5"), Command::History(Some(5)));
        let seq = Seq::try_from(42).unwrap();
        assert_eq!(command("/show 42"), Command::Show { room: None, seq });
        assert_eq!(command("/show @bob 42"), Command::Show { room: Some("@bob".into()), seq });
        assert_eq!(command("/trust verify"), Command::Trust(Some("verify".into())));
        assert_eq!(command("/away lunch time"), Command::Away(Some("lunch time".into())));
        assert_eq!(
            command("/login ana two words"),
            Command::Login { name: Some("ana".into()), password: Some(Secret("two words".into())) }
        );
        assert_eq!(command("/passwd a b"), Command::Passwd(Some((Secret("a".into()), Secret("b".into())))));
    }

    #[test]
    fn every_command_of_the_table_can_be_typed() {
        for entry in &TABLE {
            for name in std::iter::once(&entry.name).chain(entry.aliases) {
                let arguments = match entry.name {
                    "history" | "show" => "7",
                    "passwd" => "x 7",
                    _ => "x",
                };
                let line = format!("/{name} {arguments}");
                assert!(parse(&line).is_ok(), "{line}");
                assert!(help_for(name).unwrap()[0].starts_with("Usage: /"));
            }
        }
    }

    #[test]
    fn a_near_miss_is_suggested() {
        assert!(parse("/jion dev").unwrap_err().contains("Did you mean /join?"));
        assert!(parse("/whoos").unwrap_err().contains("Did you mean /who"));
        assert!(parse("/hist 5").unwrap_err().contains("Did you mean /history?"));
        assert!(!parse("/xyzzy").unwrap_err().contains("Did you mean"));
        assert!(parse("/").unwrap_err().contains("//"));
    }

    #[test]
    fn a_room_that_cannot_be_is_named_with_one_that_can() {
        assert!(parse("/join a b").unwrap_err().ends_with("Did you mean /join a-b?"));
        assert!(parse("/join Tea Room").unwrap_err().ends_with("Did you mean /join tea-room?"));
        for bad in ["/join käse".to_owned(), format!("/join {}", "x".repeat(33))] {
            assert!(parse(&bad).unwrap_err().starts_with("Room names use a to z, digits"), "{bad}");
        }
        for good in ["/join #Dev", "/join @bob", "/join \"dev\""] {
            assert!(parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn numbers_are_asked_for_with_an_example() {
        for huge in ["1000000", "99999999999999999999999"] {
            let Command::History(Some(count)) = command(&format!("/history {huge}")) else {
                panic!("{huge}")
            };
            assert!(count >= 1_000_000);
        }
        for bad in ["0", "-5", "many", "5 6"] {
            let words = parse(&format!("/history {bad}")).unwrap_err();
            assert_eq!(words, "/history takes a number from 1 up, for example /history 50", "{bad}");
        }
        for bad in ["", " 0", " lobby", " lobby x", " 9007199254740992"] {
            assert!(parse(&format!("/show{bad}")).unwrap_err().contains("/show [ROOM] NUMBER"), "{bad}");
        }
    }

    #[test]
    fn an_empty_name_is_said_to_be_empty() {
        assert_eq!(parse("/msg").unwrap_err(), "A name is missing. Usage: /msg NAME [TEXT]");
        for line in ["/join \"\"", "/msg \"\" hi", "/register \"\" secret"] {
            assert!(parse(line).unwrap_err().starts_with("A name cannot be empty."), "{line}");
        }
    }

    #[test]
    fn passwords_are_not_shown_by_debug() {
        let shown = format!("{:?} {:?}", command("/login ana canary"), command("/passwd canary canary"));
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn commands_that_may_carry_a_password_are_known() {
        assert_eq!(secretive("/login ana x"), Some("login"));
        assert_eq!(secretive("/password"), Some("passwd"));
        assert_eq!(secretive("/join x"), None);
        assert_eq!(secretive("login ana x"), None);
        assert_eq!(secretive("\u{feff} /login ana x"), Some("login"));
        assert_eq!(secretive("／ｌｏｇｉｎ　ana"), Some("login"));
    }
}
