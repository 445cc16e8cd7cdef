//! Requests that wait for their answers.

use std::collections::BTreeMap;

use lanchat_model::limits;
use lanchat_protocol::{ClientFrame, Secret, ServerFrame};
use tokio::sync::oneshot;

use crate::error::RequestError;
use crate::event::Session;

/// What a request gets.
pub(crate) type Answer = Result<ServerFrame, RequestError>;
/// What a login gets.
pub(crate) type LoggedIn = Result<Session, RequestError>;

/// Who waits for an answer.
pub(crate) enum Asker {
    /// A user of the library.
    User(oneshot::Sender<Answer>),
    /// A user who logs in to `account`, folded; `token` if it is by one.
    LogIn { reply: oneshot::Sender<LoggedIn>, account: String, token: Option<Secret> },
}

/// A request.
pub(crate) struct Request {
    pub(crate) frame: ClientFrame,
    pub(crate) asker: Asker,
    sent: bool,
}

impl Request {
    pub(crate) fn new(frame: ClientFrame, asker: Asker) -> Self {
        Self { frame, asker, sent: false }
    }

    /// Tells the asker that there will be no answer.
    pub(crate) fn fail(self, error: RequestError) {
        // An error says that the asker waits no longer.
        match self.asker {
            Asker::User(reply) => drop(reply.send(Err(error))),
            Asker::LogIn { reply, .. } => drop(reply.send(Err(error))),
        }
    }

    /// The account that a login is for. `None`: it is another request.
    pub(crate) fn account(&self) -> Option<&str> {
        match &self.asker {
            Asker::LogIn { account, .. } => Some(account),
            Asker::User(_) => None,
        }
    }

    fn is_login(&self) -> bool {
        matches!(self.asker, Asker::LogIn { .. })
    }

    /// Whether its asker waits no longer.
    pub(crate) fn is_given_up(&self) -> bool {
        match &self.asker {
            Asker::User(reply) => reply.is_closed(),
            Asker::LogIn { reply, .. } => reply.is_closed(),
        }
    }

    /// Whether a server may take its time to answer: it waits there for a turn, for the disk, or for a password.
    fn is_slow(&self) -> bool {
        self.is_login()
            || matches!(self.frame, ClientFrame::Join(_) | ClientFrame::Passwd(_) | ClientFrame::Logout(_))
    }

    /// Whether doing it twice is the same as doing it once.
    fn is_repeatable(&self) -> bool {
        !self.is_login() && !matches!(self.frame, ClientFrame::Passwd(_) | ClientFrame::Logout(_))
    }
}

/// The requests, in the order in which they were made. At most `limits::CLIENT_REQUESTS_MAX`: when
/// full, the driver takes no more from its inbox.
#[derive(Default)]
pub(crate) struct Requests(BTreeMap<u64, Request>);

impl Requests {
    /// Whether there is room for one more. Forgets those whose askers wait no longer.
    pub(crate) fn has_room(&mut self) -> bool {
        if self.0.len() >= limits::CLIENT_REQUESTS_MAX {
            self.0.retain(|_, request| !request.is_given_up());
        }
        self.0.len() < limits::CLIENT_REQUESTS_MAX
    }

    /// Takes in a request. Its id is a number that was not used before.
    pub(crate) fn insert(&mut self, request: Request) {
        match request.frame.id().parse() {
            Ok(id) => drop(self.0.insert(id, request)),
            Err(_) => request.fail(RequestError::Stopped),
        }
    }

    /// Takes out the request of this id. `None`: the library made it by itself, or nobody did.
    pub(crate) fn take(&mut self, id: &str) -> Option<Request> {
        self.0.remove(&id.parse().ok()?)
    }

    /// The frames to write now: logins while nobody is logged in, everything else while somebody
    /// is.
    pub(crate) fn unsent(&mut self, logged_in: bool) -> impl Iterator<Item = &ClientFrame> {
        // What nobody waits for any more would surprise: a login whoever asks next, a command that was given up while
        // there was no connection whoever typed it.
        self.0.retain(|_, request| request.sent || !request.is_given_up());
        self.0.values_mut().filter(move |request| !request.sent && request.is_login() != logged_in).map(
            |request| {
                request.sent = true;
                &request.frame
            },
        )
    }

