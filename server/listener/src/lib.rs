//! Where connections come in: accept, TLS, limits, and the pump that drives any door.
//!
//! A door is a codec and a pure state machine, or takes a connection over completely; this crate owns the sockets and
//! the clocks. It has no frames and no SQL.

mod admission;
mod connection;
mod door;
mod entrance;
mod gate;
mod listener;
mod newcomer;
mod pump;
mod reconnects;
mod socket_options;
mod stalled;
mod stream;
mod turns;
mod visitor;

pub use connection::Connection;
pub use door::{Chat, Closing, Dialect, Door, Flow, Inbound, Opening, Request, Serving, TakeOver};
pub use gate::{Gate, NoGate};
pub use listener::Listener;
pub use socket_options::bind;
pub use visitor::Visitor;
