//! Password hashing: argon2id, off the runtime, never more at once than the machine can bear.
//!
//! An unknown account is verified against a decoy, so that it costs what a wrong password costs.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use lanchat_model::limits;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::error::{Error, Refusal};
use crate::port::PasswordHash;

/// Hashes and verifies passwords. Parameters are argon2id's m=19456 KiB, t=2, p=1, those of `Argon2::default`.
#[derive(Debug)]
pub(crate) struct Hasher {
    /// One permit per hash at work: `min(cores, limits::HASH_PERMITS_MAX)`.
    at_work: Semaphore,
    /// One permit per login that works or waits; none left: `busy`.
    admitted: Semaphore,
    decoy: Arc<str>,
}

impl Hasher {
    /// Makes the decoy, which takes as long as one hash.
    pub(crate) async fn new() -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let permits = cores.min(limits::HASH_PERMITS_MAX);
        let decoy = off_runtime(|| hash(b"nobody has this password")).await?;
        Ok(Self {
            at_work: Semaphore::new(permits),
            admitted: Semaphore::new(permits + limits::HASH_QUEUE_MAX),
            decoy: decoy.0.into(),
        })
    }

    /// Hashes a new password with a random salt.
    ///
    /// # Errors
    /// [`Refusal::Busy`] when too many wait; a fault when there is no memory or no randomness.
    pub(crate) async fn hash(&self, password: &[u8]) -> Result<PasswordHash, Error> {
        let _permits = self.permits().await?;
        let password = password.to_vec();
        off_runtime(move || hash(&password)).await
    }

    /// Whether `password` belongs to `stored`. `None`, for an unknown account, takes the same time and is `false`.
    ///
    /// # Errors
    /// As [`Hasher::hash`].
    pub(crate) async fn verify(&self, password: &str, stored: Option<&PasswordHash>) -> Result<bool, Error> {
        let _permits = self.permits().await?;
        let known = stored.is_some();
        let phc: Arc<str> = stored.map_or_else(|| Arc::clone(&self.decoy), |stored| stored.0.as_str().into());
        let password = password.as_bytes().to_vec();
        let matches = off_runtime(move || verify(&password, &phc)).await?;
        Ok(known && matches)
    }

    /// Whether `stored` was made with other parameters than those used now.
    pub(crate) fn is_outdated(stored: &PasswordHash) -> bool {
        phc::PasswordHash::new(&stored.0)
            .ok()
            .and_then(|parsed| argon2::Params::try_from(&parsed).ok())
            .is_none_or(|params| {
                let current = argon2::Params::default();
                (params.m_cost(), params.t_cost(), params.p_cost())
                    != (current.m_cost(), current.t_cost(), current.p_cost())
            })
    }

    async fn permits(&self) -> Result<(SemaphorePermit<'_>, SemaphorePermit<'_>), Error> {
        let busy = || Error::from(Refusal::Busy(limits::HASH_WAIT_MAX));
        let admitted = self.admitted.try_acquire().map_err(|_| busy())?;
        let at_work = timeout(limits::HASH_WAIT_MAX, self.at_work.acquire()).await.map_err(|_| busy())?;
        Ok((admitted, at_work.map_err(|closed| Error::fault(&closed))?))
    }
}

async fn off_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, argon2::password_hash::Error> + Send + 'static,
) -> Result<T, Error> {
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| Error::fault(&error)),
        Err(panicked) => Err(Error::fault(&panicked)),
    }
}

fn hash(password: &[u8]) -> Result<PasswordHash, argon2::password_hash::Error> {
    let hashed: phc::PasswordHash = Argon2::default().hash_password(password)?;
    Ok(PasswordHash(hashed.to_string()))
}

fn verify(password: &[u8], phc: &str) -> Result<bool, argon2::password_hash::Error> {
    let stored = phc::PasswordHash::new(phc)?;
    match Argon2::default().verify_password(password, &stored) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(other) => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_verifies_its_password_only() {
        let hasher = Hasher::new().await.unwrap();
        let stored = hasher.hash(b"correct horse").await.unwrap();
        assert!(stored.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "parameters of design §6");
        assert!(hasher.verify("correct horse", Some(&stored)).await.unwrap());
        assert!(!hasher.verify("wrong horse", Some(&stored)).await.unwrap());
        assert!(!hasher.verify("nobody has this password", None).await.unwrap());
        assert!(!Hasher::is_outdated(&stored));
        assert!(Hasher::is_outdated(&PasswordHash(stored.0.replace("m=19456", "m=9728"))));
    }

    #[tokio::test]
    async fn more_than_the_queue_holds_is_told_busy() {
        let hasher = Hasher::new().await.unwrap();
        let all = hasher.admitted.available_permits();
        let _taken = hasher.admitted.try_acquire_many(u32::try_from(all).unwrap()).unwrap();
        assert!(matches!(hasher.hash(b"x").await, Err(Error::Refused(Refusal::Busy(_)))));
    }
}
