//! A server with one door, on an empty store, for as long as a test needs it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use lanchat_certs::{CertificateSlot, Identity};
use lanchat_frames::ServerInfo;
use lanchat_hub::{Hub, HubOptions};
use lanchat_listener::Listener;
use lanchat_model::ServerId;
use lanchat_store::SqliteStore;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::suite::Subject;

/// A running server.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) hub: Hub,
    pub(crate) shutdown: CancellationToken,
    serving: JoinHandle<()>,
    _folder: TempDir,
}

impl Site {
    /// Starts a server with the door of `subject`.
    pub(crate) async fn open(subject: &dyn Subject) -> Self {
        Self::with(|socket, slot, hub| subject.listener(socket, slot, hub)).await
    }

    /// Starts a server with this listener, which gets a socket on the loopback interface.
    pub(crate) async fn with(
        listen: impl FnOnce(TcpListener, &Arc<CertificateSlot>, Hub) -> Listener,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path()).unwrap();
        let hub = Hub::open(Arc::new(store), HubOptions::default()).await.unwrap();
        let identity = Identity::load_or_create(&folder.path().join("identity")).unwrap();
        let slot = CertificateSlot::new(Arc::new(identity), &["lab.local".into()], &[]).unwrap();
        let socket = lanchat_listener::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = socket.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(listen(socket, &slot, hub.clone()).serve(shutdown.clone()));
        Self { address, hub, shutdown, serving, _folder: folder }
    }

    /// Stops it, and waits until all connections are gone.
    pub(crate) async fn close(self) {
        self.shutdown.cancel();
        self.serving.await.unwrap();
        self.hub.close().await;
    }
}

/// Returns what the servers of these tests say about themselves.
pub(crate) fn info() -> Arc<ServerInfo> {
    Arc::new(ServerInfo {
        server_id: ServerId::from_bytes([7; 16]),
        name: "lab".into(),
        software: "test".into(),
        registration_open: true,
    })
}
