//! Password hashing: argon2id (RFC 9106), off the runtime, never more at once than the machine can bear, in turns by
//! network and source ([`Turns`]). Password changes have turns of their own, apart from the logins.
//!
//! An unknown account is verified against a decoy, so that it costs as much as a wrong password. The memory of a hash
//! is kept for the next one: an allocator that gets 19 MiB back on ever-changing threads hoards it.

use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use lanchat_model::{Password, TypedPassword, limits};
use tokio::task::spawn_blocking;

use crate::error::Error;
use crate::port::PasswordHash;
use crate::source::Source;
use crate::turns::{Lane, NoTurn, Turn, Turns};

/// The decoy for an unknown account: the current parameters, and a hash for which no password is known.
const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bGFuY2hhdCBkZWNveSAwMQ$bm9ib2R5IGhhcyB0aGlzIHBhc3N3b3JkLCBhdCBhbGw";

/// Hashes and verifies passwords. Parameters are argon2id's m=19456 KiB, t=2, p=1, those of `Params::default`.
#[derive(Debug)]
pub(crate) struct Hasher {
    /// Turns for `min(cores, limits::HASH_PERMITS_MAX)` at once.
    logins: Arc<Turns>,
    /// Turns for `limits::PASSWD_PERMITS` at once.
    changes: Arc<Turns>,
    memory: Arc<Memory>,
}

/// Who asks for a hash.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asker<'a> {
    /// Somebody who logs in or registers.
    Login(Lane<'a>, &'a Source),
    /// A session that changes its password.
    Change(&'a Source),
}

/// The result of verifying a password.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) matches: bool,
    /// A new hash to replace one that matches but has outdated parameters.
    pub(crate) renewed: Option<PasswordHash>,
}

/// Memory for hashes that is not in use. Bounded by the turns: each takes one out and puts one back.
#[derive(Debug, Default)]
struct Memory(Mutex<Vec<Vec<Block>>>);

impl Hasher {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            logins: Turns::new(cores.min(limits::HASH_PERMITS_MAX)),
            changes: Turns::new(limits::PASSWD_PERMITS),
            memory: Arc::default(),
        }
    }

    /// Hashes a new password with a random salt.
    ///
    /// # Errors
    /// [`Refusal::Busy`] if too many wait; a fault if there is no memory or no randomness.
    pub(crate) async fn hash(&self, asker: Asker<'_>, password: &Password) -> Result<PasswordHash, Error> {
        let turn = self.turn(asker).await?;
        let (password, memory) = (password.clone(), Arc::clone(&self.memory));
        off_runtime(turn, move || hash(password.as_bytes(), &memory)).await
    }

    /// Checks whether a password matches `stored`. `None`, for an unknown account, takes the same time and never
    /// matches.
    ///
    /// A hash may be older than the normalisation of passwords (RFC 8265 §4.2), so the password is also tried as typed,
    /// if that differs. The extra time tells only what the typist knows, and is the same for every account.
    ///
    /// # Errors
    /// A fault if there is no memory.
    pub(crate) async fn verify(
        &self,
        turn: Turn,
        typed: &TypedPassword,
        stored: Option<&PasswordHash>,
    ) -> Result<Verified, Error> {
        let (known, phc) =
            (stored.is_some(), stored.map_or_else(|| DECOY.to_owned(), |stored| stored.0.clone()));
        let (typed, memory) = (typed.clone(), Arc::clone(&self.memory));
        off_runtime(turn, move || {
            let normalised = typed.normalised();
            let mut outdated = is_outdated(&phc);
            let mut matches = verify(normalised.as_bytes(), &phc, &memory)? && known;
            if !matches && *normalised != *typed.expose() {
                matches = verify(typed.expose().as_bytes(), &phc, &memory)? && known;
                outdated = true;
            }
            let renewed = (matches && outdated).then(|| hash(normalised.as_bytes(), &memory)).transpose()?;
            Ok(Verified { matches, renewed })
        })
        .await
    }

    /// Waits for the right to compute a hash, or two.
    pub(crate) async fn turn(&self, asker: Asker<'_>) -> Result<Turn, NoTurn> {
        match asker {
            Asker::Login(lane, source) => self.logins.take(lane, source, limits::HASH_WAIT_MAX).await,
            Asker::Change(source) => self.changes.take(Lane::New, source, limits::HASH_WAIT_MAX).await,
        }
    }
}

/// Returns whether a hash was made with parameters other than the current ones.
fn is_outdated(phc: &str) -> bool {
    phc::PasswordHash::new(phc).ok().and_then(|parsed| Params::try_from(&parsed).ok()).is_none_or(|params| {
        let current = Params::default();
        (params.m_cost(), params.t_cost(), params.p_cost())
            != (current.m_cost(), current.t_cost(), current.p_cost())
    })
}

