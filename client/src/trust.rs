//! What a person is told about keys, and what they may decide about them. Nothing here can be waved
//! through: a key that changed is trusted again only by forgetting the old one, on purpose, by its
//! id or its name.

use std::io::{self, IsTerminal, Write};

use lanchat_client::{ConnectError, Connection, Decision, Home, Pins, look_alike};
use lanchat_model::{ServerId, limits};

use crate::cli::TrustTask;
use crate::exit::{Failure, Reason};
use crate::rows::fitted;
use crate::sanitize::quoted;
use crate::view::{clip, columns};

/// What to say of a server before anything is sent to it. Nothing, if it is known.
/// `pins`: the servers that are known.
pub(crate) fn introduction(connection: &Connection, pins: &Pins) -> Vec<String> {
    if connection.decision() != Decision::First {
        return Vec::new();
    }
    let name = quoted(&clip(&connection.hello().name));
    let mut lines = vec![
        format!("First contact with {name} at {}.", connection.address()),
        format!("The words of its key: {}", connection.fingerprint().words()),
    ];
    if let Some((id, known)) = namesake(pins, connection.server_id(), &connection.hello().name) {
        lines.push(format!("It is NOT {known}, which you know and whose name looks the same (server {id})."));
    }
    if connection.is_invited() {
        lines.push("Your link says the same: verified.".into());
    } else {
        lines.push(
            "Not yet verified: compare these words with those on the server's screen. If they are the same:"
                .into(),
        );
        lines.push(format!("  lanchat trust verify {}", connection.server_id()));
    }
    lines
}

/// Another server that is known and has a name that looks the same, as it is shown or as it is:
/// its id and its name.
pub(crate) fn namesake(pins: &Pins, id: ServerId, name: &str) -> Option<(ServerId, String)> {
    // A server may say anything of itself; a name is no longer than this.
    let name = &name[..name.floor_char_boundary(limits::SERVER_NAME_BYTES_MAX)];
    let same = |other: &str| look_alike(other, name) || clip(other) == clip(name);
    pins.iter()
        .find(|(other, pin)| *other != id && same(&pin.name))
        .map(|(id, pin)| (id, quoted(&clip(&pin.name))))
}

/// Why a connection was refused, and what to do about it.
pub(crate) fn refusal(error: &ConnectError) -> String {
    let ConnectError::KeyChanged(change) = error else { return error.to_string() };
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
         it for the words on its screen. Only if they are the second ones, forget the old key and \
         connect again:\n\
         \x20 lanchat trust reset {server_id}",
        pinned.words(),
        presented.words(),
        name = quoted(&clip(&change.name)),
    )
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
                "Forgot server {id}, its key and your login there. Its next key is trusted on first use."
            ))
        }
        TrustTask::Verify { server } => {
            let id = identified(home, server)?;
            known(home.verify(id)?, server)?;
            say(&format!("Server {id} is verified."))
        }
    }
}

/// The server of this id; or of this name, if no other has one that looks the same. Names are what
/// servers call themselves, so one that two of them have stands for neither.
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
                "Several servers have a name that looks like {name}: take the id that `lanchat trust list` shows."
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
    let words =
        format!("There is no trusted server {server}. `lanchat trust list` shows those that there are.");
    Failure::new(Reason::Usage, words)
}

fn list(home: &Home) -> Result<(), Failure> {
    let pins = home.pins()?;
    let mut any = false;
    for (id, pin) in pins.iter() {
        any = true;
        let state = if pin.verified { "verified" } else { "not yet verified" };
        say(&format!("{id}  {state}  {}\n  {}", quoted(&clip(&pin.name)), pin.fingerprint.words()))?;
    }
    if any { Ok(()) } else { say("No server is trusted yet.") }
}

/// Prints a line of an answer. A terminal gets rows that fit it, so that it breaks none where a stranger's text wants it to.
pub(crate) fn say(line: &str) -> Result<(), Failure> {
    match io::stdout().is_terminal() {
        true => print(&fitted(line, columns())),
        false => print(line),
    }
}

/// Prints a line as it is.
pub(crate) fn print(line: &str) -> Result<(), Failure> {
    match writeln!(io::stdout(), "{line}") {
        // Whoever reads has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
