//! Connects to a crowded server with more than one attempt.

use lanchat_model::limits;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::connect::connect;
use crate::connection::Connection;
use crate::error::ConnectError;
use crate::home::Home;
use crate::target::Target;

/// Connects as [`connect`] does, and tries again where the server closes the connection without a word: for
/// `limits::CROWDED_MAX` if a known server has to be there, else for `limits::CROWDED_STRANGER_MAX`. Calls `told` once
/// if it takes longer, with whether the server is known. Cancel safe: when the call is dropped, all attempts end.
///
/// # Errors
/// As [`connect`]; [`ConnectError::Crowded`] if the server is still crowded at the end.
pub async fn connect_patiently(
    target: &Target,
    home: &Home,
    told: impl FnOnce(bool),
) -> Result<Connection, ConnectError> {
    let (began, mut backoff, mut told) = (Instant::now(), Backoff::default(), Some(told));
    loop {
        let outcome = connect(target, home).await;
        let Err(ConnectError::Crowded { is_known, .. }) = outcome else { return outcome };
        let patience = if is_known { limits::CROWDED_MAX } else { limits::CROWDED_STRANGER_MAX };
        if began.elapsed() >= patience {
            return outcome;
        }
        if let Some(told) = told.take() {
            told(is_known);
        }
        tokio::time::sleep(backoff.next(None).min(limits::CROWDED_DELAY_MAX)).await;
    }
}
