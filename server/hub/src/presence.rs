//! Presence: who is connected, as everybody is told. An account has one presence, however many sessions it has.
//!
//! Presence is not a log. It is the latest value per account, stored for the next start of the server, and announced
//! only when it lasts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use lanchat_model::{AccountId, AccountName, DisplayName, Timestamp, limits};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, info, warn};

use crate::announcer::Announcer;
use crate::bus::Hint;
use crate::event::{PresenceNews, PresenceState};
use crate::latest::{Latest, Piece};
use crate::port::{Account, Away, PresenceRecord, Store};
use crate::wire_form::WireForms;

mod teller;

use teller::{Teller, Told};

/// The presence of all accounts.
pub(crate) struct Presence {
    state: Mutex<State>,
    announcer: Announcer,
    /// Wakes the keeper when something is to be stored, or a lost session is to be watched.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// Accounts that others are told are here: with a session, or without one for less than `limits::FLAP`. A tree,
    /// because a hash table that has just grown is half empty.
    here: BTreeMap<AccountId, Record>,
    feed: Latest<AccountName, PresenceState>,
    /// Decides which changes reach the feed, and when.
    teller: Teller,
    /// The pieces that were read last, by their range of versions: the next reader most likely asks for one of them. At
    /// most `limits::LATEST_READ_MAX`; the oldest goes first.
    told: VecDeque<((u64, u64), Arc<PresenceNews>)>,
    /// Lost sessions by age. Each account that is here without a session is listed at least once, with its last loss.
    lost: VecDeque<(Instant, AccountId)>,
    /// What is not stored yet: the latest value per account. The keeper empties it.
    unsaved: BTreeMap<AccountId, PresenceRecord>,
}

#[derive(Debug)]
struct Record {
    name: AccountName,
    display_name: DisplayName,
    away: Option<Away>,
    sessions: usize,
    /// Boxed, because hardly any account that is here has had a session end.
    ended: Option<Box<Ended>>,
}

/// What is known of the ended sessions of an account that is here.
#[derive(Debug, Default)]
struct Ended {
    /// When its last session was lost.
    lost_at: Option<Instant>,
    /// When something last came from one of them, and the wall-clock time of that.
    heard: Option<(Instant, Timestamp)>,
}

