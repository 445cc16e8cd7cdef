//! The state folder: the known servers, their keys, and the tokens to log in to them again.
//!
//! Several programs may use one folder at a time: every change takes a lock, reads the file again,
//! changes it, and replaces it whole. All methods block for a few file operations.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lanchat_certs::private_file::open_lock;
#[cfg(unix)]
use lanchat_certs::private_file::{check_owner, keeps_rights};
use lanchat_certs::{Fingerprint, Pin, Pins};
use lanchat_model::{ServerId, Timestamp, limits};
use lanchat_protocol::Secret;

use crate::endpoint::Endpoint;
use crate::error::HomeError;
use crate::servers::{Login, Server, ServersFile};
use crate::target::Target;

const PINS: &str = "pins.json";
const SERVERS: &str = "servers.json";

/// How often to check whether another program is done with a token, which takes it a round trip and an fsync.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// The right to use a server's token, released on drop. Without a file the right is assumed: on a full disk there may
/// be nothing to lock.
#[derive(Debug)]
pub(crate) struct TokenLock {
    _file: Option<File>,
}

/// The state folder of one user. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Home {
    folder: Arc<Path>,
}

impl Home {
    /// Opens the folder at `path`, which is made with mode 0700 if it does not exist, and checks its contents.
    ///
    /// # Errors
    /// [`HomeError`] when others may use the folder, or a file in it is damaged: then nothing is trusted.
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        match fs::metadata(path) {
            Ok(found) => check(path, &found)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(path)?,
            Err(source) => return Err(HomeError::Io { action: "open", path: path.to_owned(), source }),
        }
        let home = Self { folder: path.into() };
        home.pins()?;
        home.servers()?;
        Ok(home)
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Returns the folder where posts are kept until they are settled.
    pub(crate) fn outbox(&self) -> PathBuf {
        self.folder.join("outbox")
    }

    /// Reads the pins as they are now.
    ///
    /// # Errors
    /// [`HomeError::Pins`] when they cannot be read whole.
    pub fn pins(&self) -> Result<Pins, HomeError> {
        Ok(Pins::load(self.folder.join(PINS))?)
    }

    /// Trusts the key of a server that was met for the first time, or notes its name. `verified`: a
    /// person compared the words, or an invitation carried the key.
    ///
    /// # Errors
    /// [`HomeError::Pins`], for example when another key is trusted already.
    pub fn pin(
        &self,
        id: ServerId,
        fingerprint: Fingerprint,
        name: &str,
        verified: bool,
    ) -> Result<(), HomeError> {
        let pin = Pin { fingerprint, name: name.to_owned(), verified, first_seen: now() };
        Ok(self.pins()?.insert(id, pin)?)
    }

    /// Notes that a person has compared a server's words. Returns `false` if the server is not known.
    ///
    /// # Errors
    /// [`HomeError::Pins`] when the pins cannot be read or written.
    pub fn verify(&self, id: ServerId) -> Result<bool, HomeError> {
        Ok(self.pins()?.verify(id)?)
    }

    /// Forgets the key, the addresses and the token of a server, and what is left to send to it: the next meeting
    /// counts as the first. Returns `false` if it was not known.
    ///
    /// # Errors
    /// [`HomeError`] when a file cannot be read or written.
    pub fn forget(&self, id: ServerId) -> Result<bool, HomeError> {
        // The token is removed first: if the second step fails, there is no secret left for a server without a pin.
        let listed = self.change(|servers| servers.remove(id))?;
        crate::spool::forget(&self.outbox(), id)?;
        let pinned = self.pins()?.remove(id)?.is_some();
        // A program that has a session there may have kept its next token in between.
        self.change(|servers| servers.remove(id))?;
        Ok(pinned || listed)
    }

    /// Returns the servers that were used, the latest first.
    ///
    /// # Errors
    /// [`HomeError`] when the list cannot be read whole.
    pub fn servers(&self) -> Result<Vec<Server>, HomeError> {
        Ok(self.read()?.into_list())
    }

    /// Returns the server with this id, if it was used.
    ///
    /// # Errors
    /// [`HomeError`] when the list cannot be read whole.
    pub fn server(&self, id: ServerId) -> Result<Option<Server>, HomeError> {
        Ok(self.servers()?.into_iter().find(|server| server.id == id))
    }

