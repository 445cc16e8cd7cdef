//! What must hold for every input, one function per decoder. The targets call them, and do nothing else.

mod property;

pub use property::{beacon, client_frame, line_buffer, mdns, name, server_frame};
