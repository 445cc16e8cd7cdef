//! Turning to another room: a divider says which room the following lines are in, and lines still on the screen are not
//! shown again.

use lanchat_client::{Client, RequestError};
use lanchat_model::{AccountName, BadName, RoomRef};
use lanchat_protocol::ErrorCode;

use super::answer::Answered;
use super::{Chat, Pending};
use crate::command;
use crate::view::size;

/// Rows of the screen that do not belong to the conversation: the divider, and the line being typed.
const OWN_ROWS: usize = 2;

impl Chat {
    /// Enters a room. If it was entered before, its last lines are shown again, unless they are on the screen.
    pub(super) fn join(&mut self, client: Client, typed: &str) -> Pending {
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
            Answered::Joined(outcome.await)
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
            Answered::Turned(room, outcome)
        })
    }

    /// Handles that the user left a room: the conversation continues in the room before it, or in the lobby, which
    /// always exists.
    pub(super) fn has_left(&mut self, room: &RoomRef) {
        self.forget(room);
        let mut words = format!("You left {room}.");
        if self.view.is_current(room) {
            let back = self.go_back();
            words.push_str(&format!(" You are back in {back}."));
        }
        self.notice(&words);
    }

    /// Makes `room` the one that plain text goes to.
    pub(super) fn enter(&mut self, room: &RoomRef) {
        self.show_all();
        self.remember_the_way_back(room);
        let is_new = !self.view.is_current(room);
        self.view.set_current(room);
        if is_new {
            self.say(self.view.divider());
            self.learn(room);
        }
        self.typists.clear();
        self.names.stale = true;
        self.show_prompt();
    }

    /// Notes that lines of `room` were shown just now.
    pub(super) fn note_shown(&mut self, room: &RoomRef) {
        if let Some(terminal) = self.output.terminal()
            && self.view.has(room)
        {
            self.progress.printed(room, terminal.printed());
        }
    }

    /// Returns whether the last lines of `room` are still on the screen.
    fn is_on_screen(&self, room: &RoomRef) -> bool {
        let Some(terminal) = self.output.terminal() else { return false };
        let below = |at: usize| terminal.printed().wrapping_sub(at);
        self.progress.printed_at(room).is_some_and(|at| below(at) + OWN_ROWS < size().1)
    }
}

/// Returns the answer to a request for a room that cannot exist.
pub(super) fn no_such_room(error: BadName) -> Pending {
    Box::pin(std::future::ready(Answered::Joined(Err(RequestError::Name(error)))))
}
