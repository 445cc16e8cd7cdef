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
mod logins;
mod meant;
mod offline;
mod people;
mod private;
mod turning;
mod typists;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io::IsTerminal;
use std::pin::Pin;
use std::time::Duration;

use lanchat_client::{Client, ConnectError, Events, Home, Secret};
use lanchat_model::{ClientId, RoomName, RoomRef, Seq, ServerId, limits};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::cli::ChatArgs;
use crate::command::Command;
use crate::exit::{Failure, Reason};
use crate::input::Typed;
use crate::output::Output;
use crate::repl::{Verdict, Words};
use crate::view::View;
use answers::Answer;
use backlog::Backlog;
use meant::Meant;
use people::Learning;
use private::Correspondent;
use typists::Typists;
use waiting::{Burst, answer_of, news, next, next_event};

/// How often the screen is brought up to date with the clock: who stopped typing, what waits too
/// long.
const TICK: Duration = Duration::from_millis(250);
/// Shown before anybody is logged in.
const PROMPT: &str = "lanchat> ";

/// A request on its way.
type Pending = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What the user wants of a session, from the command line.
#[derive(Debug)]
pub(crate) struct Wishes {
    /// The state folder.
    pub(crate) home: Home,
    /// The room to be in after login; the lobby if `None`.
    pub(crate) room: Option<RoomRef>,
    /// Every line is said, none is a command.
    pub(crate) text: bool,
    /// Stay when the input ends.
    pub(crate) follow: bool,
    /// Older lines to show of each room at the start, and of each that is entered later.
    pub(crate) tail: u64,
    /// The server runs in this process: others depend on it.
    pub(crate) hosting: bool,
    /// The server was met before.
    pub(crate) known: bool,
    /// The password of a login in the pipe that brings none.
    pub(crate) password: Option<Secret>,
    /// Told the account of each login, if the server runs in this process.
    pub(crate) logins: Option<mpsc::Sender<String>>,
    /// What the server in this process has to say to whoever hosts it.
    pub(crate) news: Option<mpsc::Receiver<String>>,
}

impl Wishes {
    /// The wishes of somebody who hosts nothing.
    pub(crate) fn new(args: &ChatArgs, home: Home) -> Self {
        let (room, text, follow) = (args.room.clone(), args.text, args.follow);
        // What was said before is for eyes, not for the log of a build.
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
    /// As it should.
    Done,
    /// With another login: connect anew and begin with this command.
    Relogin(Command),
    /// With something to say to the user, or to the script.
    Failed(Failure),
}

/// An own message that is not acknowledged yet.
#[derive(Debug)]
struct Unacked {
    since: Instant,
    room: String,
    text: String,
    /// Whether the user was told that it waits.
    told: bool,
}

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

