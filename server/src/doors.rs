//! The doors of this build: one line each.

use std::sync::Arc;

use lanchat_door_native::ServerInfo;
use lanchat_listener::Door;

/// All doors, the preferred one first.
pub(crate) fn doors(info: ServerInfo) -> Vec<Arc<dyn Door>> {
    vec![lanchat_door_native::door(info)]
}
