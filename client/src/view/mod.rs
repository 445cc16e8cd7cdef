//! Turns frames into what the user sees: frames in, rows of text out. No terminal, no network, no waiting.

mod clock;
mod line;
mod lists;
mod style;
mod timeline;

use std::collections::{BTreeMap, BTreeSet};

use lanchat_model::{RoomRef, Seq, limits};
use lanchat_protocol::{Entry, Message, Presence, PresenceState, RoomState, ServerFrame};

use clock::Clock;
pub(crate) use line::{Line, weight};
use style::{Block, LineHead};
pub(crate) use style::{Medium, clip, columns, height, paragraphs, prompt, sentence, size};
use timeline::Timeline;

/// Rows of a message that are shown as it arrives; `/show` shows it whole.
const MESSAGE_ROWS_MAX: usize = 20;

/// How much of a long message is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// As much as when it arrives.
    Clipped,
    /// This many rows: its share of a page that would be too long.
    Share(usize),
    /// All of it: the user asked for it.
    Whole,
}

impl Cut {
    fn rows(self) -> usize {
        match self {
            Self::Clipped => MESSAGE_ROWS_MAX,
            Self::Share(rows) => rows,
            // As many rows as a message can have here. A message from a server that allows longer ones is cut at that.
            Self::Whole => limits::MESSAGE_BYTES_MAX,
        }
    }
}

/// Rows to print, and whether to ring.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The rows, without their newlines.
    pub(crate) rows: Vec<String>,
    /// Whether the message is meant for the user.
    pub(crate) bell: bool,
}

/// What is known about the log of a room.
#[derive(Debug)]
struct Log {
    /// The last entry seen before this session. New entries start after it.
    mark: Seq,
    /// The head when delivery started. Later entries are live.
    head: Seq,
    /// Whether "new since" was said, or need not be.
    ruled: bool,
}

/// The state needed to show lines: which user, which room, which day.
#[derive(Debug)]
pub(crate) struct View {
    medium: Medium,
    clock: Clock,
    /// The user's account, empty before login.
    own: String,
    /// The room that plain text goes to; none before login.
    current: Option<RoomRef>,
    /// The user's rooms; at most [`limits::ROOMS_PER_ACCOUNT_MAX`].
    logs: BTreeMap<RoomRef, Log>,
    /// The lines shown last, by number.
    timeline: Timeline,
    /// The presence of others; at most [`limits::MEMBERS_PAGE_MAX`]. Further people count as new each time.
    people: BTreeMap<String, PresenceState>,
    /// Other people known by name, whatever their presence; at most [`limits::MEMBERS_PAGE_MAX`].
    known: BTreeSet<String>,
}

impl View {
    /// Makes a view for `medium`, in local time.
    pub(crate) fn new(medium: Medium) -> Self {
        let (own, current, logs, timeline, people, known) = Default::default();
        Self { medium, clock: Clock::local(), own, current, logs, timeline, people, known }
    }

    /// Follows the computer into another time zone, and returns what to say about it.
    pub(crate) fn follow_zone(&mut self) -> Option<String> {
        self.clock
            .follow(std::time::Instant::now())
            .map(|zone| format!("Times are those of {zone} from here on."))
    }

    /// Sets the user's account.
    pub(crate) fn set_own(&mut self, name: &str) {
        self.own = name.to_owned();
    }

    /// Returns the user's account; empty before login.
    pub(crate) fn own(&self) -> &str {
        &self.own
    }

    /// Sets the current room. Entries of other rooms name theirs.
    pub(crate) fn set_current(&mut self, room: &RoomRef) {
        self.current = Some(room.clone());
    }

    /// Returns the current room; none before login.
    pub(crate) fn current(&self) -> Option<&RoomRef> {
        self.current.as_ref()
    }

    /// Returns whether `room` is the current one.
    pub(crate) fn is_current(&self, room: &RoomRef) -> bool {
        self.current() == Some(room)
    }

    /// Returns the rooms that are delivered.
    pub(crate) fn rooms(&self) -> impl Iterator<Item = &RoomRef> {
        self.logs.keys()
    }

