//! The wire of lanchat, sans-IO: frames, their codec, error codes, versions and the mDNS beacon.
//!
//! Bytes in, frames out. This crate has no socket and no runtime, and does not know what frames cause.
//! `docs/PROTOCOL.md` is its specification; section numbers in comments refer to it.

pub mod beacon;
mod bounded;
mod client_frame;
mod codec;
mod error_code;
mod scan;
mod secret;
mod server_frame;
mod time;
pub mod version;

pub use client_frame::*;
pub use codec::{BadFrame, LineBuffer, encode};
pub use error_code::{ErrorCode, Severity};
pub use lanchat_model::RoomRef;
pub use secret::Secret;
pub use server_frame::*;
pub use time::{format_timestamp, parse_timestamp};
