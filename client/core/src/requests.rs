//! Requests that wait for their answers.

use std::collections::BTreeMap;

use lanchat_model::limits;
use lanchat_protocol::{ClientFrame, Secret, ServerFrame};
use tokio::sync::oneshot;

use crate::error::RequestError;
use crate::event::SessionInfo;

/// The outcome of a request.
pub(crate) type RequestResult = Result<ServerFrame, RequestError>;
/// The outcome of a login.
pub(crate) type LoggedIn = Result<SessionInfo, RequestError>;

/// The caller that waits for an answer.
pub(crate) enum Asker {
    /// A user of the library.
    User(oneshot::Sender<RequestResult>),
    /// A user who logs in to `account`, folded; `token` is set for a login by token.
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
        // An error means that the asker no longer waits.
        match self.asker {
            Asker::User(reply) => drop(reply.send(Err(error))),
            Asker::LogIn { reply, .. } => drop(reply.send(Err(error))),
        }
    }

    /// Returns the account that a login is for, or `None` for other requests.
    pub(crate) fn account(&self) -> Option<&str> {
        match &self.asker {
            Asker::LogIn { account, .. } => Some(account),
            Asker::User(_) => None,
        }
    }

    fn is_login(&self) -> bool {
        matches!(self.asker, Asker::LogIn { .. })
    }

    /// Returns whether its asker no longer waits.
    pub(crate) fn is_given_up(&self) -> bool {
        match &self.asker {
            Asker::User(reply) => reply.is_closed(),
            Asker::LogIn { reply, .. } => reply.is_closed(),
        }
    }

    /// Returns whether the answer may be slow, because the request waits at the server for a turn, for the disk, or for
    /// a password check.
    fn is_slow(&self) -> bool {
        self.is_login()
            || matches!(self.frame, ClientFrame::Join(_) | ClientFrame::Passwd(_) | ClientFrame::Logout(_))
    }

    /// Returns whether doing it twice is the same as doing it once.
    fn is_repeatable(&self) -> bool {
        !self.is_login() && !matches!(self.frame, ClientFrame::Passwd(_) | ClientFrame::Logout(_))
    }
}

/// The requests, in the order in which they were made. At most `limits::CLIENT_REQUESTS_MAX`: while they are full, the
/// driver does not read its inbox.
#[derive(Default)]
pub(crate) struct Requests(BTreeMap<u64, Request>);

impl Requests {
    /// Returns whether there is room for one more. Forgets requests whose askers no longer wait.
    pub(crate) fn has_room(&mut self) -> bool {
        if self.0.len() >= limits::CLIENT_REQUESTS_MAX {
            self.0.retain(|_, request| !request.is_given_up());
        }
        self.0.len() < limits::CLIENT_REQUESTS_MAX
    }

    /// Takes in a request. Its id is an unused number.
    pub(crate) fn insert(&mut self, request: Request) {
        match request.frame.id().parse() {
            Ok(id) => drop(self.0.insert(id, request)),
            Err(_) => request.fail(RequestError::Stopped),
        }
    }

    /// Takes out the request with this id. Returns `None` if the library made it by itself, or nobody did.
    pub(crate) fn take(&mut self, id: &str) -> Option<Request> {
        self.0.remove(&id.parse().ok()?)
    }

    /// Returns the frames to write now: logins while nobody is logged in, everything else while somebody is.
    pub(crate) fn unsent(&mut self, logged_in: bool) -> impl Iterator<Item = &ClientFrame> {
        // A request that nobody waits for would surprise the user: a late login affects the next asker, and a command
        // that was given up while offline would still run.
        self.0.retain(|_, request| request.sent || !request.is_given_up());
        self.0.values_mut().filter(move |request| !request.sent && request.is_login() != logged_in).map(
            |request| {
                request.sent = true;
                &request.frame
            },
        )
    }

    /// Returns whether somebody waits for the answer to a login.
    pub(crate) fn login_waits(&self) -> bool {
        self.0.values().any(|request| request.is_login() && !request.is_given_up())
    }

    /// Returns whether a request that was sent may be answered slowly.
    pub(crate) fn has_slow(&self) -> bool {
        self.0.values().any(|request| request.sent && request.is_slow())
    }

    /// Marks all requests as unsent, because the server closed the connection without reading them: all can be asked
    /// again.
    pub(crate) fn unsend(&mut self) {
        self.0.values_mut().for_each(|request| request.sent = false);
    }

    /// Handles a lost connection: repeatable requests will be asked again; the others fail with the error that they may
    /// have been done.
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

    /// Fails all requests with the error that `error` makes: the session has ended, or there is no connection for a
    /// login.
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

    fn ask(requests: &mut Requests, frame: ClientFrame) -> oneshot::Receiver<RequestResult> {
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
