//! What all connections of a server share, whatever their gate.

use std::sync::Arc;

use lanchat_hub::Hub;
use lanchat_model::limits;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::admission::Anteroom;
use crate::reconnects::Reconnects;
use crate::stalled::Stalled;
use crate::turns::Turns;

/// What all connections share, whatever their gate.
pub(crate) struct Entrance {
    pub(crate) hub: Hub,
    pub(crate) anteroom: Arc<Anteroom>,
    pub(crate) turns: Arc<Turns>,
    /// Permits for connections without a session that linger when closed, so that their peers can read why.
    pub(crate) lingering: Arc<Semaphore>,
    pub(crate) stalled: Arc<Stalled>,
    pub(crate) reconnects: Reconnects,
    /// Observed by connections without a session; the hub notifies sessions.
    pub(crate) shutdown: CancellationToken,
}

impl Entrance {
    pub(crate) fn new(hub: Hub, shutdown: CancellationToken) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            hub,
            anteroom: Arc::default(),
            turns: Turns::new((cores / 2).clamp(1, limits::HANDSHAKES_AT_WORK_MAX)),
            lingering: Arc::new(Semaphore::new(limits::LINGERING_MAX)),
            stalled: Arc::default(),
            reconnects: Reconnects::default(),
            shutdown,
        }
    }
}
