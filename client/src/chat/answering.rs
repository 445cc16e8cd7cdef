//! Takes in the outcomes of requests, and shows them.

use lanchat_client::{Client, RequestError};
use lanchat_model::{RoomRef, Seq};
use lanchat_protocol::{History, Members, Rooms};

use super::answer::{Answered, is_about_the_name};
use super::logins::Login;
use super::{Chat, End, Regard, Standing};
use crate::command;
use crate::exit::{Failure, Reason};
use crate::output::Output;
use crate::view::{Cut, Line, Shown, clip, sentence};

impl Chat {
    /// Takes in the outcome of a request.
    pub(super) fn answered(&mut self, client: &Client, answer: Answered, regard: Regard) -> Option<End> {
        let verdict = answer.verdict();
        self.note_miss(&answer);
        let end = match self.misled(&answer).filter(|_| self.hand.is_script()) {
            Some(failure) => Some(End::Failed(failure)),
            None => self.dispatch(client, answer),
        };
        // This comes after the printed words, so that a question about them follows them.
        if regard == Regard::Awaited {
            self.tell(verdict);
        }
        end
    }

    /// Returns the failure that ends a script: it must not go on in another room, or as another user, than it assumes.
    fn misled(&self, answer: &Answered) -> Option<Failure> {
        let (what, error) = match answer {
            Answered::Joined(Err(error)) | Answered::Turned(_, Err(error)) => {
                ("The room cannot be entered", error)
            }
            Answered::Left(room, Err(error)) if self.view.is_current(room) => {
                ("The room cannot be left", error)
            }
            Answered::LoggedOut(Err(error)) => ("You cannot be logged out", error),
            _ => return None,
        };
        let words = format!("{what}, so nothing more was sent. {}", sentence(&error.to_string()));
        Some(Failure::new(Reason::Refused, words))
    }

    fn dispatch(&mut self, client: &Client, answer: Answered) -> Option<End> {
        match answer {
            Answered::Nobody => self.nobody(),
            Answered::Expired { account, reason } => self.expired(&account, &reason),
            Answered::Servers(lines) => self.say_each(lines),
            Answered::LoggedIn(Ok(attached)) => {
                self.standing = Standing::Somebody;
                attached.rooms.iter().for_each(|room| self.expect_of(room));
            }
            Answered::LoggedIn(Err(error)) if self.hand.has_editor() => {
                self.complain(&error.to_string());
                if self.standing.failed() {
                    let login = self.log_in(client, Login::Token);
                    self.errand.begin(Some(login), Regard::Plain);
                }
            }
            Answered::LoggedIn(Err(error)) => return Some(End::Failed(error.into())),
            Answered::NameOfAccount(Err(error)) if is_about_the_name(&error) => {
                self.complain(&error.to_string())
            }
            // The registration reports any other error.
            Answered::NameOfAccount(_) => {}
            Answered::Joined(outcome) => {
                let joining = self.joining.take();
                if let Some((room, history)) = self.granted(outcome) {
                    self.expect_of(&room);
                    if let (Some(_), Ok(room)) = (joining, RoomRef::existing(&room.room)) {
                        self.enter(&room);
                    }
                    history.into_iter().for_each(|history| self.page(&history, Cut::Clipped));
                }
            }
            Answered::Left(room, outcome) => {
                if self.granted(outcome).is_some() {
                    self.has_left(&room);
                }
            }
            Answered::Rooms(outcome) => self.room_list(outcome),
            Answered::Members(outcome) => self.member_list(outcome),
            Answered::History(outcome) => {
                let page = self.granted(outcome);
                page.into_iter().for_each(|history| self.page(&history, Cut::Whole));
            }
            Answered::Repeat(history) => self.repeat(&history),
            Answered::Whole(room, seq, outcome) => self.whole(&room, seq, outcome),
            Answered::Names(meant, names) => self.suggest(&meant, names),
            Answered::Whois(outcome) => {
                let whois = self.granted(outcome);
                whois.into_iter().for_each(|whois| self.say(self.view.whois(&whois)));
            }
            Answered::Turned(room, outcome) => {
                if let Some(history) = self.granted(outcome) {
                    self.enter(&room);
                    history.into_iter().for_each(|history| self.page(&history, Cut::Clipped));
                }
            }
            Answered::LoggedOut(outcome) => drop(self.granted(outcome)),
            Answered::Done(words, outcome) => {
                if self.granted(outcome).is_some() {
                    self.notice(words);
                }
            }
            Answered::Sent { room, text, outcome } => return self.sent(room, text, outcome),
            Answered::Settled(Ok(())) => self.inbox.settle(),
            Answered::Settled(Err(error)) => {
                return Some(End::Failed(Failure::new(Reason::Lost, error.to_string())));
            }
        }
        None
    }

    /// Returns what was granted, or reports the refusal.
    fn granted<T>(&mut self, outcome: Result<T, RequestError>) -> Option<T> {
        match outcome {
            Ok(granted) => Some(granted),
            Err(error) => {
                self.refusals += 1;
                self.complain(&error.to_string());
                None
            }
        }
    }

    fn room_list(&mut self, outcome: Result<Rooms, RequestError>) {
        let Some(rooms) = self.granted(outcome) else { return };
        self.note_rooms(rooms.rooms.iter().map(|room| room.room.clone()));
        self.say(self.view.room_list(&rooms));
    }

    fn member_list(&mut self, outcome: Result<Members, RequestError>) {
        let Some(members) = self.granted(outcome) else { return };
        for member in &members.members {
            self.view.meet(&member.username, member.state);
        }
        self.names.stale = true;
        self.say(self.view.member_list(&members));
    }

    /// Shows a page of history, and remembers where the next one ends.
    fn page(&mut self, history: &History, cut: Cut) {
        let shown = match cut {
            // The page of a room being entered, after its divider.
            Cut::Clipped => self.view.context(history),
            Cut::Share(_) | Cut::Whole => self.view.older(history, cut),
        };
        if let Some(Line { room, entry }) = history.entries.first().and_then(Line::of)
            && (self.progress.oldest(&room).is_some() || self.view.has(&room))
        {
            self.progress.paged(&room, entry.seq());
        }
        self.show_page(history, shown);
    }

    fn show_page(&mut self, history: &History, shown: Shown) {
        self.output.show(shown);
        if let Ok(room) = RoomRef::existing(&history.room) {
            self.note_shown(&room);
        }
    }

    /// Shows the last lines of a room again.
    fn repeat(&mut self, history: &History) {
        let shown = self.view.again(history);
        self.show_page(history, shown);
    }

    /// Returns a recently shown line in full. Returns `None` for a program, which reads the server's answer.
    pub(super) fn kept(&self, typed: &str, seq: Seq) -> Option<Vec<String>> {
        match self.output {
            Output::Json(_) => None,
            Output::Terminal(_) | Output::Plain(_) => self.view.kept(&command::room(typed).ok()?, seq),
        }
    }

    fn whole(&mut self, room: &str, seq: Seq, outcome: Result<History, RequestError>) {
        let Some(history) = self.granted(outcome) else { return };
        match self.view.whole(&history, seq) {
            rows if rows.is_empty() => self.refuse(&format!("There is no message {seq} in {}.", clip(room))),
            rows => self.say(rows),
        }
    }
}
