//! Requests about accounts: logging in, checking names, changing passwords, logging out.

use lanchat_client::{AttachPolicy, Client, RequestError, Secret, Sentence};
use lanchat_model::{RoomRef, limits};
use lanchat_protocol::ErrorCode;

use super::Pending;
use super::answer::Answered;
use crate::command::is_account;

/// How somebody logs in.
pub(super) enum Login {
    /// With the kept token.
    Token,
    /// With a new account.
    Register(String, Secret),
    /// With a password.
    Password(String, Secret),
}

/// Logs in, starts delivery, and enters `room` if the user wants a room other than the lobby.
pub(super) fn log_in(client: &Client, login: Login, room: Option<RoomRef>, tail: u64) -> Pending {
    let client = client.clone();
    Box::pin(async move {
        let session = match &login {
            Login::Token => client.resume().await,
            Login::Register(name, password) => client.register(name, None, password).await,
            Login::Password(name, password) => client.login(name, password).await,
        };
        let session = match (session, &login) {
            (Err(RequestError::NoToken), Login::Token) => return Answered::Nobody,
            (Err(RequestError::LoginExpired { account, reason }), Login::Token) => {
                return Answered::Expired { account, reason };
            }
            (Err(error), _) => return Answered::LoggedIn(Err(error)),
            (Ok(session), _) => session,
        };
        let attached = match client.attach(AttachPolicy::new(tail, limits::JOIN_TAIL_MAX)).await {
            Ok(attached) => attached,
            Err(error) => return Answered::LoggedIn(Err(error)),
        };
        let elsewhere = room.filter(|room| !room.is_private()).map(|room| room.to_string());
        if let Some(room) = elsewhere.filter(|room| session.rooms.iter().all(|own| own.room != *room)) {
            return Answered::Joined(client.join(&room, tail).await.map(|state| (state, None)));
        }
        Answered::LoggedIn(Ok(attached))
    })
}

/// Returns whether `name` is the account whose token is kept for this server. If the folder cannot be read, the login
/// itself reports it.
pub(super) async fn is_remembered(client: &Client, name: &str) -> bool {
    matches!(client.remembered().await, Ok(Some(account)) if is_account(name, &account))
}

/// Asks whether a new account can have this name, by sending an invalid password: the server checks the name first. A
/// server that checks the password first does not judge the name; then the registration will.
pub(super) fn ask_for_name(client: Client, name: String) -> Pending {
    Box::pin(async move {
        let outcome = client.register(&name, None, &Secret(String::new())).await;
        Answered::NameOfAccount(outcome.map(drop))
    })
}

/// Logs out after everything typed before it is sent, as leaving does. Messages that the server does not accept in that
/// time are refused, and reported.
pub(super) fn log_out(client: Client) -> Pending {
    Box::pin(async move {
        let _ = tokio::time::timeout(limits::LEAVE_MAX, client.settled()).await;
        Answered::LoggedOut(client.logout().await)
    })
}

/// Changes the password.
pub(super) fn change_password(client: Client, old: Secret, new: Secret) -> Pending {
    Box::pin(async move {
        let outcome = client.passwd(&old, &new).await.map_err(about_old_password);
        Answered::Done("Your password is changed. Your other devices are logged out.", outcome)
    })
}

/// Rewords the server's error for a wrong password: it is worded for a login, where the name can be wrong too.
fn about_old_password(error: RequestError) -> RequestError {
    match error {
        RequestError::Refused { code: code @ ErrorCode::WrongPassword, retry_after, .. } => {
            let reason = Sentence::Ours("The old password is wrong.".to_owned());
            RequestError::Refused { code, reason, retry_after }
        }
        error => error,
    }
}
