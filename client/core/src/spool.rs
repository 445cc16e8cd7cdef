//! The outbox on disk: the posts that a program has to send, so that the next program sends them if this one is killed.
//!
//! Each program writes a file of its own, under a lock that ends with the program: two programs with one home never
//! send each other's posts. A file whose program is gone is an *orphan*; the next login to the same account adopts it.
//! Each line is a record: first the owner of the posts, then each post in its wire form, and `-ID` for each settled
//! post. Posts are synced before they are sent; everything else may be lost, since a settled post that is resent gets
//! the same answer as the first time (PROTOCOL §6).
//!
//! A line that cannot be read was torn by a crash during a sync, so it was neither sent nor reported as sent. It is
//! skipped, and the readable ones are sent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

use lanchat_certs::Fingerprint;
use lanchat_certs::private_file::open_lock;
use lanchat_model::{ClientId, ServerId, limits};
use lanchat_protocol::{ClientFrame, Send};
use serde::{Deserialize, Serialize};

use crate::error::HomeError;

/// The layout of the file that this program writes and reads.
const VERSION: u32 = 1;

/// The first line: the owner of the posts that follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    outbox: u32,
    server: String,
    /// The key of the server: anybody can claim its id. `None` in files of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    account: String,
}

impl Owner {
    /// Makes the owner for an account on the server with this key.
    pub(crate) fn new(server: ServerId, key: Fingerprint, account: &str) -> Self {
        let (server, key) = (server.to_string(), Some(key.to_string()));
        Self { outbox: VERSION, server, key, account: account.to_owned() }
    }

    /// Returns whether this owner may send what belongs to `theirs`.
    fn may_send_for(&self, theirs: &Self) -> bool {
        *self == Self { key: theirs.key.clone().or_else(|| self.key.clone()), ..theirs.clone() }
    }
}

/// The file of this program, under its lock.
#[derive(Debug)]
pub(crate) struct Spool {
    file: File,
    path: PathBuf,
    owner: Vec<u8>,
    /// The bytes written since the file was empty.
    pub(crate) bytes: u64,
}

impl Spool {
    /// Makes an empty file with mode 0600 in `folder`, which is made too. Blocks.
    pub(crate) fn create(folder: &Path, owner: &Owner) -> Result<Self, HomeError> {
        make(folder)?;
        let path = folder.join(format!("{}-{}.jsonl", owner.server, uuid::Uuid::now_v7().simple()));
        let owner = serde_json::to_vec(owner);
        let owner = owner.map_err(|error| failed("encode", &path)(error.into()))?;
        let file = open_lock(&path).map_err(failed("make", &path))?;
        // Nobody else knows the name, so only a system without locks refuses.
        file.try_lock().map_err(|error| failed("lock", &path)(error.into()))?;
        let mut spool = Self { file, path, owner, bytes: 0 };
        let begun = spool
            .begin()
            .and_then(|()| spool.file.sync_all().map_err(failed("flush", &spool.path)))
            .and_then(|()| sync_folder(folder));
        spool.if_done(begun)
    }

    /// As [`Spool::create`], with posts in it, each with its newline. Blocks.
    pub(crate) fn create_with(folder: &Path, owner: &Owner, posts: &[u8]) -> Result<Self, HomeError> {
        let mut spool = Self::create(folder, owner)?;
        let written = spool.append(posts, &[]);
        spool.if_done(written)
    }

    /// Removes the file if it could not be written.
    fn if_done(self, outcome: Result<(), HomeError>) -> Result<Self, HomeError> {
        match outcome {
            Ok(()) => Ok(self),
            Err(error) => {
                self.remove();
                Err(error)
            }
        }
    }

    fn begin(&mut self) -> Result<(), HomeError> {
        let line = [self.owner.as_slice(), b"\n"].concat();
        self.write(&line)
    }

    /// Writes posts, each with its newline, and notes which ones are settled. When it returns, the posts are on disk.
    /// Blocks.
    pub(crate) fn append(&mut self, posts: &[u8], settled: &[ClientId]) -> Result<(), HomeError> {
        let mut bytes: Vec<u8> = settled.iter().flat_map(|id| format!("-{id}\n").into_bytes()).collect();
        bytes.extend_from_slice(posts);
        self.write(&bytes)?;
        if posts.is_empty() {
            return Ok(());
        }
        self.file.sync_data().map_err(failed("flush", &self.path))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), HomeError> {
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(failed("write", &self.path))
    }

    /// Empties the file, because everything is settled. Blocks.
    pub(crate) fn clear(&mut self) -> Result<(), HomeError> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(failed("empty", &self.path))?;
        self.bytes = 0;
        self.begin()
    }

    /// Removes the file, which has nothing left to send. It is emptied first, in case somebody has it open already.
    /// Blocks.
    pub(crate) fn remove(self) {
        let removed = self.file.set_len(0).and_then(|()| fs::remove_file(&self.path));
        if let Err(error) = removed {
            // The posts left in it are settled, and resending them does not make second copies.
            tracing::debug!(%error, path = %self.path.display(), "an outbox stays");
        }
    }
}

