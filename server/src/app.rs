//! The server as a whole: built from options, run until told to stop. It does not depend on the command line.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lanchat_certs::{CertificateSlot, Fingerprint, Identity, IdentityError};
use lanchat_hub::port::Store;
use lanchat_hub::{Hub, HubOptions, failpoint};
use lanchat_listener::{Gate, Listener, NoGate};
use lanchat_model::{AccountName, ServerId, limits};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::advertise::{Advert, advertise};
use crate::banner::Banner;
use crate::certificate_names::{issue, keep_current};
use crate::data_dir::{DataDir, DataDirError};
use crate::doors::Introduction;
use crate::gates::gates;
use crate::interfaces::{Absent, Neighbourhood};
use crate::listen::Listen;
use crate::log_limit::say_what_is_left_out;
use crate::options::Options;
use crate::sockets::{self, BindError};
use crate::store::{self, NoHistory};

/// Why a server did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// The data directory was refused.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// There is no usable key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The database was refused.
    #[error(transparent)]
    Database(Box<dyn Error + Send + Sync>),
    /// The domain did not start, or refused a request of the host.
    #[error(transparent)]
    Hub(#[from] lanchat_hub::Error),
    /// A socket was not bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A socket was bound through which nobody may be let in.
    #[error(transparent)]
    Gate(#[from] NoGate),
    /// The store can no longer write.
    #[error("the database failed ({0}): start the server again; all that was acknowledged is kept")]
    StoreFailed(String),
    /// A part of the server ended unexpectedly.
    #[error("a part of the server crashed ({0}): this is a defect, please report it with the log")]
    Crashed(String),
}

/// A server that is ready: bound, but not accepting yet.
pub struct App {
    options: Options,
    listening: Vec<Listen>,
    gates: Vec<Gate>,
    neighbourhood: Neighbourhood,
    absent: Option<Absent>,
    no_history: Option<NoHistory>,
    slot: Arc<CertificateSlot>,
    store: Arc<dyn Store>,
    handle: AppHandle,
    /// The last to be dropped: the lock on all of the above.
    data: DataDir,
}

/// Requests that a hosting program may make of its running server. Cheap to clone.
#[derive(Clone)]
pub struct AppHandle {
    hub: Hub,
    server_id: ServerId,
    fingerprint: Fingerprint,
    addresses: Arc<[SocketAddr]>,
}

impl App {
    /// Opens or makes everything that a server needs, and binds its sockets. From then on peers can connect; they are
    /// answered once [`App::run`] runs.
    ///
    /// # Errors
    /// [`AppError`], in words that say what to do.
    pub async fn build(options: Options) -> Result<Self, AppError> {
        let path = options.data.clone();
        let opened = tokio::task::spawn_blocking(move || open(&path));
        let Opened { data, identity, store, no_history } =
            opened.await.map_err(|error| AppError::Crashed(error.to_string()))??;

        let neighbourhood = Neighbourhood::look(&options.interfaces);
        // An interface may come later, like a tunnel's at boot. Discovery alone is no reason to refuse to start.
        let absent = Absent::look(&options.interfaces);
        if let Some(absent) = &absent {
            warn!("--iface: {absent}");
        }
        let slot = issue(Arc::new(identity), &neighbourhood)?;
        let bound = sockets::bind(&options.listen)?;
        let listening: Vec<Listen> = bound.iter().map(|bound| bound.listen).collect();
        let of_clients = listening.iter().filter(|listen| listen.is_default());
        let addresses: Arc<[SocketAddr]> = of_clients.map(Listen::address).collect();

        let hub_options =
            HubOptions { clients_max: options.clients_max, registration_open: options.registration_open };
        let hub = Hub::open(Arc::clone(&store), hub_options).await?;
        let (server_id, fingerprint) = (slot.server_id(), slot.fingerprint());
        let introduction = Introduction {
            server_id,
            name: options.name.clone(),
            registration_open: options.registration_open,
        };
        let gates = gates(bound, introduction, &slot)?;
        let handle = AppHandle { hub, server_id, fingerprint, addresses };
        Ok(Self { options, listening, gates, neighbourhood, absent, no_history, slot, store, handle, data })
    }

    /// Returns a handle that outlives the app, to be taken before [`App::run`].
    pub fn handle(&self) -> AppHandle {
        self.handle.clone()
    }

    /// Returns the addresses that listen for lanchat clients, with the actual ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.handle.addresses
    }

    /// Returns the id of the server.
    pub fn server_id(&self) -> ServerId {
        self.handle.server_id
    }

    /// Returns the fingerprint of its key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.handle.fingerprint
    }

    /// Returns what people need to know: name, addresses, fingerprint, and what to type on another machine. Ends with a
    /// line `listening on ADDR:PORT` for each socket, or with its URI if it is not for lanchat clients.
    pub fn banner(&self) -> String {
        let banner = Banner {
            name: &self.options.name,
            fingerprint: self.fingerprint(),
            sockets: self.addresses(),
            listening: &self.listening,
            neighbourhood: &self.neighbourhood,
            absent: self.absent.as_ref(),
            no_history: self.no_history.as_ref(),
            mdns: self.options.mdns,
        };
        banner.to_string()
    }

    /// Serves until `shutdown` is cancelled, then stops in order.
    ///
    /// # Errors
    /// [`AppError::StoreFailed`] or [`AppError::Crashed`] when it had to stop by itself. Everything acknowledged is
    /// kept in any case.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), AppError> {
        let Self { options, gates, neighbourhood, slot, store, handle, data, .. } = self;
        let stop = shutdown.child_token();
        let listener = Listener::new(gates, handle.hub.clone());
        info!(id = %handle.server_id, data = %data.path().display(), "serving");

        let mut parts = JoinSet::new();
        parts.spawn(listener.serve(stop.clone()));
        parts.spawn(keep_current(slot, options.interfaces.clone(), neighbourhood, stop.clone()));
        if options.mdns && !handle.addresses.iter().all(|socket| socket.ip().is_loopback()) {
            let advert = Advert {
                server_id: handle.server_id,
                name: options.name,
                sockets: handle.addresses.to_vec(),
                rule: options.interfaces,
            };
            parts.spawn(advertise(advert, stop.clone()));
        }

        let outcome = tokio::select! {
            () = stop.cancelled() => Ok(()),
            never = say_what_is_left_out() => match never {},
            cause = store.failed() => Err(AppError::StoreFailed(cause)),
            ended = parts.join_next() => match ended {
                Some(Err(error)) => Err(AppError::Crashed(error.to_string())),
                // When told to stop, a part may end before this task notices.
                _ if stop.is_cancelled() => Ok(()),
                _ => Err(AppError::Crashed("it ended by itself".into())),
            },
        };
        if let Err(error) = &outcome {
            error!(%error, "the server has to stop");
        }
        wind_down(stop, parts, &handle.hub).await;
        // The store is closed before the lock is released, and not on a runtime thread: it waits for its work in
        // progress.
        drop(handle);
        let _ = tokio::task::spawn_blocking(move || drop((store, data))).await;
        outcome
    }
}

