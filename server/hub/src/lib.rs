//! The domain of lanchat: accounts, sessions, rooms, the sequencer, presence.
//!
//! A room is an ordered log, a session is a set of cursors, delivery is reading. This crate does not know the wire,
//! SQL, sockets or files: what must be kept goes through [`port`], and what must be said goes through [`Event`].

mod account_slots;
mod announcer;
mod answers;
mod attach;
mod backlog;
mod budget;
pub mod bus;
mod bus_reader;
mod command;
mod completion;
mod delivery;
mod disk_space;
mod domain;
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
pub mod port;
mod presence;
mod queue;
mod refusal;
mod registry;
mod requests;
mod rings;
mod room;
#[cfg(feature = "failpoints")]
mod sabotage;
mod seats;
mod sequencer;
mod session;
mod session_id;
mod slots;
mod source;
mod throttle;
mod token;
mod turns;
mod typing;
mod wire_form;

pub use answers::AnswerSlot;
pub use command::{Command, Credentials, Member, Post, Reply, RoomSummary};
pub use domain::HubOptions;
pub use entry::{Body, Entry, Run, Subject};
pub use error::{Error, FaultId};
pub use event::{Event, LogoutReason, Notice, PresenceNews, PresenceState, RoomState, Side, Welcome};
pub use hub::Hub;
pub use refusal::Refusal;
pub use session::Session;
pub use source::{Network, Source};
pub use wire_form::WireVariant;
