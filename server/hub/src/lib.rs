//! The domain of lanchat: accounts, sessions, rooms, the sequencer, presence.
//!
//! A room is an ordered log, a session is a set of cursors, delivery is reading. This crate knows no wire, no SQL, no
//! socket and no file: what must be kept goes through [`port`], what must be said goes through [`Event`].

mod account_places;
mod announcer;
mod answers;
mod backlog;
mod budget;
pub mod bus;
mod command;
mod delivery;
mod entry;
mod error;
mod event;
pub mod failpoint;
mod hub;
mod known;
mod latest;
mod mailbox;
mod on_device;
mod password;
pub mod permit;
mod places;
pub mod port;
mod presence;
mod queue;
mod registry;
mod requests;
mod rings;
mod room;
mod seats;
mod sequencer;
mod session;
mod source;
mod throttle;
mod token;
mod turns;
mod typing;
mod wire_form;
mod writing;
#[cfg(feature = "failpoints")]
mod wrong;

pub use answers::AnswerPlace;
pub use command::{Command, Credentials, Post};
pub use entry::{Body, Entry, Run, Subject};
pub use error::{Error, FaultId, Refusal};
pub use event::{
    Event, LogoutReason, Member, Notice, PresenceNews, PresenceState, Reply, RoomState, RoomSummary, Side,
    Welcome,
};
pub use hub::{Hub, HubOptions};
pub use session::Session;
pub use source::{Network, Source};
pub use wire_form::WireVariant;
