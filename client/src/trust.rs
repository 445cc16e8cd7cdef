//! What a person is told about keys, and what they may decide about them. A changed key cannot be waved through: it is
//! trusted only after the old one is deliberately forgotten, by its server's id or name.

use std::io::{self, IsTerminal, Write};

use lanchat_client::{ConnectError, Connection, Decision, Fingerprint, Home, KeyChange, Pins, look_alike};
use lanchat_model::{ServerId, limits};

use crate::cli::TrustTask;
use crate::exit::{Failure, Reason};
use crate::rows::fitted;
use crate::sanitize::{one_line, quoted};
use crate::view::{clip, columns};

/// Returns what to say about a server before anything is sent to it: nothing, if it is known. `pins`: the known
/// servers. `chats`: whether there is a person who can type commands.
pub(crate) fn introduction(connection: &Connection, pins: &Pins, chats: bool) -> Vec<String> {
    if connection.decision() != Decision::First {
        return Vec::new();
    }
    let (id, name) = (connection.server_id(), quoted(&clip(&connection.hello().name)));
    let mut lines = vec![
        format!("First contact with {name} at {}.", connection.address()),
        format!("Its six words: {}", connection.fingerprint().words()),
    ];
    if let Some((other, known)) = namesake(pins, id, &connection.hello().name) {
        lines.push(format!(
            "It is NOT {known}, which you know and whose name looks the same (server {other})."
        ));
    }
    if connection.is_invited() {
        lines.push("Your link has the same key: verified.".into());
    } else {
        lines.push("Not yet verified: compare them with the six words on the server's screen.".into());
        match chats {
            true => lines.push("If they are the same, type /trust verify".into()),
            false => lines.push(format!("If they are the same:\n  lanchat trust verify {id}")),
        }
    }
    lines.iter().flat_map(|line| line.split('\n')).map(str::to_owned).collect()
}

/// Answers `/trust` in a chat with the server `id` that holds `key`: shows its six words. With `typed`, which is `verify`
/// or the six words that the user was told, notes that a person has compared them. `hosting`: the server runs in this
/// process.
///
/// # Errors
/// A sentence that says what is wrong, and what to do.
pub(crate) fn in_chat(
    home: &Home,
    (id, key): (ServerId, Fingerprint),
    hosting: bool,
    typed: Option<&str>,
) -> Result<Vec<String>, String> {
    let pins = home.pins().map_err(|error| error.to_string())?;
    // Another program may have forgotten the server since, and met another one that claims the same id.
    let Some(pin) = pins.get(id).filter(|pin| pin.fingerprint == key) else {
        return Err(
            "The key of this server was forgotten on this computer. Leave with /quit and come back.".into()
        );
    };
    let (name, words) = (quoted(&clip(&pin.name)), pin.fingerprint.words());
    let Some(typed) = typed else { return Ok(six_words(&name, &words, hosting, pin.verified)) };
    let parts: Vec<String> = typed
        .split(|c: char| !c.is_ascii_alphabetic())
        .filter(|part| !part.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    match parts.as_slice() {
        _ if parts.join("-") == words => {}
        [verify] if verify == "verify" => {}
        six if six.len() == words.split('-').count() => {
            return Err(format!(
                "These are NOT the six words of the server that you are connected to, which are {words}. Compare them \
                 again. If they differ, somebody may be in between: leave with /quit, and tell whoever runs the server."
            ));
        }
        _ => return Err("Usage: /trust, then /trust verify or /trust SIX WORDS".into()),
    }
    if hosting {
        return Ok(vec!["This is your own server: there is nothing to verify.".into()]);
    }
    if !pin.verified {
        home.verify(id).map_err(|error| error.to_string())?;
    }
    Ok(vec![format!("{name} is verified: its key is the one that you compared.")])
}

fn six_words(name: &str, words: &str, hosting: bool, verified: bool) -> Vec<String> {
    let mut lines = vec![format!("The six words of {name}: {words}")];
    lines.extend(
        match (hosting, verified) {
            (true, _) => {
                vec!["You host this server. Guests compare them with theirs."]
            }
            (false, true) => vec!["Verified: you compared them, or came by a link."],
            (false, false) => vec![
                "Not yet verified. Compare them with those that the host sees with /trust.",
                "If they are the same, type /trust verify",
            ],
        }
        .into_iter()
        .map(str::to_owned),
    );
    lines
}

/// Returns the id and the name of another known server whose name looks the same, as shown or as given.
pub(crate) fn namesake(pins: &Pins, id: ServerId, name: &str) -> Option<(ServerId, String)> {
    // A server may claim any name; only this much of it counts.
    let name = &name[..name.floor_char_boundary(limits::SERVER_NAME_BYTES_MAX)];
    let same = |other: &str| look_alike(other, name) || clip(other) == clip(name);
    pins.iter()
        .find(|(other, pin)| *other != id && same(&pin.name))
        .map(|(id, pin)| (id, quoted(&clip(&pin.name))))
}

/// Says why a connection was refused, and what to do about it.
fn refusal(change: &KeyChange) -> String {
    let (server_id, pinned, presented, address) =
        (change.server_id, change.pinned, change.presented, change.address);
    format!(
        "The key of {name} has CHANGED. Nothing was sent to it.\n\
         \x20 trusted until now: {}\n\
         \x20                    {pinned}\n\
         \x20 shown at {address}:\n\
         \x20                    {}\n\
         \x20                    {presented}\n\
         Either somebody else answers in its place, or the server was set up anew. Ask whoever runs \
         it for the six words on its screen. Only if they are the second ones, forget the old key and \
         connect again:\n\
         \x20 lanchat trust reset {server_id}",
        pinned.words(),
        presented.words(),
        name = quoted(&clip(&change.name)),
    )
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let reason = match &error {
            ConnectError::KeyChanged { .. } | ConnectError::UnexpectedKey { .. } => Reason::Untrusted,
            ConnectError::Home(_) => Reason::Usage,
            ConnectError::UnsupportedVersion { .. }
            | ConnectError::BrokenProtocol { .. }
            | ConnectError::ServerFull { .. }
            | ConnectError::Crowded { is_known: true, .. } => Reason::Lost,
            _ => Reason::NoServer,
        };
        // Only a changed key takes more than a line to explain: any other newline comes from somebody else.
        match error {
            ConnectError::KeyChanged(change) => Self::new(reason, refusal(&change)),
            error => Self::new(reason, one_line(&error.to_string())),
        }
    }
}