    /// Returns the server that belongs to what a person typed, if the same text led to it before and it is still
    /// trusted.
    ///
    /// # Errors
    /// [`HomeError`] when the list or the pins cannot be read whole.
    pub fn bound_to(&self, typed: &Target) -> Result<Option<Server>, HomeError> {
        let servers = self.read()?;
        let Some(owner) = typed.places().iter().find_map(|place| servers.typed_for(place)) else {
            return Ok(None);
        };
        let is_trusted = self.pins()?.get(owner).is_some();
        Ok(servers.into_list().into_iter().find(|server| is_trusted && server.id == owner))
    }

    /// Returns the server that a typed place belongs to, given the addresses that the place resolves to now.
    pub(crate) fn server_at(
        &self,
        place: &Endpoint,
        resolved: &[SocketAddr],
    ) -> Result<Option<ServerId>, HomeError> {
        Ok(self.read()?.at(place, resolved))
    }

    /// Notes where a server was reached: `address`, and what a person typed. Does nothing if it was forgotten
    /// meanwhile. A place that was typed for another pinned server stays with that one: a link, which anybody can
    /// write, may have led here.
    pub(crate) fn remember(
        &self,
        id: ServerId,
        name: &str,
        address: SocketAddr,
        typed: Option<&Endpoint>,
    ) -> Result<(), HomeError> {
        let pins = self.pins()?;
        if pins.get(id).is_none() {
            return Ok(());
        }
        self.change(|servers| {
            let is_free = |place: &&Endpoint| {
                servers.typed_for(place).is_none_or(|owner| owner == id || pins.get(owner).is_none())
            };
            let typed = typed.filter(is_free);
            servers.remember(id, name, address, typed);
        })
    }

    /// Returns the account and the token for a server.
    pub(crate) fn login(&self, id: ServerId) -> Result<Option<Login>, HomeError> {
        Ok(self.read()?.login(id))
    }

    /// Returns the account and the token for a server, if this is its key.
    fn login_by(&self, id: ServerId, key: Fingerprint) -> Result<Option<Login>, HomeError> {
        let is_its_key = self.pins()?.get(id).is_some_and(|pin| pin.fingerprint == key);
        if is_its_key { self.login(id) } else { Ok(None) }
    }

    /// Keeps the account and the token for the server with this key, in place of the old ones. If the server was
    /// forgotten meanwhile, nothing is kept: a token without a pin would go to anyone who claims the id next.
    pub(crate) fn keep_login(
        &self,
        id: ServerId,
        key: Fingerprint,
        account: &str,
        token: &Secret,
    ) -> Result<(), HomeError> {
        let login = Login { account: account.to_owned(), token: token.clone() };
        self.change(|servers| -> Result<(), HomeError> {
            let pinned = self.pins()?.get(id).map(|pin| pin.fingerprint);
            if pinned == Some(key) {
                servers.set_login(id, login);
            }
            Ok(())
        })?
    }

    /// Forgets the token for a server, whichever it is.
    pub(crate) fn forget_login(&self, id: ServerId) -> Result<(), HomeError> {
        match self.login(id)? {
            Some(_) => self.change(|servers| servers.forget_login(id)),
            None => Ok(()),
        }
    }

    /// Forgets the token for a server, if it is still `token`: another program may have logged in
    /// since.
    pub(crate) fn drop_login(&self, id: ServerId, token: &Secret) -> Result<(), HomeError> {
        self.change(|servers| servers.clear_login(id, token))
    }

    /// Returns the newest account and token for a server, and the right to use the token: programs that share a folder
    /// share a device, and a token is good for at most two uses (PROTOCOL §4). Keep the lock until the next token is
    /// kept.
    ///
    /// Returns `None` if the server's pin is not `key` now: another program may have forgotten the server and met another
    /// one of the same id since, and the token is that one's.
    ///
    /// A program that holds the lock for longer than `limits::TOKEN_LOCK_MAX` hangs; the wait then ends.
    pub(crate) async fn newest_login(
        &self,
        id: ServerId,
        key: Fingerprint,
    ) -> Result<Option<(Login, TokenLock)>, HomeError> {
        let path = self.folder.join(format!("login-{id}.lock"));
        let opened = open_lock(&path).map_err(|source| HomeError::Io { action: "lock", path, source });
        let file = match opened {
            Ok(file) => Some(file),
            Err(error) if error.is_full() => None,
            Err(error) => return Err(error),
        };
        let until = tokio::time::Instant::now() + limits::TOKEN_LOCK_MAX;
        // This polls, because a blocking wait could not be cancelled.
        while let Some(file) = &file
            && file.try_lock().is_err()
            && tokio::time::Instant::now() < until
        {
            tokio::time::sleep(LOCK_POLL).await;
        }
        let login = self.blocking(move |home| home.login_by(id, key)).await?;
        Ok(login.map(|login| (login, TokenLock { _file: file })))
    }

