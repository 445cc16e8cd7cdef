//! The states of a session. Those of one kind exclude each other, so two of them cannot be set at once.

use lanchat_client::Client;

/// Who types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hand {
    /// Somebody at a line editor, which asks for what is missing.
    Editor,
    /// Somebody at a terminal without a line editor.
    Terminal,
    /// Nobody: a script, which does not notice that a command failed before it sends the next line.
    Script,
}

impl Hand {
    /// Returns whether there is a line editor.
    pub(super) fn has_editor(self) -> bool {
        self == Self::Editor
    }

    /// Returns whether nobody is there.
    pub(super) fn is_script(self) -> bool {
        self == Self::Script
    }
}

/// The connection to the server.
#[derive(Debug, Default)]
pub(super) enum Link {
    /// There is no connection yet, or not any more.
    #[default]
    Down,
    /// It is up, as far as is known.
    Up(Client),
    /// It is lost, and the client reconnects.
    Lost(Client),
}

impl Link {
    /// Returns the handle on it, connected or not.
    pub(super) fn client(&self) -> Option<&Client> {
        match self {
            Self::Down => None,
            Self::Up(client) | Self::Lost(client) => Some(client),
        }
    }

    /// Returns whether it is lost and not back yet.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_))
    }

    /// Notes that it was lost.
    pub(super) fn lose(&mut self) {
        if let Self::Up(client) = self {
            *self = Self::Lost(client.clone());
        }
    }

    /// Notes that it is back.
    pub(super) fn restore(&mut self) {
        if let Self::Lost(client) = self {
            *self = Self::Up(client.clone());
        }
    }
}

/// Whether somebody is or was logged in, in this run of the program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody. For a script: why the remembered login is invalid.
    Nobody { expired: Option<String> },
    /// Somebody who is changing to another account: if that fails, the previous login is still there.
    Changing,
    /// Somebody.
    Somebody,
}

impl Standing {
    /// Notes that somebody is logged in now. Whether a change of account has worked is known when delivery has started.
    pub(super) fn granted(&mut self) {
        if self.is_nobody() {
            *self = Self::Somebody;
        }
    }

    /// Notes that a login has failed. Returns whether there is a previous one to go back to.
    pub(super) fn failed(&mut self) -> bool {
        let was_change = *self == Self::Changing;
        if was_change {
            *self = Self::Somebody;
        }
        was_change
    }

    /// Notes why the remembered login is invalid.
    pub(super) fn expire(&mut self, words: String) {
        if let Self::Nobody { expired } = self {
            *expired = Some(words);
        }
    }

    /// Returns why the remembered login is invalid.
    pub(super) fn expired(&self) -> Option<&str> {
        match self {
            Self::Nobody { expired } => expired.as_deref(),
            Self::Changing | Self::Somebody => None,
        }
    }

    /// Returns whether nobody has logged in yet.
    pub(super) fn is_nobody(&self) -> bool {
        matches!(self, Self::Nobody { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_of_the_login_has_one_to_go_back_to() {
        let mut standing = Standing::Nobody { expired: None };
        standing.expire("gone".into());
        assert!(!standing.failed() && standing.is_nobody());
        assert_eq!(standing.expired(), Some("gone"));
        standing.granted();
        assert_eq!(standing.expired(), None);
        assert!(!standing.failed());
        standing = Standing::Changing;
        standing.granted();
        assert!(standing.failed(), "it is granted before delivery has started");
        assert!(!standing.failed(), "once");
    }
}
