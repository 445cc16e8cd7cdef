//! The native door: JSON frames as lines over TLS (docs/PROTOCOL.md). What the frames mean is known to `lanchat-frames`.

mod dialect;
mod door;

pub use door::door;
