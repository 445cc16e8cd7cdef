//! Logging in, resuming, attaching and being logged out.

use std::sync::atomic::Ordering;
use std::time::Duration;

use lanchat_model::limits;
use lanchat_protocol::{
    Attach, Attached, ClientFrame, ErrorCode, ErrorFrame, Resume, Secret, Severity, Welcome, version,
};
use tokio::sync::oneshot;

use super::{Driver, Phase, SignedIn};
use crate::attach::AttachPolicy;
use crate::delivery::Broken;
use crate::error::{ConnectError, HomeError, RequestError};
use crate::event::{Event, SessionInfo};
use crate::home::TokenLock;
use crate::link::Link;
use crate::requests::{Asker, LoggedIn, Request, RequestResult};
use crate::sentence::Sentence;
use crate::servers::Login;

/// The reason given for more rooms than an account can be in.
const TOO_MANY_ROOMS: &str = "it lists too many rooms";

impl Driver {
    /// Takes in a user's request to register or to log in.
    pub(super) fn log_in(
        &mut self,
        frame: ClientFrame,
        reply: oneshot::Sender<LoggedIn>,
        account: &str,
        token: Option<Secret>,
    ) {
        // As the server folds it (PROTOCOL §4).
        let account = account.to_ascii_lowercase();
        let request = Request::new(frame, Asker::LogIn { reply, account, token });
        if self.account.is_some() {
            return request.fail(RequestError::Refused {
                code: ErrorCode::AlreadyLoggedIn,
                reason: Sentence::Ours("You are logged in already. Log out first.".to_owned()),
                retry_after: None,
            });
        }
        self.requests.insert(request);
        if matches!(self.link, Link::Idle) {
            self.connect();
        }
    }

    /// Takes in a user's request to log in by the kept token.
    pub(super) fn log_in_by_token(&mut self, login: (Login, TokenLock), reply: oneshot::Sender<LoggedIn>) {
        let (Login { account, token }, lock) = login;
        self.token_lock = Some(lock);
        let (_, frame) = self.resume_frame(token.clone());
        self.log_in(frame, reply, &account, Some(token));
    }

    /// Resumes the session, if there is one, on a new connection. `kept` is what the folder holds: another program may
    /// have used this one's token and kept the next.
    pub(super) fn resume_session(&mut self, kept: Option<(Login, TokenLock)>) {
        let Some(account) = &mut self.account else { return };
        if let Some((Login { account: name, token }, lock)) = kept
            && name == account.session.username
        {
            if account.stale.as_ref() != Some(&token) {
                account.token = token;
                account.stale = None;
            }
            self.token_lock = Some(lock);
        }
        let token = account.token.clone();
        let (id, frame) = self.resume_frame(token);
        if let Some(wire) = self.link.wire() {
            wire.put(&frame);
            self.phase = Phase::Resuming(id);
        }
    }

    fn resume_frame(&self, token: Secret) -> (u64, ClientFrame) {
        let number = self.shared.request_number();
        let frame = Resume { id: number.to_string(), token, versions: version::SUPPORTED.to_vec() };
        (number, frame.into())
    }

    /// Takes in a user's request to start delivery.
    pub(super) fn attach(&mut self, policy: AttachPolicy, reply: oneshot::Sender<RequestResult>) {
        if self.delivery.started {
            let reason = Sentence::Ours("Delivery has started already, and goes on by itself.".to_owned());
            let refused = RequestError::Refused { code: ErrorCode::NotPossible, reason, retry_after: None };
            return drop(reply.send(Err(refused)));
        }
        self.delivery.policy = Some(policy);
        self.delivery.reply = Some(reply);
        // While a session is being resumed, delivery has to wait: it starts once the session is resumed.
        if self.phase == Phase::Ready {
            self.start_delivery();
        }
    }

    fn start_delivery(&mut self) {
        let (Some(account), Some(wire)) = (&self.account, self.link.wire()) else { return };
        self.delivery.plan(&account.session.rooms);
        let number = self.shared.request_number();
        let epoch = Some(account.session.epoch.clone());
        let frame = Attach { id: number.to_string(), epoch, cursors: self.delivery.to_map(), tail: None };
        wire.put(&frame.into());
        self.phase = Phase::Attaching(number);
    }

