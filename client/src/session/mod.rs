//! One conversation with one server: takes what is typed and what the server says, and shows both.
//!
//! One loop owns all state. A request is a future beside the loop, so that events are read while it
//! waits; lines that were typed behind it wait for it, so that everything happens in the order in
//! which it was typed.

mod answers;
mod backlog;
mod commands;
mod entry;
mod events;
mod leaving;
mod logins;
mod meant;
mod offline;
mod people;
mod posts;
mod private;
mod running;
mod screen;
mod turning;
mod typed;
mod typists;
mod waiting;
mod wishes;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io::IsTerminal;
use std::pin::Pin;

use lanchat_client::Client;
use lanchat_model::{ClientId, RoomName, RoomRef, Seq, ServerId};
use tokio::sync::mpsc;

use crate::input::Typed;
use crate::output::Output;
use crate::view::View;
use answers::Answer;
use backlog::Backlog;
use meant::Meant;
use people::Learning;
use posts::Unacked;
use private::Correspondent;
use typists::Typists;
pub(crate) use wishes::{End, Wishes};

/// Shown before anybody is logged in.
const PROMPT: &str = "lanchat> ";

/// A request on its way.
type Pending = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// See the module.
pub(crate) struct Session {
    /// Dropped before the output: an editor that waits for room in this queue could not end
    /// otherwise.
    typed: mpsc::Receiver<Typed>,
    output: Output,
    /// What was read from `typed` and not dealt with yet.
    peeked: Option<Typed>,
    view: View,
    wishes: Wishes,
    /// Whether somebody sits at a terminal with a line editor.
    interactive: bool,
    /// Whether the input is a script: nobody is there to see that a command did not work before the
    /// next line is said.
    scripted: bool,
    client: Option<Client>,
    server: String,
    server_id: Option<ServerId>,
    /// Sessions or accounts that are connected, as last heard.
    connected: u64,
    /// The room that is being entered, to be the current one.
    joining: Option<RoomRef>,
    /// Where `/reply` goes.
    correspondent: Correspondent,
    /// The room before the current one, private chats apart; `None`: the lobby.
    way_back: Option<RoomRef>,
    /// Where `/history` goes on per room: before the oldest line shown; at most one per own room.
    oldest: BTreeMap<RoomRef, Seq>,
    /// What was delivered at the login and is not shown yet.
    backlog: Backlog,
    /// The name in the request that is on its way.
    asked: Option<Meant>,
    /// A name that nothing has, to be looked for.
    missed: Option<Meant>,
    /// Own messages without an answer; bounded by the outbox.
    unacked: BTreeMap<ClientId, Unacked>,
    /// Whether they are in no file: they are gone with the program.
    unkept: bool,
    typists: Typists,
    /// Who there is, on its way, for completion.
    learning: Learning,
    /// Rows that were printed when the last line of a room was; at most one per own room.
    shown: BTreeMap<RoomRef, usize>,
    /// Names of rooms, for completion; at most [`limits::ROOMS_MAX`].
    rooms: BTreeSet<RoomName>,
    /// What can be completed has changed.
    words_stale: bool,
    /// The user was asked whether to leave.
    confirming: bool,
    /// The terminal waits for what comes of a command with a password.
    awaited: bool,
    /// Somebody was logged in once.
    met: bool,
    /// The connection is lost, and not back yet.
    offline: bool,
    /// The request on its way is one to be typed again if the connection is lost before its answer.
    may_give_up: bool,
    /// The request on its way is not waited for any more.
    gives_up: bool,
    /// The server takes no new accounts.
    closed: bool,
    /// Why the login that was remembered is none, for a script.
    expired: Option<String>,
    /// If the login that is tried fails, the one before is still there.
    fallback: bool,
    /// The first line of the input was read.
    begun: bool,
    /// The input has ended.
    ended: bool,
    /// What must have been shown before the end of the input ends the session, and what was shown.
    due: BTreeMap<RoomRef, (Seq, Seq)>,
    settled: bool,
    /// Requests and messages of this run that were refused.
    refusals: u64,
}

impl Session {
    /// A session for one front end. It keeps its view over several connections.
    pub(crate) fn new(output: Output, typed: mpsc::Receiver<Typed>, wishes: Wishes) -> Self {
        let interactive = output.terminal().is_some();
        let view = View::new(output.medium());
        if let Some(terminal) = output.terminal() {
            terminal.set_prompt(PROMPT);
        }
        Self {
            output,
            typed,
            peeked: None,
            view,
            wishes,
            interactive,
            scripted: !interactive && !std::io::stdin().is_terminal(),
            client: None,
            server: String::new(),
            server_id: None,
            connected: 0,
            joining: None,
            correspondent: Correspondent::default(),
            way_back: None,
            oldest: BTreeMap::new(),
            backlog: Backlog::default(),
            asked: None,
            missed: None,
            unacked: BTreeMap::new(),
            unkept: false,
            typists: Typists::default(),
            learning: Learning::default(),
            shown: BTreeMap::new(),
            rooms: BTreeSet::new(),
            words_stale: false,
            confirming: false,
            awaited: false,
            met: false,
            offline: false,
            may_give_up: false,
            gives_up: false,
            closed: false,
            expired: None,
            fallback: false,
            begun: false,
            ended: false,
            due: BTreeMap::new(),
            settled: false,
            refusals: 0,
        }
    }

    /// Prints what waits, and gives the terminal back.
    pub(crate) async fn close(self) {
        drop(self.typed);
        self.output.close().await;
    }

    /// Says something that is not part of the conversation.
    pub(crate) fn notice(&self, text: &str) {
        self.output.aside(self.view.notice(text));
    }

    fn complain(&self, text: &str) {
        self.output.aside(self.view.error(&crate::view::sentence(text)));
    }

    /// Nothing of the session that ended is left.
    fn forget_all(&mut self) {
        self.view.forget();
        self.oldest.clear();
        self.backlog = Backlog::default();
        self.due.clear();
        self.unacked.clear();
        self.unkept = false;
        self.output.forget_marks();
        self.shown.clear();
        self.learning = Learning::default();
        self.correspondent.clear();
        (self.way_back, self.joining) = (None, None);
        (self.asked, self.missed) = (None, None);
        self.typists.clear();
        self.words_stale = true;
        self.show_prompt();
    }
}
