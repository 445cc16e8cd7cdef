//! What the user wants, as requests.

use lanchat_client::Client;
use lanchat_model::{RoomRef, limits};

use super::answers::{Answer, Login};
use super::logins::{change_password, log_out};
use super::offline::is_repeatable;
use super::turning::no_such_room;
use super::{End, Meant, Pending, Regard, Session};
use crate::command::{self, Command, is_account};
use crate::sanitize::sendable;
use crate::slash;
use crate::trust;
use crate::view::{Shown, clip};

impl Session {
    /// Shows what was asked for.
    pub(super) fn say(&self, rows: Vec<String>) {
        self.output.show(Shown { rows, ..Shown::default() });
    }

    /// Does what a command asks for.
    pub(super) fn obey(&mut self, client: &Client, command: Command) -> Option<End> {
        match self.local(&command) {
            Local::Handled => return None,
            Local::End(end) => return Some(*end),
            Local::Request if self.is_refused_offline(&command) => return None,
            Local::Request => {}
        }
        match command {
            Command::Me(text) => return self.speak(client, None, text, true),
            Command::Message { to, text: Some(text) } => {
                return self.speak(client, Some(format!("@{to}")), text, false);
            }
            Command::Reply(text) => match self.addressee() {
                Ok(to) => return self.speak(client, Some(to.to_string()), text, false),
                Err(words) => self.refuse(&words),
            },
            Command::Servers => {
                self.notice("Looking for servers on this network…");
                let home = self.wishes.home.clone();
                let all = async move { Answer::Servers(crate::choose::all_servers(&home).await) };
                self.errand.begin(Some(Box::pin(all)), Regard::Plain);
            }
            command => {
                let logs_in = matches!(command, Command::Register { .. } | Command::Login { .. });
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

    /// Commands that need no request.
    fn local(&mut self, command: &Command) -> Local {
        match command {
            Command::Help(None) => self.say_each(command::help()),
            Command::Help(Some(verb)) => match command::help_for(verb) {
                Ok(lines) => self.say_each(lines),
                Err(words) => self.refuse(&words),
            },
            Command::Quit => return self.leave().map_or(Local::Handled, |end| Local::End(Box::new(end))),
            Command::Login { name: Some(name), .. } if is_account(name, self.view.own()) => {
                self.notice(&format!("You are logged in as {} already.", clip(self.view.own())));
            }
            Command::Register { name: None, .. } | Command::Login { name: None, .. } => {
                return self.incomplete("A name is missing. In a script: /login NAME PASSWORD");
            }
            Command::Register { password: None, .. } | Command::Login { password: None, .. } => {
                let words =
                    "A password is missing. In a script: /login NAME PASSWORD, or --password-file FILE";
                return self.incomplete(words);
            }
            Command::Passwd(None) => {
                return self.incomplete("Usage: /passwd OLD NEW");
            }
            // In a terminal the editor has asked.
            Command::Register { .. } if !self.hand.has_editor() && self.is_logged_in() => {
                let own = clip(self.view.own());
                return self.incomplete(&format!(
                    "You are {own} here, and this device remembers one account for each server. To make another one, \
                     /logout first, or use another --home."
                ));
            }
            Command::Register { .. } | Command::Login { .. } if self.is_refused_offline(command) => {}
            Command::Register { .. } | Command::Login { .. } if self.is_logged_in() => {
                return Local::End(Box::new(End::Relogin(command.clone())));
            }
            Command::Leave(room) => {
                let room = match room {
                    Some(typed) => command::room(typed).map(Some),
                    None => Ok(self.view.current().cloned()),
                };
                match room {
                    Ok(room) if !room.as_ref().is_some_and(RoomRef::is_private) => return Local::Request,
                    // No group room was read that cannot be: it is a private chat, of nobody or of somebody.
                    chat => self.step_back(chat.ok().flatten()),
                }
            }
            Command::Trust(words) => self.trust(words.as_deref()),
            Command::Register { .. } | Command::Login { .. } | Command::Logout | Command::Passwd(Some(_)) => {
                return Local::Request;
            }
            Command::Join(_) | Command::Rooms | Command::Who(_) | Command::History(_) => {
                return Local::Request;
            }
            Command::Message { .. } | Command::Reply(_) | Command::Me(_) => return Local::Request,
            Command::Show { .. } | Command::Whois(_) | Command::Servers => return Local::Request,
            Command::Away(_) | Command::Back => return Local::Request,
        }
        Local::Handled
    }

    fn incomplete(&mut self, words: &str) -> Local {
        self.misunderstood(words).map_or(Local::Handled, |end| Local::End(Box::new(end)))
    }

    /// Shows or verifies the six words of the server.
    fn trust(&mut self, words: Option<&str>) {
        let Some(id) = self.server.id else { return };
        match trust::in_chat(&self.wishes.home, id, self.wishes.hosting, words) {
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
            Answer::Sent { room, text, outcome }
        };
        self.errand.begin(Some(Box::pin(sent)), Regard::Plain);
        None
    }

    /// The request that a command stands for.
    fn request(&mut self, client: Client, command: Command) -> Option<Pending> {
        let current = self.current_name();
        Some(match command {
            Command::Register { name: Some(name), password: Some(password) } => {
                self.log_in(&client, Login::Register(name, password))
            }
            Command::Login { name: Some(name), password: Some(password) } => {
                self.log_in(&client, Login::Password(name, password))
            }
            Command::Logout => log_out(client),
            Command::Passwd(Some((old, new))) => change_password(client, old, new),
            Command::Join(room) => self.join(client, &room),
            Command::Leave(room) => match command::room(&room.unwrap_or(current)) {
                Ok(room) => Box::pin(async move {
                    let outcome = client.leave(&room.to_string()).await;
                    Answer::Left(room, outcome)
                }),
                Err(error) => no_such_room(error),
            },
            Command::Rooms => Box::pin(async move { Answer::Rooms(client.rooms().await) }),
            Command::Who(room) => {
                self.asked = room.clone().map(Meant::Room);
                let room = room.unwrap_or(current);
                Box::pin(async move { Answer::Members(client.members(Some(&room)).await) })
            }
            Command::Message { to, .. } => self.join(client, &format!("@{to}")),
            Command::History(count) => self.older(client, count),
            Command::Show { room, seq } => {
                if let Some(rows) = self.kept(room.as_deref().unwrap_or(&current), seq) {
                    self.say(rows);
                    return None;
                }
                self.asked = room.clone().map(Meant::Room);
                let room = room.unwrap_or(current);
                Box::pin(async move {
                    let outcome = client.history(&room, Some(seq.next()), 1).await;
                    Answer::Whole(room, seq, outcome)
                })
            }
            Command::Away(reason) => Box::pin(async move {
                Answer::Done("You are away. /back ends it.", client.away(reason.as_deref()).await)
            }),
            Command::Back => Box::pin(async move { Answer::Done("You are back.", client.back().await) }),
            Command::Whois(name) => {
                self.asked = Some(Meant::Person(name.trim_start_matches('@').to_ascii_lowercase()));
                Box::pin(async move { Answer::Whois(client.whois(&name).await) })
            }
            // Complete, or done by the program alone.
            Command::Register { .. } | Command::Login { .. } | Command::Passwd(None) => return None,
            Command::Me(_) | Command::Reply(_) | Command::Servers => return None,
            Command::Trust(_) | Command::Help(_) | Command::Quit => return None,
        })
    }

    /// Older lines of the current room; its last ones again, if there are none.
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
                // They may be far up by now, or gone from the window.
                Some(last) => last.await.map_or_else(|error| Answer::History(Err(error)), Answer::Repeat),
                None => Answer::History(older),
            }
        })
    }

    /// The current room, as it is written; empty before login.
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
    /// It needs one.
    Request,
}
