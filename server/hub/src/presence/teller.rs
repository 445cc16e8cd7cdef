//! When a change of presence is announced: the first ones after a calm at once, those that follow soon only once they
//! last.
//!
//! Some accounts come and go all the time, like a job that says one line and leaves, or change `away` as fast as they
//! can. For them only a lasting state is announced. The module is pure: the caller passes the time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use lanchat_model::{AccountId, AccountName, limits};
use tokio::time::Instant;

use crate::event::PresenceState;

/// A change to be announced at once.
pub(crate) type Told = (AccountName, PresenceState);

/// What accounts did lately, and what was announced of it. `limits::PRESENCE_LATELY_MAX` bounds each of the two maps.
/// When `accounts` is full, the account that changed longest ago is announced as it is, and forgotten. When `arrivals`
/// is full, all arrivals are forgotten.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    /// When accounts came that have done nothing since. These are nearly all accounts, so nothing else is kept about
    /// them.
    arrivals: BTreeMap<AccountId, Instant>,
    /// All other accounts.
    accounts: HashMap<AccountId, Lately>,
    /// The accounts in `accounts`, by their last change.
    by_change: BTreeSet<(Instant, AccountId)>,
    /// The accounts with a pending announcement, by when it is due.
    due: BTreeSet<(Instant, AccountId)>,
}

#[derive(Debug)]
struct Lately {
    name: AccountName,
    /// The state announced last. `None` stands for the unknown state before the first change.
    told: Option<PresenceState>,
    now: PresenceState,
    /// When the present state began.
    since: Instant,
    /// When the current or last visit began; `None` if that is too long ago to be known.
    arrived: Option<Instant>,
    /// How long nothing must change before changes are announced at once again.
    calm: Duration,
    /// How many more comings and goings are announced at once.
    visits_left: u8,
    /// How many more changes of `away` are announced at once.
    aways_left: u8,
    /// Whether somebody has read the unannounced state in a list. The outcome must then be announced in any case.
    seen: bool,
    /// When it is to be announced, if it is.
    due: Option<Instant>,
}

/// A coming and a going.
const VISITS_AT_ONCE: u8 = 2;
/// Away and back.
const AWAYS_AT_ONCE: u8 = 2;

impl Teller {
    /// Notes what an account has been doing since `since`. Returns what is to be announced at once, which is nothing
    /// while the account comes and goes.
    pub(crate) fn change(
        &mut self,
        account: AccountId,
        name: &AccountName,
        state: PresenceState,
        (since, now): (Instant, Instant),
    ) -> Vec<Told> {
        let mut told = self.make_room(account, now);
        self.forget_arrivals(now);
        if state == PresenceState::Online && !self.has(account) {
            self.arrivals.insert(account, since);
            told.push((name.clone(), state));
            return told;
        }
        let arrived = self.arrivals.remove(&account);
        let lately = self.accounts.entry(account).or_insert_with(|| match arrived {
            Some(at) => Lately::arrived(name, at),
            None => Lately::first(name, &state, since),
        });
        self.by_change.remove(&(lately.since, account));
        if let Some(due) = lately.due.take() {
            self.due.remove(&(due, account));
        }
        lately.take(state, since);
        if lately.is_free() {
            told.push(lately.tell());
        } else if lately.is_news() {
            let at = since + lately.must_last();
            if at <= now {
                told.push(lately.tell());
            } else {
                lately.due = Some(at);
                self.due.insert((at, account));
            }
        }
        self.by_change.insert((lately.since, account));
        told
    }

    /// Returns the changes that have lasted and are to be announced, and the next moment to ask, if there is one.
    pub(crate) fn ripe(&mut self, now: Instant) -> (Vec<Told>, Option<Instant>) {
        let mut told = Vec::new();
        while let Some((at, account)) = self.due.first().copied() {
            if at > now {
                return (told, Some(at));
            }
            self.due.pop_first();
            if let Some(lately) = self.accounts.get_mut(&account) {
                lately.due = None;
                told.push(lately.tell());
            }
        }
        (told, None)
    }

    /// Notes that somebody reads this account's state, announced or not.
    pub(crate) fn seen(&mut self, account: AccountId) {
        if let Some(lately) = self.accounts.get_mut(&account).filter(|lately| lately.due.is_some()) {
            lately.seen = true;
        }
    }

    /// Notes that somebody reads the state of all accounts.
    pub(crate) fn all_seen(&mut self) {
        for (_, account) in &self.due {
            if let Some(lately) = self.accounts.get_mut(account) {
                lately.seen = true;
            }
        }
    }

    fn has(&self, account: AccountId) -> bool {
        self.arrivals.contains_key(&account) || self.accounts.contains_key(&account)
    }

    /// Makes room among the arrivals. The beginning of a visit matters only for a short time.
    fn forget_arrivals(&mut self, now: Instant) {
        if self.arrivals.len() >= limits::PRESENCE_LATELY_MAX {
            self.arrivals.retain(|_, at| now.duration_since(*at) < limits::PRESENCE_CALM_MIN);
        }
        if self.arrivals.len() >= limits::PRESENCE_LATELY_MAX {
            self.arrivals.clear();
        }
    }

