//! Requests and what comes of them.

use std::collections::BTreeSet;

use lanchat_client::{AttachPolicy, Client, RequestError, Secret, SendError, Sentence};
use lanchat_model::{ClientId, RoomRef, Seq, limits};
use lanchat_protocol::{Attached, ErrorCode, History, Members, RoomState, Rooms, Whois};

use super::{End, Meant, Pending, Regard, Session, Standing};
use crate::command;
use crate::exit::{Failure, Reason};
use crate::output::Output;
use crate::repl::Verdict;
use crate::view::{Cut, Line, Shown, clip, sentence};

/// What came of a request.
pub(super) enum Answer {
    /// Nobody is logged in yet, and nobody tried.
    Nobody,
    /// The token that was kept is good no longer.
    Expired { account: String, reason: Sentence },
    /// Of a login; delivery has started.
    LoggedIn(Result<Attached, RequestError>),
    /// Of asking whether a new account can have a name.
    NameOfAccount(Result<(), RequestError>),
    /// Of entering a room; with its last lines, if it was entered before.
    Joined(Result<(RoomState, Option<History>), RequestError>),
    /// Of leaving a room.
    Left(RoomRef, Result<(), RequestError>),
    /// Of `/rooms`.
    Rooms(Result<Rooms, RequestError>),
    /// Of `/who`.
    Members(Result<Members, RequestError>),
    /// Of `/history`.
    History(Result<History, RequestError>),
    /// Of `/history` where there is nothing older than what was shown: the last lines.
    Repeat(History),
    /// Of `/show`: the room and the position.
    Whole(String, Seq, Result<History, RequestError>),
    /// Of `/servers`.
    Servers(Vec<String>),
    /// Of `/whois`.
    Whois(Result<Whois, RequestError>),
    /// What may have been meant by a name that nothing has.
    Names(Meant, BTreeSet<String>),
    /// Of turning to a private chat: the room, and its last lines if there are any.
    Turned(RoomRef, Result<Option<History>, RequestError>),
    /// Of `/logout`.
    LoggedOut(Result<(), RequestError>),
    /// Of something that needs no more than a word.
    Done(&'static str, Result<(), RequestError>),
    /// A message is in the outbox, or not.
    Sent { room: String, text: String, outcome: Result<ClientId, SendError> },
    /// Everything that was sent is answered.
    Settled(Result<(), SendError>),
}

impl Answer {
    /// What this means for whoever waits to hear of a password.
    fn verdict(&self) -> Verdict {
        let refused = match self {
            Self::NameOfAccount(Err(error)) if is_about_the_name(error) => return Verdict::NameRefused,
            Self::LoggedIn(Err(error)) | Self::Done(_, Err(error)) => error,
            _ => return Verdict::Settled,
        };
        match refused {
            RequestError::Refused { code: ErrorCode::WrongPassword | ErrorCode::BadPassword, .. } => {
                Verdict::PasswordRefused
            }
            _ => Verdict::Settled,
        }
    }
}

/// How somebody logs in.
pub(super) enum Login {
    /// With the token that is kept.
    Token,
    /// With a new account.
    Register(String, Secret),
    /// With a password.
    Password(String, Secret),
}

/// Waits until all own messages are answered.
pub(super) fn settle(client: &Client) -> Pending {
    let client = client.clone();
    Box::pin(async move { Answer::Settled(client.settled().await.map(|_| ())) })
}

/// Logs in, starts delivery, and enters `room` if the user wants to be elsewhere than in the lobby.
pub(super) fn log_in(client: &Client, login: Login, room: Option<RoomRef>, tail: u64) -> Pending {
    let client = client.clone();
    Box::pin(async move {
        let session = match &login {
            Login::Token => client.resume().await,
            Login::Register(name, password) => client.register(name, None, password).await,
            Login::Password(name, password) => client.login(name, password).await,
        };
        let session = match (session, &login) {
            (Err(RequestError::NoToken), Login::Token) => return Answer::Nobody,
            (Err(RequestError::LoginExpired { account, reason }), Login::Token) => {
                return Answer::Expired { account, reason };
            }
            (Err(error), _) => return Answer::LoggedIn(Err(error)),
            (Ok(session), _) => session,
        };
        let attached = match client.attach(AttachPolicy::new(tail, limits::JOIN_TAIL_MAX)).await {
            Ok(attached) => attached,
            Err(error) => return Answer::LoggedIn(Err(error)),
        };
        let elsewhere = room.filter(|room| !room.is_private()).map(|room| room.to_string());
        if let Some(room) = elsewhere.filter(|room| session.rooms.iter().all(|own| own.room != *room)) {
            return Answer::Joined(client.join(&room, tail).await.map(|state| (state, None)));
        }
        Answer::LoggedIn(Ok(attached))
    })
}

impl Session {
    /// Takes what came of a request.
    pub(super) fn answered(&mut self, client: &Client, answer: Answer, regard: Regard) -> Option<End> {
        let verdict = answer.verdict();
        self.note_miss(&answer);
        let end = match self.misled(&answer).filter(|_| self.hand.is_script()) {
            Some(failure) => Some(End::Failed(failure)),
            None => self.dispatch(client, answer),
        };
        // Behind its words, so that a question about them comes after them.
        if regard == Regard::Awaited {
            self.tell(verdict);
        }
        end
    }

