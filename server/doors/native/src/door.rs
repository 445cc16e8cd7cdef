//! The door itself: what ALPN selects, and what a new connection begins with.

use std::sync::Arc;

use lanchat_frames::ServerInfo;
use lanchat_listener::{Dialect, Door};
use lanchat_protocol::version;

use crate::dialect::NativeDialect;

/// The door of a server that is called so.
pub fn door(info: Arc<ServerInfo>) -> Arc<dyn Door> {
    Arc::new(NativeDoor { info })
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
