//! Password hashing: argon2id (RFC 9106), off the runtime, never more at once than the machine can bear.
//!
//! An unknown account is verified against a decoy, so that it costs what a wrong password costs. The memory of a hash is
//! kept for the next one: an allocator that is handed 19 MiB back on ever another thread keeps it from everybody.

use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use lanchat_model::limits;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::error::{Error, Refusal};
use crate::port::PasswordHash;

/// What an unknown account is verified against: today's parameters, and a hash that no password is known for.
const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bGFuY2hhdCBkZWNveSAwMQ$bm9ib2R5IGhhcyB0aGlzIHBhc3N3b3JkLCBhdCBhbGw";

/// Hashes and verifies passwords. Parameters are argon2id's m=19456 KiB, t=2, p=1, those of `Params::default`.
#[derive(Debug)]
pub(crate) struct Hasher {
    /// One permit per hash at work: `min(cores, limits::HASH_PERMITS_MAX)`.
    at_work: Semaphore,
    /// One permit per login that works or waits; none left: `busy`.
    admitted: Semaphore,
    memory: Arc<Memory>,
}

/// Memory of hashes that are not at work. Bounded by the permits: each takes one out and puts one back.
#[derive(Debug, Default)]
struct Memory(Mutex<Vec<Vec<Block>>>);

impl Hasher {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let permits = cores.min(limits::HASH_PERMITS_MAX);
        Self {
            at_work: Semaphore::new(permits),
            admitted: Semaphore::new(permits + limits::HASH_QUEUE_MAX),
            memory: Arc::default(),
        }
    }

    /// Hashes a new password with a random salt.
    ///
    /// # Errors
    /// [`Refusal::Busy`] when too many wait; a fault when there is no memory or no randomness.
    pub(crate) async fn hash(&self, password: &[u8]) -> Result<PasswordHash, Error> {
        let _permits = self.permits().await?;
        let (password, memory) = (password.to_vec(), Arc::clone(&self.memory));
        off_runtime(move || hash(&password, &memory)).await
    }

    /// Whether `password` belongs to `stored`. `None`, for an unknown account, takes the same time and is `false`.
    ///
    /// # Errors
    /// As [`Hasher::hash`].
    pub(crate) async fn verify(&self, password: &str, stored: Option<&PasswordHash>) -> Result<bool, Error> {
        let _permits = self.permits().await?;
        let phc = stored.map_or_else(|| DECOY.to_owned(), |stored| stored.0.clone());
        let (password, memory) = (password.as_bytes().to_vec(), Arc::clone(&self.memory));
        let matches = off_runtime(move || verify(&password, &phc, &memory)).await?;
        Ok(stored.is_some() && matches)
    }

    /// Whether `stored` was made with other parameters than those used now.
    pub(crate) fn is_outdated(stored: &PasswordHash) -> bool {
        phc::PasswordHash::new(&stored.0).ok().and_then(|parsed| Params::try_from(&parsed).ok()).is_none_or(
            |params| {
                let current = Params::default();
                (params.m_cost(), params.t_cost(), params.p_cost())
                    != (current.m_cost(), current.t_cost(), current.p_cost())
            },
        )
    }

    async fn permits(&self) -> Result<(SemaphorePermit<'_>, SemaphorePermit<'_>), Error> {
        let busy = || Error::from(Refusal::Busy(limits::HASH_WAIT_MAX));
        let admitted = self.admitted.try_acquire().map_err(|_| busy())?;
        let at_work = timeout(limits::HASH_WAIT_MAX, self.at_work.acquire()).await.map_err(|_| busy())?;
        Ok((admitted, at_work.map_err(|closed| Error::fault(&closed))?))
    }
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

async fn off_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Error> {
    let work = || {
        step_back();
        work()
    };
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(|failure| Error::fault(&failure)),
        Err(panicked) => Err(Error::fault(&panicked)),
    }
}

/// Lets all other work of the machine go first: on one core, a hash would otherwise take its turn against the chat. The
/// thread stays that way; the hub gives the runtime's threads for blocking work nothing else to do.
fn step_back() {
    if let Err(error) = least_priority() {
        tracing::debug!(?error, "passwords are hashed at the usual priority");
    }
}

/// `SCHED_IDLE`: whoever wakes up goes first at once. The nicest of the usual policy would keep its time slice.
#[cfg(target_os = "linux")]
fn least_priority() -> Result<(), thread_priority::Error> {
    use thread_priority::unix::{set_thread_priority_and_policy, thread_native_id};
    use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};

    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle)
}

#[cfg(not(target_os = "linux"))]
fn least_priority() -> Result<(), thread_priority::Error> {
    thread_priority::set_current_thread_priority(thread_priority::ThreadPriority::Min)
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

    #[tokio::test]
    async fn a_hash_verifies_its_password_only() {
        let hasher = Hasher::new();
        let stored = hasher.hash(b"correct horse").await.unwrap();
        assert!(stored.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "parameters of design §6");
        assert!(hasher.verify("correct horse", Some(&stored)).await.unwrap());
        assert!(!hasher.verify("wrong horse", Some(&stored)).await.unwrap());
        assert!(!hasher.verify("nobody has this password", None).await.unwrap());
        assert!(!Hasher::is_outdated(&stored));
        assert!(Hasher::is_outdated(&PasswordHash(stored.0.replace("m=19456", "m=9728"))));
    }

    #[tokio::test]
    async fn the_decoy_costs_what_todays_hashes_cost_and_opens_for_nobody() {
        let hasher = Hasher::new();
        let (decoy, today) = (phc::PasswordHash::new(DECOY).unwrap(), hasher.hash(b"today").await.unwrap());
        let today = phc::PasswordHash::new(&today.0).unwrap();
        assert_eq!(
            (&decoy.algorithm, &decoy.version, &decoy.params),
            (&today.algorithm, &today.version, &today.params)
        );
        assert!(!hasher.verify("today", None).await.unwrap());
    }

    #[tokio::test]
    async fn memory_is_used_again() {
        let hasher = Hasher::new();
        for _ in 0..3 {
            hasher.hash(b"correct horse").await.unwrap();
        }
        assert_eq!(hasher.memory.0.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn more_than_the_queue_holds_is_told_busy() {
        let hasher = Hasher::new();
        let all = hasher.admitted.available_permits();
        let _taken = hasher.admitted.try_acquire_many(u32::try_from(all).unwrap()).unwrap();
        assert!(matches!(hasher.hash(b"x").await, Err(Error::Refused(Refusal::Busy(_)))));
    }
}
