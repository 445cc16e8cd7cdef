//! The way back to a server that is trusted already, as a task of its own.

use lanchat_model::{ServerId, limits};

use crate::connect::{Trusted, connect};
use crate::discover::discover;
use crate::error::ConnectError;
use crate::home::{Home, TokenLock};
use crate::servers::Login;
use crate::target::Target;

/// A connection that was made again, and the newest token for it, under lock until the next one is
/// kept.
pub(crate) struct Reached {
    pub(crate) trusted: Trusted,
    pub(crate) login: Option<(Login, TokenLock)>,
}

/// What to come back to.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) home: Home,
    pub(crate) server_id: ServerId,
    /// Bound to the server's key: nothing else is accepted.
    pub(crate) target: Target,
    /// Whether to look for the server by mDNS if it is not where it was.
    pub(crate) rediscover: bool,
    /// Whether to fetch the token that is kept.
    pub(crate) resume: bool,
}

impl Way {
    /// Connects to the same server again.
    pub(crate) async fn go(self) -> Result<Reached, ConnectError> {
        let connection = match connect(&self.target, &self.home).await {
            Err(ConnectError::Unreachable { .. }) if self.rediscover => {
                connect(&self.advertised().await, &self.home).await?
            }
            outcome => outcome?,
        };
        let (name, address, id) = (connection.hello.name.clone(), connection.address, self.server_id);
        if let Err(error) = self.home.blocking(move |home| home.remember(id, &name, address, None)).await {
            tracing::warn!(%error, "the address of the server is not kept for next time");
        }
        let login = if self.resume { self.home.newest_login(id).await? } else { None };
        Ok(Reached { trusted: Trusted(connection), login })
    }

    /// The target, with every address that is advertised for its server.
    async fn advertised(&self) -> Target {
        let mut target = self.target.clone();
        let Ok(mut discovery) = discover(limits::DISCOVER_WINDOW) else { return target };
        while let Some(found) = discovery.next().await {
            if found.server_id == self.server_id {
                target = target.and(&found);
            }
        }
        target
    }
}
