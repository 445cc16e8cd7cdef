//! Pins: the key that each server had when it was first met. They fail closed: a file that cannot be read whole is an
//! error, never an empty list, and is never overwritten.

use std::collections::HashMap;
use std::collections::btree_map::{BTreeMap, Entry};
use std::path::{Path, PathBuf};

use lanchat_model::{ServerId, Timestamp, limits};
use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::private_file::{self, PrivateFileError};

/// The layout of the file that this program writes and reads.
const VERSION: u32 = 1;

/// Why pins were not read or saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinsError {
    /// The file was not read or written.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The content of the file is damaged.
    #[error(
        "{} is damaged ({reason}): it says which servers you trust, so nothing is trusted until it is restored \
         from a backup, or moved away to begin anew", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another key is pinned.
    #[error("server {id} is pinned to the key {pinned}, which is not {offered}")]
    Conflict {
        /// The server.
        id: ServerId,
        /// The key that it had when it was first met.
        pinned: Fingerprint,
        /// The key that should have been pinned.
        offered: Fingerprint,
    },
    /// There are `limits::PINS_MAX` pins already.
    #[error("{0} servers are pinned, which is the limit: forget one that you do not use any more")]
    Full(usize),
}

/// What is kept about a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Its key.
    pub fingerprint: Fingerprint,
    /// Its own name for itself, at most `limits::SERVER_NAME_BYTES_MAX`. Untrusted text: for display only, through the
    /// sanitiser.
    pub name: String,
    /// Whether a person has compared the words, or an invitation carried the key.
    pub verified: bool,
    /// When it was first met.
    pub first_seen: Timestamp,
}

/// The pinned servers, and the file that holds them.
///
/// Every change rereads the file under a lock, and writes it whole: two programs with the same home never undo each
/// other's changes. All methods that return a `Result` block.
#[derive(Clone, Debug)]
pub struct Pins {
    path: PathBuf,
    pins: BTreeMap<ServerId, Pin>,
}

impl Pins {
    /// Reads the pins in the file at `path`. A missing file is an empty list.
    ///
    /// # Errors
    /// [`PinsError`] when the file exists but cannot be read whole, is damaged, or others may use it.
    pub fn load(path: impl Into<PathBuf>) -> Result<Self, PinsError> {
        let path = path.into();
        let pins = read(&path)?;
        Ok(Self { path, pins })
    }

    /// Returns the pin of a server.
    pub fn get(&self, id: ServerId) -> Option<&Pin> {
        self.pins.get(&id)
    }

    /// Returns all pins, by server id.
    pub fn iter(&self) -> impl Iterator<Item = (ServerId, &Pin)> {
        self.pins.iter().map(|(id, pin)| (*id, pin))
    }

    /// Returns the keys alone, as a [`Policy`](crate::Policy) wants them.
    pub fn fingerprints(&self) -> HashMap<ServerId, Fingerprint> {
        self.iter().map(|(id, pin)| (id, pin.fingerprint)).collect()
    }

    /// Pins a server. If it is already pinned with the same key, its name is updated, and it becomes verified if `pin`
    /// is.
    ///
    /// # Errors
    /// [`PinsError::Conflict`] when another key is pinned: only [`Pins::remove`] removes it. [`PinsError::Full`], and
    /// the errors of reading and writing. The file is then unchanged.
    pub fn insert(&mut self, id: ServerId, mut pin: Pin) -> Result<(), PinsError> {
        pin.name.truncate(pin.name.floor_char_boundary(limits::SERVER_NAME_BYTES_MAX));
        self.change(|pins| {
            let count = pins.len();
            match pins.entry(id) {
                Entry::Occupied(kept) if kept.get().fingerprint != pin.fingerprint => {
                    Err(PinsError::Conflict { id, pinned: kept.get().fingerprint, offered: pin.fingerprint })
                }
                Entry::Occupied(mut kept) => {
                    kept.get_mut().name = pin.name;
                    kept.get_mut().verified |= pin.verified;
                    Ok(())
                }
                Entry::Vacant(_) if count >= limits::PINS_MAX => Err(PinsError::Full(count)),
                Entry::Vacant(place) => {
                    place.insert(pin);
                    Ok(())
                }
            }
        })
    }

    /// Records that a person has compared the words of a server. Returns `false` if it is not pinned.
    ///
    /// # Errors
    /// The errors of reading and writing.
    pub fn verify(&mut self, id: ServerId) -> Result<bool, PinsError> {
        self.change(|pins| Ok(pins.get_mut(&id).map(|pin| pin.verified = true).is_some()))
    }

    /// Forgets a server: the next meeting counts as the first. Returns the removed pin.
    ///
    /// # Errors
    /// The errors of reading and writing.
    pub fn remove(&mut self, id: ServerId) -> Result<Option<Pin>, PinsError> {
        self.change(|pins| Ok(pins.remove(&id)))
    }

    fn change<T>(
        &mut self,
        change: impl FnOnce(&mut BTreeMap<ServerId, Pin>) -> Result<T, PinsError>,
    ) -> Result<T, PinsError> {
        let lock_path = self.path.with_extension("lock");
        let locked = |source| PrivateFileError::Io { action: "lock", path: lock_path.clone(), source };
        let lock = private_file::open_lock(&lock_path).map_err(locked)?;
        lock.lock().map_err(locked)?;

        let kept = read(&self.path)?;
        let mut pins = kept.clone();
        let outcome = change(&mut pins)?;
        if pins != kept {
            private_file::write(&self.path, &encode(&pins))?;
        }
        self.pins = pins;
        Ok(outcome)
    }
}

/// The file as JSON. It is a list, so that a server that appears twice is noticed, and refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PinsFile {
    version: u32,
    servers: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    fingerprint: Fingerprint,
    name: String,
    verified: bool,
    first_seen_ms: i64,
}

fn read(path: &Path) -> Result<BTreeMap<ServerId, Pin>, PinsError> {
    let Some(bytes) = private_file::read(path)? else { return Ok(BTreeMap::new()) };
    decode(&bytes).map_err(|reason| PinsError::Damaged { path: path.to_owned(), reason })
}

fn decode(bytes: &[u8]) -> Result<BTreeMap<ServerId, Pin>, String> {
    let file: PinsFile = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if file.version != VERSION {
        return Err(format!("its layout is version {}, this program knows {VERSION}", file.version));
    }
    if file.servers.len() > limits::PINS_MAX {
        return Err(format!("more than {} servers", limits::PINS_MAX));
    }
    let mut pins = BTreeMap::new();
    for line in file.servers {
        let id: ServerId = line.id.parse().map_err(|_| format!("{:?} is no server id", line.id))?;
        let pin = Pin {
            fingerprint: line.fingerprint,
            name: line.name,
            verified: line.verified,
            first_seen: Timestamp(line.first_seen_ms),
        };
        if pins.insert(id, pin).is_some() {
            return Err(format!("server {id} stands in it twice"));
        }
    }
    Ok(pins)
}

fn encode(pins: &BTreeMap<ServerId, Pin>) -> Vec<u8> {
    let line = |(id, pin): (&ServerId, &Pin)| Line {
        id: id.to_string(),
        fingerprint: pin.fingerprint,
        name: pin.name.clone(),
        verified: pin.verified,
        first_seen_ms: pin.first_seen.0,
    };
    let file = PinsFile { version: VERSION, servers: pins.iter().map(line).collect() };
    let mut bytes = serde_json::to_vec_pretty(&file).expect("text, numbers and booleans are always JSON");
    bytes.push(b'\n');
    bytes
}