    /// Runs file operations where they hold up no other task.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, HomeError> + Send + 'static,
    ) -> Result<T, HomeError> {
        let home = self.clone();
        tokio::task::spawn_blocking(move || work(&home)).await.unwrap_or_else(|died| {
            let path = self.folder.to_path_buf();
            Err(HomeError::Io { action: "use", path, source: std::io::Error::other(died) })
        })
    }

    fn read(&self) -> Result<ServersFile, HomeError> {
        ServersFile::read(&self.folder.join(SERVERS))
    }

    fn change<T>(&self, change: impl FnOnce(&mut ServersFile) -> T) -> Result<T, HomeError> {
        let path = self.folder.join(SERVERS);
        let lock_path = path.with_extension("lock");
        let locked = |source| HomeError::Io { action: "lock", path: lock_path.clone(), source };
        let lock = open_lock(&lock_path).map_err(locked)?;
        lock.lock().map_err(locked)?;
        let mut servers = ServersFile::read(&path)?;
        let outcome = change(&mut servers);
        servers.write(&path)?;
        Ok(outcome)
    }
}

fn now() -> Timestamp {
    // The clock may be before 1970 or after the year 292 million. The time is for people only, who will see that it is
    // off.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(unix)]
fn make(path: &Path) -> Result<(), HomeError> {
    use std::os::unix::fs::DirBuilderExt;

    // The parents belong to the platform (`~/.local/state`), and get its usual rights.
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(made(parent))?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        // Another program made it a moment ago.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        outcome => outcome.map_err(made(path))?,
    }
    check(path, &fs::metadata(path).map_err(made(path))?)
}

#[cfg(not(unix))]
fn make(path: &Path) -> Result<(), HomeError> {
    fs::create_dir_all(path).map_err(made(path))
}

fn made(path: &Path) -> impl FnOnce(std::io::Error) -> HomeError {
    move |source| HomeError::Io { action: "make", path: PathBuf::from(path), source }
}

#[cfg(unix)]
fn check(path: &Path, found: &fs::Metadata) -> Result<(), HomeError> {
    use std::os::unix::fs::MetadataExt;

    if !found.is_dir() {
        return Err(HomeError::NotAFolder(path.to_owned()));
    }
    check_owner(path, found)?;
    let mode = found.mode() & 0o777;
    match mode & 0o077 {
        0 => Ok(()),
        _ if keeps_rights(path) => Err(HomeError::Exposed { path: path.to_owned(), mode }),
        _ => Err(HomeError::NoRights(path.to_owned())),
    }
}

#[cfg(not(unix))]
fn check(path: &Path, found: &fs::Metadata) -> Result<(), HomeError> {
    if found.is_dir() { Ok(()) } else { Err(HomeError::NotAFolder(path.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_is_for_the_key_that_is_pinned_now() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(&folder.path().join("home")).unwrap();
        let id: ServerId = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let [impostor, real] = [1, 2].map(|byte| Fingerprint::from_bytes([byte; 32]));
        home.pin(id, impostor, "lab", false).unwrap();
        home.remember(id, "lab", "192.0.2.1:7072".parse().unwrap(), None).unwrap();
        // In another window the key is forgotten, and the real server met.
        home.forget(id).unwrap();
        home.pin(id, real, "lab", false).unwrap();
        home.remember(id, "lab", "192.0.2.2:7072".parse().unwrap(), None).unwrap();
        home.keep_login(id, real, "ana", &Secret("token".into())).unwrap();
        assert!(home.newest_login(id, impostor).await.unwrap().is_none(), "it was pinned when this began");
        assert!(home.newest_login(id, real).await.unwrap().is_some());
    }
}
