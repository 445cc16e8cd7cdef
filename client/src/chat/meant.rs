//! What the user may have meant by a room or a person that does not exist: the server is asked, and the user told in
//! one line.

use std::collections::BTreeSet;

use lanchat_client::{Client, RequestError};
use lanchat_model::{LOBBY, RoomRef, Seq, limits};
use lanchat_protocol::ErrorCode;

use super::answer::{Answered, Meant};
use super::{Chat, Pending};
use crate::near::{begun, nearest};
use crate::output::Output;
use crate::view::clip;

impl Chat {
    /// Notes an unknown name in an answer, to look for similar ones.
    pub(super) fn note_miss(&mut self, answer: &Answered) {
        let asked = self.asked.take();
        let missed = match answer {
            Answered::Joined(Ok((room, _))) if room.members <= 1 && room.head <= Seq::ZERO.next() => {
                Some(Meant::NewRoom(room.room.clone()))
            }
            Answered::Left(room, Err(error)) if is_miss(error) => Some(Meant::Room(room.to_string())),
            Answered::Turned(room, Err(error)) if is_miss(error) => {
                room.peer().map(|peer| Meant::Person(peer.to_string()))
            }
            Answered::Whole(_, _, Err(error))
            | Answered::Members(Err(error))
            | Answered::Whois(Err(error))
                if is_miss(error) =>
            {
                asked
            }
            _ => return,
        };
        self.missed = missed;
    }

    /// Notes that a message was refused because its recipient does not exist.
    pub(super) fn note_refusal(&mut self, room: &str, code: ErrorCode) {
        if let (ErrorCode::NoSuchAccount, Ok(RoomRef::Private(peer))) = (code, RoomRef::existing(room)) {
            self.missed = Some(Meant::Person(peer.to_string()));
        }
    }

    /// Asks the server for the existing names, if an unknown one was used. Does so only for people: a script reads
    /// answers, and did not ask.
    pub(super) fn look_for(&mut self, client: &Client) -> Option<Pending> {
        let meant = self.missed.take()?;
        if self.hand.is_script() || matches!(self.output, Output::Json(_)) || !client.is_logged_in() {
            return None;
        }
        let client = client.clone();
        Some(Box::pin(async move {
            let names: Result<BTreeSet<String>, RequestError> = match &meant {
                Meant::Person(_) => client
                    .members(Some(LOBBY))
                    .await
                    .map(|members| members.members.into_iter().map(|member| member.username).collect()),
                Meant::Room(_) => room_names(&client).await,
                Meant::NewRoom(typed) => match room_names(&client).await {
                    // The user may have meant a person.
                    Ok(mut names) => {
                        names.extend(client.whois(typed).await.is_ok().then(|| format!("@{typed}")));
                        Ok(names)
                    }
                    other => other,
                },
            };
            // Without names there is nothing to add to what was already said.
            Answered::Names(meant, names.unwrap_or_default())
        }))
    }

    /// Suggests the name that was meant, if one of these can be it.
    pub(super) fn suggest(&mut self, meant: &Meant, names: BTreeSet<String>) {
        let near = |typed: &str| {
            let others = names.iter().map(String::as_str).filter(|name| *name != typed);
            nearest(typed, others.clone()).or_else(|| begun(typed, others)).map(clip)
        };
        let words = match meant {
            Meant::Room(typed) => near(typed).map(|room| format!("Did you mean {room}?")),
            Meant::Person(typed) => near(typed).map(|name| format!("Did you mean {name}?")),
            Meant::NewRoom(typed) => {
                let new = format!("{} is a new room; only you are in it.", clip(typed));
                Some(match near(typed) {
                    _ if names.contains(&format!("@{typed}")) => {
                        format!("{new} To talk with the person: /leave, then /msg {}", clip(typed))
                    }
                    Some(room) => format!("{new} Did you mean {room}? /join {room}"),
                    None => new,
                })
            }
        };
        words.into_iter().for_each(|words| self.notice(&words));
        if !matches!(meant, Meant::Person(_)) {
            self.note_rooms(names);
        }
    }

    /// Notes which rooms exist, for completion.
    pub(super) fn note_rooms(&mut self, names: impl IntoIterator<Item = String>) {
        let names = names.into_iter().take(limits::ROOMS_MAX);
        self.names.rooms = names.filter_map(|room| room.parse().ok()).collect();
        self.names.stale = true;
    }
}

/// Returns the names of all group rooms.
async fn room_names(client: &Client) -> Result<BTreeSet<String>, RequestError> {
    client.rooms().await.map(|rooms| rooms.rooms.into_iter().map(|room| room.room).collect())
}

fn is_miss(error: &RequestError) -> bool {
    use ErrorCode::{NoSuchAccount, NoSuchRoom, NotAMember};
    matches!(error, RequestError::Refused { code: NoSuchAccount | NoSuchRoom | NotAMember, .. })
}
