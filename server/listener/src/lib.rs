//! Where connections come in: accept, TLS, limits, and the pump that drives any door.
//!
//! A door is a codec and a pure state machine; this crate owns the sockets and the clocks. It knows no frame, no SQL.

mod admission;
mod door;
mod herd;
mod listener;
mod pump;
mod stalled;
mod stream;
mod turns;

pub use door::{Closing, Dialect, Door, Flow, Inbound, Request};
pub use listener::{Listener, bind};
