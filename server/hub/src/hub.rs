//! The hub: the handle that a server holds, and the way from credentials to a session.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use lanchat_model::{AccountId, AccountName, DeviceId, DisplayName, Password, TypedPassword, limits};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::announcer::{self, Announcer};
use crate::answers::Answers;
use crate::bus::{Bus, Devices, LocalBus};
use crate::command::Credentials;
use crate::error::{Error, Refusal};
use crate::event::{LogoutReason, Welcome};
use crate::on_device::OnDevice;
use crate::password::{Asker, Hasher};
use crate::port::{
    Account, AddedDevice, NewAccount, NewDevice, NotResumed, Recognised, Registered, Store, StoreError,
};
use crate::presence::Presence;
use crate::registry::{Place, Registry};
use crate::sequencer::Sequencer;
use crate::session::{Login, Session};
use crate::source::Source;
use crate::throttle::{Throttle, TooEarly};
use crate::token::Token;
use crate::turns::{Lane, NoTurn};
use crate::typing::TypingBoard;
use crate::writing::Writing;

/// What a server may set.
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// Sessions at once; beyond it [`Refusal::ServerFull`].
    pub clients_max: usize,
    /// Whether anybody may make an account.
    pub registration_open: bool,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self { clients_max: limits::CLIENTS_DEFAULT, registration_open: true }
    }
}

/// The domain of one server. Cheap to clone; all clones are the same hub.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

/// What sessions share.
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) announcer: Announcer,
    pub(crate) presence: Arc<Presence>,
    pub(crate) typing: Arc<TypingBoard>,
    pub(crate) writing: Arc<Writing>,
    pub(crate) answers: Answers,
    pub(crate) hasher: Hasher,
    pub(crate) throttle: Throttle,
    /// Accounts whose password is being changed: one change at a time each. Bounded by the sessions.
    changing: std::sync::Mutex<BTreeSet<AccountId>>,
    pub(crate) epoch: String,
    options: HubOptions,
    draining: AtomicBool,
    /// Taken by [`Hub::close`].
    sequencer: std::sync::Mutex<Option<Sequencer>>,
    tasks: Mutex<Option<Tasks>>,
}

/// What a password is proved for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    LogIn,
    Change,
}

/// The right to change the password of an account, given up when dropped.
pub(crate) struct Changing<'a>(&'a Inner, AccountId);

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.changing.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// What runs for as long as the hub.
struct Tasks {
    sequencing: JoinHandle<()>,
    keeping: JoinHandle<()>,
    probing: JoinHandle<()>,
    listening: JoinHandle<()>,
}

