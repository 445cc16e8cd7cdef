//! One conversation with one server: takes in what is typed and what the server says, and shows both.
//!
//! One loop owns all state. A request is a future next to the loop, so that events are read while it waits. Lines typed
//! after it wait for it, so that everything happens in the order in which it was typed.

mod answer;
mod answering;
mod backlog;
mod commands;
mod entry;
mod errand;
mod events;
mod inbox;
mod leaving;
mod logins;
mod meant;
mod offline;
mod people;
mod posts;
mod private;
mod progress;
mod running;
mod screen;
mod states;
mod turning;
mod typed;
mod typists;
mod waiting;
mod wishes;

use std::collections::BTreeMap;
use std::io::IsTerminal;

use lanchat_client::Fingerprint;
use lanchat_model::{ClientId, RoomRef, ServerId};
use tokio::sync::mpsc;

use crate::input::Typed;
use crate::output::Output;
use crate::view::View;
use answer::Meant;
use backlog::Backlog;
use errand::{Errand, Pending, Regard};
use inbox::{Inbox, Reading};
use people::Names;
use posts::Unacked;
use private::Correspondent;
use progress::Progress;
use states::{Hand, Link, Standing};
use typists::Typists;
pub(crate) use wishes::{End, Wishes};

/// Shown before anybody is logged in.
const PROMPT: &str = "lanchat> ";

/// See the module.
pub(crate) struct Chat {
    /// Dropped before the output: otherwise an editor that waits for room in this queue could not end.
    inbox: Inbox,
    output: Output,
    view: View,
    wishes: Wishes,
    hand: Hand,
    link: Link,
    standing: Standing,
    server: Server,
    errand: Errand,
    /// The room that is being entered and will be the current one.
    joining: Option<RoomRef>,
    /// Where `/reply` goes.
    correspondent: Correspondent,
    /// The room before the current one, not counting private chats; `None`: the lobby.
    way_back: Option<RoomRef>,
    /// How far each room is shown.
    progress: Progress,
    /// Entries delivered at the login that are not shown yet.
    backlog: Backlog,
    /// The name in the request that is on its way.
    asked: Option<Meant>,
    /// An unknown name, to look for similar ones.
    missed: Option<Meant>,
    /// The user's unanswered messages; bounded by the outbox.
    unacked: BTreeMap<ClientId, Unacked>,
    /// Whether they are not kept in a file: then they are lost when the program ends.
    unkept: bool,
    typists: Typists,
    /// What can be completed.
    names: Names,
    /// Requests and messages of this run that were refused.
    refusals: u64,
}

/// What the server says about itself.
#[derive(Debug, Default)]
struct Server {
    /// Its name, in quotation marks.
    name: String,
    id: Option<ServerId>,
    /// Its key, which every connection of this chat has to show.
    key: Option<Fingerprint>,
    /// Whether it takes no new accounts.
    closed: bool,
    /// How many sessions or accounts are connected, as last heard.
    connected: u64,
}

impl Chat {
    /// Makes a session for one front end. It keeps its view over several connections.
    pub(crate) fn new(output: Output, typed: mpsc::Receiver<Typed>, wishes: Wishes) -> Self {
        let view = View::new(output.medium());
        let hand = match output.terminal() {
            Some(_) => Hand::Editor,
            None if std::io::stdin().is_terminal() => Hand::Terminal,
            None => Hand::Script,
        };
        if let Some(terminal) = output.terminal() {
            terminal.set_prompt(PROMPT);
        }
        Self {
            inbox: Inbox::new(typed),
            output,
            view,
            wishes,
            hand,
            link: Link::Down,
            standing: Standing::Nobody { expired: None },
            server: Server::default(),
            errand: Errand::Idle,
            joining: None,
            correspondent: Correspondent::default(),
            way_back: None,
            progress: Progress::default(),
            backlog: Backlog::default(),
            asked: None,
            missed: None,
            unacked: BTreeMap::new(),
            unkept: false,
            typists: Typists::default(),
            names: Names::default(),
            refusals: 0,
        }
    }

    /// Prints waiting rows, and restores the terminal.
    pub(crate) async fn close(self) {
        drop(self.inbox);
        self.output.close().await;
    }

    /// Says something that is not part of the conversation.
    pub(crate) fn notice(&self, text: &str) {
        self.output.aside(self.view.notice(text));
    }

    fn complain(&self, text: &str) {
        self.output.aside(self.view.error(&crate::view::sentence(text)));
    }

    /// Forgets everything of the session that ended.
    fn forget_all(&mut self) {
        self.view.forget();
        self.progress.clear();
        self.backlog = Backlog::default();
        self.unacked.clear();
        self.unkept = false;
        self.output.forget_marks();
        self.names.nobody();
        self.correspondent.clear();
        (self.way_back, self.joining) = (None, None);
        (self.asked, self.missed) = (None, None);
        self.typists.clear();
        self.show_prompt();
    }
}
