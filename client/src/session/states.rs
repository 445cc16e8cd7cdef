//! The states of a session. Those of one kind exclude each other, so that no two of them can be noted at once.

use lanchat_client::Client;

/// Who types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hand {
    /// Somebody at a line editor, which asks for what is missing.
    Editor,
    /// Somebody at a terminal without one.
    Terminal,
    /// Nobody: a script, which does not see that a command did not work before the next line is said.
    Script,
}

impl Hand {
    /// Whether there is a line editor.
    pub(super) fn has_editor(self) -> bool {
        self == Self::Editor
    }

    /// Whether nobody is there.
    pub(super) fn is_script(self) -> bool {
        self == Self::Script
    }
}

/// The connection to the server.
#[derive(Debug, Default)]
pub(super) enum Link {
    /// None yet, or none any more.
    #[default]
    Down,
    /// It stands, as far as is known.
    Up(Client),
    /// It is lost, and tried again.
    Lost(Client),
}

impl Link {
    /// The handle on it, connected or not.
    pub(super) fn client(&self) -> Option<&Client> {
        match self {
            Self::Down => None,
            Self::Up(client) | Self::Lost(client) => Some(client),
        }
    }

    /// Whether it is lost and not back yet.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_))
    }

    /// It was lost.
    pub(super) fn lose(&mut self) {
        if let Self::Up(client) = self {
            *self = Self::Lost(client.clone());
        }
    }

    /// It is back.
    pub(super) fn restore(&mut self) {
        if let Self::Lost(client) = self {
            *self = Self::Up(client.clone());
        }
    }
}

/// Whether somebody is or was logged in, in this run of the program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody. For a script: why the login that was remembered is none.
    Nobody { expired: Option<String> },
    /// Somebody, who is to be somebody else: if that fails, the login before is still there.
    Changing,
    /// Somebody.
    Somebody,
}

impl Standing {
    /// Somebody is logged in now. Whether a change has worked is known when delivery has started.
    pub(super) fn granted(&mut self) {
        if self.is_nobody() {
            *self = Self::Somebody;
        }
    }

    /// A login has failed. Says whether there is one to go back to.
    pub(super) fn failed(&mut self) -> bool {
        let was_change = *self == Self::Changing;
        if was_change {
            *self = Self::Somebody;
        }
        was_change
    }

    /// The login that was remembered is none, for this reason.
    pub(super) fn expire(&mut self, words: String) {
        if let Self::Nobody { expired } = self {
            *expired = Some(words);
        }
    }

    /// Why the login that was remembered is none.
    pub(super) fn expired(&self) -> Option<&str> {
        match self {
            Self::Nobody { expired } => expired.as_deref(),
            Self::Changing | Self::Somebody => None,
        }
    }

    /// Whether nobody has logged in yet.
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
