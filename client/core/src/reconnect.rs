//! Reconnects to a server that is trusted already, in a task of its own.

use lanchat_model::{ServerId, limits};

use crate::connect::connect;
use crate::connection::{Connection, Trusted};
use crate::error::{ConnectError, Unanswered};
use crate::home::{Home, TokenLock};
use crate::search::{Search, Seen};
use crate::servers::Login;
use crate::target::Target;

/// A new connection, and the newest token for it, locked until the next one is kept.
pub(crate) struct Reached {
    pub(crate) trusted: Trusted,
    pub(crate) login: Option<(Login, TokenLock)>,
}

/// What to reconnect to.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) home: Home,
    pub(crate) server_id: ServerId,
    /// The target, bound to the server's key: no other key is accepted.
    pub(crate) target: Target,
    /// Whether to look for the server by mDNS if it is not where it was.
    pub(crate) rediscover: bool,
    /// Whether several attempts have failed. A server that closes connections without a word is crowded, and is not
    /// looked for elsewhere at once: the search would cost it time and outlast the crowding.
    pub(crate) is_long: bool,
    /// Whether to fetch the kept token.
    pub(crate) resume: bool,
}

impl Way {
    /// Connects to the same server again.
    pub(crate) async fn go(self) -> Result<Reached, ConnectError> {
        let connection = match connect(&self.target, &self.home).await {
            Err(error) if self.rediscover && self.may_be_elsewhere(&error) => self.search(error).await?,
            outcome => outcome?,
        };
        let (name, address, id) = (connection.hello.name.clone(), connection.address, self.server_id);
        if let Err(error) = self.home.blocking(move |home| home.remember(id, &name, address, None)).await {
            tracing::warn!(%error, "the address of the server is not kept for next time");
        }
        let login =
            if self.resume { self.home.newest_login(id, connection.fingerprint).await? } else { None };
        Ok(Reached { trusted: Trusted(connection), login })
    }

    /// Returns whether the server may have moved, given what answered at its old address.
    fn may_be_elsewhere(&self, error: &ConnectError) -> bool {
        match error {
            ConnectError::Unreachable { .. } | ConnectError::NotLanchat { .. } => true,
            ConnectError::Crowded { .. } => self.is_long,
            _ => false,
        }
    }

    /// Finds the server wherever it is advertised now: the first that proves its key. Other servers that answer are
    /// noted in the error, and do not end the search. `before`: why it is not at its old address.
    async fn search(&self, before: ConnectError) -> Result<Connection, ConnectError> {
        let id = self.server_id;
        let mut search = self.home.blocking(move |home| Search::of_one(home, id)).await?;
        let mut others: Vec<Unanswered> = Vec::new();
        while let Some(seen) = search.sight().await {
            let (address, presented) = match seen {
                // The session's key decides, whatever became of the pin meanwhile.
                Seen::Server(connection) if self.target.expected == Some(connection.fingerprint) => {
                    return Ok(*connection);
                }
                Seen::Server(connection) => (connection.address, connection.fingerprint),
                Seen::Busy { .. } => continue,
                Seen::Other { address, presented, .. } => (address, presented),
            };
            if others.len() < limits::CANDIDATES_MAX {
                others.push(Unanswered::other(address, presented));
            }
        }
        match before {
            ConnectError::Unreachable { target, mut attempts } => {
                attempts.extend(others);
                Err(ConnectError::Unreachable { target, attempts })
            }
            error => Err(error),
        }
    }
}