/// Stops in order: refuses new connections, says goodbye to the sessions and the network at the same time, commits what
/// was admitted, and closes the store.
async fn wind_down(stop: CancellationToken, mut parts: JoinSet<()>, hub: &Hub) {
    info!("stopping");
    stop.cancel();
    failpoint::crash("server::in_shutdown");
    // The listener bounds its own drain by the same limit, and the advertiser needs less.
    let slack = Duration::from_millis(200);
    let gone = async { while parts.join_next().await.is_some() {} };
    if timeout(limits::DRAIN_MAX + slack, gone).await.is_err() {
        warn!("some parts of the server did not stop in time");
        parts.abort_all();
    }
    failpoint::crash("server::in_shutdown");
    hub.close().await;
    failpoint::crash("server::in_shutdown");
    info!("stopped");
}

/// A data directory and its contents.
struct Opened {
    data: DataDir,
    identity: Identity,
    store: Arc<dyn Store>,
    no_history: Option<NoHistory>,
}

fn open(path: &Path) -> Result<Opened, AppError> {
    let data = DataDir::open(path)?;
    let is_known = data.identity().exists();
    let identity = Identity::load_or_create(&data.identity())?;
    let (store, no_history) = store::open(data.path(), is_known).map_err(AppError::Database)?;
    Ok(Opened { data, identity, store, no_history })
}

impl AppHandle {
    /// Makes an account an administrator. Returns `false` if there is no such account.
    ///
    /// # Errors
    /// [`AppError::Hub`] when the store does not answer.
    pub async fn set_admin(&self, name: AccountName) -> Result<bool, AppError> {
        Ok(self.hub.set_admin(name).await?)
    }

    /// Returns the number of sessions that are logged in now.
    pub fn online(&self) -> usize {
        self.hub.online()
    }

    /// Returns the addresses that listen for lanchat clients.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns the id of the server.
    pub fn server_id(&self) -> ServerId {
        self.server_id
    }

    /// Returns the fingerprint of its key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}