    /// Takes in a granted login or resume.
    pub(super) async fn welcomed(&mut self, welcome: Welcome, line: &[u8]) {
        let resuming = matches!(self.phase, Phase::Resuming(id) if welcome.id == id.to_string());
        let request = self.requests.take(&welcome.id);
        if !resuming && request.is_none() {
            return tracing::debug!("a welcome that nobody asked for");
        }
        let unspoken = !version::SUPPORTED.contains(&welcome.version);
        let wrong = self.wrong_with(&welcome, request.as_ref());
        if unspoken || wrong.is_some() {
            request.into_iter().for_each(|request| request.fail(RequestError::BadAnswer("welcome")));
            return match wrong {
                Some(what) if !unspoken => self.breach(Sentence::Ours(what.to_owned())),
                _ => self.stop(ConnectError::UnsupportedVersion { theirs: vec![welcome.version] }),
            };
        }
        if request.as_ref().is_some_and(Request::is_given_up) {
            return self.welcomed_too_late();
        }
        let used = match request.as_ref().map(|request| &request.asker) {
            Some(Asker::LogIn { token, .. }) => token.clone(),
            _ => self.account.as_ref().map(|account| account.token.clone()),
        };
        let before = self.account.as_ref().and_then(|account| account.stale.clone());
        let (mut token, mut stale, mut unkept) = (welcome.token.clone(), None, None);
        let kept = self.keep_login(&welcome.username, &token).await;
        self.token_lock = None;
        let session = SessionInfo::from(welcome);
        match (kept, used) {
            (Ok(()), _) => {}
            (Err(error), _) if !error.is_full() && request.is_some() => {
                // The folder is not as it should be: report that rather than ignore it.
                self.link = Link::Idle;
                if let Some(request) = request {
                    request.fail(error.into());
                }
                return;
            }
            (Err(error), Some(used)) => {
                // The folder holds the used token, which stays valid until the new one is used (PROTOCOL §4): so the
                // new one is not used.
                tracing::warn!(%error, "the new token is not kept; the one before stays in use");
                (token, stale) = (used, before);
            }
            (Err(error), None) => {
                stale = self.kept_token(&session.username).await;
                unkept = Some(error);
            }
        }
        let broken = self.delivery.welcome(&session.epoch, &session.rooms);
        self.reset(broken);
        self.account = Some(SignedIn { session: session.clone(), token, stale });
        self.shared.logged_in.store(true, Ordering::Relaxed);
        if let Some(request) = request {
            self.phase = Phase::Ready;
            self.tell(Event::LoggedIn { session: session.clone(), line: without_token(line) });
            if let Some(error) = unkept {
                self.tell(Event::LoginNotKept { reason: error.to_string() });
            }
            self.begin_keeping(&session.username).await;
            if let Asker::LogIn { reply, .. } = request.asker {
                // An error means that the user no longer waits; the session exists all the same.
                drop(reply.send(Ok(session)));
            }
        } else if self.delivery.policy.is_some() {
            self.start_delivery();
        } else {
            self.resumed(None);
        }
    }

    /// Drops a login that was answered too late. The asker was told that there is no answer, and a session that nobody
    /// knows of would never start delivery.
    fn welcomed_too_late(&mut self) {
        self.requests.unsend();
        self.lost(Sentence::Ours("the login was answered too late".to_owned()), None);
    }