    /// Returns the known people, some perhaps twice.
    pub(crate) fn people(&self) -> impl Iterator<Item = &str> {
        self.people.keys().chain(&self.known).map(String::as_str)
    }

    /// Notes that there is an account of this name.
    pub(crate) fn know(&mut self, name: &str) {
        let is_full = self.known.len() >= limits::MEMBERS_PAGE_MAX;
        if !is_full && name.parse::<lanchat_model::AccountName>().is_ok() && !self.people.contains_key(name) {
            self.known.insert(name.to_owned());
        }
    }

    /// Returns whether `room` is delivered.
    pub(crate) fn has(&self, room: &RoomRef) -> bool {
        self.logs.contains_key(room)
    }

    /// Notes that delivery of `room` starts or continues. With `again`, the user has seen the entries delivered before.
    pub(crate) fn open(&mut self, room: &RoomState, again: bool) {
        let Ok(name) = RoomRef::existing(&room.room) else { return };
        if self.logs.len() >= limits::ROOMS_PER_ACCOUNT_MAX && !self.has(&name) {
            return;
        }
        let ruled = again || room.mark == Seq::ZERO;
        self.logs.insert(name, Log { mark: room.mark, head: room.head, ruled });
    }

    /// Notes that somebody else opened `room`: all of its entries are new.
    pub(crate) fn open_live(&mut self, room: &RoomState) {
        self.open(&RoomState { mark: Seq::ZERO, head: Seq::ZERO, ..room.clone() }, true);
    }

    /// Notes that delivery of `room` has ended.
    pub(crate) fn close(&mut self, room: &RoomRef) {
        self.logs.remove(room);
        self.timeline.forget(room);
    }

    /// Forgets the numbers of the shown lines of `room`, or of all rooms, because they have changed.
    pub(crate) fn renumber(&mut self, room: Option<&RoomRef>) {
        match room {
            Some(room) => self.timeline.forget(room),
            None => self.timeline.clear(),
        }
    }

    /// Forgets everything of the account, because nobody is logged in any more.
    pub(crate) fn forget(&mut self) {
        self.own.clear();
        self.current = None;
        self.logs.clear();
        self.timeline.clear();
        self.people.clear();
        self.known.clear();
    }

    /// Remembers somebody, for completion.
    pub(crate) fn meet(&mut self, name: &str, state: PresenceState) -> Option<PresenceState> {
        if name.parse::<lanchat_model::AccountName>().is_err() {
            return None;
        }
        if self.people.len() >= limits::MEMBERS_PAGE_MAX && !self.people.contains_key(name) {
            return None;
        }
        self.people.insert(name.to_owned(), state)
    }

    /// Makes a line of the program.
    pub(crate) fn notice(&self, text: &str) -> Vec<String> {
        self.medium.notice(text)
    }

    /// Makes the divider between the lines of the previous room and those of the current one.
    pub(crate) fn divider(&self) -> Vec<String> {
        self.current().map(|room| self.medium.divider(&room.to_string())).unwrap_or_default()
    }

    /// Makes a line that says what went wrong and what to do.
    pub(crate) fn error(&self, text: &str) -> Vec<String> {
        self.medium.error(text)
    }

    /// Shows a delivered entry: a message, or somebody entering or leaving.
    pub(crate) fn entry(&mut self, frame: &ServerFrame) -> Shown {
        let Some(line) = Line::of(frame) else { return Shown::default() };
        let (room, seq, ts) = (&line.room, line.entry.seq(), line.entry.ts());
        let (backlog, seen) = match self.logs.get(room) {
            Some(log) => (seq <= log.head, seq <= log.mark),
            None => (false, false),
        };
        // Context is shown only for the current room; in other rooms only new entries count.
        if seen && !self.is_current(room) {
            return Shown::default();
        }
        if let Entry::Message(message) = line.entry {
            self.know(&message.username);
        }
        let mut rows = self.day_rule(ts);
        if backlog && !seen {
            rows.extend(self.news_rule(room, ts));
        }
        rows.extend(self.block(&line, Cut::Clipped).rows);
        self.timeline.note(&line);
        Shown { rows, bell: !backlog && self.is_meant(&line) }
    }

