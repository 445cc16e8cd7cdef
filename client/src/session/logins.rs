//! Requests about accounts: names that can be had, passwords, logging out.

use lanchat_client::{Client, RequestError, Secret, Sentence};
use lanchat_model::limits;
use lanchat_protocol::ErrorCode;

use super::Pending;
use super::answers::Answer;
use crate::command::is_account;

/// Whether `name` is the account whose token is kept for this server. A folder that cannot be read is
/// told of by the login itself.
pub(super) async fn is_remembered(client: &Client, name: &str) -> bool {
    matches!(client.remembered().await, Ok(Some(account)) if is_account(name, &account))
}

/// Asks whether a new account can have this name, with a password that none can have: the server looks at the name first.
/// One that looks at the password first says nothing of the name, and the registration will.
pub(super) fn ask_for_name(client: Client, name: String) -> Pending {
    Box::pin(async move {
        let outcome = client.register(&name, None, &Secret(String::new())).await;
        Answer::NameOfAccount(outcome.map(drop))
    })
}

/// Logs out behind what was typed before it, as leaving does. What the server does not take in that time
/// is refused, and told.
pub(super) fn log_out(client: Client) -> Pending {
    Box::pin(async move {
        let _ = tokio::time::timeout(limits::LEAVE_MAX, client.settled()).await;
        Answer::LoggedOut(client.logout().await)
    })
}

/// Changes the password.
pub(super) fn change_password(client: Client, old: Secret, new: Secret) -> Pending {
    Box::pin(async move {
        let outcome = client.passwd(&old, &new).await.map_err(about_old_password);
        Answer::Done("Your password is changed. Your other devices are logged out.", outcome)
    })
}

/// The server's words for a wrong password are those of a login, where a name can be wrong too.
fn about_old_password(error: RequestError) -> RequestError {
    match error {
        RequestError::Refused { code: code @ ErrorCode::WrongPassword, retry_after, .. } => {
            let reason = Sentence::Ours("The old password is wrong.".to_owned());
            RequestError::Refused { code, reason, retry_after }
        }
        error => error,
    }
}
