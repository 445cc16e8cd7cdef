//! Why something did not work, in words for the person who has to do something about it.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use lanchat_certs::private_file::{NO_RIGHTS, PrivateFileError};
use lanchat_certs::{Fingerprint, PinsError};
use lanchat_model::{BadName, BadText, ServerId};
use lanchat_protocol::ErrorCode;

use crate::sentence::Sentence;

/// Why the state folder or a file in it cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    /// Something else stands where the folder should.
    #[error("{} is not a folder: move it away, or choose another folder", .0.display())]
    NotAFolder(PathBuf),
    /// The group or others have rights to the folder.
    #[error("others may use {path} (mode {mode:03o}): run `chmod 700 {path}`", path = path.display())]
    Exposed {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others may use the folder, and its disk does not store permissions that could be revoked.
    #[error(
        "others may use {}, and its disk keeps no access rights (FAT, exFAT): {NO_RIGHTS}. A folder is chosen with \
         --home DIR or LANCHAT_HOME",
        .0.display()
    )]
    NoRights(PathBuf),
    /// The list of servers cannot be parsed.
    #[error(
        "{path} is damaged ({detail}): restore it from a backup, or move it away to be asked for your passwords again",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The pins cannot be used.
    #[error(transparent)]
    Pins(#[from] PinsError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

impl HomeError {
    /// Returns whether the system refused to read or to write: for lack of rights or space, or because the disk failed.
    pub fn is_of_the_system(&self) -> bool {
        use PrivateFileError::Io;
        matches!(self, Self::Io { .. } | Self::File(Io { .. }) | Self::Pins(PinsError::File(Io { .. })))
    }

    /// Returns whether nothing could be written, for lack of space or of the right to write. The files there are
    /// unchanged and can be read.
    pub fn is_full(&self) -> bool {
        let (Self::Io { source, .. }
        | Self::File(PrivateFileError::Io { source, .. })
        | Self::Pins(PinsError::File(PrivateFileError::Io { source, .. }))) = self
        else {
            return false;
        };
        matches!(
            source.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem
        )
    }
}

/// Why a text does not name a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadTarget {
    /// There is no host.
    #[error("a host is missing: write HOST, HOST:PORT, [IPV6]:PORT or lanchat://HOST:PORT/#KEY")]
    Empty,
    /// Neither a host name nor an address.
    #[error("'{0}' is neither a host name nor an address: write HOST, HOST:PORT or [IPV6]:PORT")]
    Host(String),
    /// Not a port.
    #[error("'{0}' is not a port: a port is a number from 1 to 65535, for example 7072")]
    Port(String),
    /// Not an interface of this computer.
    #[error("this computer has no network interface '{0}': `ip link` lists them")]
    Interface(String),
    /// Not the fingerprint of a key.
    #[error("the link is not whole: behind '#' it has a key of 64 hex digits. Copy all of it")]
    Key,
}

/// Why one address of a server did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// The address; `None` if the host name could not be resolved.
    pub address: Option<SocketAddr>,
    /// Why, for people.
    pub reason: String,
    /// The key of another server that answers there, if one does. Nothing was sent to it.
    pub other: Option<Fingerprint>,
}

impl Unanswered {
    pub(crate) fn at(address: SocketAddr, reason: impl Into<String>) -> Self {
        Self { address: Some(address), reason: reason.into(), other: None }
    }

    /// Makes a failure that does not belong to a particular address.
    pub(crate) fn nowhere(reason: impl Into<String>) -> Self {
        Self { address: None, reason: reason.into(), other: None }
    }

    /// Makes the failure for an address where another server answers than the one looked for.
    pub(crate) fn other(address: SocketAddr, key: Fingerprint) -> Self {
        let reason =
            format!("another server answers there, with the key {}; nothing was sent to it", key.words());
        Self { address: Some(address), reason, other: Some(key) }
    }
}

/// A known server shows another key than before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the key of server '{name}' has CHANGED: somebody may be posing as it, or it was set up anew. \
     Known: {} ({pinned}). Shown now: {} ({presented}). Nothing was sent. Ask whoever runs the server",
    pinned.words(), presented.words()
)]
pub struct KeyChange {
    /// The known server.
    pub server_id: ServerId,
    /// Its name, as it was when it was trusted. A stranger's text.
    pub name: String,
    /// The known key.
    pub pinned: Fingerprint,
    /// The key that was shown.
    pub presented: Fingerprint,
    /// Where.
    pub address: SocketAddr,
}