impl Hub {
    /// Opens the domain over a store that no other server uses, and starts its sequencer and the keeper of its presence.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn open(store: Arc<dyn Store>, options: HubOptions) -> Result<Self, Error> {
        Self::open_on(Arc::new(LocalBus), store, options).await
    }

    /// As [`Hub::open`], beside the other servers of a bus, which are over the same store.
    ///
    /// # Errors
    /// As [`Hub::open`].
    pub async fn open_on(
        bus: Arc<dyn Bus>,
        store: Arc<dyn Store>,
        options: HubOptions,
    ) -> Result<Self, Error> {
        let epoch = store.epoch().await?;
        let were_here = store.online_at_last().await?;
        let registry = Arc::new(Registry::default());
        let (announcer, typing) = (Announcer::new(Arc::clone(&registry), bus), Arc::new(TypingBoard::new()));
        let (writing, probing) = Writing::start(Arc::clone(&store), announcer.clone());
        let (sequencer, sequencing) =
            Sequencer::start(Arc::clone(&store), announcer.clone(), Arc::clone(&writing));
        let (presence, keeping) = Presence::start(Arc::clone(&store), announcer.clone(), were_here);
        let listening = tokio::spawn(announcer::listen(
            announcer.clone(),
            Arc::clone(&store),
            Arc::clone(&typing),
            Arc::clone(&writing),
        ));
        Ok(Self(Arc::new(Inner {
            store,
            registry,
            announcer,
            presence,
            typing,
            writing,
            answers: Answers::new(),
            hasher: Hasher::new(),
            throttle: Throttle::default(),
            changing: std::sync::Mutex::default(),
            epoch,
            options,
            draining: AtomicBool::new(false),
            sequencer: std::sync::Mutex::new(Some(sequencer)),
            tasks: Mutex::new(Some(Tasks { sequencing, keeping, probing, listening })),
        })))
    }

    /// Makes a session. The only way to one.
    ///
    /// # Errors
    /// [`Error::Refused`] says what was wrong with the credentials, without telling an unknown account from a wrong
    /// password.
    pub async fn authenticate(
        &self,
        credentials: Credentials,
        source: &Source,
    ) -> Result<(Session, Welcome), Error> {
        // Strangers hold no place: it is taken when the credentials are proved, and before anything is stored for its sake.
        // A server that is full does not look at them.
        drop(self.0.reserve()?);
        let logouts = self.0.registry.logouts();
        let most = match credentials {
            Credentials::Resume { .. } => limits::SESSIONS_BY_TOKEN_MAX,
            Credentials::Register { .. } | Credentials::Login { .. } | Credentials::LoginAgain { .. } => {
                limits::SESSIONS_PER_ACCOUNT_MAX
            }
        };
        let (account, device, token, place) = match credentials {
            Credentials::Register { name, display_name, password, device } => {
                if !self.0.options.registration_open {
                    return Err(Refusal::RegistrationClosed.into());
                }
                name.check_new().map_err(Refusal::NotANewName)?;
                display_name.check_new().map_err(Refusal::NotANewName)?;
                self.0.throttle.may_register(source).map_err(|early| Refusal::SlowDown(early.wait))?;
                let token = Token::generate()?;
                let made = self.0.register(name, display_name, &password, device, source, &token).await;
                let (made, place) = made.inspect_err(|error| {
                    let counts = |refusal: &Refusal| {
                        matches!(refusal, Refusal::NameTaken | Refusal::NameLooksTaken(_) | Refusal::Busy(_))
                    };
                    if matches!(error, Error::Refused(refusal) if counts(refusal)) {
                        self.0.throttle.count_against(source);
                    }
                })?;
                (made.account, made.device, token, place)
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
                let resumed = self.0.resume(token, source).await;
                resumed.inspect_err(|error| self.0.has_opened_nothing(error, source))?
            }
        };
        let login = Login { account, device, source: source.clone(), most, logouts, place };
        let begun = Session::begin(Arc::clone(&self.0), login, token).await;
        let (session, welcome) = begun.inspect_err(|error| self.0.has_opened_nothing(error, source))?;
        self.0.throttle.is_at(session.name(), source);
        Ok((session, welcome))
    }

    /// Whether somebody has logged in from there, as far as it is remembered (`limits::KNOWN_ACCOUNTS_MAX`).
    pub fn knows(&self, source: &Source) -> bool {
        self.0.throttle.knows(source)
    }

    /// A session by password. What ends the login while it is under way, ends it: the password that
    /// was proved is not the right one any more.
    async fn log_in(
        &self,
        name: AccountName,
        password: &TypedPassword,
        on: OnDevice,
        source: &Source,
        logouts: u64,
    ) -> Result<(Session, Welcome), Error> {
        let hub = &self.0;
        let account = hub.verify(name, password, source, Purpose::LogIn).await?;
        let place = hub.reserve()?;
        let token = Token::generate()?;
        let added = on.take(&*hub.store, &account, token.record()).await?;
        let AddedDevice { device, evicted } = added.ok_or(Refusal::WrongPassword)?;
        if !evicted.is_empty() {
            let devices = Devices::These(evicted);
            hub.announcer.log_out(account.id, devices, None, LogoutReason::TooManyDevices);
        }
        let most = limits::SESSIONS_PER_ACCOUNT_MAX;
        let login = Login { account, device, source: source.clone(), most, logouts, place };
        let begun = Session::begin(Arc::clone(hub), login, token).await;
        // It was a password that was shown, and no token.
        let is_over = |error: &Error| *error == Error::Refused(Refusal::BadToken);
        begun.map_err(|error| if is_over(&error) { Refusal::WrongPassword.into() } else { error })
    }

    /// Makes an account an administrator. `false`: there is no such account.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set_admin(&self, name: AccountName) -> Result<bool, Error> {
        Ok(self.0.store.set_admin(name).await?)
    }

    /// Sessions that are logged in now.
    pub fn online(&self) -> usize {
        self.0.registry.count()
    }

    /// Asks every session to end, those that begin from now on too. Their tasks do it, when they have answered what they
    /// took.
    pub fn drain(&self) {
        // The word first and the wake-ups second: whoever is woken finds it.
        self.0.draining.store(true, Ordering::SeqCst);
        self.0.registry.touch_all();
    }

    /// Stops the hub: what was admitted is committed, presence is stored as it is, the store is closed.
    /// Call it when all sessions are gone; a second call does nothing.
    pub async fn close(&self) {
        drop(self.0.take_sequencer());
        let tasks = self.0.tasks.lock().await.take();
        let Some(Tasks { sequencing, keeping, probing, listening }) = tasks else { return };
        // It ends when the last session is gone; one that is not cannot hold up the exit for ever.
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
        self.0.presence.save(&*self.0.store).await;
        if let Err(error) = self.0.store.close().await {
            tracing::warn!(%error, "the store was not closed in order; the next start makes up for it");
        }
    }
}

