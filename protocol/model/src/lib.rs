//! The nouns of lanchat: ids, names, rooms, sequence numbers, texts and limits.
//!
//! Values of these types are valid by construction: a name that exists has been parsed. This crate has no wire, clock
//! or store and depends on no other crate of the project, so that all of them can depend on it.

pub mod hex;
mod id;
mod integer;
mod invisible;
pub mod limits;
mod name;
mod room_ref;
mod seq;
mod text;
mod timestamp;

pub use id::{AccountId, BadId, ClientId, DeviceId, RoomId, ServerId};
pub use integer::Integer;
pub use invisible::{is_hidden, is_invisible};
pub use name::{AccountName, BadName, DisplayName, LOBBY, RoomName};
pub use room_ref::RoomRef;
pub use seq::Seq;
pub use text::{AwayReason, BadText, MessageText, Password, TypedPassword};
pub use timestamp::Timestamp;
