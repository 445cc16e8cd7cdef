//! The door itself: what ALPN selects, and how a new connection begins.

use std::sync::Arc;

use lanchat_frames::ServerInfo;
use lanchat_listener::{Door, Opening};
use lanchat_protocol::version;

use crate::dialect::NativeDialect;

/// Returns the door of the server that `info` describes.
pub fn door(info: Arc<ServerInfo>) -> Arc<dyn Door> {
    Arc::new(NativeDoor { info })
}

struct NativeDoor {
    info: Arc<ServerInfo>,
}

impl Door for NativeDoor {
    fn alpn(&self) -> Option<&'static [u8]> {
        Some(version::ALPN)
    }

    fn open(&self) -> Opening {
        Opening::Chat(Box::new(NativeDialect::new(Arc::clone(&self.info))))
    }
}