/// Runs `lanchat trust`.
///
/// # Errors
/// [`Reason::Usage`] when the state folder cannot be used, or the server is not known.
pub(crate) fn run(task: &TrustTask, home: &Home) -> Result<(), Failure> {
    match task {
        TrustTask::List => list(home),
        TrustTask::Reset { server } => {
            let id = identified(home, server)?;
            known(home.forget(id)?, server)?;
            say(&format!(
                "Forgot server {id}, its key and your login there. Its next key is trusted when you next connect."
            ))
        }
        TrustTask::Verify { server } => {
            let id = identified(home, server)?;
            known(home.verify(id)?, server)?;
            say(&format!("Server {id} is verified."))
        }
    }
}

/// Finds the server with this id, or with this name, if no other known server's name looks the same. Servers choose
/// their own names, so a name that two of them have identifies neither.
fn identified(home: &Home, server: &str) -> Result<ServerId, Failure> {
    if let Ok(id) = server.parse() {
        return Ok(id);
    }
    let pins = home.pins()?;
    let mut named = pins.iter().filter(|(_, pin)| look_alike(&pin.name, server));
    match (named.next(), named.next()) {
        (Some((id, _)), None) => Ok(id),
        (Some(_), Some(_)) => {
            let name = clip(server);
            let words = format!(
                "Several servers have a name that looks like {name}. Give the id that `lanchat trust list` shows."
            );
            Err(Failure::new(Reason::Usage, words))
        }
        (None, _) => Err(unknown(server)),
    }
}

fn known(found: bool, server: &str) -> Result<(), Failure> {
    if found { Ok(()) } else { Err(unknown(server)) }
}

fn unknown(server: &str) -> Failure {
    let server = clip(server);
    let words = format!("You trust no server {server}. `lanchat trust list` shows those that you trust.");
    Failure::new(Reason::Usage, words)
}

fn list(home: &Home) -> Result<(), Failure> {
    let pins = home.pins()?;
    let mut any = false;
    for (id, pin) in pins.iter() {
        any = true;
        let state = if pin.verified { "key verified" } else { "key not verified" };
        say(&format!("{id}  {state}  {}\n  {}", quoted(&clip(&pin.name)), pin.fingerprint.words()))?;
    }
    if any { Ok(()) } else { say("You trust no server yet.") }
}

/// Prints a line of an answer. A terminal gets rows that fit it, so that it does not break them where a stranger's text
/// wants it to.
pub(crate) fn say(line: &str) -> Result<(), Failure> {
    match io::stdout().is_terminal() {
        true => print(&fitted(line, columns())),
        false => print(line),
    }
}

/// Prints a line unchanged.
pub(crate) fn print(line: &str) -> Result<(), Failure> {
    match writeln!(io::stdout(), "{line}") {
        // The reader has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_six_words_are_shown_compared_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(&folder.path().join("home")).unwrap();
        let id: ServerId = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let key = Fingerprint::from_bytes([7; 32]);
        home.pin(id, key, "lab", false).unwrap();
        let ask = |typed: Option<&str>| in_chat(&home, (id, key), false, typed);
        let verified = || home.pins().unwrap().get(id).unwrap().verified;
        let shown = ask(None).unwrap().join("\n");
        assert!(shown.contains(&key.words()) && shown.contains("/trust verify"), "{shown}");
        let wrong = Fingerprint::from_bytes([8; 32]).words();
        assert!(ask(Some(&wrong)).unwrap_err().contains("NOT"));
        assert!(ask(Some("yes")).unwrap_err().starts_with("Usage"));
        assert!(!verified());
        let spoken = key.words().replace('-', "  ").to_uppercase();
        assert!(ask(Some(&spoken)).is_ok() && verified());
        assert!(ask(None).unwrap().concat().contains("Verified"));
        assert!(in_chat(&home, (id, key), true, None).unwrap().concat().contains("You host"));
        home.forget(id).unwrap();
        assert!(ask(Some("verify")).unwrap_err().contains("/quit"));
        home.pin(id, key, "lab", false).unwrap();
        assert!(ask(Some("verify")).is_ok() && verified());
        // Elsewhere the key was forgotten, and another server met that has the same id.
        home.forget(id).unwrap();
        home.pin(id, Fingerprint::from_bytes([8; 32]), "lab", false).unwrap();
        assert!(ask(None).unwrap_err().contains("/quit"), "the words shown would be another server's");
        assert!(ask(Some("verify")).is_err() && !verified());
    }
}
