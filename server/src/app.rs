//! The server as a whole: built from options, run until told to stop. It knows no command line.

use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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
use crate::banner::{Banner, NoHistory};
use crate::config::Listen;
use crate::data_dir::{DataDir, DataDirError};
use crate::doors::{Introduction, gates};
use crate::follow::{follow, issue};
use crate::interfaces::{Absent, InterfaceRule, Neighbourhood};
use crate::log_limit::say_what_is_left_out;
use crate::sockets::{self, BindError};
use crate::store;

/// What a server is built from.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory.
    pub data: PathBuf,
    /// Where to listen. Empty: on all addresses of the host, at the default port.
    pub listen: Vec<Listen>,
    /// What the server is called: at most `limits::SERVER_NAME_BYTES_MAX`, no control characters.
    pub name: String,
    /// Which interfaces to be found through.
    pub interfaces: InterfaceRule,
    /// Whether to be advertised.
    pub mdns: bool,
    /// Sessions at a time.
    pub clients_max: usize,
    /// Whether anybody may make an account.
    pub registration_open: bool,
}

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
    /// A socket was bound that nobody may be let in by.
    #[error(transparent)]
    Gate(#[from] NoGate),
    /// The store can write no longer.
    #[error("the database failed ({0}): start the server again; all that was acknowledged is kept")]
    StoreFailed(String),
    /// A part of the server ended that should not.
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

/// What a program that hosts a server may ask of it while it runs. Cheap to clone.
#[derive(Clone)]
pub struct AppHandle {
    hub: Hub,
    server_id: ServerId,
    fingerprint: Fingerprint,
    addresses: Arc<[SocketAddr]>,
}

impl App {
    /// Opens or makes all that a server needs, and binds its sockets. From here on peers can connect; they are
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
        // It may come later, as that of a tunnel does when the host starts: being found is not worth a refusal.
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

    /// A handle that outlives the app, to be taken before [`App::run`].
    pub fn handle(&self) -> AppHandle {
        self.handle.clone()
    }

    /// The addresses at which clients of lanchat are listened for, with the ports that were really taken.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.handle.addresses
    }

    /// The id of the server.
    pub fn server_id(&self) -> ServerId {
        self.handle.server_id
    }

    /// The fingerprint of its key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.handle.fingerprint
    }

    /// What to tell the people: name, addresses, fingerprint, and what to type on another machine. Ends with a line
    /// `listening on ADDR:PORT` for each socket; where it is not for clients of lanchat, its URI.
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
    /// [`AppError::StoreFailed`] or [`AppError::Crashed`] when it had to stop by itself. What was acknowledged is
    /// kept in any case.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), AppError> {
        let Self { options, gates, neighbourhood, slot, store, handle, data, .. } = self;
        let stop = shutdown.child_token();
        let listener = Listener::new(gates, handle.hub.clone());
        info!(id = %handle.server_id, data = %data.path().display(), "serving");

        let mut parts = JoinSet::new();
        parts.spawn(listener.serve(stop.clone()));
        parts.spawn(follow(slot, options.interfaces.clone(), neighbourhood, stop.clone()));
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
                // Told to stop, a part may be faster than this task.
                _ if stop.is_cancelled() => Ok(()),
                _ => Err(AppError::Crashed("it ended by itself".into())),
            },
        };
        if let Err(error) = &outcome {
            error!(%error, "the server has to stop");
        }
        wind_down(stop, parts, &handle.hub).await;
        // The store before the lock, and not on a thread of the runtime: it waits for what it has begun.
        drop(handle);
        let _ = tokio::task::spawn_blocking(move || drop((store, data))).await;
        outcome
    }
}

/// The order of a stop: nobody new; the sessions and the network are told goodbye, at the same time; what was admitted
/// is committed; the store is closed.
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

/// A data directory, and what is in it.
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
    /// Makes an account an administrator. `false`: there is no such account.
    ///
    /// # Errors
    /// [`AppError::Hub`] when the store does not answer.
    pub async fn set_admin(&self, name: AccountName) -> Result<bool, AppError> {
        Ok(self.hub.set_admin(name).await?)
    }

    /// Sessions that are logged in now.
    pub fn online(&self) -> usize {
        self.hub.online()
    }

    /// The addresses at which clients of lanchat are listened for.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The id of the server.
    pub fn server_id(&self) -> ServerId {
        self.server_id
    }

    /// The fingerprint of its key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}
