//! The hub: the handle that a server holds. It turns credentials into sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lanchat_model::{AccountName, TypedPassword, limits};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::announcer::Announcer;
use crate::answers::Answers;
use crate::bus::{Bus, Devices, LocalBus};
use crate::bus_reader::read_hints;
use crate::command::Credentials;
use crate::disk_space::DiskSpace;
use crate::domain::{Domain, HubOptions, Purpose};
use crate::error::Error;
use crate::event::{LogoutReason, Welcome};
use crate::on_device::OnDevice;
use crate::password::Hasher;
use crate::port::{AddedDevice, Store};
use crate::presence::Presence;
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::sequencer::Sequencer;
use crate::session::{Login, Session};
use crate::source::Source;
use crate::throttle::Throttle;
use crate::token::Token;
use crate::typing::TypingBoard;

/// The domain of one server. Cheap to clone; all clones are the same hub.
#[derive(Clone)]
pub struct Hub {
    domain: Arc<Domain>,
    tasks: Arc<Mutex<Option<Tasks>>>,
}

/// The tasks that run for as long as the hub.
struct Tasks {
    sequencing: JoinHandle<()>,
    keeping: JoinHandle<()>,
    probing: JoinHandle<()>,
    listening: JoinHandle<()>,
}

impl Hub {
    /// Opens the hub over a store that no other server uses, and starts its tasks.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn open(store: Arc<dyn Store>, options: HubOptions) -> Result<Self, Error> {
        Self::open_on(Arc::new(LocalBus), store, options).await
    }

    /// Like [`Hub::open`], next to the other servers on a bus, which use the same store.
    ///
    /// # Errors
    /// As for [`Hub::open`].
    pub async fn open_on(
        bus: Arc<dyn Bus>,
        store: Arc<dyn Store>,
        options: HubOptions,
    ) -> Result<Self, Error> {
        let epoch = store.epoch().await?;
        let were_here = store.online_at_last().await?;
        let registry = Arc::new(Registry::default());
        let (announcer, typing) = (Announcer::new(Arc::clone(&registry), bus), Arc::new(TypingBoard::new()));
        let (disk_space, probing) = DiskSpace::start(Arc::clone(&store), announcer.clone());
        let (sequencer, sequencing) =
            Sequencer::start(Arc::clone(&store), announcer.clone(), Arc::clone(&disk_space));
        let (presence, keeping) = Presence::start(Arc::clone(&store), announcer.clone(), were_here);
        let listening = tokio::spawn(read_hints(
            announcer.clone(),
            Arc::clone(&store),
            Arc::clone(&typing),
            Arc::clone(&disk_space),
        ));
        let domain = Domain {
            store,
            registry,
            announcer,
            presence,
            typing,
            disk_space,
            answers: Answers::new(),
            hasher: Hasher::new(),
            throttle: Throttle::default(),
            changing: std::sync::Mutex::default(),
            epoch,
            options,
            draining: AtomicBool::new(false),
            sequencer: std::sync::Mutex::new(Some(sequencer)),
        };
        let tasks = Tasks { sequencing, keeping, probing, listening };
        Ok(Self { domain: Arc::new(domain), tasks: Arc::new(Mutex::new(Some(tasks))) })
    }

    /// Makes a session. There is no other way to get one.
    ///
    /// # Errors
    /// [`Error::Refused`] says what was wrong with the credentials, but does not distinguish an unknown account from a
    /// wrong password.
    pub async fn authenticate(
        &self,
        credentials: Credentials,
        source: &Source,
    ) -> Result<(Session, Welcome), Error> {
        // Strangers do not hold a slot. It is taken once the credentials are proved, before anything is stored for the
        // session. A full server does not look at credentials.
        drop(self.domain.reserve()?);
        let logouts = self.domain.registry.logouts();
        let most = match credentials {
            Credentials::Resume { .. } => limits::SESSIONS_BY_TOKEN_MAX,
            Credentials::Register { .. } | Credentials::Login { .. } | Credentials::LoginAgain { .. } => {
                limits::SESSIONS_PER_ACCOUNT_MAX
            }
        };
        let (account, device, token, slot) = match credentials {
            Credentials::Register { name, display_name, password, device } => {
                if !self.domain.options.registration_open {
                    return Err(Refusal::RegistrationClosed.into());
                }
                name.check_new().map_err(Refusal::NotANewName)?;
                display_name.check_new().map_err(Refusal::NotANewName)?;
                self.domain.throttle.may_register(source).map_err(|early| Refusal::SlowDown(early.wait))?;
                let token = Token::generate()?;
                let made = self.domain.register(name, display_name, &password, device, source, &token).await;
                let (made, slot) = made.inspect_err(|error| {
                    let counts = |refusal: &Refusal| {
                        matches!(refusal, Refusal::NameTaken | Refusal::NameLooksTaken(_) | Refusal::Busy(_))
                    };
                    if matches!(error, Error::Refused(refusal) if counts(refusal)) {
                        self.domain.throttle.count_against(source);
                    }
                })?;
                (made.account, made.device, token, slot)
            }
            Credentials::Login { name, password, device } => {
                return self.log_in(name, &password, OnDevice::New(device), source, logouts).await;
            }
            Credentials::LoginAgain { name, password, kind, device } => {
                let device = OnDevice::of_kind(kind, &device);
                return self.log_in(name, &password, device, source, logouts).await;
            }
            Credentials::Resume { token } => {
                let token = Token::parse(&token).ok_or(Refusal::BadToken)?;
                let resumed = self.domain.resume(token, source).await;
                resumed.inspect_err(|error| self.domain.has_opened_nothing(error, source))?
            }
        };
        let login = Login { account, device, source: source.clone(), most, logouts, slot };
        let begun = Session::begin(Arc::clone(&self.domain), login, token).await;
        let (session, welcome) = begun.inspect_err(|error| self.domain.has_opened_nothing(error, source))?;
        self.domain.throttle.is_at(session.name(), source);
        Ok((session, welcome))
    }

    /// Returns whether a login from this source is remembered (`limits::KNOWN_ACCOUNTS_MAX`).
    pub fn knows(&self, source: &Source) -> bool {
        self.domain.throttle.knows(source)
    }

    /// Makes a session by password. If the login is revoked while it is under way, it is refused as for a wrong
    /// password.
    async fn log_in(
        &self,
        name: AccountName,
        password: &TypedPassword,
        on: OnDevice,
        source: &Source,
        logouts: u64,
    ) -> Result<(Session, Welcome), Error> {
        let hub = &self.domain;
        let account = hub.verify(name, password, source, Purpose::LogIn).await?;
        let slot = hub.reserve()?;
        let token = Token::generate()?;
        let added = on.take(&*hub.store, &account, token.record()).await?;
        let AddedDevice { device, evicted } = added.ok_or(Refusal::WrongPassword)?;
        if !evicted.is_empty() {
            let devices = Devices::These(evicted);
            hub.announcer.log_out(account.id, devices, None, LogoutReason::TooManyDevices);
        }
        let most = limits::SESSIONS_PER_ACCOUNT_MAX;
        let login = Login { account, device, source: source.clone(), most, logouts, slot };
        let begun = Session::begin(Arc::clone(hub), login, token).await;
        // The client gave a password, not a token.
        let is_over = |error: &Error| *error == Error::Refused(Refusal::BadToken);
        begun.map_err(|error| if is_over(&error) { Refusal::WrongPassword.into() } else { error })
    }

    /// Makes an account an administrator. Returns `false` if there is no such account.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn set_admin(&self, name: AccountName) -> Result<bool, Error> {
        Ok(self.domain.store.set_admin(name).await?)
    }

    /// Returns the number of sessions now.
    pub fn online(&self) -> usize {
        self.domain.registry.count()
    }

    /// Asks every session to end, including those that begin from now on. Their tasks end them once they have answered
    /// the requests that they took.
    pub fn drain(&self) {
        // The flag is set before the wake-ups, so that a woken task sees it.
        self.domain.draining.store(true, Ordering::SeqCst);
        self.domain.registry.touch_all();
    }

    /// Stops the hub: commits what was admitted, stores presence, and closes the store. To be called when all sessions
    /// are gone; a second call does nothing.
    pub async fn close(&self) {
        drop(self.domain.take_sequencer());
        let tasks = self.tasks.lock().await.take();
        let Some(Tasks { sequencing, keeping, probing, listening }) = tasks else { return };
        // The sequencer ends when the last session is gone. A session that stays must not hold up the exit for ever.
        match timeout(limits::DRAIN_MAX, sequencing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the sequencer ended badly"),
            Err(_) => {
                tracing::warn!("some sessions did not end; what they had posted is committed all the same")
            }
        }
        keeping.abort();
        probing.abort();
        listening.abort();
        self.domain.presence.save(&*self.domain.store).await;
        if let Err(error) = self.domain.store.close().await {
            tracing::warn!(%error, "the store was not closed in order; the next start makes up for it");
        }
    }
}