/// Posts that earlier programs could not settle, by id and so in the order in which they were written.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    pub(crate) posts: BTreeMap<ClientId, Send>,
    orphans: Vec<Spool>,
}

impl Leftovers {
    /// Takes the orphans of an account under their locks; at most `most` posts, the others stay for next time. Blocks.
    pub(crate) fn adopt(folder: &Path, owner: &Owner, most: usize) -> Result<Self, HomeError> {
        let mut leftovers = Self::default();
        for path in files_of(folder, &owner.server)? {
            let Some(file) = lock(&path) else { continue };
            let Some(posts) = read(&file, owner) else { continue };
            if leftovers.posts.len() + posts.len() > most {
                tracing::warn!(path = %path.display(), "more is left to send than an outbox holds; this waits");
                continue;
            }
            leftovers.posts.extend(posts);
            leftovers.orphans.push(Spool { file, path, owner: Vec::new(), bytes: 0 });
        }
        Ok(leftovers)
    }

    /// Removes the orphans, whose posts are now kept elsewhere. Blocks.
    pub(crate) fn settle(self) {
        self.orphans.into_iter().for_each(Spool::remove);
    }
}

/// Removes the posts left for a forgotten server, whoever wrote them; running programs keep theirs. Blocks.
pub(crate) fn forget(folder: &Path, server: ServerId) -> Result<(), HomeError> {
    for path in files_of(folder, &server.to_string())? {
        if let Some(file) = lock(&path) {
            Spool { file, path, owner: Vec::new(), bytes: 0 }.remove();
        }
    }
    Ok(())
}

/// Returns the outboxes of a server, the oldest first; at most `limits::OUTBOX_FILES_MAX`.
fn files_of(folder: &Path, server: &str) -> Result<Vec<PathBuf>, HomeError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("list", folder)(error)),
    };
    let prefix = format!("{server}-");
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .take(limits::OUTBOX_FILES_MAX)
        .collect();
    paths.sort();
    Ok(paths)
}

/// Opens and locks the file, if its program is gone. Anything that our programs did not write is left alone: reading
/// something other than a file could block for ever.
fn lock(path: &Path) -> Option<File> {
    let file = File::options().read(true).write(true).open(path).ok()?;
    file.metadata().ok().filter(|found| found.is_file() && found.len() <= limits::OUTBOX_FILE_BYTES_MAX)?;
    file.try_lock().ok()?;
    // Its program may have removed it just now.
    path.exists().then_some(file)
}

/// Returns the unsettled posts in a file, or `None` if they are somebody else's.
fn read(file: &File, owner: &Owner) -> Option<BTreeMap<ClientId, Send>> {
    let (mut posts, mut settled, mut torn) = (BTreeMap::new(), BTreeSet::new(), 0);
    let mut reader = BufReader::new(file);
    let mut first = true;
    while posts.len() <= limits::OUTBOX_MAX {
        let mut line = Vec::new();
        let count = (&mut reader).take(limits::FRAME_BYTES_MAX as u64).read_until(b'\n', &mut line);
        if count.ok()? == 0 {
            break;
        }
        let whole = line.strip_suffix(b"\n");
        if std::mem::take(&mut first) {
            let theirs: Owner = serde_json::from_slice(whole?).ok()?;
            if !owner.may_send_for(&theirs) {
                return None;
            }
        } else if let Some(id) = whole.and_then(settled_id) {
            if posts.remove(&id).is_none() && settled.len() < limits::OUTBOX_MAX {
                settled.insert(id);
            }
        } else if let Some((id, post)) = whole.and_then(post) {
            if !settled.contains(&id) {
                posts.insert(id, post);
            }
        } else {
            torn += 1;
        }
    }
    if torn > 0 {
        tracing::warn!(lines = torn, "an outbox has lines that a crash has torn; they were never sent");
    }
    Some(posts)
}

fn settled_id(line: &[u8]) -> Option<ClientId> {
    std::str::from_utf8(line.strip_prefix(b"-")?).ok()?.parse().ok()
}

fn post(line: &[u8]) -> Option<(ClientId, Send)> {
    match ClientFrame::decode(line) {
        Ok(ClientFrame::Send(post)) => Some((post.id.parse().ok()?, post)),
        _ => None,
    }
}

fn make(folder: &Path) -> Result<(), HomeError> {
    #[cfg_attr(windows, expect(unused_mut, reason = "only Unix has modes"))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(failed("make", folder)(error)),
        _ => Ok(()),
    }
}

