//! The frames from a client (PROTOCOL §4 to §8). Fields are kept as received: names are parsed by the code that acts on
//! them.

use std::collections::BTreeMap;

use lanchat_model::{Integer, Seq};
use serde::{Deserialize, Deserializer, Serialize};

use crate::bounded;
use crate::codec::{BadFrame, head};
use crate::secret::Secret;

macro_rules! client_frames {
    ($($(#[$doc:meta])* $kind:literal $variant:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
            pub struct $variant {
                /// Echoed by the answer (PROTOCOL §2).
                pub id: String,
                $($(#[$field_doc])* pub $field: $type,)*
            }

            impl From<$variant> for ClientFrame {
                fn from(frame: $variant) -> Self {
                    Self::$variant(frame)
                }
            }
        )*

        /// A frame from a client.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(tag = "type")]
        #[non_exhaustive]
        pub enum ClientFrame {
            $($(#[$doc])* #[serde(rename = $kind)] $variant($variant),)*
        }

        impl ClientFrame {
            /// Returns the value of `type`.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $kind,)*
                }
            }

            /// Returns the request id.
            pub fn id(&self) -> &str {
                match self {
                    $(Self::$variant(frame) => &frame.id,)*
                }
            }

            /// Decodes one line, without its newline.
            ///
            /// # Errors
            /// [`BadFrame`] says what is wrong, and quotes the request id if one could be read.
            pub fn decode(line: &[u8]) -> Result<Self, BadFrame> {
                let head = head(line)?;
                let id = head.request_id()?;
                match &*head.kind {
                    $($kind => serde_json::from_slice(line).map(Self::$variant),)*
                    _ => return Err(BadFrame::unknown_type(&head.kind, id)),
                }
                .map_err(|error| BadFrame::fields(&head.kind, &error, Some(id)))
            }
        }
    };
}

client_frames! {
    /// Makes an account and logs in. Answer: [`Welcome`](crate::Welcome).
    "register" Register {
        /// The name to log in with.
        username: String,
        /// 8 to 256 bytes.
        password: Secret,
        /// The display name; the name as typed if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        display_name: Option<String>,
        /// The label of this device, shown to its owner only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<String>,
        /// Versions that the client speaks; `[1]` if absent.
        #[serde(default = "default_versions", skip_serializing_if = "is_default_versions")]
        #[serde(deserialize_with = "versions_or_default")]
        versions: Vec<u32>,
    }
    /// Logs in by password. Answer: [`Welcome`](crate::Welcome).
    "login" Login {
        /// The account.
        username: String,
        /// Its password.
        password: Secret,
        /// The label of this device, shown to its owner only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<String>,
        /// Versions that the client speaks; `[1]` if absent.
        #[serde(default = "default_versions", skip_serializing_if = "is_default_versions")]
        #[serde(deserialize_with = "versions_or_default")]
        versions: Vec<u32>,
    }
    /// Logs in by the device token of an earlier welcome. Answer: [`Welcome`](crate::Welcome).
    "resume" Resume {
        /// The latest token.
        token: Secret,
        /// Versions that the client speaks; `[1]` if absent.
        #[serde(default = "default_versions", skip_serializing_if = "is_default_versions")]
        #[serde(deserialize_with = "versions_or_default")]
        versions: Vec<u32>,
    }
    /// Revokes this device's token and ends the session. Answer: [`Done`](crate::Done), then the connection closes.
    "logout" Logout {}
    /// Changes the password; all other devices are logged out. Answer: [`Done`](crate::Done).
    "passwd" Passwd {
        /// The present password.
        old: Secret,
        /// The new password, 8 to 256 bytes.
        new: Secret,
        /// Whether the client keeps the token that the answer brings.
        #[serde(default, skip_serializing_if = "std::ops::Not::not", deserialize_with = "bounded::or_default")]
        renew: bool,
    }
    /// Starts delivery. Answer: [`Attached`](crate::Attached), then entries.
    "attach" Attach {
        /// The epoch that the cursors belong to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<String>,
        /// Per room, the last seq that the client has. Entries after it are delivered.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "bounded::cursors")]
        cursors: BTreeMap<String, Seq>,
        /// How many of the last entries to deliver from a room without a cursor; 50 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "bounded::maybe_integer")]
        tail: Option<u64>,
    }
    /// Posts a message. Answer: [`Ack`](crate::Ack), once it is on disk. The id makes a resend harmless.
    "send" Send {
        /// `lobby`, or `@ana` for a private chat.
        room: String,
        /// The text.
        message: String,
        /// Whether the text describes an action of the author ("/me waves").
        #[serde(default, skip_serializing_if = "std::ops::Not::not", deserialize_with = "bounded::or_default")]
        action: bool,
    }
    /// Says up to where this device has seen a room. Never moves back. Answer: [`Done`](crate::Done).
    "mark" Mark {
        /// The room.
        room: String,
        /// The last entry seen.
        seq: Seq,
    }
    /// Enters a group room, which is made if it does not exist. Answer: [`Room`](crate::Room), then entries.
    "join" Join {
        /// The room.
        room: String,
        /// How many of the last entries to deliver; 50 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "bounded::maybe_integer")]
        tail: Option<u64>,
    }
    /// Leaves a group room. Answer: [`Done`](crate::Done).
    "leave" Leave {
        /// The room.
        room: String,
    }
    /// Lists the group rooms. Answer: [`Rooms`](crate::Rooms).
    "rooms" ListRooms {}
    /// Lists the members of a room. Answer: [`Members`](crate::Members).
    "members" ListMembers {
        /// The room; if absent, everybody who is online is listed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<String>,
    }
    /// Reads older entries. Answer: [`History`](crate::History).
    "history" ReadHistory {
        /// The room.
        room: String,
        /// Only entries before this one; the latest if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Seq>,
        /// At most this many; 50 if absent, 200 at most.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "bounded::maybe_integer")]
        limit: Option<u64>,
    }
    /// Tells everybody that the account is away. Answer: [`Done`](crate::Done).
    "away" Away {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
    /// Ends `away`. Answer: [`Done`](crate::Done).
    "back" Back {}
    /// Asks about an account. Answer: [`Whois`](crate::Whois).
    "whois" AskWhois {
        /// The account.
        username: String,
    }
    /// Tells a room that the account is typing. There is no answer, except an error.
    "typing" MarkTyping {
        /// The room.
        room: String,
    }
    /// Asks for a sign of life. Answer: [`Pong`](crate::Pong), after the answers to all earlier requests.
    "ping" Ping {}
    /// Announces that the client leaves on purpose. Answer: [`Goodbye`](crate::Goodbye), then the connection closes.
    "bye" Bye {}
}

fn default_versions() -> Vec<u32> {
    vec![crate::version::DEFAULT]
}

/// Reads the versions that could be ours; `null` counts as absent.
fn versions_or_default<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u32>, D::Error> {
    let theirs: Option<Vec<Integer>> = Option::deserialize(from)?;
    Ok(theirs.map_or_else(default_versions, bounded::possible_versions))
}

fn is_default_versions(versions: &[u32]) -> bool {
    versions == [crate::version::DEFAULT]
}
