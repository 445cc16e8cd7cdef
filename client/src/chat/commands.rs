//! Turns what the user wants into requests.

use lanchat_client::Client;
use lanchat_model::{RoomRef, limits};

use super::answer::Answered;
use super::logins::{Login, change_password, log_out};
use super::offline::is_repeatable;
use super::turning::no_such_room;
use super::{Chat, End, Meant, Pending, Regard};
use crate::command::{self, SlashCommand, is_account, slash};
use crate::sanitize::sendable;
use crate::trust;
use crate::view::{Shown, clip};

impl Chat {
    /// Shows what the user asked for.
    pub(super) fn say(&self, rows: Vec<String>) {
        self.output.show(Shown { rows, ..Shown::default() });
    }

    /// Does what a command asks for.
    pub(super) fn obey(&mut self, client: &Client, command: SlashCommand) -> Option<End> {
        match self.local(&command) {
            Local::Handled => return None,
            Local::End(end) => return Some(*end),
            Local::Request if self.is_refused_offline(&command) => return None,
            Local::Request => {}
        }
        match command {
            SlashCommand::Me(text) => return self.speak(client, None, text, true),
            SlashCommand::Message { to, text: Some(text) } => {
                return self.speak(client, Some(format!("@{to}")), text, false);
            }
            SlashCommand::Reply(text) => match self.addressee() {
                Ok(to) => return self.speak(client, Some(to.to_string()), text, false),
                Err(words) => self.refuse(&words),
            },
            SlashCommand::Servers => {
                self.notice("Looking for servers on this network…");
                let home = self.wishes.home.clone();
                let all = async move { Answered::Servers(crate::choose::all_servers(&home).await) };
                self.errand.begin(Some(Box::pin(all)), Regard::Plain);
            }
            command => {
                let logs_in = matches!(command, SlashCommand::Register { .. } | SlashCommand::Login { .. });
                if !logs_in && !client.is_logged_in() {
                    return self.nobody_speaks();
                }
                let regard = if is_repeatable(&command) { Regard::Repeatable } else { Regard::Plain };
                let request = self.request(client.clone(), command);
                self.errand.begin(request, regard);
            }
        }
        None
    }

    /// Carries out commands that do not need a request.
    fn local(&mut self, command: &SlashCommand) -> Local {
        match command {
            SlashCommand::Help(None) => self.say_each(command::help()),
            SlashCommand::Help(Some(verb)) => match command::help_for(verb) {
                Ok(lines) => self.say_each(lines),
                Err(words) => self.refuse(&words),
            },
            SlashCommand::Quit => {
                return self.leave().map_or(Local::Handled, |end| Local::End(Box::new(end)));
            }
            SlashCommand::Login { name: Some(name), .. } if is_account(name, self.view.own()) => {
                self.notice(&format!("You are logged in as {} already.", clip(self.view.own())));
            }
            SlashCommand::Register { name: None, .. } | SlashCommand::Login { name: None, .. } => {
                return self.incomplete("A name is missing. In a script: /login NAME PASSWORD");
            }
            SlashCommand::Register { password: None, .. } | SlashCommand::Login { password: None, .. } => {
                let words =
                    "A password is missing. In a script: /login NAME PASSWORD, or --password-file FILE";
                return self.incomplete(words);
            }
            SlashCommand::Passwd(None) => {
                return self.incomplete("Usage: /passwd OLD NEW");
            }
            // In a terminal the editor has asked.
            SlashCommand::Register { .. } if !self.hand.has_editor() && self.is_logged_in() => {
                let own = clip(self.view.own());
                return self.incomplete(&format!(
                    "You are {own} here, and this device remembers one account for each server. To make another one, \
                     /logout first, or use another --home."
                ));
            }
            SlashCommand::Register { .. } | SlashCommand::Login { .. }
                if self.is_refused_offline(command) => {}
            SlashCommand::Register { .. } | SlashCommand::Login { .. } if self.is_logged_in() => {
                return Local::End(Box::new(End::Relogin(command.clone())));
            }
            SlashCommand::Leave(room) => {
                let room = match room {
                    Some(typed) => command::room(typed).map(Some),
                    None => Ok(self.view.current().cloned()),
                };
                match room {
                    Ok(room) if !room.as_ref().is_some_and(RoomRef::is_private) => return Local::Request,
                    // Invalid group rooms were refused by the parser, so this is a private chat, perhaps with nobody.
                    chat => self.step_back(chat.ok().flatten()),
                }
            }
            SlashCommand::Trust(words) => self.trust(words.as_deref()),
            SlashCommand::Register { .. }
            | SlashCommand::Login { .. }
            | SlashCommand::Logout
            | SlashCommand::Passwd(Some(_)) => {
                return Local::Request;
            }
            SlashCommand::Join(_) | SlashCommand::Rooms | SlashCommand::Who(_) | SlashCommand::History(_) => {
                return Local::Request;
            }
            SlashCommand::Message { .. } | SlashCommand::Reply(_) | SlashCommand::Me(_) => {
                return Local::Request;
            }
            SlashCommand::Show { .. } | SlashCommand::Whois(_) | SlashCommand::Servers => {
                return Local::Request;
            }
            SlashCommand::Away(_) | SlashCommand::Back => return Local::Request,
        }
        Local::Handled
    }

    fn incomplete(&mut self, words: &str) -> Local {
        self.misunderstood(words).map_or(Local::Handled, |end| Local::End(Box::new(end)))
    }

