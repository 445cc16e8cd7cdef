//! Converts frames to commands. Names and texts are parsed here, and refused with their own error codes.

use std::collections::BTreeMap;

use lanchat_hub::{Command, Credentials, Post, Refusal};
use lanchat_listener::Request;
use lanchat_model::{
    AwayReason, BadName, BadText, ClientId, DisplayName, MessageText, Password, RoomName, RoomRef, Seq,
    limits,
};
use lanchat_protocol::{ClientFrame, ErrorCode};

/// Why a well-formed frame is refused.
#[derive(Debug)]
pub(crate) struct Unfit {
    pub(crate) code: ErrorCode,
    pub(crate) reason: String,
}

impl Unfit {
    fn new(code: ErrorCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }

    pub(crate) fn name(error: &BadName) -> Self {
        let code = if *error == BadName::Reserved { ErrorCode::NameReserved } else { ErrorCode::BadName };
        Self::new(code, format!("{}. Choose another one.", capitalised(&error.to_string())))
    }

    fn message(error: BadText) -> Self {
        Self::new(ErrorCode::BadMessage, format!("{}. Nothing was sent.", capitalised(&error.to_string())))
    }

    pub(crate) fn password(error: BadText) -> Self {
        let reason = match error {
            BadText::TooShort { least, .. } => {
                format!("The password is too short. Use {least} or more characters.")
            }
            BadText::Control => {
                "A password cannot hold line breaks or other control characters: nobody could type it again. Choose \
                 another one."
                    .into()
            }
            _ => {
                format!("The password is too long. Use at most {} bytes.", limits::PASSWORD_BYTES_MAX)
            }
        };
        Self::new(ErrorCode::BadPassword, reason)
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Returns the request to the hub. `ping` is answered without the hub and never gets here.
pub(crate) fn request(frame: ClientFrame) -> Result<Request, Unfit> {
    let tag = frame.id().to_owned();
    let credentials = match frame {
        ClientFrame::Register(frame) => {
            let name = frame.username.parse().map_err(|error| Unfit::name(&error))?;
            let display_name = frame.display_name.as_deref().unwrap_or(&frame.username);
            let display_name: DisplayName = display_name.parse().map_err(|error| Unfit::name(&error))?;
            let password = frame.password.0.into();
            Credentials::Register { name, display_name, password, device: label(frame.device) }
        }
        ClientFrame::Login(frame) => {
            let name = frame.username.parse().map_err(|error| Unfit::name(&error))?;
            Credentials::Login { name, password: frame.password.0.into(), device: label(frame.device) }
        }
        ClientFrame::Resume(frame) => Credentials::Resume { token: frame.token.0 },
        ClientFrame::Bye(_) => return Ok(Request::Bye { tag }),
        other => return command(other).map(|command| Request::Command { tag, command }),
    };
    Ok(Request::Authenticate { tag, credentials })
}

fn command(frame: ClientFrame) -> Result<Command, Unfit> {
    Ok(match frame {
        ClientFrame::Logout(_) => Command::Logout,
        ClientFrame::Passwd(frame) => Command::ChangePassword {
            old: frame.old.0.into(),
            new: Password::parse(&frame.new.0).map_err(Unfit::password)?,
            renew: frame.renew,
        },
        ClientFrame::Attach(frame) => Command::Attach {
            epoch: frame.epoch,
            cursors: cursors(&frame.cursors)?,
            tail: frame.tail.unwrap_or(limits::JOIN_TAIL_DEFAULT),
        },
        ClientFrame::Send(frame) => Command::Post(Post {
            room: room(&frame.room)?,
            client_id: client_id(&frame.id)?,
            text: MessageText::parse(&frame.message).map_err(Unfit::message)?,
            action: frame.action,
        }),
        ClientFrame::Mark(frame) => Command::Mark { room: own_room(&frame.room)?, seq: frame.seq },
        ClientFrame::Join(frame) => {
            Command::Join { room: group(&frame.room)?, tail: frame.tail.unwrap_or(limits::JOIN_TAIL_DEFAULT) }
        }
        ClientFrame::Leave(frame) => Command::Leave { room: group(&frame.room)? },
        ClientFrame::ListRooms(_) => Command::Rooms,
        ClientFrame::ListMembers(frame) => {
            Command::Members { room: frame.room.as_deref().map(room).transpose()? }
        }
        ClientFrame::ReadHistory(frame) => Command::History {
            room: own_room(&frame.room)?,
            before: frame.before,
            limit: frame.limit.map_or(50, |limit| usize::try_from(limit).unwrap_or(usize::MAX)),
        },
        ClientFrame::Away(frame) => {
            Command::Away { reason: frame.reason.as_deref().map(away_reason).transpose()? }
        }
        ClientFrame::Back(_) => Command::Back,
        ClientFrame::AskWhois(frame) => {
            Command::Whois { name: frame.username.parse().map_err(|error| Unfit::name(&error))? }
        }
        ClientFrame::MarkTyping(frame) => Command::Typing { room: own_room(&frame.room)? },
        other => {
            let reason = format!("'{}' is not possible here.", other.kind());
            return Err(Unfit::new(ErrorCode::UnknownType, reason));
        }
    })
}

fn room(text: &str) -> Result<RoomRef, Unfit> {
    text.parse().map_err(|error| match error {
        // "@server": nobody can have this name, so nobody has it.
        BadName::Reserved => Unfit::new(ErrorCode::NoSuchAccount, "Nobody here has this name."),
        error => Unfit::name(&error),
    })
}

/// Parses a room that the asker is in, if it exists.
fn own_room(text: &str) -> Result<RoomRef, Unfit> {
    room(text).map_err(|unfit| match unfit.code {
        ErrorCode::NoSuchAccount => Unfit::new(ErrorCode::NotAMember, Refusal::NotAMember.to_string()),
        _ => unfit,
    })
}

fn group(text: &str) -> Result<RoomName, Unfit> {
    let private = || {
        let reason = "A private chat cannot be joined or left. To talk there, send to it.";
        Unfit::new(ErrorCode::NotPossible, reason)
    };
    match room(text) {
        Ok(RoomRef::Group(name)) => Ok(name),
        Ok(RoomRef::Private(_)) => Err(private()),
        Err(unfit) if unfit.code == ErrorCode::NoSuchAccount => Err(private()),
        Err(unfit) => Err(unfit),
    }
}

/// Parses cursors. Those for rooms that cannot exist are ignored. A room has one cursor, however it is written:
/// `#Lobby` is `lobby`.
fn cursors(theirs: &BTreeMap<String, Seq>) -> Result<BTreeMap<RoomRef, Seq>, Unfit> {
    let mut cursors = BTreeMap::new();
    for (name, seq) in theirs {
        let Ok(room) = room(name) else { continue };
        if cursors.insert(room, *seq).is_some() {
            return Err(Unfit::new(ErrorCode::BadFrame, "A room has two cursors. Name each room once."));
        }
    }
    Ok(cursors)
}

fn client_id(text: &str) -> Result<ClientId, Unfit> {
    text.parse().map_err(|_| {
        let reason =
            "The id of a message is 32 lower-case hex digits: a UUID without hyphens, new for every message.";
        Unfit::new(ErrorCode::BadId, reason)
    })
}

fn away_reason(text: &str) -> Result<AwayReason, Unfit> {
    AwayReason::parse(text).map_err(Unfit::message)
}

/// Truncates a label. It is shown to its owner only, so it need not be refused.
fn label(text: Option<String>) -> Option<String> {
    let clean: String = text?.chars().filter(|c| !c.is_control()).collect();
    let mut end = clean.len().min(limits::DEVICE_LABEL_BYTES_MAX);
    while !clean.is_char_boundary(end) {
        end -= 1;
    }
    Some(clean[..end].to_owned())
}