impl Inner {
    /// A place for a session.
    fn reserve(&self) -> Result<Place, Error> {
        Ok(self.registry.reserve(self.options.clients_max).ok_or(Refusal::ServerFull)?)
    }

    /// The right to change the password of an account, unless another session of it is about to.
    pub(crate) fn begin_change(&self, account: AccountId) -> Result<Changing<'_>, Error> {
        let mut changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if !changing.insert(account) {
            return Err(Refusal::Busy(limits::HASH_WAIT_MAX).into());
        }
        Ok(Changing(self, account))
    }

    /// An account that was just made, with its first device, and the place of its session.
    async fn register(
        &self,
        name: AccountName,
        display_name: DisplayName,
        password: &TypedPassword,
        label: Option<String>,
        source: &Source,
        token: &Token,
    ) -> Result<(Registered, Place), Error> {
        // A taken name is told before the work of hashing; the store decides when two ask at once.
        if let Some(other) = self.store.mistaken_for(name.clone()).await? {
            let is_same = other == name;
            return Err(if is_same { Refusal::NameTaken } else { Refusal::NameLooksTaken(other) }.into());
        }
        let password = Password::parse(password.expose()).map_err(Refusal::BadPassword)?;
        let phc = self.hasher.hash(Asker::Login(Lane::New, source), &password).await?;
        let account = NewAccount { name, display_name, phc, admin: false };
        let device = NewDevice { label, token: token.record() };
        let place = self.reserve()?;
        let registered = self.store.register(account, device).await?.ok_or(Refusal::NameTaken)?;
        self.announcer.shows(&registered.entry);
        Ok((registered, place))
    }

    /// The account, if the password is its own and, for a login, it may have one session more. Counts the attempt before it
    /// looks, and brings a hash up to date that is not as it would be made today.
    pub(crate) async fn verify(
        &self,
        name: AccountName,
        password: &TypedPassword,
        source: &Source,
        purpose: Purpose,
    ) -> Result<Account, Error> {
        let attempt = match self.throttle.begin(&name, source) {
            Ok(attempt) => attempt,
            Err(early) => return Err(self.too_early(early, name, source).await?),
        };
        let lane = if attempt.known { Lane::Known(&name) } else { Lane::New };
        let asker = match purpose {
            Purpose::LogIn => Asker::Login(lane, source),
            Purpose::Change => Asker::Change(source),
        };
        // Whoever is refused for the crowd costs the store nothing.
        let turn = self.hasher.turn(asker).await.inspect_err(|why| match why {
            NoTurn::Crowded => self.throttle.crowded(&attempt),
            NoTurn::TooLong => self.throttle.undo(&attempt),
        })?;
        let looked = async {
            let account = self.store.account(name.clone()).await?;
            let verified =
                self.hasher.verify(turn, password, account.as_ref().map(|account| &account.phc)).await?;
            Ok((account, verified))
        };
        let (account, verified) = looked.await.inspect_err(|_: &Error| self.throttle.undo(&attempt))?;
        if !verified.matches {
            tracing::info!(account = known(account.as_ref()), source = %source.0, "wrong name or password");
        }
        let Some(account) = account.filter(|_| verified.matches) else {
            return Err(Refusal::WrongPassword.into());
        };
        // Before a device is made that pushes another one out. It goes on counting, and is no login: else one account
        // with all its sessions could have hashes computed without end, from everywhere.
        if purpose == Purpose::LogIn && !self.registry.has_space(account.id) {
            return Err(Refusal::TooManySessions.into());
        }
        self.throttle.succeeded(attempt);
        if let Some(phc) = verified.renewed
            && let Err(error) = self.store.renew_hash(account.id, account.generation, phc).await
        {
            tracing::warn!(account = %account.name, %error, "a password hash is not renewed; it will be next time");
        }
        Ok(account)
    }

    /// Refuses an attempt that came too early.
    async fn too_early(&self, early: TooEarly, name: AccountName, source: &Source) -> Result<Error, Error> {
        if early.first {
            let account = self.store.account(name).await?;
            tracing::info!(
                account = known(account.as_ref()),
                source = %source.0,
                "too many wrong passwords: attempts have to wait"
            );
        }
        Ok(Refusal::SlowDown(early.wait).into())
    }

    /// The device of a token, and the token that it uses from now on: a fresh one, or on a full disk, where nothing can be
    /// kept and reading goes on, the one that it has. The place is taken before the replacement, which the device must be
    /// told of.
    async fn resume(
        &self,
        token: Token,
        source: &Source,
    ) -> Result<(Account, DeviceId, Token, Place), Error> {
        let place = self.reserve_for(&token, source).await?;
        let next = token.next()?;
        match self.store.resume(token.record(), next.record()).await {
            Ok(Ok((account, device))) => {
                let place = place.ok_or(Refusal::BadToken)?;
                Ok((account, device, next, place))
            }
            Ok(Err(why)) => Err(self.not_resumed(why, source)),
            Err(StoreError::Full) => {
                self.writing.note(&Err::<(), _>(StoreError::Full));
                // A copied token is refused as writing is: it will be noticed when that can be kept.
                let found = self.store.recognise(token.record()).await?.device();
                let (account, device) = found.ok_or(Error::ReadOnly)?;
                Ok((account, device, token, place.ok_or(Error::ReadOnly)?))
            }
            Err(other) => Err(other.into()),
        }
    }

    /// A place for whoever shows this token. `None`: it resumes nothing, which the store has yet to keep.
    ///
    /// Where places are scarce, and for whoever has shown a token that opened nothing, a look at the token comes first: anybody
    /// may have made it up, or show it without end, and the store writes in turns with everybody's posts.
    async fn reserve_for(&self, token: &Token, source: &Source) -> Result<Option<Place>, Error> {
        // All strangers together, one attempt of each connection.
        let is_spare =
            self.registry.has_spare(self.options.clients_max, limits::CONNECTIONS_BEFORE_LOGIN_MAX);
        if is_spare && !self.throttle.shows_bad_tokens(source) {
            return self.reserve().map(Some);
        }
        match self.store.recognise(token.record()).await? {
            Recognised::Device(account, _) if self.registry.is_full(account.id) => {
                Err(Refusal::TooManySessions.into())
            }
            Recognised::Device(..) => self.reserve().map(Some),
            Recognised::Nothing(why) => Err(self.not_resumed(why, source)),
            Recognised::ToBeKept => Ok(None),
        }
    }

    /// Remembers who has shown a token that opened no session.
    fn has_opened_nothing(&self, error: &Error, source: &Source) {
        use Refusal::{BadToken, TokenCopied, TooManySessions};
        if let Error::Refused(BadToken | TokenCopied | TooManySessions) = error {
            self.throttle.bad_token(source);
        }
    }

    /// Ends what is left of a device whose token was copied. One of its two users has the newest token, and perhaps a
    /// session: nobody knows which of them is the thief, so both are told.
    fn not_resumed(&self, why: NotResumed, source: &Source) -> Error {
        if let NotResumed::Copied { account, name, device } = why {
            tracing::warn!(
                account = %name,
                source = %source.0,
                "a device token was used that its device had replaced: somebody has a copy; the device is logged out"
            );
            let devices = Devices::These(vec![device]);
            self.announcer.log_out(account, devices, None, LogoutReason::TokenCopied);
            return Refusal::TokenCopied.into();
        }
        Refusal::BadToken.into()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// The way into the logs, until the hub is closed.
    pub(crate) fn sequencer(&self) -> Result<Sequencer, Error> {
        let guard = self.sequencer.lock().unwrap_or_else(PoisonError::into_inner);
        guard.clone().ok_or_else(|| Error::fault(&"the hub is closed"))
    }

    fn take_sequencer(&self) -> Option<Sequencer> {
        self.sequencer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What somebody types as a name may be a password: in the log are names of accounts alone.
fn known(account: Option<&Account>) -> Option<tracing::field::DisplayValue<&AccountName>> {
    account.map(|account| tracing::field::display(&account.name))
}
