//! What the user wants, as requests.

use std::io::IsTerminal;

use lanchat_client::{Client, RequestError};
use lanchat_model::{AccountName, BadName, RoomRef, limits};
use lanchat_protocol::ErrorCode;

use super::answers::{Answer, Login, log_in};
use super::entry::unread;
use super::logins::{ask_for_name, change_password, is_remembered, log_out};
use super::offline::is_repeatable;
use super::{End, Meant, Pending, Session};
use crate::command::{self, Command, Input, is_account};
use crate::exit::{Failure, Reason};
use crate::input::Typed;
use crate::repl::Verdict;
use crate::sanitize::sendable;
use crate::slash;
use crate::trust;
use crate::view::{Shown, clip, sentence};

impl Session {
    /// Begins a connection: with a login that was asked for, else with the token that is kept.
    pub(super) async fn begin(&mut self, client: &Client, first: Option<Command>) -> Pending {
        let first = match first {
            None if !self.interactive => self.login_in_the_pipe(client).await,
            first => first,
        };
        let login = match first {
            Some(Command::Register { name: Some(name), password: Some(password) }) => {
                Login::Register(name, password)
            }
            Some(Command::Login { name: Some(name), password: Some(password) }) => {
                Login::Password(name, password)
            }
            _ => Login::Token,
        };
        self.log_in(client, login)
    }

    /// A script that begins with a login does not want that of last time, unless it is the same: each
    /// login by password makes one more device, and there is a bound on them. A script that only sends
    /// has to begin sometime, so its first line is waited for; one that stays may never say anything.
    async fn login_in_the_pipe(&mut self, client: &Client) -> Option<Command> {
        if self.peeked.is_none() {
            self.peeked = match self.wishes.follow || std::io::stdin().is_terminal() {
                true => self.typed.try_recv().ok(),
                false => self.typed.recv().await,
            };
        }
        let Some(Typed::Line(line)) = self.peeked.as_ref().filter(|_| !self.wishes.text) else { return None };
        let Ok(Input::Command(login)) = command::parse(line) else { return None };
        let login = self.with_password(login);
        match &login {
            // Whoever is remembered logs in without it. If that fails, the line is still there.
            Command::Login { name: Some(name), .. } if is_remembered(client, name).await => return None,
            Command::Register { name: Some(_), password: Some(_) }
            | Command::Login { name: Some(_), password: Some(_) } => {}
            _ => return None,
        }
        self.peeked = None;
        Some(login)
    }

    pub(super) fn log_in(&mut self, client: &Client, login: Login) -> Pending {
        let room = self.wishes.room.clone();
        self.joining = room.clone().filter(|room| !room.is_private());
        log_in(client, login, room, self.wishes.tail)
    }

