//! Converts answers and events to frames.

use lanchat_hub::{
    Body, Entry, Error, LogoutReason, Notice, PresenceNews, PresenceState, Refusal, RoomState, Welcome,
};
use lanchat_model::{AccountName, RoomRef, Timestamp};
use lanchat_protocol as wire;
use wire::{ErrorCode, ServerFrame, format_timestamp};

use crate::to_hub::Unfit;

pub(crate) fn entry(view: &RoomRef, entry: &Entry) -> ServerFrame {
    let (room, seq) = (view.to_string(), entry.seq);
    let ts = format_timestamp(entry.at);
    match &entry.body {
        Body::Message { text, action } => {
            let (id, username) = (entry.client_id.to_string(), entry.author_name.to_string());
            let message = text.as_str().to_owned();
            wire::Message { room, seq, id, username, message, ts, action: *action }.into()
        }
        Body::Joined(whom) => wire::Joined { room, seq, username: whom.name.to_string(), ts }.into(),
        Body::Left(whom) => wire::Left { room, seq, username: whom.name.to_string(), ts }.into(),
    }
}

pub(crate) fn welcome(id: &str, version: u32, welcome: Welcome) -> ServerFrame {
    wire::Welcome {
        id: id.to_owned(),
        username: welcome.name.to_string(),
        display_name: welcome.display_name.as_str().to_owned(),
        admin: welcome.admin,
        token: wire::Secret(welcome.token),
        version,
        epoch: welcome.epoch,
        online: welcome.online,
        rooms: welcome.rooms.iter().map(room_state).collect(),
    }
    .into()
}

pub(crate) fn ack(room: &RoomRef, entry: &Entry) -> ServerFrame {
    let id = entry.client_id.to_string();
    wire::Ack { id, room: room.to_string(), seq: entry.seq, ts: format_timestamp(entry.at) }.into()
}

pub(crate) fn typing(room: &RoomRef, name: &AccountName) -> ServerFrame {
    wire::Typing { room: room.to_string(), username: name.to_string() }.into()
}

/// Returns the frames for changes of presence.
pub(crate) fn presence_news(news: &PresenceNews) -> impl Iterator<Item = ServerFrame> {
    news.changes.iter().map(|(name, state)| {
        let (state, reason, last_seen) = presence(state);
        let connected = news.connected;
        wire::Presence { username: name.to_string(), state, reason, last_seen, connected }.into()
    })
}

pub(crate) fn notice(what: Notice) -> wire::Notice {
    let (code, reason) = match what {
        Notice::ReadOnly => (
            wire::NoticeCode::ReadOnly,
            "The server's disk is full: messages can be read, but not sent until there is space.",
        ),
        Notice::Writable => (wire::NoticeCode::Writable, "There is space again: the server takes messages."),
    };
    wire::Notice { code, reason: reason.to_owned() }
}

/// Returns the error for a device that was logged out while it had a session.
pub(crate) fn logged_out(why: LogoutReason) -> wire::ErrorFrame {
    let reason = match why {
        LogoutReason::Elsewhere => "This device was logged out elsewhere. Log in with your password.",
        LogoutReason::PasswordChanged => {
            "The password of this account was changed elsewhere. Log in with the new one."
        }
        LogoutReason::TokenCopied => {
            "This device is logged out: its token was used in two places, so somebody may have copied it. Log in with \
             your password, then change it with /passwd."
        }
        LogoutReason::TooManyDevices => {
            "This account logged in on another device, and has too many: the one that was used longest ago, this one, is \
             logged out. Log in with your password."
        }
    };
    wire::ErrorFrame {
        id: None,
        code: ErrorCode::LoggedOut,
        reason: reason.into(),
        retry_after: None,
        fatal: true,
    }
}

pub(crate) fn error(id: Option<&str>, error: &Error) -> wire::ErrorFrame {
    let (code, retry_after) = code_of(error);
    let reason = match error {
        Error::Refused(Refusal::NotANewName(bad)) => Unfit::name(bad).reason,
        Error::Refused(Refusal::BadPassword(bad)) => Unfit::password(*bad).reason,
        Error::Refused(refusal) => refusal.to_string(),
        Error::ReadOnly => {
            "The server's disk is full: nothing can be stored until there is space. Reading goes on.".into()
        }
        Error::Fault(fault) => {
            format!("The server failed (fault {fault} in its log). Try again.")
        }
    };
    let fatal = code.severity() == wire::Severity::Violation;
    wire::ErrorFrame { id: id.map(str::to_owned), code, reason, retry_after, fatal }
}

