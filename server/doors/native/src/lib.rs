//! The native door: NDJSON frames over TLS (docs/PROTOCOL.md). A codec and a state machine, nothing more.

mod dialect;
mod door;
mod from_hub;
mod listing;
mod to_hub;

pub use door::{ServerInfo, door};
