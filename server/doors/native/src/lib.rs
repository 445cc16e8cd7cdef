//! The native door: NDJSON frames over TLS (docs/PROTOCOL.md). A codec and a state machine, nothing more.

mod dialect;
mod from_hub;
mod to_hub;

use std::sync::Arc;

use lanchat_listener::{Dialect, Door};
use lanchat_protocol::{Registration, version};

pub use dialect::ServerInfo;

/// The door of a server that is called so.
pub fn door(info: ServerInfo) -> Arc<dyn Door> {
    Arc::new(NativeDoor { info: Arc::new(info) })
}

struct NativeDoor {
    info: Arc<ServerInfo>,
}

impl Door for NativeDoor {
    fn alpn(&self) -> &'static [u8] {
        version::ALPN
    }

    fn open(&self) -> Box<dyn Dialect> {
        Box::new(dialect::NativeDialect::new(Arc::clone(&self.info)))
    }
}

/// How `hello` says whether accounts may be made.
pub fn registration(open: bool) -> Registration {
    if open { Registration::Open } else { Registration::Closed }
}
