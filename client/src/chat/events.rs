//! Takes in what the server and the library report.

use lanchat_client::{Event, Sentence, Trusted};
use lanchat_model::{RoomRef, Seq};
use lanchat_protocol::{Entry, Hello, Presence, Registration, Room, RoomState, ServerFrame};
use tokio::time::Instant;

use super::running::given_up;
use super::{Chat, End};
use crate::exit::{Failure, Reason};
use crate::sanitize::quoted;
use crate::view::{Line, clip, sentence};

impl Chat {
    /// Notes which server the chat is with. The first time, this comes before anything is typed: a script may be refused at
    /// its first line, in words that depend on the server.
    pub(crate) fn met(&mut self, server: &Trusted) {
        self.server.key = Some(server.fingerprint());
        self.greeted(server.hello());
    }

    /// Takes in what the server says about itself.
    fn greeted(&mut self, hello: &Hello) {
        self.server.name = quoted(&clip(&hello.name));
        self.server.id = hello.server_id.parse().ok();
        self.server.closed = hello.registration == Registration::Closed;
    }

    /// Takes in one event.
    pub(super) fn heard(&mut self, event: Event) -> Option<End> {
        match event {
            Event::Connected { hello, line, .. } => {
                self.greeted(&hello);
                self.output.frame(&line);
            }
            Event::LoggedIn { session, line } => {
                self.output.frame(&line);
                self.logged_in(session);
            }
            Event::Lost { reason, .. } => self.went_offline(&reason),
            Event::Crowded => {
                self.notice("The server is crowded. Trying again; what you type is kept.");
            }
            Event::OtherServer { address, presented } => {
                let server = &self.server.name;
                self.notice(&format!(
                    "Another server answers at {address}, not {server}. Its six words: {}. Nothing was sent to it; \
                     still looking for {server}.",
                    presented.words()
                ));
            }
            Event::Resumed { session, attached } => {
                self.server.connected = session.online;
                self.notice("Back.");
                self.came_back();
                for room in attached.into_iter().flat_map(|attached| attached.rooms) {
                    self.opened(&room, true);
                }
            }
            Event::LoggedOut { reason } => return self.logged_out(&reason),
            Event::Frame { frame, line } => {
                self.output.frame(&line);
                self.framed(&frame);
            }
            Event::Acked { id, room, seq } => {
                self.unacked.remove(&id);
                self.is_due(&room, seq);
            }
            Event::Refused { id, room, code, reason } => {
                self.note_refusal(&room, code);
                self.refused(id, &room, &reason.to_string());
            }
            Event::Unanswered { id, room } => self.unanswered(id, &room),
            Event::Deferred { id, .. } => self.deferred(id),
            Event::SentAgain { posts } => self.sent_again(posts),
            Event::LoginNotKept { reason } => self
                .notice(&format!("You are logged in, but will need your password again next time: {reason}")),
            Event::NotKept { reason } => {
                self.unkept = true;
                self.notice(&format!(
                    "Your messages are sent, but those that have not arrived are lost if this program ends: {reason}"
                ));
            }
            Event::Reset { room, reason } => self.reset(room.as_deref(), &reason),
            Event::Stopped { error } => return Some(given_up(error)),
            // Attempts to reconnect, and events of newer libraries, are not worth a line.
            _ => {}
        }
        None
    }

    fn logged_in(&mut self, session: lanchat_client::SessionInfo) {
        self.standing.granted();
        self.link.restore();
        self.view.set_own(&session.username);
        self.server.connected = session.online;
        let role = if session.admin { ", and administer it" } else { "" };
        let devices = match session.online {
            0 | 1 => "Nobody else is online.".to_owned(),
            count => format!("{count} devices online."),
        };
        self.notice(&format!(
            "You are {} on {}{role}. {devices} /help lists commands.",
            clip(&session.username),
            self.server.name
        ));
        let room = self.wishes.room.clone().unwrap_or_else(RoomRef::lobby);
        let known = room.is_private() || session.rooms.iter().any(|own| own.room == room.to_string());
        self.enter(&if known { room } else { RoomRef::lobby() });
        if let Some(logins) = &self.wishes.logins {
            // A full queue already holds a login of the same person.
            let _ = logins.try_send(session.username);
        }
    }

    fn logged_out(&mut self, reason: &Sentence) -> Option<End> {
        let only_reads = self.inbox.has_ended() && self.stays() && !self.wishes.hosting;
        self.link.restore();
        self.notice(&reason.to_string());
        self.forget_all();
        if only_reads {
            let words =
                "Nobody is logged in here any more, so nothing more comes. Log in again: /login NAME.";
            return Some(End::Failed(Failure::new(Reason::LoginFailed, words)));
        }
        self.notice("Type /login to log in again.");
        None
    }

    /// Starts over with the entries to come, because the server's history has changed.
    fn reset(&mut self, room: Option<&str>, reason: &str) {
        match room {
            Some(name) => {
                if let Ok(room) = RoomRef::existing(name) {
                    self.progress.reset(&room);
                    self.view.renumber(Some(&room));
                }
                self.notice(&format!("{}: {reason}", clip(name)));
            }
            None => {
                self.progress.reset_all();
                self.view.renumber(None);
                self.notice(&sentence(reason));
            }
        }
        self.output.forget_marks();
    }

