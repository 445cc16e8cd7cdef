//! Hosting: the server and its first client in one process. No other file here knows the server.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use lanchat_client::{Home, Target, discover};
use lanchat_model::{ServerId, limits};
use lanchat_server::{App, AppError, AppHandle, DataDir, Key, Layer, Origin, Setting, Settings};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::choose;
use crate::cli::HostArgs;
use crate::exit::{Failure, Reason};
use crate::signals;

/// Logins that wait to be made administrators. All of them are the host's own.
const LOGINS_MAX: usize = 4;

/// A server that was started in this process, and what a chat with it begins with.
pub(crate) struct Hosted {
    /// How this process reaches the server.
    pub(crate) target: Target,
    /// What the server says of itself, line by line.
    pub(crate) banner: Vec<String>,
    /// Makes each account that is sent here an administrator.
    pub(crate) logins: mpsc::Sender<String>,
    /// What the host is told during the chat.
    pub(crate) news: mpsc::Receiver<String>,
    /// The server itself.
    pub(crate) server: Serving,
}

/// A server at work.
pub(crate) struct Serving {
    stop: CancellationToken,
    task: JoinHandle<Result<(), AppError>>,
}

/// Starts a server in this process.
///
/// # Errors
/// [`Failure`] holds the reason why the server did not start.
pub(crate) async fn start(args: HostArgs, home: &Home) -> Result<Hosted, Failure> {
    let settings = settings(args)?;
    let advertises = settings.mdns.value;
    let (teller, news) = mpsc::channel(limits::NEWS_MAX);
    // This happens before anybody depends on the process.
    signals::stay_awake(teller.clone());
    let app = App::build(settings.into_options()).await.map_err(|error| failed(&error))?;
    let banner = app.banner().lines().map(str::to_owned).collect();
    let target = own_address(&app)?;
    let logins = promote_logins(app.handle());
    if advertises && app.addresses().iter().any(|address| !address.ip().is_loopback()) {
        tokio::spawn(tell_of_others(home.clone(), app.handle().server_id(), teller));
    }
    let stop = CancellationToken::new();
    let task = tokio::spawn(app.run(stop.clone()));
    Ok(Hosted { target, banner, logins, news, server: Serving { stop, task } })
}

impl Serving {
    /// Serves until `chat` ends, then stops the server. Ends the chat if the server stops first.
    ///
    /// # Errors
    /// [`Failure`] says why the server stopped, or is the chat's own.
    pub(crate) async fn during(
        mut self,
        chat: impl Future<Output = Result<(), Failure>>,
    ) -> Result<(), Failure> {
        let mut stopped = None;
        let outcome = tokio::select! {
            outcome = chat => outcome,
            ended = &mut self.task => { stopped = Some(ended); Ok(()) }
        };
        self.stop.cancel();
        let ended = match stopped {
            Some(ended) => ended,
            None => self.task.await,
        };
        match ended {
            Ok(Ok(())) => outcome,
            Ok(Err(error)) => Err(failed(&error)),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// Returns the server whose data is in this program's hosting folder, if one was hosted before.
pub(crate) fn own_server() -> Option<ServerId> {
    let data = std::env::var_os("LANCHAT_DATA").map(Into::into);
    DataDir::server_id(&data.or_else(|| DataDir::default_path().ok())?)
}

/// Tells the host about other hosts: two that started at the same time did not see each other. Ends with the session.
async fn tell_of_others(home: Home, own: ServerId, teller: mpsc::Sender<String>) {
    let mut told = BTreeSet::from([own]);
    while !teller.is_closed() {
        // Without mDNS, other hosts cannot be heard.
        let Ok(mut adverts) = discover(limits::HOSTS_WINDOW) else { return };
        while let Some(advert) = adverts.next().await {
            if teller.is_closed() {
                return;
            }
            if told.contains(&advert.server_id) {
                continue;
            }
            // An advert is a stranger's claim: only servers that have proved a key are reported.
            for line in choose::beside(&home, &mut told).await.unwrap_or_default() {
                if teller.send(line).await.is_err() {
                    return;
                }
            }
            tokio::time::sleep(limits::LOOK_AGAIN_MAX).await;
        }
    }
}

fn failed(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Reason::Usage, format!("Cannot host: {error}"))
}

fn settings(args: HostArgs) -> Result<Settings, Failure> {
    let data = match args.data {
        Some(path) => Setting { value: path, origin: Origin::Flag("--data") },
        None => Setting {
            value: DataDir::default_path().map_err(|error| failed(&error))?,
            origin: Origin::Default,
        },
    };
    let mut flags = Layer::new();
    let mut set = |key, values: Vec<String>| {
        if !values.is_empty() {
            flags.insert(key, values);
        }
    };
    set(Key::Name, args.name.into_iter().collect());
    set(Key::Listen, args.listen);
    set(Key::Iface, args.iface);
    if args.no_mdns {
        set(Key::Mdns, vec!["false".into()]);
    }
    Settings::load(data, None, flags, |name| std::env::var(name).ok()).map_err(|error| failed(&error))
}

/// Returns the server's address for its own process. The key is known, so nothing is taken on trust.
fn own_address(app: &App) -> Result<Target, Failure> {
    let Some(bound) = app.addresses().first() else { return Err(failed(&"it listens nowhere")) };
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let link = format!("lanchat://{}/#{}", SocketAddr::new(ip, bound.port()), app.fingerprint());
    link.parse().map_err(|error| failed(&error))
}

/// Makes each account an administrator that logs in at the host's own terminal.
fn promote_logins(handle: AppHandle) -> mpsc::Sender<String> {
    let (logins, mut names) = mpsc::channel::<String>(LOGINS_MAX);
    tokio::spawn(async move {
        while let Some(name) = names.recv().await {
            if let Ok(name) = name.parse()
                && let Err(error) = handle.set_admin(name).await
            {
                tracing::error!(%error, "the host could not be made an administrator");
            }
        }
    });
    logins
}
