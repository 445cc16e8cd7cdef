//! The doors of this build: one line each.

use std::sync::Arc;

use lanchat_frames::ServerInfo;
use lanchat_listener::Door;
use lanchat_model::ServerId;

/// What every door may say of the server.
pub(crate) struct Introduction {
    pub(crate) server_id: ServerId,
    pub(crate) name: String,
    pub(crate) registration_open: bool,
}

/// All doors, the preferred one first.
pub(crate) fn doors(of: Introduction) -> Vec<Arc<dyn Door>> {
    let Introduction { server_id, name, registration_open } = of;
    let software = format!("lanchatd/{}", env!("CARGO_PKG_VERSION"));
    let info = Arc::new(ServerInfo { server_id, name, software, registration_open });
    vec![lanchat_door_native::door(info)]
}