    /// Returns what is wrong with a welcome that answers `request`, or the resume of this session.
    fn wrong_with(&self, welcome: &Welcome, request: Option<&Request>) -> Option<&'static str> {
        let meant = match (request, &self.account) {
            (Some(request), _) => request.account(),
            (None, account) => account.as_ref().map(|account| account.session.username.as_str()),
        };
        match () {
            () if meant != Some(welcome.username.as_str()) => {
                Some("it lets in another account than was meant")
            }
            () if welcome.rooms.len() > limits::ROOMS_PER_ACCOUNT_MAX => Some(TOO_MANY_ROOMS),
            () => None,
        }
    }

    /// Takes in that the server has started delivery.
    pub(super) fn attached(&mut self, attached: Attached, line: String) {
        if !matches!(self.phase, Phase::Attaching(id) if attached.id == id.to_string()) {
            return tracing::debug!("an 'attached' that nobody asked for");
        }
        if attached.rooms.len() > limits::ROOMS_PER_ACCOUNT_MAX {
            return self.breach(Sentence::Ours(TOO_MANY_ROOMS.to_owned()));
        }
        let broken = self.delivery.attached(&attached);
        self.reset(broken);
        if let Some(reply) = self.delivery.reply.take() {
            self.tell(Event::Frame { frame: attached.clone().into(), line });
            drop(reply.send(Ok(attached.clone().into())));
        }
        self.resumed(Some(attached));
    }

    /// Goes on with the session: everything may be sent again.
    fn resumed(&mut self, attached: Option<Attached>) {
        self.phase = Phase::Ready;
        self.marks.resume();
        if std::mem::take(&mut self.away)
            && let Some(account) = &self.account
        {
            let session = account.session.clone();
            self.tell(Event::Resumed { session, attached });
        }
    }

    pub(super) fn reset(&mut self, broken: Vec<Broken>) {
        for (room, reason) in broken {
            self.tell(Event::Reset { room, reason: reason.to_owned() });
        }
    }

    /// Handles the server's refusal to resume, or to start delivery again.
    pub(super) async fn not_resumed(&mut self, error: ErrorFrame) {
        match error.code {
            ErrorCode::BadToken | ErrorCode::LoggedOut => {
                self.logged_out(Sentence::Server(error.reason)).await;
            }
            _ => self.turned_down(error),
        }
    }

    /// Handles a refusal to let this session go on. A busy or faulty server refuses for now; otherwise it objects to
    /// what this program sends, which the next attempt would send again.
    pub(super) fn turned_down(&mut self, error: ErrorFrame) {
        use ErrorCode::{Busy, LoginTimeout, ServerFull, SlowDown};

        let passes = error.retry_after.is_some()
            || error.code.severity() == Severity::Fault
            || matches!(error.code, Busy | LoginTimeout | ServerFull | SlowDown);
        let reason = Sentence::Server(error.reason);
        match passes {
            true => self.lost(reason, error.retry_after.map(Duration::from_secs)),
            false => self.breach(reason),
        }
    }

    /// Ends the session. Unsettled posts will not be sent: the next login may be somebody else's.
    pub(super) async fn logged_out(&mut self, reason: Sentence) {
        let Some(account) = self.account.take() else { return };
        self.drop_login(account.token).await;
        self.shared.logged_in.store(false, Ordering::Relaxed);
        self.link = Link::Idle;
        self.phase = Phase::Greeted;
        self.token_lock = None;
        self.away = false;
        if let Some(reply) = self.delivery.reply.take() {
            drop(reply.send(Err(RequestError::NotLoggedIn)));
        }
        self.delivery.forget();
        self.requests.fail_all(|| RequestError::NotLoggedIn);
        let unsent: Vec<_> = self.outbox.drain().collect();
        self.end_keeping().await;
        for post in unsent {
            if post.was_sent {
                self.leave_open(post);
                continue;
            }
            let words = "You were logged out before it was sent. Log in and send it again.".to_owned();
            self.refuse(post, ErrorCode::LoggedOut, Sentence::Ours(words));
        }
        self.tell(Event::LoggedOut { reason });
    }

    async fn keep_login(&self, account: &str, token: &Secret) -> Result<(), HomeError> {
        let (id, key, account, token) = (self.server_id, self.fingerprint, account.to_owned(), token.clone());
        self.home.blocking(move |home| home.keep_login(id, key, &account, &token)).await
    }

    /// Keeps the only token that is still valid after a password change.
    pub(super) async fn renew_token(&mut self, token: Secret) {
        let Some(account) = &self.account else { return };
        let name = account.session.username.clone();
        let mut stale = None;
        if let Err(error) = self.keep_login(&name, &token).await {
            stale = self.kept_token(&name).await;
            self.tell(Event::LoginNotKept { reason: error.to_string() });
        }
        if let Some(account) = &mut self.account {
            (account.token, account.stale) = (token, stale);
        }
    }

    /// Returns the token that the folder holds for this account.
    async fn kept_token(&self, account: &str) -> Option<Secret> {
        let id = self.server_id;
        let login = self.home.blocking(move |home| home.login(id)).await.ok()??;
        (login.account == account).then_some(login.token)
    }

    /// Forgets a token that is no longer valid.
    pub(super) async fn drop_login(&self, token: Secret) {
        let id = self.server_id;
        if let Err(error) = self.home.blocking(move |home| home.drop_login(id, &token)).await {
            // The server no longer accepts the token, so it can do no harm.
            tracing::warn!(%error, "the old token stays in the folder");
        }
    }
}

/// Returns the line of a welcome without its token, to be shown to others.
pub(super) fn without_token(line: &[u8]) -> String {
    let Ok(serde_json::Value::Object(mut welcome)) = serde_json::from_slice(line) else {
        return String::new();
    };
    welcome.remove("token");
    serde_json::Value::Object(welcome).to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_line_of_a_welcome_is_shown_without_its_token() {
        let shown =
            super::without_token(br#"{"type":"welcome","token":"canary","username":"ana","new":[1]}"#);
        assert_eq!(shown, r#"{"new":[1],"type":"welcome","username":"ana"}"#);
    }
}