    /// Takes what came from the keyboard or the pipe.
    pub(super) fn typed(
        &mut self,
        client: &Client,
        typed: Typed,
        pending: &mut Option<Pending>,
    ) -> Option<End> {
        match typed {
            Typed::Line(line) if self.confirming => return self.confirm(&line),
            Typed::Line(line) => {
                self.show_all();
                let end = self.line(client, line, pending);
                self.correspondent.line_read();
                return end;
            }
            Typed::Command(command) => {
                self.awaited = true;
                let end = self.obey(client, command, pending);
                if end.is_none() && pending.is_none() {
                    self.tell(Verdict::Settled);
                }
                return end;
            }
            Typed::NewName(name) => {
                self.awaited = true;
                // Whoever is logged in registers over a connection that is not there yet.
                match client.is_logged_in() {
                    true => self.tell(Verdict::Settled),
                    false => *pending = Some(ask_for_name(client.clone(), name)),
                }
            }
            Typed::Editing => {
                let room = self.view.current().map(RoomRef::to_string);
                room.iter().for_each(|room| client.typing(room));
            }
            Typed::UnreadableCommand(words) if !self.wishes.text => return self.misunderstood(words),
            Typed::Unreadable(words) | Typed::UnreadableCommand(words) => self.refuse(words),
            Typed::Leave => return self.leave(),
            Typed::End if !self.met => return Some(End::Failed(self.nobody_logged_in())),
            Typed::End => self.ended = true,
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

    fn line(&mut self, client: &Client, line: String, pending: &mut Option<Pending>) -> Option<End> {
        let first = !self.begun && !slash::is_blank_line(&line);
        self.begun |= first;
        if self.wishes.text && first && slash::reveals(&line) {
            let words = "With --text no line is a command, so this login would be sent to everybody. \
                         Log in once without --text: this device is remembered.";
            return Some(End::Failed(Failure::new(Reason::Usage, words)));
        }
        match self.understood(line) {
            Ok(Input::Blank) => {}
            Ok(Input::Say(text)) => return self.speak(client, None, text, false, pending),
            Ok(Input::Command(command)) => {
                let command = self.with_password(command);
                return self.obey(client, command, pending);
            }
            Err(words) => return self.misunderstood(&words),
        }
        None
    }

    fn understood(&self, line: String) -> Result<Input, String> {
        if self.wishes.text { Ok(command::verbatim(line)) } else { command::parse(&line) }
    }

    /// A login that brings no password has that of the password file, if there is one.
    fn with_password(&self, command: Command) -> Command {
        let given = || self.wishes.password.clone();
        match command {
            Command::Register { name: Some(name), password: None } => {
                Command::Register { name: Some(name), password: given() }
            }
            Command::Login { name: Some(name), password: None } => {
                Command::Login { name: Some(name), password: given() }
            }
            other => other,
        }
    }

    /// A command cannot be carried out as it stands. A script ends: the lines behind it are meant for the
    /// room or the account that the command was to change to, and would be said elsewhere.
    fn misunderstood(&mut self, words: &str) -> Option<End> {
        if self.scripted {
            let words = format!("{}\nThe lines behind this one were not read.", sentence(words));
            return Some(End::Failed(Failure::new(Reason::Refused, words)));
        }
        self.refuse(words);
        None
    }

    pub(super) fn refuse(&mut self, words: &str) {
        self.refusals += 1;
        self.complain(words);
    }

    /// Shows what was asked for.
    pub(super) fn say(&self, rows: Vec<String>) {
        self.output.show(Shown { rows, ..Shown::default() });
    }

    /// Leaves, unless others depend on it: then asks first.
    fn leave(&mut self) -> Option<End> {
        if !self.interactive {
            // As if the input ended here.
            self.ended = true;
            self.wishes.follow = false;
            return None;
        }
        let others = self.connected.saturating_sub(1);
        if !self.wishes.hosting || others == 0 || self.confirming {
            return Some(End::Done);
        }
        self.notice("Others are connected. Leaving stops the server for them too.");
        self.confirming = true;
        self.show_prompt();
        None
    }

    fn confirm(&mut self, answer: &str) -> Option<End> {
        self.confirming = false;
        if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            return Some(End::Done);
        }
        self.notice("You stay, and the server goes on.");
        self.show_prompt();
        None
    }

    fn obey(&mut self, client: &Client, command: Command, pending: &mut Option<Pending>) -> Option<End> {
        match self.local(&command) {
            Local::Handled => return None,
            Local::End(end) => return Some(*end),
            Local::Request if self.is_refused_offline(&command) => return None,
            Local::Request => {}
        }
        match command {
            Command::Me(text) => return self.speak(client, None, text, true, pending),
            Command::Message { to, text: Some(text) } => {
                return self.speak(client, Some(format!("@{to}")), text, false, pending);
            }
            Command::Reply(text) => match self.addressee() {
                Ok(to) => return self.speak(client, Some(to.to_string()), text, false, pending),
                Err(words) => self.refuse(&words),
            },
            Command::Servers => {
                self.notice("Looking for servers on this network…");
                let home = self.wishes.home.clone();
                let all = async move { Answer::Servers(crate::choose::all_servers(&home).await) };
                *pending = Some(Box::pin(all));
            }
            command => {
                let logs_in = matches!(command, Command::Register { .. } | Command::Login { .. });
                if !logs_in && !client.is_logged_in() {
                    return self.nobody_speaks();
                }
                let is_repeatable = is_repeatable(&command);
                *pending = self.request(client.clone(), command);
                self.may_give_up = is_repeatable && pending.is_some();
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
            Command::Register { .. } if !self.interactive && self.is_logged_in() => {
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
            _ => return Local::Request,
        }
        Local::Handled
    }

    fn incomplete(&mut self, words: &str) -> Local {
        self.misunderstood(words).map_or(Local::Handled, |end| Local::End(Box::new(end)))
    }

    /// Shows or verifies the six words of the server.
    fn trust(&mut self, words: Option<&str>) {
        let Some(id) = self.server_id else { return };
        match trust::in_chat(&self.wishes.home, id, self.wishes.hosting, words) {
            Ok(lines) => self.say_each(lines),
            Err(words) => self.refuse(&words),
        }
    }

    fn is_logged_in(&self) -> bool {
        self.client.as_ref().is_some_and(Client::is_logged_in)
    }

    pub(super) fn say_each(&self, lines: Vec<String>) {
        self.say(lines.iter().flat_map(|line| self.view.notice(line)).collect());
    }

    /// Sends a message to `room`, or to the current one.
    fn speak(
        &mut self,
        client: &Client,
        room: Option<String>,
        text: String,
        action: bool,
        pending: &mut Option<Pending>,
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
        *pending = Some(Box::pin(async move {
            let outcome = client.send(&room, &text, action).await;
            Answer::Sent { room, text, outcome }
        }));
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
            Command::History(count) => {
                let before = self.view.current().and_then(|room| self.oldest.get(room)).copied();
                let count = count.unwrap_or(limits::JOIN_TAIL_DEFAULT);
                if count > limits::HISTORY_PAGE_MAX as u64 {
                    let most = limits::HISTORY_PAGE_MAX;
                    self.notice(&format!(
                        "/history shows {most} lines at a time. Type it again for older ones."
                    ));
                }
                Box::pin(async move {
                    let older = client.history(&current, before, count).await;
                    let is_all = older.as_ref().is_ok_and(|page| page.entries.is_empty()) && before.is_some();
                    match is_all.then_some(client.history(&current, None, count)) {
                        // They may be far up by now, or gone from the window.
                        Some(last) => {
                            last.await.map_or_else(|error| Answer::History(Err(error)), Answer::Repeat)
                        }
                        None => Answer::History(older),
                    }
                })
            }
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
            _ => return None,
        })
    }

    /// Enters a room; one that was entered before shows its last lines again, if they are not on the screen.
    fn join(&mut self, client: Client, typed: &str) -> Pending {
        let room = match command::room(typed) {
            Ok(RoomRef::Private(peer)) => return self.turn_to(client, peer),
            Ok(room) => room,
            Err(error) => return no_such_room(error),
        };
        let tail = if self.is_on_screen(&room) { 0 } else { self.wishes.tail };
        let known = self.view.has(&room);
        self.joining = Some(room.clone());
        let room = room.to_string();
        Box::pin(async move {
            let outcome = async {
                let state = client.join(&room, tail).await?;
                let history = match known && tail > 0 {
                    true => Some(client.history(&room, None, tail).await?),
                    false => None,
                };
                Ok((state, history))
            };
            Answer::Joined(outcome.await)
        })
    }

    /// Makes the private chat with somebody the current room.
    fn turn_to(&mut self, client: Client, peer: AccountName) -> Pending {
        let name = peer.to_string();
        let room = RoomRef::Private(peer);
        let tail = if self.is_on_screen(&room) { 0 } else { self.wishes.tail };
        Box::pin(async move {
            let outcome = async {
                client.whois(&name).await?;
                if tail == 0 {
                    return Ok(None);
                }
                match client.history(&room.to_string(), None, tail).await {
                    Ok(history) => Ok(Some(history).filter(|history| !history.entries.is_empty())),
                    // Nothing was written yet.
                    Err(RequestError::Refused {
                        code: ErrorCode::NoSuchRoom | ErrorCode::NotAMember,
                        ..
                    }) => Ok(None),
                    Err(error) => Err(error),
                }
            };
            let outcome = outcome.await;
            Answer::Turned(room, outcome)
        })
    }

    /// The user left a room: the one before it is gone on in, or the lobby, which is always there.
    pub(super) fn has_left(&mut self, room: &RoomRef) {
        self.forget(room);
        let mut words = format!("You left {room}.");
        if self.view.is_current(room) {
            let back = self.go_back();
            words.push_str(&format!(" You are back in {back}."));
        }
        self.notice(&words);
    }

    /// The current room, as it is written; empty before login.
    pub(super) fn current_name(&self) -> String {
        self.view.current().map(RoomRef::to_string).unwrap_or_default()
    }
}

/// What comes of a request for a room that there cannot be.
fn no_such_room(error: BadName) -> Pending {
    Box::pin(std::future::ready(Answer::Joined(Err(RequestError::Name(error)))))
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
