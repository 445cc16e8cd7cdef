//! How the program ends, as a number for scripts. The numbers are documented in `lanchat --help`
//! and never change.

use std::fmt;
use std::process::ExitCode;

use lanchat_client::{HomeError, RequestError};

/// Why the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A flag, a setting or the state folder is wrong.
    Usage = 1,
    /// No server was found, or the one that was named does not answer.
    NoServer = 2,
    /// The server is not the one that was trusted.
    Untrusted = 3,
    /// The login failed.
    LoginFailed = 4,
    /// The connection is lost for good.
    Lost = 5,
    /// Something that was sent was refused.
    Refused = 6,
}

/// A reason, and a sentence about it for people.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) words: String,
}

impl Failure {
    pub(crate) fn new(reason: Reason, words: impl Into<String>) -> Self {
        Self { reason, words: words.into() }
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    /// Some of the words may be a server's, so they are sanitised.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.words.lines().map(crate::sanitize::one_line).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl From<Reason> for ExitCode {
    fn from(reason: Reason) -> Self {
        Self::from(reason as u8)
    }
}

impl From<HomeError> for Failure {
    fn from(error: HomeError) -> Self {
        let advice = match error.is_of_the_system() {
            true => {
                ". Check who owns the folder and whether its disk is full, or choose another one with --home DIR."
            }
            false => "",
        };
        Self::new(Reason::Usage, format!("{error}{advice}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Reason::Usage, error.to_string())
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Home(error) => error.into(),
            error @ (RequestError::Refused { .. }
            | RequestError::NoToken
            | RequestError::LoginExpired { .. }
            | RequestError::Name(_)) => {
                Self::new(Reason::LoginFailed, crate::sanitize::one_line(&error.to_string()))
            }
            error => Self::new(Reason::Lost, crate::sanitize::one_line(&error.to_string())),
        }
    }
}