    /// Whether somebody waits for the answer to a login.
    pub(crate) fn login_waits(&self) -> bool {
        self.0.values().any(|request| request.is_login() && !request.is_given_up())
    }

    /// Whether the answer to one that was sent may take its time.
    pub(crate) fn has_slow(&self) -> bool {
        self.0.values().any(|request| request.sent && request.is_slow())
    }

    /// The server has closed the connection without having read what is on it: all can be asked
    /// again.
    pub(crate) fn unsend(&mut self) {
        self.0.values_mut().for_each(|request| request.sent = false);
    }

    /// The connection is lost: what can be asked again will be, the rest is told that it may have
    /// been done.
    pub(crate) fn interrupt(&mut self) {
        for request in self.0.values_mut().filter(|request| request.is_repeatable()) {
            request.sent = false;
        }
        let interrupted: Vec<u64> =
            self.0.iter().filter(|(_, request)| request.sent).map(|(id, _)| *id).collect();
        for id in interrupted {
            if let Some(request) = self.0.remove(&id) {
                request.fail(RequestError::Interrupted);
            }
        }
    }

    /// There is no session any more, or no connection for a login: all are told the error that
    /// `error` makes.
    pub(crate) fn fail_all(&mut self, error: impl Fn() -> RequestError) {
        for request in std::mem::take(&mut self.0).into_values() {
            request.fail(error());
        }
    }
}

#[cfg(test)]
mod tests {
    use lanchat_protocol::{ListRooms, Logout, Resume};

    use super::*;

    fn ask(requests: &mut Requests, frame: ClientFrame) -> oneshot::Receiver<Answer> {
        let (reply, answer) = oneshot::channel();
        requests.insert(Request::new(frame, Asker::User(reply)));
        answer
    }

    fn rooms(id: u64) -> ClientFrame {
        ListRooms { id: id.to_string() }.into()
    }

    fn unsent(requests: &mut Requests, logged_in: bool) -> Vec<String> {
        requests.unsent(logged_in).map(|frame| frame.id().to_owned()).collect()
    }

    #[test]
    fn a_loss_repeats_what_is_harmless_and_ends_the_rest() {
        let mut requests = Requests::default();
        let mut list = ask(&mut requests, rooms(9));
        let mut logout = ask(&mut requests, Logout { id: "10".into() }.into());
        assert_eq!(unsent(&mut requests, true), ["9", "10"], "in the order in which they were made");
        assert!(unsent(&mut requests, true).is_empty());
        requests.interrupt();
        assert!(matches!(logout.try_recv(), Ok(Err(RequestError::Interrupted))));
        assert!(list.try_recv().is_err(), "still waiting");
        assert_eq!(unsent(&mut requests, true), ["9"]);
    }

    #[test]
    fn what_was_given_up_is_not_asked_again_after_a_loss() {
        let mut requests = Requests::default();
        let (given_up, _waits) = (ask(&mut requests, rooms(1)), ask(&mut requests, rooms(2)));
        assert_eq!(unsent(&mut requests, true), ["1", "2"]);
        drop(given_up);
        requests.interrupt();
        assert_eq!(unsent(&mut requests, true), ["2"]);
    }

    #[test]
    fn logins_and_the_rest_never_mix() {
        let mut requests = Requests::default();
        let _list = ask(&mut requests, rooms(1));
        let (reply, _answer) = oneshot::channel();
        let frame = Resume { id: "2".into(), token: Secret("t".into()), versions: vec![1] };
        let asker = Asker::LogIn { reply, account: "ana".into(), token: None };
        requests.insert(Request::new(frame.into(), asker));
        assert_eq!(unsent(&mut requests, false), ["2"]);
        assert_eq!(unsent(&mut requests, true), ["1"]);
    }

    #[test]
    fn requests_are_bounded_and_those_given_up_make_room() {
        let mut requests = Requests::default();
        let mut answers = Vec::new();
        for id in 0..limits::CLIENT_REQUESTS_MAX as u64 {
            assert!(requests.has_room());
            answers.push(ask(&mut requests, rooms(id)));
        }
        assert!(!requests.has_room());
        answers.truncate(1);
        assert!(requests.has_room());
    }
}