    fn framed(&mut self, frame: &ServerFrame) {
        let current = self.current_name();
        if self.typists.hear(frame, &current, Instant::now()) {
            self.show_typists();
        }
        if Entry::of(frame).is_some() {
            return self.entry(frame);
        }
        match frame {
            ServerFrame::Attached(attached) => {
                self.correspondent.attached(&attached.rooms);
                for room in &attached.rooms {
                    self.opened(room, false);
                }
                // Without older lines, unread lines have nothing to wait for.
                if self.wishes.tail > 0 {
                    self.backlog.begin(&attached.rooms, &current, Instant::now());
                }
            }
            ServerFrame::Room(room) => self.room(room),
            ServerFrame::RoomGone(gone) => self.gone(&gone.room),
            ServerFrame::Presence(presence) => self.presence(presence),
            ServerFrame::Notice(notice) => {
                self.notice(&Sentence::Server(notice.reason.clone()).to_string());
            }
            // Answers reach the code that asked; a goodbye is followed by the loss that it announces.
            _ => {}
        }
    }

    pub(super) fn show_typists(&mut self) {
        if let Some(terminal) = self.output.terminal() {
            terminal.set_typing(&self.typists.describe(Instant::now()));
        }
    }

    fn entry(&mut self, frame: &ServerFrame) {
        if self.backlog.admit(frame) {
            self.show(frame);
        }
        let released = self.backlog.release();
        released.iter().for_each(|frame| self.show(frame));
    }

    /// Shows the entries that are held back.
    pub(super) fn show_all(&mut self) {
        let held = self.backlog.end();
        held.iter().for_each(|frame| self.show(frame));
    }

    /// Shows an entry.
    pub(super) fn show(&mut self, frame: &ServerFrame) {
        let Some(Line { room, entry }) = Line::of(frame) else { return };
        let seq = entry.seq();
        if let (Entry::Message(message), Some(peer)) = (entry, room.peer())
            && message.username != self.view.own()
        {
            self.note_correspondent(peer, seq, &message.ts);
        }
        let shown = self.view.entry(frame);
        let is_shown = !shown.rows.is_empty() && self.view.has(&room);
        if is_shown {
            self.progress.showed(&room, seq);
        }
        self.output.show(shown);
        if is_shown {
            self.note_shown(&room);
        }
        let seen = self.output.mark(entry.room(), seq);
        self.tell_seen(seen);
        self.progress.passed(&room, seq);
    }

    /// Tells the server what was seen, but never rows that may still be lost.
    pub(super) fn tell_seen(&self, seen: Vec<(String, Seq)>) {
        if let Some(client) = self.link.client() {
            seen.iter().for_each(|(room, seq)| client.seen(room, *seq));
        }
    }

    fn room(&mut self, room: &Room) {
        let Ok(name) = RoomRef::existing(&room.state.room) else { return };
        if room.id.is_none() && name.is_private() {
            self.view.open_live(&room.state);
        } else {
            self.opened(&room.state, false);
        }
        self.names.stale = true;
        // This comes before the entries that follow, so that they are shown as entries of the current room.
        if room.id.is_some() && self.joining.as_ref() == Some(&name) {
            self.enter(&name);
        }
    }

    /// Handles a room that was left on another device. If it is the current room, it stays current: the line being
    /// typed is not meant for the lobby.
    fn gone(&mut self, room: &str) {
        let Ok(room) = RoomRef::existing(room) else { return };
        self.forget(&room);
        self.notice(&format!("You left {room} on another device. /join {room} enters it again."));
    }

    /// Forgets `room`, which is no longer delivered.
    pub(super) fn forget(&mut self, room: &RoomRef) {
        self.view.close(room);
        self.progress.forget(room);
        self.names.stale = true;
    }

    fn opened(&mut self, room: &RoomState, again: bool) {
        self.view.open(room, again);
        self.expect_of(room);
        // No entries will come, so new entries start here, for the next session too. The mark takes effect after the
        // rows that wait to be written.
        if room.from >= room.head && room.head > Seq::ZERO {
            let seen = self.output.mark(&room.room, room.head);
            self.tell_seen(seen);
        }
        self.names.stale = true;
    }

    /// Expects the entries that existed when delivery started.
    pub(super) fn expect_of(&mut self, room: &RoomState) {
        if room.from < room.head {
            self.is_due(&room.room, room.head);
        }
    }

    /// Notes that `room` has to be shown up to `seq` before the end of the input ends the session.
    fn is_due(&mut self, room: &str, seq: Seq) {
        if let Ok(room) = RoomRef::existing(room) {
            self.progress.expect(&room, seq);
        }
    }

    fn presence(&mut self, presence: &Presence) {
        self.server.connected = presence.connected;
        let rows = self.view.presence(presence);
        self.names.stale = true;
        self.say(rows);
    }
}