    /// Shows or verifies the six words of the server.
    fn trust(&mut self, words: Option<&str>) {
        let (Some(id), Some(key)) = (self.server.id, self.server.key) else { return };
        match trust::in_chat(&self.wishes.home, (id, key), self.wishes.hosting, words) {
            Ok(lines) => self.say_each(lines),
            Err(words) => self.refuse(&words),
        }
    }

    fn is_logged_in(&self) -> bool {
        self.link.client().is_some_and(Client::is_logged_in)
    }

    pub(super) fn say_each(&self, lines: Vec<String>) {
        self.say(lines.iter().flat_map(|line| self.view.notice(line)).collect());
    }

    /// Sends a message to `room`, or to the current one.
    pub(super) fn speak(
        &mut self,
        client: &Client,
        room: Option<String>,
        text: String,
        action: bool,
    ) -> Option<End> {
        let room = room.unwrap_or_else(|| self.current_name());
        if !client.is_logged_in() {
            return self.nobody_speaks();
        }
        let text = sendable(&text);
        if slash::is_blank_line(&text) {
            self.refuse("Not sent: this line holds nothing but control characters.");
            return None;
        }
        let client = client.clone();
        let sent = async move {
            let outcome = client.send(&room, &text, action).await;
            Answered::Sent { room, text, outcome }
        };
        self.errand.begin(Some(Box::pin(sent)), Regard::Plain);
        None
    }

    /// Returns the request that a command stands for.
    fn request(&mut self, client: Client, command: SlashCommand) -> Option<Pending> {
        let current = self.current_name();
        Some(match command {
            SlashCommand::Register { name: Some(name), password: Some(password) } => {
                self.log_in(&client, Login::Register(name, password))
            }
            SlashCommand::Login { name: Some(name), password: Some(password) } => {
                self.log_in(&client, Login::Password(name, password))
            }
            SlashCommand::Logout => log_out(client),
            SlashCommand::Passwd(Some((old, new))) => change_password(client, old, new),
            SlashCommand::Join(room) => self.join(client, &room),
            SlashCommand::Leave(room) => match command::room(&room.unwrap_or(current)) {
                Ok(room) => Box::pin(async move {
                    let outcome = client.leave(&room.to_string()).await;
                    Answered::Left(room, outcome)
                }),
                Err(error) => no_such_room(error),
            },
            SlashCommand::Rooms => Box::pin(async move { Answered::Rooms(client.rooms().await) }),
            SlashCommand::Who(room) => {
                self.asked = room.clone().map(Meant::Room);
                let room = room.unwrap_or(current);
                Box::pin(async move { Answered::Members(client.members(Some(&room)).await) })
            }
            SlashCommand::Message { to, .. } => self.join(client, &format!("@{to}")),
            SlashCommand::History(count) => self.older(client, count),
            SlashCommand::Show { room, seq } => {
                if let Some(rows) = self.kept(room.as_deref().unwrap_or(&current), seq) {
                    self.say(rows);
                    return None;
                }
                self.asked = room.clone().map(Meant::Room);
                let room = room.unwrap_or(current);
                Box::pin(async move {
                    let outcome = client.history(&room, Some(seq.next()), 1).await;
                    Answered::Whole(room, seq, outcome)
                })
            }
            SlashCommand::Away(reason) => Box::pin(async move {
                Answered::Done("You are away. /back ends it.", client.away(reason.as_deref()).await)
            }),
            SlashCommand::Back => {
                Box::pin(async move { Answered::Done("You are back.", client.back().await) })
            }
            SlashCommand::Whois(name) => {
                self.asked = Some(Meant::Person(name.trim_start_matches('@').to_ascii_lowercase()));
                Box::pin(async move { Answered::Whois(client.whois(&name).await) })
            }
            // Complete, or done by the program alone.
            SlashCommand::Register { .. } | SlashCommand::Login { .. } | SlashCommand::Passwd(None) => {
                return None;
            }
            SlashCommand::Me(_) | SlashCommand::Reply(_) | SlashCommand::Servers => return None,
            SlashCommand::Trust(_) | SlashCommand::Help(_) | SlashCommand::Quit => return None,
        })
    }

    /// Requests older lines of the current room, or its last ones again if there are none.
    fn older(&self, client: Client, count: Option<u64>) -> Pending {
        let room = self.current_name();
        let before = self.view.current().and_then(|room| self.progress.oldest(room));
        let count = count.unwrap_or(limits::JOIN_TAIL_DEFAULT);
        if count > limits::HISTORY_PAGE_MAX as u64 {
            let most = limits::HISTORY_PAGE_MAX;
            self.notice(&format!("/history shows {most} lines at a time. Type it again for older ones."));
        }
        Box::pin(async move {
            let older = client.history(&room, before, count).await;
            let is_all = older.as_ref().is_ok_and(|page| page.entries.is_empty()) && before.is_some();
            match is_all.then_some(client.history(&room, None, count)) {
                // The last lines may have scrolled far up by now, or out of the window.
                Some(last) => last.await.map_or_else(|error| Answered::History(Err(error)), Answered::Repeat),
                None => Answered::History(older),
            }
        })
    }

    /// Returns the current room in its wire form; empty before login.
    pub(super) fn current_name(&self) -> String {
        self.view.current().map(RoomRef::to_string).unwrap_or_default()
    }
}

/// What became of a command that may need no request.
enum Local {
    /// It is done.
    Handled,
    /// It ends the session.
    End(Box<End>),
    /// It needs a request.
    Request,
}
