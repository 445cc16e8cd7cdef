//! Where connections come in: accept, TLS, limits, and the pump that drives any door.
//!
//! A door is a codec and a pure state machine, or takes a connection whole; this crate owns the sockets and the clocks. It
//! knows no frame, no SQL.

mod admission;
mod connection;
mod door;
mod gate;
mod herd;
mod listener;
mod pump;
mod stalled;
mod stream;
mod turns;
mod visitor;

pub use connection::Connection;
pub use door::{Chat, Closing, Dialect, Door, Flow, Inbound, Opening, Request, Serving, TakeOver};
pub use gate::{Gate, NoGate};
pub use listener::{Listener, bind};
pub use visitor::Visitor;