impl Presence {
    /// Starts with the accounts that were here when the server stopped. They have `limits::FLAP` to reconnect before
    /// anybody is told that they left. The task stores presence.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        announcer: Announcer,
        were_here: Vec<Account>,
    ) -> (Arc<Self>, JoinHandle<()>) {
        let feed = Latest::new(limits::PRESENCE_ACCOUNTS_MAX);
        let (here, lost, unsaved) = (BTreeMap::new(), VecDeque::new(), BTreeMap::new());
        let mut state = State { here, feed, teller: Teller::default(), told: VecDeque::new(), lost, unsaved };
        let now = Instant::now();
        for account in were_here {
            state.lost.push_back((now, account.id));
            // Their sessions were lost with the server; the stored time is when they were last heard.
            let heard = account.last_seen.map(|at| (now, at));
            let ended = Some(Box::new(Ended { lost_at: Some(now), heard }));
            let record = Record { sessions: 0, ended, ..Record::of(&account) };
            state.here.insert(account.id, record);
        }
        let presence = Arc::new(Self { state: Mutex::new(state), announcer, changed: Notify::new() });
        let keeper = tokio::spawn(keep(Arc::clone(&presence), store));
        (presence, keeper)
    }

    /// Notes that a session of `account` begins.
    pub(crate) fn arrive(&self, account: &Account) {
        let mut state = self.lock();
        let known = state.here.get_mut(&account.id);
        if let Some(record) = known {
            record.sessions += 1;
            record.ended.iter_mut().for_each(|ended| ended.lost_at = None);
            return;
        }
        let record = Record::of(account);
        let shown = record.state();
        state.here.insert(account.id, record);
        info!(account = %account.name, connected = state.here.len(), "online");
        self.announce(state, account.id, &account.name, shown, Instant::now());
    }

    /// Notes that a session of `account` ended: on purpose, or because its connection was lost. Something last came
    /// from it at `heard`, however much later the loss was noticed.
    pub(crate) fn depart(&self, account: AccountId, heard: Instant, on_purpose: bool) {
        let mut state = self.lock();
        let Some(record) = state.here.get_mut(&account) else { return };
        record.sessions = record.sessions.saturating_sub(1);
        let ended = record.ended.get_or_insert_default();
        ended.heard = ended.heard.max(Some((heard, wall_at(heard))));
        if record.sessions > 0 {
            return;
        }
        if on_purpose {
            self.gone(state, account, Instant::now());
        } else {
            let now = Instant::now();
            ended.lost_at = Some(now);
            let at = record.last_seen();
            state.lost.push_back((now, account));
            // It is stored, so that a server that stops before the grace period ends knows it at its next start.
            state.unsaved.insert(account, PresenceRecord { account, online: true, at });
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Notes that an account is away, or back. The store already has it.
    pub(crate) fn set_away(&self, account: AccountId, away: Option<Away>) {
        let mut state = self.lock();
        let Some(record) = state.here.get_mut(&account) else { return };
        if record.away == away {
            return;
        }
        // An owner may do this as often as they like, so it is only logged at debug level.
        debug!(account = %record.name, away = away.is_some(), "away or back");
        record.away = away;
        let (name, shown) = (record.name.clone(), record.state());
        self.announce(state, account, &name, shown, Instant::now());
    }

    /// Returns an account's current presence, even if it is not announced yet; `last_seen` is the time from the store.
    pub(crate) fn state_of(&self, account: AccountId, last_seen: Option<Timestamp>) -> PresenceState {
        let mut state = self.lock();
        state.teller.seen(account);
        state.here.get(&account).map_or(PresenceState::Offline(last_seen), Record::state)
    }

    /// Returns everybody who is here, by name, even if it is not announced yet.
    pub(crate) fn here(&self) -> Vec<(AccountId, AccountName, DisplayName, PresenceState)> {
        let row = |(id, record): (&AccountId, &Record)| {
            (*id, record.name.clone(), record.display_name.clone(), record.state())
        };
        let mut state = self.lock();
        state.teller.all_seen();
        let mut all: Vec<_> = state.here.iter().map(row).collect();
        drop(state);
        all.sort_by(|one, other| one.1.cmp(&other.1));
        all
    }

    /// Returns the version of the last change, where a new reader starts.
    pub(crate) fn version(&self) -> u64 {
        self.lock().feed.version()
    }

    /// Returns what changed after `version`, if anything did, in pieces.
    pub(crate) fn since(&self, version: u64) -> (Option<Arc<PresenceNews>>, Piece) {
        let mut state = self.lock();
        let piece = state.feed.piece(version);
        if piece.next <= version {
            return (None, piece);
        }
        let span = (version, piece.next);
        if let Some((_, news)) = state.told.iter().find(|(told, _)| *told == span) {
            return (Some(Arc::clone(news)), piece);
        }
        let read = state.feed.read(piece);
        let changes = read.map(|(name, shown)| (name.clone(), shown.clone())).collect();
        let connected = state.here.len() as u64;
        let news = Arc::new(PresenceNews { changes, connected, forms: WireForms::default() });
        if state.told.len() >= limits::LATEST_READ_MAX {
            state.told.pop_front();
        }
        state.told.push_back((span, Arc::clone(&news)));
        (Some(news), piece)
    }

    /// Ends the grace period of those who did not reconnect, and announces what has lasted. Returns the next moment to
    /// check, if there is one.
    fn expire(&self) -> Option<Instant> {
        let lost = self.expire_lost();
        let mut state = self.lock();
        let (ripe, due) = state.teller.ripe(Instant::now());
        state.put(ripe);
        [lost, due].into_iter().flatten().min()
    }

    fn expire_lost(&self) -> Option<Instant> {
        loop {
            let mut state = self.lock();
            let (lost_at, account) = *state.lost.front()?;
            let due = lost_at + limits::FLAP;
            if due > Instant::now() {
                return Some(due);
            }
            state.lost.pop_front();
            if state.here.get(&account).is_some_and(|record| record.lost_at() == Some(lost_at)) {
                self.gone(state, account, lost_at);
            }
        }
    }

    fn gone(&self, mut state: MutexGuard<'_, State>, account: AccountId, since: Instant) {
        if let Some(record) = state.here.remove(&account) {
            let shown = PresenceState::Offline(Some(record.last_seen()));
            info!(account = %record.name, connected = state.here.len(), "offline");
            self.announce(state, account, &record.name, shown, since);
        }
    }

    /// Queues a change to be stored, and to be announced in time. Wakes the keeper, which does both.
    fn announce(
        &self,
        mut state: MutexGuard<'_, State>,
        account: AccountId,
        name: &AccountName,
        shown: PresenceState,
        since: Instant,
    ) {
        // For an account that left, the stored time is exactly the announced one, to the millisecond.
        let (online, at) = match shown {
            PresenceState::Online | PresenceState::Away(_) => (true, now()),
            PresenceState::Offline(at) => (false, at.unwrap_or_else(now)),
        };
        let told = state.teller.change(account, name, shown, (since, Instant::now()));
        state.put(told);
        state.unsaved.insert(account, PresenceRecord { account, online, at });
        drop(state);
        self.changed.notify_one();
    }

    /// Returns how long changes are gathered before they are announced together.
    fn pause(&self) -> Duration {
        let sessions = u32::try_from(self.announcer.registry.count()).unwrap_or(u32::MAX);
        limits::PRESENCE_PER_SESSION.saturating_mul(sessions).min(limits::PRESENCE_WAIT_MAX)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores everything that is not stored yet, in one write.
    pub(crate) async fn save(&self, store: &dyn Store) {
        let unsaved = std::mem::take(&mut self.lock().unsaved);
        if unsaved.is_empty() {
            return;
        }
        if let Err(error) = store.set_presence(unsaved.values().cloned().collect()).await {
            warn!(%error, "presence was not stored; it will be with the next change");
            let mut state = self.lock();
            for (account, record) in unsaved {
                // A value that changed meanwhile is newer, and stays.
                state.unsaved.entry(account).or_insert(record);
            }
        }
    }
}

impl State {
    /// Puts what is announced into the feed that everybody reads.
    fn put(&mut self, told: Vec<Told>) {
        told.into_iter().for_each(|(name, shown)| self.feed.put(name, shown));
    }
}

impl Record {
    /// Makes the record of an account with one session.
    fn of(account: &Account) -> Self {
        Self {
            name: account.name.clone(),
            display_name: account.display_name.clone(),
            away: account.away.clone(),
            sessions: 1,
            ended: None,
        }
    }

    /// Returns when something last came from it, or now if nothing is known.
    fn last_seen(&self) -> Timestamp {
        self.ended.as_ref().and_then(|ended| ended.heard).map_or_else(now, |(_, at)| at)
    }

    /// Returns when its last session was lost, if it has no session.
    fn lost_at(&self) -> Option<Instant> {
        self.ended.as_ref().and_then(|ended| ended.lost_at)
    }

    fn state(&self) -> PresenceState {
        match &self.away {
            Some(away) => PresenceState::Away(away.reason.clone()),
            None => PresenceState::Online,
        }
    }
}

/// Announces changes, stores them, and ends the grace period of lost accounts.
///
/// The first change is announced at once. Changes that follow soon are announced together, later the more sessions
/// there are. When everybody connects at once, announcing each change separately would take the square of their number
/// in wake-ups.
async fn keep(presence: Arc<Presence>, store: Arc<dyn Store>) {
    let mut told = presence.version();
    loop {
        let next = presence.expire();
        let version = presence.version();
        let news = version != told;
        if news {
            told = version;
            presence.announcer.announce(&Hint::Presence);
        }
        presence.save(&*store).await;
        if news {
            sleep(presence.pause()).await;
        }
        let expired = async {
            match next {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = presence.changed.notified() => {}
            () = expired => {}
        }
    }
}

/// Returns what the wall clock showed then, if it has been right since.
fn wall_at(then: Instant) -> Timestamp {
    let ago = i64::try_from(then.elapsed().as_millis()).unwrap_or(i64::MAX);
    Timestamp(now().0.saturating_sub(ago))
}

/// Reads the wall clock, for people. Order and timeouts never depend on it.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
