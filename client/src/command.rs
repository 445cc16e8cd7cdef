//! What a person types: text, or a command behind a slash. One table says what commands there are.

use lanchat_model::AccountName;
use lanchat_protocol::Secret;

use crate::slash::{self, Beginning};

/// Why a line that begins almost like a command is not said: it may hold a password.
const LIKENESS: &str = "This line looks like a command, but does not begin with a plain slash, so it was not said. \
                        Begin with / for a command; to say it, write a word before it.";

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
    /// Say what one does.
    Me(String),
    /// Be away.
    Away(Option<String>),
    /// Be back.
    Back,
    /// Ask about somebody.
    Whois(String),
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
const TABLE: [Entry; 18] = [
    entry("register", &[], "[NAME]", "make an account; asks for a password"),
    entry("login", &[], "[NAME]", "log in with your password, once per device"),
    entry("logout", &[], "", "log out, and forget this device"),
    entry("passwd", &["password"], "", "change your password; other devices are logged out"),
    entry("join", &["j"], "ROOM", "enter a room, made if there is none, and talk there"),
    entry("leave", &["part"], "[ROOM]", "leave a room, or this one"),
    entry("rooms", &["list"], "", "list the rooms and how many are in each"),
    entry("who", &["names", "members"], "[ROOM]", "list who is in a room, or in this one"),
    entry(
        "msg",
        &["dm", "m", "query", "tell"],
        "NAME [TEXT]",
        "write to one person; without TEXT stay there",
    ),
    entry("reply", &["r"], "TEXT", "answer the last private message"),
    entry("history", &["h"], "[COUNT]", "show older lines of this room; again for more"),
    entry("me", &["action"], "TEXT", "say what you do: /me waves"),
    entry("away", &["afk"], "[REASON]", "tell everybody that you are away"),
    entry("back", &[], "", "tell everybody that you are back"),
    entry("whois", &[], "NAME", "show who somebody is and when last seen"),
    entry("servers", &[], "", "list the servers that you know"),
    entry("help", &["commands", "?"], "[COMMAND]", "show this, or how to use one command"),
    entry("quit", &["exit", "q", "bye"], "", "leave; what was sent stays sent"),
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
    if line.lines().skip(1).any(slash::reveals) {
        return Err(
            "One of these lines is a command with a password, so none was said. Send the others alone."
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
        return "A command has a name: /help lists them. To send a slash, write //.".into();
    }
    let shown = crate::sanitize::one_line(verb);
    let verb = verb.to_ascii_lowercase();
    let near = TABLE
        .iter()
        .flat_map(|entry| std::iter::once(&entry.name).chain(entry.aliases))
        .map(|name| (strsim::damerau_levenshtein(&verb, name), name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| *distance <= 2 && *distance < name.len());
    match near {
        Some((_, name)) => format!("There is no command /{shown}. Did you mean /{name}? /help lists all."),
        None => format!("There is no command /{shown}. /help lists all. To send a slash, write //."),
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
        "join" => Command::Join(named(entry, rest)?),
        "leave" => Command::Leave(optional()),
        "rooms" => Command::Rooms,
        "who" => Command::Who(optional()),
        "msg" => message(entry, rest)?,
        "reply" => Command::Reply(needed("The text")?),
        "history" => Command::History(count(entry, rest)?),
        "me" => Command::Me(needed("What you do")?),
        "away" => Command::Away(optional()),
        "back" => Command::Back,
        "whois" => Command::Whois(named(entry, rest)?),
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
        return Err(
            "A name cannot be empty. Choose one of 2 to 32 letters a to z, digits, '.', '_' or '-'.".into()
        );
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
        _ => {
            Err("Type /passwd alone to be asked, or give two words: the old password and the new one.".into())
        }
    }
}

fn message(entry: &Entry, rest: &str) -> Result<Command, String> {
    let (to, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let to = named(entry, to.strip_prefix('@').unwrap_or(to))?;
    let text = text.trim_start();
    Ok(Command::Message { to, text: (!text.is_empty()).then(|| text.to_owned()) })
}

fn count(entry: &Entry, rest: &str) -> Result<Option<u64>, String> {
    match rest {
        "" => Ok(None),
        _ => match rest.parse() {
            Ok(count) if count > 0 => Ok(Some(count)),
            _ => Err(format!("COUNT is a number from 1 up. Usage: {}", usage_of(entry))),
        },
    }
}

fn usage_of(entry: &Entry) -> String {
    match entry.arguments {
        "" => format!("/{}", entry.name),
        arguments => format!("/{} {arguments}", entry.name),
    }
}

/// What `/help` shows: fits a terminal of 24 lines of 80 columns, its prompt included.
pub(crate) fn help() -> Vec<String> {
    let mut lines = vec!["Type a line to say it in the room of the prompt. Commands:".to_owned()];
    lines.extend(TABLE.iter().map(|entry| format!("  {:<18} {}", usage_of(entry), entry.help)));
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
        lines.push(format!("  also: {}", aliases.join(", ")));
    }
    let notes: &[&str] = match entry.name {
        "register" | "login" => &["A pipe may give the password too: /login NAME PASSWORD"],
        "passwd" => &["A pipe may give both passwords too: /passwd OLD NEW"],
        "msg" => &["The other need not be online: it is kept until the next login."],
        "history" => &[
            "Shows 50 lines if COUNT is absent, and long messages whole.",
            "After a message that was shown cut, /history 1 shows that one alone.",
        ],
        _ => &[],
    };
    lines.extend(notes.iter().map(|note| format!("  {note}")));
    Ok(lines)
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
            assert!(parse(line).unwrap_err().contains("said"), "{line}");
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
                let line = format!("/{name} 7 x");
                let built = parse(&line).is_ok() || matches!(entry.name, "history");
                assert!(built, "{line}");
                assert!(help_for(name).unwrap()[0].starts_with("Usage: /"));
            }
        }
    }

    #[test]
    fn a_near_miss_is_suggested() {
        assert!(parse("/jion dev").unwrap_err().contains("Did you mean /join?"));
        assert!(parse("/whoos").unwrap_err().contains("Did you mean /who"));
        assert!(!parse("/xyzzy").unwrap_err().contains("Did you mean"));
        assert!(parse("/").unwrap_err().contains("//"));
    }

    #[test]
    fn an_empty_name_is_said_to_be_empty() {
        assert_eq!(parse("/msg").unwrap_err(), "A name is missing. Usage: /msg NAME [TEXT]");
        for line in ["/join \"\"", "/msg \"\" hi", "/register \"\" secret"] {
            assert!(parse(line).unwrap_err().starts_with("A name cannot be empty."), "{line}");
        }
    }

    #[test]
    fn help_fits_a_small_terminal() {
        let help = help();
        assert!(help.len() <= 24, "{} lines", help.len());
        for line in &help {
            // Behind the mark of a line of the program, and before the last column.
            assert!(crate::sanitize::width(line) + 4 < 80, "{line}");
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