/// Why a hash could not be computed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("argon2: {0}")]
    Argon2(argon2::Error),
    #[error("a password hash is malformed: {0}")]
    Malformed(phc::Error),
    #[error("the parameters of a password hash are malformed: {0}")]
    Parameters(argon2::password_hash::Error),
    #[error("no randomness: {0}")]
    Randomness(getrandom::Error),
}

/// Runs `work` to its end, even if nobody waits for it any more: the turn is kept until the memory is free again.
///
/// A task of the runtime passes the turn on. The hashing thread has a low priority, and must not hold anything that
/// others wait for.
async fn off_runtime<T: Send + 'static>(
    turn: Turn,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Error> {
    let work = move || {
        step_back();
        work()
    };
    let worked = tokio::spawn(async move {
        let done = spawn_blocking(work).await;
        drop(turn);
        done
    });
    match worked.await.and_then(|done| done) {
        Ok(done) => done.map_err(|failure| Error::fault(&failure)),
        Err(panicked) => Err(Error::fault(&panicked)),
    }
}

/// The niceness of a hashing thread: it gets about a tenth of a core that somebody else keeps busy, and threads that
/// wake up go first.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Lowers the thread's priority: on one core, a hash would otherwise compete with the chat. The priority is not the
/// lowest, at which a hash might never finish while another program keeps all cores busy. The thread keeps this
/// priority, because the hub uses the runtime's blocking threads for nothing else.
fn step_back() {
    if let Err(error) = lower_priority() {
        tracing::debug!(?error, "passwords are hashed at the usual priority");
    }
}

/// Lowers the priority of this thread only: on Linux, niceness applies to a thread.
#[cfg(target_os = "linux")]
fn lower_priority() -> rustix::io::Result<()> {
    rustix::process::setpriority_process(None, NICENESS)
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() -> Result<(), thread_priority::Error> {
    use thread_priority::{Error, ThreadPriority, ThreadPriorityValue, set_current_thread_priority};

    // This is a quarter of the scale, whose middle is the normal priority.
    let quarter = ThreadPriorityValue::try_from(25).map_err(|_| Error::Priority("it is not on the scale"))?;
    set_current_thread_priority(ThreadPriority::Crossplatform(quarter))
}

fn hash(password: &[u8], memory: &Memory) -> Result<PasswordHash, Failure> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(Failure::Randomness)?;
    let params = Params::default();
    let hashed = phc::PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(Failure::Parameters)?,
        salt: Some(Salt::new(&salt).map_err(Failure::Malformed)?),
        hash: Some(compute(password, &salt, params, memory)?),
    };
    Ok(PasswordHash(hashed.to_string()))
}

fn verify(password: &[u8], stored: &str, memory: &Memory) -> Result<bool, Failure> {
    let stored = phc::PasswordHash::new(stored).map_err(Failure::Malformed)?;
    let params = Params::try_from(&stored).map_err(Failure::Parameters)?;
    let (Some(salt), Some(expected)) = (&stored.salt, &stored.hash) else { return Ok(false) };
    let computed = compute(password, salt.as_ref(), params, memory)?;
    // `Output` compares in constant time.
    Ok(stored.algorithm == ARGON2ID_IDENT && computed == *expected)
}

fn compute(password: &[u8], salt: &[u8], params: Params, memory: &Memory) -> Result<Output, Failure> {
    let mut blocks = memory.take();
    blocks.resize(params.block_count(), Block::new());
    let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
    let done = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into_with_memory(
        password,
        salt,
        &mut out,
        &mut blocks,
    );
    memory.put(blocks);
    done.map_err(Failure::Argon2)?;
    Output::new(&out).map_err(Failure::Malformed)
}

