//! What a person sees and may do while the connection is away. Lines that are said are kept and sent later; a command is
//! about now, so that it is refused instead of being done at some later time, all at once with others.

use lanchat_client::Sentence;

use super::Session;
use crate::command::Command;

/// Stands in the prompt, behind the names.
const OFFLINE: &str = " (offline)";
/// Ends the prompt.
const MARK: &str = "> ";

impl Session {
    /// The connection is lost.
    pub(super) fn went_offline(&mut self, reason: &Sentence) {
        self.link.lose();
        self.typists.clear();
        self.show_typists();
        let why = match reason {
            Sentence::Ours(words) => format!("Connection lost: {words}."),
            said @ Sentence::Server(_) => format!("Connection lost. {said}"),
        };
        self.notice(&format!("{why} Trying to come back; what you say is kept, and sent then."));
        if self.hand.has_editor() && self.errand.give_up() {
            self.joining = None;
            self.refuse("Your last command was not answered any more. Type it again when you are back.");
        }
        self.show_prompt();
    }

    /// It is back.
    pub(super) fn came_back(&mut self) {
        self.link.restore();
        self.show_prompt();
    }

    /// `prompt`, which ends with its mark, with the state of the connection before that.
    pub(super) fn with_state(&self, prompt: String) -> String {
        match prompt.strip_suffix(MARK) {
            Some(names) if self.link.is_lost() => format!("{names}{OFFLINE}{MARK}"),
            _ => prompt,
        }
    }

    /// Refuses a command of a person that cannot be done now. A script waits: its lines are meant in their order.
    pub(super) fn is_refused_offline(&mut self, command: &Command) -> bool {
        let refused = self.link.is_lost() && self.hand.has_editor() && needs_server(command);
        if refused {
            self.refuse("You are offline, so this command was not done. Type it again when you are back.");
        }
        refused
    }
}

/// Whether a command that is not done by the program alone asks something of the server now. What is said is kept for later.
fn needs_server(command: &Command) -> bool {
    match command {
        Command::Me(_) | Command::Message { text: Some(_), .. } | Command::Reply(_) | Command::Servers => {
            false
        }
        Command::Register { .. } | Command::Login { .. } | Command::Logout | Command::Passwd(_) => true,
        Command::Join(_) | Command::Leave(_) | Command::Rooms | Command::Who(_) => true,
        Command::Message { text: None, .. } | Command::History(_) | Command::Show { .. } => true,
        Command::Away(_) | Command::Back | Command::Whois(_) => true,
        Command::Trust(_) | Command::Help(_) | Command::Quit => true,
    }
}

/// Whether a command whose answer does not come can as well be typed again. The others say by themselves what became of
/// them.
pub(super) fn is_repeatable(command: &Command) -> bool {
    match command {
        Command::Register { .. } | Command::Login { .. } | Command::Logout | Command::Passwd(_) => false,
        Command::Join(_) | Command::Leave(_) | Command::Rooms | Command::Who(_) => true,
        Command::Message { .. } | Command::Reply(_) | Command::Me(_) => true,
        Command::History(_) | Command::Show { .. } | Command::Away(_) | Command::Back => true,
        Command::Whois(_) | Command::Trust(_) | Command::Servers | Command::Help(_) | Command::Quit => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_needs_no_connection_and_what_is_asked_does() {
        let said = |line: &str| match crate::command::parse(line).unwrap() {
            crate::command::Input::Command(command) => !needs_server(&command),
            _ => true,
        };
        for line in ["hello", "/me waves", "/msg bob hi", "/reply hi", "/servers"] {
            assert!(said(line), "{line}");
        }
        for line in
            ["/who", "/rooms", "/join dev", "/leave", "/history", "/away", "/msg bob", "/logout", "/passwd"]
        {
            assert!(!said(line), "{line}");
        }
    }
}
