//! The native door: JSON frames as lines over TLS (docs/PROTOCOL.md). The meaning of the frames is in `lanchat-frames`.

mod dialect;
mod door;

pub use door::door;