    /// Talks until the user leaves, the input ends, or the connection does. Logs in with `first`,
    /// or with the token that is kept for this server.
    pub(crate) async fn run(&mut self, client: Client, mut events: Events, first: Option<Command>) -> End {
        self.fallback = first.is_some();
        let mut pending = Some(self.begin(&client, first).await);
        self.client = Some(client.clone());
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = crate::signals::asked_to_stop();
        tokio::pin!(stop);
        let (mut deadline, mut burst) = (None, Burst::default());
        let end = loop {
            if self.is_over(pending.is_none()) {
                break self.outcome();
            }
            if pending.is_none() {
                pending = self.look_for(&client);
            }
            if self.ended && pending.is_none() && !self.settled && !self.stays() {
                pending = Some(answers::settle(&client));
            }
            deadline = deadline.or_else(|| self.settled.then(|| Instant::now() + limits::REQUEST_MAX));
            // In this order: what was said before an answer, or before a line is typed, is shown
            // before it. Many events in a row let the others in for once.
            let step = tokio::select! {
                biased;
                () = &mut stop => Some(self.told_to_stop()),
                _ = tick.tick() => { self.tick(); None }
                event = next_event(&self.output, &mut events), if burst.goes_on() => {
                    burst.note();
                    event.map_or_else(|| Some(stopped()), |event| self.heard(event))
                }
                answer = answer_of(&mut pending) => {
                    burst = Burst::default();
                    pending = None;
                    self.answered(&client, answer, &mut pending)
                }
                news = news(&mut self.wishes.news) => { self.notice(&news); None }
                people = self.learning.next() => { self.learned(people); None }
                typed = next(&mut self.peeked, &mut self.typed), if pending.is_none() && !self.ended => {
                    burst = Burst::default();
                    self.typed(&client, typed, &mut pending)
                }
                () = std::future::ready(()), if burst.has_begun() => { burst = Burst::default(); None }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    Some(self.outcome())
                }
            };
            if std::mem::take(&mut self.gives_up) {
                pending = None;
            }
            if let Some(end) = step {
                break end;
            }
        };
        drop(pending);
        let end = match end {
            End::Failed(failure) if failure.reason == Reason::Refused => {
                // What was said before the line that is refused is sent all the same, or kept.
                self.linger(&client, &mut events).await;
                End::Failed(failure)
            }
            End::Failed(_) => end,
            end => self.linger(&client, &mut events).await.map_or(end, End::Failed),
        };
        let end = self.end_of_output(end).await;
        self.client = None;
        self.forget_all();
        drop(events);
        client.close().await;
        end
    }

    /// Tells what is written now, and in a moment. What could not be written is told; a reader has failed with it.
    async fn end_of_output(&mut self, end: End) -> End {
        let _ = tokio::time::timeout(limits::ACK_PATIENCE, self.output.all_written()).await;
        self.tell_seen(self.output.seen());
        match (end, self.output.failure()) {
            (End::Done, Some(failure)) if self.wishes.follow => End::Failed(failure),
            (end, failure) => {
                failure.into_iter().for_each(|failure| self.complain(&failure.words));
                end
            }
        }
    }

    /// Waits for what was sent just now, while what comes is still shown. A failure: some of it is
    /// not on the server.
    async fn linger(&mut self, client: &Client, events: &mut Events) -> Option<Failure> {
        let patience = tokio::time::sleep(limits::LEAVE_MAX);
        tokio::pin!(patience);
        let settled = client.settled();
        tokio::pin!(settled);
        let mut sent = false;
        while !(sent && self.is_shown()) {
            tokio::select! {
                _ = &mut settled, if !sent => {
                    sent = true;
                    // It is safe; that it is seen too is a courtesy.
                    patience.as_mut().reset(Instant::now() + limits::ACK_PATIENCE);
                }
                event = next_event(&self.output, events) => {
                    self.heard(event?);
                }
                () = &mut patience => break,
            }
        }
        let lost = if sent { 0 } else { self.unacked.len() };
        (lost > 0).then(|| Failure::new(Reason::Lost, self.left_behind()))
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

    /// Whether the input has ended and all of it has taken effect.
    fn is_over(&self, idle: bool) -> bool {
        self.ended && idle && self.settled && self.is_shown() && !self.stays()
    }

    /// Whether there is something to stay for when the input has ended: a reader to whom something comes, or others.
    fn stays(&self) -> bool {
        let is_served = self.wishes.hosting || !self.view.own().is_empty();
        self.wishes.follow && is_served && !self.output.is_broken()
    }

    /// Whether everything that is on the server is on the screen.
    fn is_shown(&self) -> bool {
        self.unacked.is_empty() && self.due.values().all(|(due, shown)| shown >= due)
    }

    /// What a script is told at the end.
    fn outcome(&self) -> End {
        match self.refusals {
            0 => End::Done,
            1 => End::Failed(Failure::new(Reason::Refused, "One line was refused; see above.")),
            count => {
                End::Failed(Failure::new(Reason::Refused, format!("{count} lines were refused; see above.")))
            }
        }
    }

    /// Brings the screen up to date with the clock.
    fn tick(&mut self) {
        let overdue = self.backlog.overdue(Instant::now());
        overdue.iter().for_each(|frame| self.show(frame));
        self.tell_seen(self.output.seen());
        self.show_prompt();
        if let Some(zone) = self.view.follow_zone() {
            self.notice(&zone);
        }
        let Some(terminal) = self.output.terminal() else { return };
        terminal.set_typing(&self.typists.describe(Instant::now()));
        if std::mem::take(&mut self.words_stale) {
            let own = self.view.rooms().filter_map(RoomRef::group);
            let rooms = self.rooms.iter().chain(own).map(RoomName::to_string).collect();
            let people = self.view.people().map(str::to_owned).collect();
            terminal.set_words(Words { rooms, people });
        }
        let late: Vec<String> = self
            .unacked
            .values_mut()
            .filter(|post| !post.told && post.since.elapsed() >= limits::ACK_PATIENCE)
            .map(|post| {
                post.told = true;
                format!(
                    "Not on the server yet, to {}: “{}”",
                    crate::view::clip(&post.room),
                    excerpt(&post.text)
                )
            })
            .collect();
        late.iter().for_each(|text| self.notice(text));
    }

    fn show_prompt(&self) {
        let Some(terminal) = self.output.terminal() else { return };
        terminal.set_account(self.view.own());
        match self.view.current() {
            _ if self.confirming => terminal.set_prompt("Leave? [y/N] "),
            None => terminal.set_prompt(PROMPT),
            Some(room) => {
                let prompt = crate::view::prompt(self.view.own(), room, crate::view::columns());
                terminal.set_prompt(&self.with_state(prompt));
            }
        }
    }

    /// Tells the terminal what came of a command with a password, if it waits for that.
    fn tell(&mut self, verdict: Verdict) {
        if std::mem::take(&mut self.awaited)
            && let Some(terminal) = self.output.terminal()
        {
            terminal.tell(verdict);
        }
    }
}

/// The library stopped without a word, which it does only if it was told to.
fn stopped() -> End {
    End::Failed(Failure::new(Reason::Lost, "The connection has ended. Start lanchat again."))
}

/// The library gave up on the server.
fn given_up(error: ConnectError) -> End {
    let failure = Failure::from(error);
    let reason = if failure.reason == Reason::NoServer { Reason::Lost } else { failure.reason };
    End::Failed(Failure { reason, ..failure })
}

/// The start of a text, on one line.
fn excerpt(text: &str) -> String {
    const CHARS: usize = 60;
    let clean = crate::sanitize::one_line(text);
    match clean.char_indices().nth(CHARS) {
        None => clean,
        Some((end, _)) => format!("{}…", &clean[..end]),
    }
}
