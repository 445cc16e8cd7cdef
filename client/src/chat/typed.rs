//! Handles what is typed or piped, line by line.

use std::io::IsTerminal;

use lanchat_client::Client;
use lanchat_model::RoomRef;

use super::entry::unread;
use super::logins::{Login, ask_for_name, is_remembered, log_in};
use super::{Chat, End, Pending, Regard};
use crate::command::{self, Input, SlashCommand, slash};
use crate::exit::{Failure, Reason};
use crate::input::Typed;
use crate::repl::Verdict;
use crate::view::sentence;

impl Chat {
    /// Begins a connection: with a requested login, otherwise with the kept token.
    pub(super) async fn begin(&mut self, client: &Client, first: Option<SlashCommand>) -> Pending {
        let first = match first {
            None if !self.hand.has_editor() => self.login_in_the_pipe(client).await,
            first => first,
        };
        let login = match first {
            Some(SlashCommand::Register { name: Some(name), password: Some(password) }) => {
                Login::Register(name, password)
            }
            Some(SlashCommand::Login { name: Some(name), password: Some(password) }) => {
                Login::Password(name, password)
            }
            _ => Login::Token,
        };
        self.log_in(client, login)
    }

    /// Returns the login that a script begins with. It replaces the remembered login, unless it is for the same
    /// account: each login by password makes one more device, and their number is bounded. A script that only sends
    /// must begin at some time, so its first line is waited for; one that stays may never send anything.
    async fn login_in_the_pipe(&mut self, client: &Client) -> Option<SlashCommand> {
        let waits = !self.wishes.follow && !std::io::stdin().is_terminal();
        let next = self.inbox.peek(waits).await.filter(|_| !self.wishes.text);
        let Some(Typed::Line(line)) = next else { return None };
        let Ok(Input::Command(login)) = command::parse(line) else { return None };
        let login = self.with_password(login);
        match &login {
            // A remembered account logs in without the line. If that fails, the line is still there.
            SlashCommand::Login { name: Some(name), .. } if is_remembered(client, name).await => return None,
            SlashCommand::Register { name: Some(_), password: Some(_) }
            | SlashCommand::Login { name: Some(_), password: Some(_) } => {}
            _ => return None,
        }
        self.inbox.skip();
        Some(login)
    }

    pub(super) fn log_in(&mut self, client: &Client, login: Login) -> Pending {
        let room = self.wishes.room.clone();
        self.joining = room.clone().filter(|room| !room.is_private());
        log_in(client, login, room, self.wishes.tail)
    }

    /// Takes in what came from the keyboard or the pipe.
    pub(super) fn typed(&mut self, client: &Client, typed: Typed) -> Option<End> {
        match typed {
            Typed::Line(line) if self.inbox.is_confirming() => return self.confirm(&line),
            Typed::Line(line) => {
                self.show_all();
                let end = self.line(client, line);
                self.correspondent.line_read();
                return end;
            }
            Typed::Command(command) => {
                let end = self.obey(client, command);
                if end.is_none() && !self.errand.editor_waits() {
                    self.tell(Verdict::Settled);
                }
                return end;
            }
            // A user who is logged in registers over a new connection, which is not there yet.
            Typed::NewName(_) if client.is_logged_in() => self.tell(Verdict::Settled),
            Typed::NewName(name) => {
                self.errand.begin(Some(ask_for_name(client.clone(), name)), Regard::Awaited);
            }
            Typed::Editing => {
                let room = self.view.current().map(RoomRef::to_string);
                room.iter().for_each(|room| client.typing(room));
            }
            Typed::UnreadableCommand(words) if !self.wishes.text => return self.misunderstood(words),
            Typed::Unreadable(words) | Typed::UnreadableCommand(words) => self.refuse(words),
            Typed::Leave => return self.leave(),
            Typed::End if self.standing.is_nobody() => return Some(End::Failed(self.nobody_logged_in())),
            Typed::End => self.inbox.end(),
            Typed::Unread(reason) => return Some(unread(&format!("The input cannot be read: {reason}."))),
            Typed::Broken(reason) => {
                return Some(End::Failed(Failure::new(
                    Reason::Usage,
                    format!("The terminal is gone: {reason}"),
                )));
            }
        }
        None
    }

    fn line(&mut self, client: &Client, line: String) -> Option<End> {
        let first = !slash::is_blank_line(&line) && self.inbox.begin();
        if self.wishes.text && first && slash::reveals(&line) {
            let words = "With --text no line is a command, so this login would be sent to everybody. \
                         Log in once without --text: this device is remembered.";
            return Some(End::Failed(Failure::new(Reason::Usage, words)));
        }
        match self.understood(line) {
            Ok(Input::Blank) => {}
            Ok(Input::Say(text)) => return self.speak(client, None, text, false),
            Ok(Input::Command(command)) => {
                let command = self.with_password(command);
                return self.obey(client, command);
            }
            Err(words) => return self.misunderstood(&words),
        }
        None
    }

    fn understood(&self, line: String) -> Result<Input, String> {
        if self.wishes.text { Ok(command::verbatim(line)) } else { command::parse(&line) }
    }

    /// Adds the password of the password file, if there is one, to a login without a password.
    fn with_password(&self, command: SlashCommand) -> SlashCommand {
        let given = || self.wishes.password.clone();
        match command {
            SlashCommand::Register { name: Some(name), password: None } => {
                SlashCommand::Register { name: Some(name), password: given() }
            }
            SlashCommand::Login { name: Some(name), password: None } => {
                SlashCommand::Login { name: Some(name), password: given() }
            }
            other => other,
        }
    }

    /// Refuses a command that cannot be understood. A script ends: its next lines are meant for the room or account
    /// that the command was to change to, and would be sent elsewhere.
    pub(super) fn misunderstood(&mut self, words: &str) -> Option<End> {
        if self.hand.is_script() {
            let words = format!("{}\nThe lines behind this one were not read.", sentence(words));
            return Some(End::Failed(Failure::new(Reason::Refused, words)));
        }
        self.refuse(words);
        None
    }

    /// Says that something was refused, and counts it.
    pub(super) fn refuse(&mut self, words: &str) {
        self.refusals += 1;
        self.complain(words);
    }
}