    fn day_rule(&mut self, ts: &str) -> Vec<String> {
        self.clock.day_change(ts).map(|day| self.notice(&day)).unwrap_or_default()
    }

    fn news_rule(&mut self, room: &RoomRef, ts: &str) -> Vec<String> {
        let Some(log) = self.logs.get_mut(room).filter(|log| !log.ruled) else { return Vec::new() };
        log.ruled = true;
        let since = self.clock.minute(ts);
        match self.is_current(room) {
            true => self.notice(&format!("new since {since}")),
            false => self.notice(&format!("new in {room} since {since}")),
        }
    }

    fn block(&self, line: &Line<'_>, cut: Cut) -> Block {
        match line.entry {
            Entry::Message(message) => self.message(message, &line.room, cut),
            Entry::Joined(_) => self.moved(line, "joined"),
            Entry::Left(_) => self.moved(line, "left"),
        }
    }

    fn moved(&self, Line { room, entry }: &Line<'_>, verb: &str) -> Block {
        let text = format!("{} {verb} {room}", clip(entry.username()));
        let rows = self.medium.notice_at(&self.clock.minute(entry.ts()), &text);
        Block { height: rows.len(), rows }
    }

    fn message(&self, message: &Message, room: &RoomRef, cut: Cut) -> Block {
        let private = room.is_private();
        // Private lines always name their chat.
        let place = match (private, self.is_current(room)) {
            (true, _) => format!("[private {room}]"),
            (false, true) => String::new(),
            (false, false) => format!("[{room}]"),
        };
        let head = LineHead {
            time: &self.clock.minute(&message.ts),
            place: &place,
            private,
            action: message.action,
            name: &message.username,
            own: message.username == self.own,
            mention: self.is_named(message),
        };
        // The command names the room, so that it also works later and in another room.
        let rest = format!("/show {room} {}", message.seq);
        self.medium.message(&head, &message.message, cut.rows(), &rest, &|name| self.is_somebody(name))
    }

    /// Returns whether a person of this name is known.
    fn is_somebody(&self, name: &str) -> bool {
        name == self.own || self.people.contains_key(name) || self.known.contains(name)
    }

    /// Returns whether somebody else names the user.
    fn is_named(&self, message: &Message) -> bool {
        message.username != self.own && mentions(&message.message, &self.own)
    }

    /// Returns whether a message is meant for the user: private, or with the user's name in it.
    fn is_meant(&self, line: &Line<'_>) -> bool {
        match line.entry {
            Entry::Message(message) if message.username != self.own => {
                line.room.is_private() || self.is_named(message)
            }
            Entry::Message(_) | Entry::Joined(_) | Entry::Left(_) => false,
        }
    }

    /// Shows that somebody came, went, or is away. Shows nothing about the user, or if nothing changed.
    pub(crate) fn presence(&mut self, presence: &Presence) -> Vec<String> {
        let before = self.meet(&presence.username, presence.state);
        // Being away again means another reason: the server reports only changes.
        let repeated = before == Some(presence.state) && presence.state != PresenceState::Away;
        if presence.username == self.own || repeated {
            return Vec::new();
        }
        let name = clip(&presence.username);
        let connected = presence.connected;
        let text = match (presence.state, &presence.reason) {
            (PresenceState::Online, _) if before == Some(PresenceState::Away) => format!("{name} is back"),
            (PresenceState::Online, _) => format!("{name} is online ({connected} connected)"),
            (PresenceState::Away, None) => format!("{name} is away"),
            (PresenceState::Away, Some(reason)) => {
                format!("{name} is away: {}", crate::sanitize::quoted(reason))
            }
            (_, _) => format!("{name} is offline ({connected} connected)"),
        };
        self.notice(&text)
    }
}

/// Returns whether `text` holds `name` as a word.
fn mentions(text: &str, name: &str) -> bool {
    let of_a_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty()
        && text.split(|c| !of_a_name(c)).any(|word| {
            word.eq_ignore_ascii_case(name) || word.trim_end_matches('.').eq_ignore_ascii_case(name)
        })
}

#[cfg(test)]
pub(crate) mod tests;