    /// Forgets accounts that no longer matter, and one more account if there is no room for the newcomer.
    fn make_room(&mut self, newcomer: AccountId, now: Instant) -> Vec<Told> {
        let mut told = Vec::new();
        while let Some((since, account)) = self.by_change.first().copied() {
            let is_full =
                self.accounts.len() >= limits::PRESENCE_LATELY_MAX && !self.accounts.contains_key(&newcomer);
            if !is_full && now.duration_since(since) < limits::PRESENCE_CALM_MAX {
                break;
            }
            self.by_change.pop_first();
            let Some(mut lately) = self.accounts.remove(&account) else { continue };
            if let Some(due) = lately.due {
                self.due.remove(&(due, account));
                told.push(lately.tell());
            }
        }
        told
    }
}

impl Lately {
    /// Makes the record of an account of which only the present change is known.
    fn first(name: &AccountName, state: &PresenceState, since: Instant) -> Self {
        Self {
            name: name.clone(),
            told: None,
            // The state before the change, as far as it matters: whether this is a coming or a going.
            now: match state {
                PresenceState::Online => PresenceState::Offline(None),
                PresenceState::Away(_) | PresenceState::Offline(_) => PresenceState::Online,
            },
            since,
            arrived: None,
            calm: limits::PRESENCE_CALM_MIN,
            visits_left: VISITS_AT_ONCE,
            aways_left: AWAYS_AT_ONCE,
            seen: false,
            due: None,
        }
    }

    /// Makes the record of an account whose arrival at that time was announced.
    fn arrived(name: &AccountName, at: Instant) -> Self {
        let mut lately = Self::first(name, &PresenceState::Online, at);
        lately.take(PresenceState::Online, at);
        lately.visits_left -= 1;
        lately.told = Some(PresenceState::Online);
        lately
    }

    fn take(&mut self, state: PresenceState, since: Instant) {
        if since.duration_since(self.since) >= self.calm {
            (self.visits_left, self.aways_left) = (VISITS_AT_ONCE, AWAYS_AT_ONCE);
        }
        match (is_offline(&self.now), is_offline(&state)) {
            (true, false) => self.arrived = Some(since),
            (false, true) => self.end_visit(since),
            _ => {}
        }
        (self.now, self.since) = (state, since);
    }

    /// Ends a visit. Each further short visit makes announcements rarer; a long visit must be a person, and resets
    /// this.
    fn end_visit(&mut self, at: Instant) {
        let is_short = self.arrived.is_some_and(|arrived| at.duration_since(arrived) < limits::FLAP);
        self.calm = match is_short {
            true => self.calm.saturating_mul(2).min(limits::PRESENCE_CALM_MAX),
            false => limits::PRESENCE_CALM_MIN,
        };
    }

    /// Returns whether the change is one of those announced at once, and counts it.
    fn is_free(&mut self) -> bool {
        if self.told.as_ref().is_some_and(|told| alike(told, &self.now)) {
            return false;
        }
        let was_or_is_offline = is_offline(&self.now) || self.told.as_ref().is_none_or(is_offline);
        let left = if was_or_is_offline { &mut self.visits_left } else { &mut self.aways_left };
        let is_free = *left > 0;
        *left = left.saturating_sub(1);
        is_free
    }

    /// Returns whether the change has to be announced once it has lasted.
    fn is_news(&self) -> bool {
        self.seen || self.told.as_ref().is_none_or(|told| !alike(told, &self.now))
    }

    /// Returns how long the change must last. An arrival needs to last only a short time.
    fn must_last(&self) -> Duration {
        let arrives = self.told.as_ref().is_none_or(is_offline) && !is_offline(&self.now);
        if arrives { limits::ARRIVAL_LASTS } else { limits::FLAP }
    }

    fn tell(&mut self) -> Told {
        self.seen = false;
        self.told = Some(self.now.clone());
        (self.name.clone(), self.now.clone())
    }
}

fn is_offline(state: &PresenceState) -> bool {
    matches!(state, PresenceState::Offline(_))
}

/// Returns whether two states are alike. The time when somebody was last seen makes no difference.
fn alike(one: &PresenceState, other: &PresenceState) -> bool {
    one == other || (is_offline(one) && is_offline(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_memory_is_bounded_and_what_was_due_is_told() {
        let mut teller = Teller::default();
        let now = Instant::now();
        let name: AccountName = "ana".parse().unwrap();
        let state = |online: bool| if online { PresenceState::Online } else { PresenceState::Offline(None) };
        // The third change of each account is due later.
        for account in 0..limits::PRESENCE_LATELY_MAX + 10 {
            let account = AccountId(account as i64);
            for online in [true, false, true] {
                teller.change(account, &name, state(online), (now, now));
            }
        }
        assert_eq!(teller.accounts.len(), limits::PRESENCE_LATELY_MAX);
        assert_eq!(teller.due.len(), limits::PRESENCE_LATELY_MAX);
        let told = teller.change(AccountId(-1), &name, state(false), (now, now));
        assert_eq!(told.len(), 2, "the one that had to go, and the new one");
        let later = now + limits::PRESENCE_CALM_MAX;
        assert_eq!(teller.ripe(later).0.len(), limits::PRESENCE_LATELY_MAX - 1);
        teller.change(AccountId(-2), &name, state(true), (later, later));
        assert_eq!((teller.accounts.len(), teller.due.len()), (0, 0), "what is calm is forgotten");
        assert_eq!(teller.arrivals.len(), 1);
        for account in 0..3 * limits::PRESENCE_LATELY_MAX {
            teller.change(AccountId(account as i64), &name, state(true), (later, later));
            assert!(teller.arrivals.len() <= limits::PRESENCE_LATELY_MAX);
        }
    }
}