/// How long a client should wait until the account has ended a session: a lost one is noticed in about this time.
const SESSION_WAIT_SECONDS: u64 = 15;

fn code_of(error: &Error) -> (ErrorCode, Option<u64>) {
    let refusal = match error {
        Error::Refused(refusal) => refusal,
        Error::ReadOnly => return (ErrorCode::ReadOnly, None),
        Error::Fault(_) => return (ErrorCode::Internal, None),
    };
    let code = match refusal {
        // Rounded up, so that a client that waits as told is not refused again.
        Refusal::SlowDown(wait) => return (ErrorCode::SlowDown, Some(wait.as_secs() + 1)),
        Refusal::Busy(wait) => return (ErrorCode::Busy, Some(wait.as_secs().max(1))),
        Refusal::TooManyMade(wait) => return (ErrorCode::TooManyRooms, Some(wait.as_secs() + 1)),
        Refusal::TooManySessions => return (ErrorCode::Busy, Some(SESSION_WAIT_SECONDS)),
        Refusal::NotANewName(bad) => Unfit::name(bad).code,
        Refusal::BadPassword(_) => ErrorCode::BadPassword,
        Refusal::NameTaken | Refusal::NameLooksTaken(_) => ErrorCode::NameTaken,
        Refusal::WrongPassword => ErrorCode::WrongPassword,
        Refusal::BadToken | Refusal::TokenCopied => ErrorCode::BadToken,
        Refusal::RegistrationClosed => ErrorCode::RegistrationClosed,
        Refusal::ServerFull => ErrorCode::ServerFull,
        Refusal::NoSuchRoom => ErrorCode::NoSuchRoom,
        Refusal::NoSuchAccount => ErrorCode::NoSuchAccount,
        Refusal::NotAMember => ErrorCode::NotAMember,
        Refusal::Forbidden => ErrorCode::Forbidden,
        Refusal::LobbyStays | Refusal::NotWithYourself => ErrorCode::NotPossible,
        Refusal::TooManyRooms | Refusal::TooManyChats => ErrorCode::TooManyRooms,
        Refusal::IdReused => ErrorCode::IdReused,
        Refusal::TooManyCursors => ErrorCode::BadFrame,
    };
    (code, None)
}

pub(crate) fn room_state(state: &RoomState) -> wire::RoomState {
    let RoomState { room, head, mark, from, members } = state;
    wire::RoomState { room: room.to_string(), head: *head, mark: *mark, from: *from, members: *members }
}

pub(crate) fn room_summary(room: &lanchat_hub::RoomSummary) -> wire::RoomSummary {
    wire::RoomSummary {
        room: room.room.to_string(),
        members: room.members,
        online: room.online,
        joined: room.joined,
    }
}

pub(crate) fn member(member: lanchat_hub::Member) -> wire::Member {
    let (state, reason, last_seen) = presence(&member.state);
    let display_name = member.display_name.as_str().to_owned();
    wire::Member { username: member.name.to_string(), display_name, state, reason, last_seen }
}

fn presence(state: &PresenceState) -> (wire::PresenceState, Option<String>, Option<String>) {
    match state {
        PresenceState::Online => (wire::PresenceState::Online, None, None),
        PresenceState::Away(reason) => {
            (wire::PresenceState::Away, reason.as_ref().map(|reason| reason.as_str().to_owned()), None)
        }
        PresenceState::Offline(last_seen) => {
            (wire::PresenceState::Offline, None, last_seen.map(|at: Timestamp| format_timestamp(at)))
        }
    }
}

#[cfg(test)]
mod tests {
    use lanchat_hub::Subject;
    use lanchat_model::{AccountId, ClientId, RoomId, RoomName, Seq};

    use super::*;

    #[test]
    fn who_is_taken_out_is_named_and_not_who_did_it() {
        let subject = Subject { account: AccountId(2), name: "bob".parse().unwrap() };
        for (body, kind) in [(Body::Left(subject.clone()), "left"), (Body::Joined(subject), "joined")] {
            let found = Entry {
                room: RoomId(1),
                seq: Seq::ZERO.next(),
                client_id: ClientId::from_bytes([7; 16]),
                author: AccountId(1),
                author_name: "ana".parse().unwrap(),
                at: Timestamp(0),
                body,
            };
            let frame = entry(&RoomRef::Group(RoomName::lobby()), &found);
            assert_eq!(frame.kind(), kind);
            let mut line = Vec::new();
            wire::encode(&frame, &mut line);
            let line = String::from_utf8(line).unwrap();
            assert!(line.contains("\"username\":\"bob\"") && !line.contains("ana"), "{line}");
        }
    }
}