impl Memory {
    fn take(&self) -> Vec<Block> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn put(&self, blocks: Vec<Block>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(blocks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Source {
        Source("10.0.0.1".into())
    }

    async fn hashed(hasher: &Hasher, password: &str) -> PasswordHash {
        let source = here();
        hasher.hash(Asker::Login(Lane::New, &source), &Password::parse(password).unwrap()).await.unwrap()
    }

    async fn verified(hasher: &Hasher, typed: &str, stored: Option<&PasswordHash>) -> Verified {
        let source = here();
        let turn = hasher.turn(Asker::Login(Lane::New, &source)).await.unwrap();
        hasher.verify(turn, &typed.into(), stored).await.unwrap()
    }

    #[tokio::test]
    async fn a_hash_verifies_its_password_only() {
        let hasher = Hasher::new();
        let stored = hashed(&hasher, "correct horse").await;
        assert!(stored.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "parameters of design §6");
        let right = verified(&hasher, "correct horse", Some(&stored)).await;
        assert!(right.matches && right.renewed.is_none());
        assert!(!verified(&hasher, "wrong horse", Some(&stored)).await.matches);
        assert!(!verified(&hasher, "nobody has this password", None).await.matches);
        assert!(is_outdated(&stored.0.replace("m=19456", "m=9728")));
    }

    #[tokio::test]
    async fn composed_and_decomposed_letters_are_one_password() {
        let hasher = Hasher::new();
        let (composed, decomposed) = ("contrase\u{f1}a", "contrasen\u{303}a");
        let stored = hashed(&hasher, decomposed).await;
        for typed in [composed, decomposed] {
            let found = verified(&hasher, typed, Some(&stored)).await;
            assert!(found.matches && found.renewed.is_none(), "{typed}");
            assert!(!verified(&hasher, typed, None).await.matches);
        }
        // A password that was hashed as typed, before passwords were normalised.
        let old = hash(decomposed.as_bytes(), &hasher.memory).unwrap();
        assert!(!verified(&hasher, composed, Some(&old)).await.matches);
        let found = verified(&hasher, decomposed, Some(&old)).await;
        assert!(found.matches);
        let renewed = found.renewed.expect("it is hashed anew");
        assert!(verified(&hasher, composed, Some(&renewed)).await.matches);
    }

    #[tokio::test]
    async fn the_decoy_costs_what_todays_hashes_cost_and_opens_for_nobody() {
        let hasher = Hasher::new();
        let (decoy, today) = (phc::PasswordHash::new(DECOY).unwrap(), hashed(&hasher, "today today").await);
        let today = phc::PasswordHash::new(&today.0).unwrap();
        assert_eq!(
            (&decoy.algorithm, &decoy.version, &decoy.params),
            (&today.algorithm, &today.version, &today.params)
        );
        assert!(!verified(&hasher, "today today", None).await.matches);
    }

    /// Remembers which thread woke it.
    #[derive(Default)]
    struct WokenBy(Mutex<Option<std::thread::ThreadId>>);

    impl std::task::Wake for WokenBy {
        fn wake(self: Arc<Self>) {
            *self.0.lock().unwrap() = Some(std::thread::current().id());
        }
    }

    /// A hashing thread must not wake those who wait for a turn: it could be preempted while it holds what they need.
    #[tokio::test]
    async fn a_turn_is_passed_on_by_the_runtime_even_if_nobody_waits_for_the_hash() {
        for is_waited_for in [true, false] {
            let (turns, source) = (Turns::new(1), here());
            let turn = turns.take(Lane::New, &source, limits::HASH_WAIT_MAX).await.unwrap();
            let mut next = Box::pin(turns.take(Lane::New, &source, limits::HASH_WAIT_MAX));
            let woken_by = Arc::new(WokenBy::default());
            let waker = Arc::clone(&woken_by).into();
            assert!(next.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
            let (begun, begins) = tokio::sync::oneshot::channel();
            let (go_on, goes_on) = std::sync::mpsc::sync_channel(1);
            let hashing = tokio::spawn(off_runtime(turn, move || {
                begun.send(()).unwrap();
                goes_on.recv().unwrap();
                Ok(())
            }));
            begins.await.unwrap();
            if !is_waited_for {
                hashing.abort();
                assert!(hashing.await.unwrap_err().is_cancelled());
            }
            go_on.send(()).unwrap();
            while woken_by.0.lock().unwrap().is_none() {
                tokio::task::yield_now().await;
            }
            assert_eq!(*woken_by.0.lock().unwrap(), Some(std::thread::current().id()));
        }
    }

    #[tokio::test]
    async fn memory_is_used_again() {
        let hasher = Hasher::new();
        for _ in 0..3 {
            hashed(&hasher, "correct horse").await;
        }
        assert_eq!(hasher.memory.0.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn changes_of_passwords_take_no_place_of_a_login() {
        let (hasher, source) = (Hasher::new(), here());
        let mut taken = Vec::new();
        while let Ok(turn) =
            tokio::time::timeout(limits::HASH_WAIT_MAX / 2, hasher.turn(Asker::Change(&source))).await
        {
            taken.push(turn.unwrap());
        }
        assert_eq!(taken.len(), limits::PASSWD_PERMITS);
        assert!(
            hasher.hash(Asker::Change(&source), &Password::parse("too much at once").unwrap()).await.is_err()
        );
        hashed(&hasher, "correct horse").await;
    }
}