    /// A script must not go on talking in another room, or as somebody else, than it thinks.
    fn misled(&self, answer: &Answer) -> Option<Failure> {
        let (what, error) = match answer {
            Answer::Joined(Err(error)) | Answer::Turned(_, Err(error)) => {
                ("The room cannot be entered", error)
            }
            Answer::Left(room, Err(error)) if self.view.is_current(room) => {
                ("The room cannot be left", error)
            }
            Answer::LoggedOut(Err(error)) => ("You cannot be logged out", error),
            _ => return None,
        };
        let words = format!("{what}, so nothing more was sent. {}", sentence(&error.to_string()));
        Some(Failure::new(Reason::Refused, words))
    }

    fn dispatch(&mut self, client: &Client, answer: Answer) -> Option<End> {
        match answer {
            Answer::Nobody => self.nobody(),
            Answer::Expired { account, reason } => self.expired(&account, &reason),
            Answer::Servers(lines) => self.say_each(lines),
            Answer::LoggedIn(Ok(attached)) => {
                self.standing = Standing::Somebody;
                attached.rooms.iter().for_each(|room| self.expect_of(room));
            }
            Answer::LoggedIn(Err(error)) if self.hand.has_editor() => {
                self.complain(&error.to_string());
                if self.standing.failed() {
                    let login = self.log_in(client, Login::Token);
                    self.errand.begin(Some(login), Regard::Plain);
                }
            }
            Answer::LoggedIn(Err(error)) => return Some(End::Failed(error.into())),
            Answer::NameOfAccount(Err(error)) if is_about_the_name(&error) => {
                self.complain(&error.to_string())
            }
            // What else went wrong, the registration says.
            Answer::NameOfAccount(_) => {}
            Answer::Joined(outcome) => {
                let joining = self.joining.take();
                if let Some((room, history)) = self.granted(outcome) {
                    self.expect_of(&room);
                    if let (Some(_), Ok(room)) = (joining, RoomRef::existing(&room.room)) {
                        self.enter(&room);
                    }
                    history.into_iter().for_each(|history| self.page(&history, Cut::Clipped));
                }
            }
            Answer::Left(room, outcome) => {
                if self.granted(outcome).is_some() {
                    self.has_left(&room);
                }
            }
            Answer::Rooms(outcome) => self.room_list(outcome),
            Answer::Members(outcome) => self.member_list(outcome),
            Answer::History(outcome) => {
                let page = self.granted(outcome);
                page.into_iter().for_each(|history| self.page(&history, Cut::Whole));
            }
            Answer::Repeat(history) => self.repeat(&history),
            Answer::Whole(room, seq, outcome) => self.whole(&room, seq, outcome),
            Answer::Names(meant, names) => self.suggest(&meant, names),
            Answer::Whois(outcome) => {
                let whois = self.granted(outcome);
                whois.into_iter().for_each(|whois| self.say(self.view.whois(&whois)));
            }
            Answer::Turned(room, outcome) => {
                if let Some(history) = self.granted(outcome) {
                    self.enter(&room);
                    history.into_iter().for_each(|history| self.page(&history, Cut::Clipped));
                }
            }
            Answer::LoggedOut(outcome) => drop(self.granted(outcome)),
            Answer::Done(words, outcome) => {
                if self.granted(outcome).is_some() {
                    self.notice(words);
                }
            }
            Answer::Sent { room, text, outcome } => return self.sent(room, text, outcome),
            Answer::Settled(Ok(())) => self.inbox.settle(),
            Answer::Settled(Err(error)) => {
                return Some(End::Failed(Failure::new(Reason::Lost, error.to_string())));
            }
        }
        None
    }

    /// What was granted; a refusal is told.
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
            // Of the room that is entered, behind its divider.
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

    /// A line that was shown not long ago, whole. `None` for a program: it reads the answer of the server.
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

/// Whether a registration would be refused with any password.
fn is_about_the_name(error: &RequestError) -> bool {
    use ErrorCode::{BadName, NameReserved, NameTaken, RegistrationClosed};
    matches!(
        error,
        RequestError::Refused { code: BadName | NameReserved | NameTaken | RegistrationClosed, .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refused_password_is_asked_for_again() {
        let reason = || Sentence::Server(String::new());
        let refused = |code| RequestError::Refused { code, reason: reason(), retry_after: None };
        for code in [ErrorCode::WrongPassword, ErrorCode::BadPassword] {
            assert_eq!(Answer::LoggedIn(Err(refused(code))).verdict(), Verdict::PasswordRefused);
            assert_eq!(Answer::Done("", Err(refused(code))).verdict(), Verdict::PasswordRefused);
        }
        assert_eq!(Answer::LoggedIn(Err(refused(ErrorCode::NoSuchRoom))).verdict(), Verdict::Settled);
        assert_eq!(Answer::Nobody.verdict(), Verdict::Settled);
    }
}
