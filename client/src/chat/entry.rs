//! What a user who is not logged in is told: how to get in, and why a remembered login is gone.

use lanchat_client::Sentence;

use super::{Chat, End};
use crate::exit::{Failure, Reason};
use crate::input::Typed;
use crate::view::clip;

impl Chat {
    /// Handles that no login is kept: a person is told what to do; a script will find out when it sends.
    pub(super) fn nobody(&self) {
        if self.hand.has_editor() {
            self.say_ways_in();
        }
    }

    /// Handles that the login kept for this server is no longer valid.
    pub(super) fn expired(&mut self, account: &str, reason: &Sentence) {
        let account = clip(account);
        let words = format!("This device was logged in as {account}, and is not any more. {reason}");
        if self.hand.has_editor() {
            self.notice(&words);
            self.notice(&format!("Type /login {account} to log in again."));
        } else {
            self.standing.expire(words);
        }
    }

    fn say_ways_in(&self) {
        match (self.server.closed, self.wishes.known) {
            (true, _) => {
                self.notice("This server takes no new accounts: ask whoever runs it for one.");
                self.notice("Have one? /login NAME");
            }
            (false, true) => {
                self.notice(
                    "You know this server, but no login is kept on this device. /login NAME logs in again.",
                );
                self.notice("No account yet? /register NAME makes one.");
            }
            (false, false) => {
                self.notice("New here? /register NAME makes an account. Have one? /login NAME");
                self.notice("/help lists all commands.");
            }
        }
    }

    /// Refuses something that needs a login, since there is none.
    pub(super) fn nobody_speaks(&mut self) -> Option<End> {
        if !self.hand.has_editor() {
            return Some(End::Failed(self.nobody_logged_in()));
        }
        let how = match (!self.standing.is_nobody(), self.server.closed) {
            // The line was finished just after the log-out.
            (true, _) => "/login NAME logs you in again; the Up key brings back what you typed.",
            (false, true) => "/login NAME uses your account; this server takes no new ones.",
            (false, false) => "/register NAME makes an account, /login NAME uses one.",
        };
        self.refuse(&format!("You are not logged in. {how}"));
        None
    }

    /// Handles a request to stop the program. Lines that a script wrote before are sent; if more lines wait, the script
    /// is told.
    pub(super) fn told_to_stop(&mut self) -> End {
        let waits = |typed: &Typed| !matches!(typed, Typed::End | Typed::Editing);
        let next = self.inbox.at_hand();
        match self.hand.is_script() && next.as_ref().is_some_and(waits) {
            true => unread("The program was told to stop."),
            false => self.outcome(),
        }
    }

    /// Returns the failure of a script without a login.
    pub(super) fn nobody_logged_in(&self) -> Failure {
        let what = self.standing.expired().unwrap_or("Nobody is logged in here.");
        let how = match (self.wishes.text, self.server.closed) {
            (true, _) => {
                "With --text the input cannot log in. Log in once without --text: this device is remembered."
            }
            (false, false) => {
                "Begin the input with /login NAME PASSWORD or /register NAME PASSWORD, or with the name alone and \
                 --password-file FILE."
            }
            (false, true) => {
                "Begin the input with /login NAME PASSWORD, or with the name alone and --password-file FILE. This \
                 server takes no new accounts."
            }
        };
        Failure::new(Reason::LoginFailed, format!("{what} {how}"))
    }
}

/// Returns the end of a script whose lines were not all read.
pub(super) fn unread(why: &str) -> End {
    End::Failed(Failure::new(Reason::Refused, format!("{why}\nThe lines after that were not sent.")))
}