/// Why there is no connection to a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No address answered.
    #[error("cannot reach {target}: {}", list(target, attempts))]
    Unreachable {
        /// What was to be reached.
        target: String,
        /// Why not, per address.
        attempts: Vec<Unanswered>,
    },
    /// A known server shows another key than before, or another server answers where a known one was. Nothing was sent
    /// to it.
    #[error(transparent)]
    KeyChanged(Box<KeyChange>),
    /// The server is not the one that the link stands for. Nothing was sent to it.
    #[error(
        "the server at {address} is not the one of this link. Expected: {} ({expected}). Shown: {} ({presented}). \
         Nothing was sent. Ask for a new link",
        expected.words(), presented.words()
    )]
    UnexpectedKey {
        /// The key in the link.
        expected: Fingerprint,
        /// The key that was shown.
        presented: Fingerprint,
        /// Where.
        address: SocketAddr,
    },
    /// Something answers, but it does not speak lanchat, or speaks it wrongly.
    #[error("what answers at {address} is not a lanchat server, or does not speak as one: {reason}")]
    NotLanchat {
        /// Where.
        address: SocketAddr,
        /// What is wrong.
        reason: String,
    },
    /// The connection was closed without a word, as a crowded server closes it, or a port without a lanchat server.
    /// Worth another attempt; see [`connect_patiently`](crate::connect_patiently).
    #[error("{}", crowded(*address, *is_known))]
    Crowded {
        /// Where.
        address: SocketAddr,
        /// Whether a known server has to be there.
        is_known: bool,
    },
    /// The server says that it has no free place.
    #[error("{reason}")]
    ServerFull {
        /// Its own words.
        reason: Sentence,
        /// When to try again.
        retry_after: Option<Duration>,
    },
    /// The server broke the protocol, or said that this program does, on `limits::BREACHES_MAX` consecutive
    /// connections. Another attempt would end the same way.
    #[error(
        "the server and this program do not understand each other ({reason}): one of the two needs an update"
    )]
    BrokenProtocol {
        /// What was wrong the last time.
        reason: Sentence,
    },
    /// The server speaks only protocol versions that this program does not.
    #[error(
        "the server speaks versions {theirs:?} of the protocol, this program {:?}: update the older of the two",
        lanchat_protocol::version::SUPPORTED
    )]
    UnsupportedVersion {
        /// The versions that the server speaks.
        theirs: Vec<u32>,
    },
    /// The state folder cannot be used, so nothing can be trusted.
    #[error(transparent)]
    Home(#[from] HomeError),
}

fn crowded(address: SocketAddr, is_known: bool) -> String {
    if is_known {
        format!(
            "the server at {address} is crowded: it has no place for this connection now. Try again later"
        )
    } else {
        format!(
            "what answers at {address} closes every connection without an answer. It may be a lanchat server that is \
             crowded: try again later. Or it is something else: check address and port"
        )
    }
}

fn list(target: &str, attempts: &[Unanswered]) -> String {
    let parts: Vec<String> = attempts
        .iter()
        .map(|attempt| match attempt.address {
            Some(address) if address.to_string() != target => format!("{address}: {}", attempt.reason),
            _ => attempt.reason.clone(),
        })
        .collect();
    if parts.is_empty() { "it has no address".to_owned() } else { parts.join("; ") }
}

/// Why the network cannot be searched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoverError {
    /// mDNS could not be started.
    #[error("cannot look for servers ({0}): give the address, as in `lanchat --server HOST`")]
    Mdns(String),
}

/// Why a request was not granted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The server refused.
    #[error("{reason}")]
    Refused {
        /// Why, for programs.
        code: ErrorCode,
        /// Why, and what to do, for people.
        reason: Sentence,
        /// When to try again.
        retry_after: Option<Duration>,
    },
    /// Nobody is logged in.
    #[error("you are not logged in: register or log in first")]
    NotLoggedIn,
    /// No token is kept for this server.
    #[error("this device is not logged in on this server: log in with your password")]
    NoToken,
    /// The token that was kept for this server is no longer valid, and is forgotten.
    #[error("this device is not logged in as {account} any more: {reason}")]
    LoginExpired {
        /// The account that it was for.
        account: String,
        /// Why, and what to do, for people.
        reason: Sentence,
    },
    /// No answer came in time; the request was given up.
    #[error("no answer from the server: try again when the connection is back")]
    Disconnected,
    /// The connection broke while the server was working on the request, which must not be repeated unasked.
    #[error(
        "the connection was lost before the answer came, so it may or may not have been done: look, then try again"
    )]
    Interrupted,
    /// The server cannot be reached, with the reason for people.
    #[error("{0}")]
    Unreachable(String),
    /// The client has stopped.
    #[error("the client has stopped: start it again")]
    Stopped,
    /// The server answered with another kind of frame.
    #[error("the server answered with '{0}', which does not answer this: it may need an update")]
    BadAnswer(&'static str),
    /// A name is not valid.
    #[error("{0}")]
    Name(#[from] BadName),
    /// The token could not be kept.
    #[error(transparent)]
    Home(#[from] HomeError),
}

/// Why a message cannot be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The text cannot be a message.
    #[error("{0}")]
    Text(#[from] BadText),
    /// The room's name is not valid.
    #[error("{0}")]
    Room(#[from] BadName),
    /// The text is longer than this server accepts.
    #[error(
        "the message is too long: it takes {bytes} bytes, and this server allows {limit}. Send it in parts"
    )]
    TooLong {
        /// The length of the frame or of the text.
        bytes: usize,
        /// The bound of the server.
        limit: usize,
    },
    /// Nobody is logged in.
    #[error("you are not logged in: register or log in first")]
    NotLoggedIn,
    /// The client has stopped.
    #[error("the client has stopped: start it again")]
    Stopped,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_was_asked_for_is_not_said_twice() {
        let unreachable = |target: &str| ConnectError::Unreachable {
            target: target.into(),
            attempts: vec![Unanswered::at(SocketAddr::from(([10, 0, 0, 9], 7072)), "refused")],
        };
        assert_eq!(unreachable("10.0.0.9:7072").to_string(), "cannot reach 10.0.0.9:7072: refused");
        assert_eq!(unreachable("pi:7072").to_string(), "cannot reach pi:7072: 10.0.0.9:7072: refused");
    }
}
