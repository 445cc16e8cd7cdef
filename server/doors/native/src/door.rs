//! The door itself: what ALPN selects, and what a new connection begins with.

use std::sync::Arc;

use lanchat_listener::{Dialect, Door};
use lanchat_protocol::version;

use crate::dialect::NativeDialect;

/// What a server says of itself in `hello`.
#[derive(Clone, Debug)]
pub struct ServerInfo {
    /// The id that pins are kept under.
    pub server_id: lanchat_model::ServerId,
    /// The name for people.
    pub name: String,
    /// Program and version.
    pub software: String,
    /// Whether everybody may make an account.
    pub registration_open: bool,
}

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
        Box::new(NativeDialect::new(Arc::clone(&self.info)))
    }
}
