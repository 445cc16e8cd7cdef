//! JSON frames and the hub's vocabulary: the code shared by every door that uses the frames of `docs/PROTOCOL.md`.
//!
//! [`Conversation`] holds the requests and answers of one connection, frame by frame. Each door decides how frames are
//! cut out of a stream: lines over TLS, or WebSocket messages. This crate has no socket, clock or store.

mod conversation;
mod from_hub;
mod listing;
mod to_hub;

pub use conversation::{Conversation, ServerInfo};
