//! JSON frames and the hub's vocabulary: what every door shares that speaks the frames of `docs/PROTOCOL.md`.
//!
//! [`Conversation`] is the request and answer of one connection, frame by frame. How frames are cut out of a stream is the
//! door's: lines over TLS, messages of a WebSocket. This crate knows no socket, no clock and no store.

mod conversation;
mod from_hub;
mod listing;
mod to_hub;

pub use conversation::{Conversation, ServerInfo};