/// Makes sure that a new file's name survives a power cut. Windows does not have such a call, and journals names by
/// itself.
fn sync_folder(folder: &Path) -> Result<(), HomeError> {
    if cfg!(unix) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("flush", folder))?;
    }
    Ok(())
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> HomeError {
    let path = path.to_owned();
    move |source| HomeError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: ServerId = ServerId::from_bytes([7; 16]);

    fn id(n: u8) -> ClientId {
        ClientId::from_bytes([n; 16])
    }

    fn line(n: u8) -> Vec<u8> {
        let frame =
            Send { id: id(n).to_string(), room: "lobby".into(), message: format!("line {n}"), action: false };
        let mut line = Vec::new();
        lanchat_protocol::encode(&ClientFrame::from(frame), &mut line);
        line
    }

    fn owner(account: &str) -> Owner {
        Owner::new(SERVER, Fingerprint::from_bytes([1; 32]), account)
    }

    fn left(folder: &Path, account: &str) -> Vec<String> {
        let leftovers = Leftovers::adopt(folder, &owner(account), 100).unwrap();
        leftovers.posts.into_values().map(|post| post.message).collect()
    }

    #[test]
    fn one_that_was_emptied_begins_at_its_beginning() {
        let home = tempfile::tempdir().unwrap();
        let mut spool = Spool::create(home.path(), &owner("ana")).unwrap();
        let begun = fs::read(&spool.path).unwrap();
        spool.append(&line(1), &[]).unwrap();
        spool.clear().unwrap();
        spool.append(&line(2), &[]).unwrap();
        assert_eq!(fs::read(&spool.path).unwrap(), [begun, line(2)].concat());
    }

    #[test]
    fn what_is_not_settled_is_left_to_the_same_account_once_its_program_is_gone() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("outbox");
        let mut spool = Spool::create(&folder, &owner("ana")).unwrap();
        spool.append(&[line(1), line(2), line(3)].concat(), &[]).unwrap();
        spool.append(&[], &[id(1)]).unwrap();
        spool.append(&line(4), &[id(3)]).unwrap();
        assert!(left(&folder, "ana").is_empty(), "it is in use");
        drop(spool);
        assert!(left(&folder, "bob").is_empty(), "not his");
        let (id, key) = (ServerId::from_bytes([8; 16]), Fingerprint::from_bytes([2; 32]));
        for other in [Owner { server: id.to_string(), ..owner("ana") }, Owner::new(SERVER, key, "ana")] {
            assert!(Leftovers::adopt(&folder, &other, 9).unwrap().posts.is_empty(), "{other:?}");
        }
        assert_eq!(left(&folder, "ana"), ["line 2", "line 4"]);
        assert!(Leftovers::adopt(&folder, &owner("ana"), 1).unwrap().posts.is_empty(), "too many for now");
        Leftovers::adopt(&folder, &owner("ana"), 2).unwrap().settle();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn what_an_older_program_left_is_sent() {
        let home = tempfile::tempdir().unwrap();
        let mut spool = Spool::create(home.path(), &Owner { key: None, ..owner("ana") }).unwrap();
        spool.append(&line(1), &[]).unwrap();
        drop(spool);
        assert_eq!(left(home.path(), "ana"), ["line 1"]);
    }

    #[test]
    fn a_torn_line_is_skipped_and_the_whole_ones_are_kept() {
        let home = tempfile::tempdir().unwrap();
        let whole = line(2);
        for torn in 0..whole.len() {
            let folder = home.path().join(torn.to_string());
            let mut spool = Spool::create(&folder, &owner("ana")).unwrap();
            spool.append(&line(1), &[]).unwrap();
            spool.append(&whole[..torn], &[]).unwrap();
            drop(spool);
            assert_eq!(left(&folder, "ana"), ["line 1"], "torn at {torn}");
        }
    }

    /// A hole takes up no space on the disk, but takes hours to read.
    #[test]
    fn a_file_that_is_none_of_ours_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let spool = Spool::create(home.path(), &owner("ana")).unwrap();
        let path = spool.path.clone();
        spool.file.set_len(limits::OUTBOX_FILE_BYTES_MAX + 1).unwrap();
        drop(spool);
        fs::create_dir(home.path().join(format!("{SERVER}-folder.jsonl"))).unwrap();
        let leftovers = Leftovers::adopt(home.path(), &owner("ana"), 100).unwrap();
        assert!(leftovers.posts.is_empty() && leftovers.orphans.is_empty(), "it was read");
        leftovers.settle();
        assert!(path.exists());
    }

    #[test]
    fn an_emptied_file_is_used_again_and_a_server_can_be_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let mut spool = Spool::create(home.path(), &owner("ana")).unwrap();
        spool.append(&line(1), &[]).unwrap();
        spool.clear().unwrap();
        spool.append(&line(2), &[]).unwrap();
        forget(home.path(), SERVER).unwrap();
        drop(spool);
        assert_eq!(left(home.path(), "ana"), ["line 2"], "a program that runs keeps its own");
        forget(home.path(), SERVER).unwrap();
        assert!(left(home.path(), "ana").is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt;

        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("outbox");
        let spool = Spool::create(&folder, &owner("ana")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&spool.path)), (0o700, 0o600));
    }
}
