//! The state that a hub's sessions share, and the proof of credentials.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lanchat_model::{AccountId, AccountName, DeviceId, DisplayName, Password, TypedPassword, limits};

use crate::announcer::Announcer;
use crate::answers::Answers;
use crate::bus::Devices;
use crate::disk_space::DiskSpace;
use crate::error::Error;
use crate::event::LogoutReason;
use crate::password::{Asker, Hasher};
use crate::port::{Account, NewAccount, NewDevice, NotResumed, Recognised, Registered, Store, StoreError};
use crate::presence::Presence;
use crate::refusal::Refusal;
use crate::registry::{Registry, SessionSlot};
use crate::sequencer::Sequencer;
use crate::source::Source;
use crate::throttle::{Throttle, TooEarly};
use crate::token::Token;
use crate::turns::{Lane, NoTurn};
use crate::typing::TypingBoard;

/// The options of a server.
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// The largest number of sessions at once. A login beyond it gets [`Refusal::ServerFull`].
    pub clients_max: usize,
    /// Whether anybody may make an account.
    pub registration_open: bool,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self { clients_max: limits::CLIENTS_DEFAULT, registration_open: true }
    }
}

/// The state that sessions share.
pub(crate) struct Domain {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) announcer: Announcer,
    pub(crate) presence: Arc<Presence>,
    pub(crate) typing: Arc<TypingBoard>,
    pub(crate) disk_space: Arc<DiskSpace>,
    pub(crate) answers: Answers,
    pub(crate) hasher: Hasher,
    pub(crate) throttle: Throttle,
    /// Accounts whose password is being changed, one change at a time for each. Bounded by the sessions.
    pub(crate) changing: Mutex<BTreeSet<AccountId>>,
    pub(crate) epoch: String,
    pub(crate) options: HubOptions,
    pub(crate) draining: AtomicBool,
    /// Taken by [`Domain::take_sequencer`].
    pub(crate) sequencer: Mutex<Option<Sequencer>>,
}

/// The purpose of proving a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    LogIn,
    Change,
}

/// The right to change the password of an account, given up when dropped.
pub(crate) struct Changing<'a>(&'a Domain, AccountId);

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.changing.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

impl Domain {
    /// Reserves a slot for a session.
    pub(crate) fn reserve(&self) -> Result<SessionSlot, Error> {
        Ok(self.registry.reserve(self.options.clients_max).ok_or(Refusal::ServerFull)?)
    }

    /// Returns the right to change the password of an account, unless another session of it has that right.
    pub(crate) fn begin_change(&self, account: AccountId) -> Result<Changing<'_>, Error> {
        let mut changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if !changing.insert(account) {
            return Err(Refusal::Busy(limits::HASH_WAIT_MAX).into());
        }
        Ok(Changing(self, account))
    }

    /// Makes an account with its first device, and reserves the slot of its session.
    pub(crate) async fn register(
        &self,
        name: AccountName,
        display_name: DisplayName,
        password: &TypedPassword,
        label: Option<String>,
        source: &Source,
        token: &Token,
    ) -> Result<(Registered, SessionSlot), Error> {
        // A taken name is refused before hashing; the store decides if two ask at once.
        if let Some(other) = self.store.mistaken_for(name.clone()).await? {
            let is_same = other == name;
            return Err(if is_same { Refusal::NameTaken } else { Refusal::NameLooksTaken(other) }.into());
        }
        let password = Password::parse(password.expose()).map_err(Refusal::BadPassword)?;
        let phc = self.hasher.hash(Asker::Login(Lane::New, source), &password).await?;
        let account = NewAccount { name, display_name, phc, admin: false };
        let device = NewDevice { label, token: token.record() };
        let slot = self.reserve()?;
        let registered = self.store.register(account, device).await?.ok_or(Refusal::NameTaken)?;
        self.announcer.shows(&registered.entry);
        Ok((registered, slot))
    }

    /// Returns the account if the password is right and, for a login, if it may have one more session. Counts the
    /// attempt before it looks, and renews a hash with outdated parameters.
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
        // An attempt refused because too many wait costs the store nothing.
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
        // This comes before a new device evicts another. The attempt still counts as a failure. Otherwise an account
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

    /// Resumes the device of a token. Returns the token that it uses from now on: a fresh one, or its old one on a full
    /// disk, where nothing can be kept but reading continues. The slot is taken before the token is replaced, because
    /// the device must then be told the new token.
    pub(crate) async fn resume(
        &self,
        token: Token,
        source: &Source,
    ) -> Result<(Account, DeviceId, Token, SessionSlot), Error> {
        let slot = self.reserve_for(&token, source).await?;
        let next = token.next()?;
        match self.store.resume(token.record(), next.record()).await {
            Ok(Ok((account, device))) => {
                let slot = slot.ok_or(Refusal::BadToken)?;
                Ok((account, device, next, slot))
            }
            Ok(Err(why)) => Err(self.not_resumed(why, source)),
            Err(StoreError::Full) => {
                self.disk_space.note(&Err::<(), _>(StoreError::Full));
                // A copied token is refused because the disk is full: the copy is detected once that can be stored.
                let found = self.store.recognise(token.record()).await?.device();
                let (account, device) = found.ok_or(Error::ReadOnly)?;
                Ok((account, device, token, slot.ok_or(Error::ReadOnly)?))
            }
            Err(other) => Err(other.into()),
        }
    }

    /// Reserves a slot for a client with this token. Returns `None` if the token resumes nothing and the store has yet
    /// to record that.
    ///
    /// The token is looked up first if slots are scarce, or if this source has shown a token that opened nothing.
    /// Anybody may make up a token, or show one without end, and the store's writes compete with everybody's posts.
    async fn reserve_for(&self, token: &Token, source: &Source) -> Result<Option<SessionSlot>, Error> {
        // Enough for all strangers together, with one attempt per connection.
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

    /// Remembers a source that has shown a token that opened no session.
    pub(crate) fn has_opened_nothing(&self, error: &Error, source: &Source) {
        use Refusal::{BadToken, TokenCopied, TooManySessions};
        if let Error::Refused(BadToken | TokenCopied | TooManySessions) = error {
            self.throttle.bad_token(source);
        }
    }

    /// Ends the remaining sessions of a device whose token was copied. One of its two users has the newest token, and
    /// perhaps a session. Nobody knows which of them is the thief, so both are told.
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

    /// Returns the sequencer, until the hub is closed.
    pub(crate) fn sequencer(&self) -> Result<Sequencer, Error> {
        let guard = self.sequencer.lock().unwrap_or_else(PoisonError::into_inner);
        guard.clone().ok_or_else(|| Error::fault(&"the hub is closed"))
    }

    pub(crate) fn take_sequencer(&self) -> Option<Sequencer> {
        self.sequencer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Returns the account's name for the log. A typed name may be a password, so only names of existing accounts are
/// logged.
fn known(account: Option<&Account>) -> Option<tracing::field::DisplayValue<&AccountName>> {
    account.map(|account| tracing::field::display(&account.name))
}
