//! What a person sees and may do while the connection is lost. Messages are kept and sent later. A command is about
//! now, so it is refused: otherwise it would be carried out at some later time, together with others.

use lanchat_client::Sentence;

use super::Chat;
use crate::command::SlashCommand;

/// Shown in the prompt, after the names.
const OFFLINE: &str = " (offline)";
/// Ends the prompt.
const MARK: &str = "> ";

impl Chat {
    /// Reports that the connection is lost.
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

    /// Reports that the connection is back.
    pub(super) fn came_back(&mut self) {
        self.link.restore();
        self.show_prompt();
    }

    /// Inserts the state of the connection before the mark that ends `prompt`.
    pub(super) fn with_state(&self, prompt: String) -> String {
        match prompt.strip_suffix(MARK) {
            Some(names) if self.link.is_lost() => format!("{names}{OFFLINE}{MARK}"),
            _ => prompt,
        }
    }

    /// Refuses a person's command that cannot be carried out now. A script waits, since its lines must keep their
    /// order.
    pub(super) fn is_refused_offline(&mut self, command: &SlashCommand) -> bool {
        let refused = self.link.is_lost() && self.hand.has_editor() && needs_server(command);
        if refused {
            self.refuse("You are offline, so this command was not done. Type it again when you are back.");
        }
        refused
    }
}

/// Returns whether a command that the program cannot carry out alone needs the server now. Messages are kept for later.
fn needs_server(command: &SlashCommand) -> bool {
    match command {
        SlashCommand::Me(_)
        | SlashCommand::Message { text: Some(_), .. }
        | SlashCommand::Reply(_)
        | SlashCommand::Servers => false,
        SlashCommand::Register { .. }
        | SlashCommand::Login { .. }
        | SlashCommand::Logout
        | SlashCommand::Passwd(_) => true,
        SlashCommand::Join(_) | SlashCommand::Leave(_) | SlashCommand::Rooms | SlashCommand::Who(_) => true,
        SlashCommand::Message { text: None, .. } | SlashCommand::History(_) | SlashCommand::Show { .. } => {
            true
        }
        SlashCommand::Away(_) | SlashCommand::Back | SlashCommand::Whois(_) => true,
        SlashCommand::Trust(_) | SlashCommand::Help(_) | SlashCommand::Quit => true,
    }
}

/// Returns whether a command whose answer does not come can simply be typed again. The others report by themselves what
/// became of them.
pub(super) fn is_repeatable(command: &SlashCommand) -> bool {
    match command {
        SlashCommand::Register { .. }
        | SlashCommand::Login { .. }
        | SlashCommand::Logout
        | SlashCommand::Passwd(_) => false,
        SlashCommand::Join(_) | SlashCommand::Leave(_) | SlashCommand::Rooms | SlashCommand::Who(_) => true,
        SlashCommand::Message { .. } | SlashCommand::Reply(_) | SlashCommand::Me(_) => true,
        SlashCommand::History(_) | SlashCommand::Show { .. } | SlashCommand::Away(_) | SlashCommand::Back => {
            true
        }
        SlashCommand::Whois(_)
        | SlashCommand::Trust(_)
        | SlashCommand::Servers
        | SlashCommand::Help(_)
        | SlashCommand::Quit => true,
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
