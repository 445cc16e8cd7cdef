//! What a session starts with, and how it ends.

use lanchat_client::{Home, Secret};
use lanchat_model::{RoomRef, limits};
use tokio::sync::mpsc;

use crate::cli::ChatArgs;
use crate::command::SlashCommand;
use crate::exit::Failure;

/// What the user wants of a session, from the command line.
#[derive(Debug)]
pub(crate) struct Wishes {
    /// The state folder.
    pub(crate) home: Home,
    /// The room to be in after login; the lobby if `None`.
    pub(crate) room: Option<RoomRef>,
    /// Whether every line is sent as text, and none is a command.
    pub(crate) text: bool,
    /// Whether to stay when the input ends.
    pub(crate) follow: bool,
    /// Older lines to show of each room at the start, and of each that is entered later.
    pub(crate) tail: u64,
    /// Whether the server runs in this process, so that others depend on it.
    pub(crate) hosting: bool,
    /// Whether the server was met before.
    pub(crate) known: bool,
    /// The password for a login in the pipe that has none.
    pub(crate) password: Option<Secret>,
    /// Told the account of each login, if the server runs in this process.
    pub(crate) logins: Option<mpsc::Sender<String>>,
    /// News from the server in this process for its host.
    pub(crate) news: Option<mpsc::Receiver<String>>,
}

impl Wishes {
    /// Returns the wishes of a user who does not host.
    pub(crate) fn new(args: &ChatArgs, home: Home) -> Self {
        let (room, text, follow) = (args.room.clone(), args.text, args.follow);
        // Older lines are for people, not for the log of a build.
        let tail = args.tail.unwrap_or(if args.has_person() { limits::JOIN_TAIL_DEFAULT } else { 0 });
        Self {
            home,
            room,
            text,
            follow,
            tail,
            hosting: false,
            known: false,
            password: None,
            logins: None,
            news: None,
        }
    }
}

/// How a session ends.
#[derive(Debug)]
pub(crate) enum End {
    /// As intended.
    Done,
    /// With another login: connect anew and begin with this command.
    Relogin(SlashCommand),
    /// With something to say to the user, or to the script.
    Failed(Failure),
}
