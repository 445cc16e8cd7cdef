//! A disk that loses unsynced data: what a computer finds when it is switched on after a power cut.
//!
//! It is stricter than real file systems: contents are durable after a sync of the file, names after a sync of their
//! folder. Any part of the rest may have reached the disk: any set of 4 KiB pages of the contents, and any number of
//! the oldest changes of names.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Component, Path};

use crate::ledger::Seed;
use crate::power::Event;

/// The bytes that a disk writes in one piece.
const PAGE: u64 = 4096;

/// What becomes of unsynced data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// All of it is lost.
    Nothing,
    /// Chance decides, page by page.
    Some,
    /// All of it was written just in time.
    Everything,
}

/// A change of a file that is not durable yet.
#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Size(u64),
}

#[derive(Debug, Default)]
struct File {
    durable: Vec<u8>,
    pending: VecDeque<Change>,
    /// Where the next write without a position goes.
    end: u64,
    /// How much of `pending` a sync that is under way covers.
    covered: usize,
}

#[derive(Clone, Copy, Debug)]
enum Node {
    File(usize),
    Folder(usize),
}

/// A change of names in one folder, whole or not at all.
#[derive(Clone, Debug)]
struct Naming {
    remove: Option<String>,
    set: Option<(String, Node)>,
}

#[derive(Debug, Default)]
struct Folder {
    durable: BTreeMap<String, Node>,
    live: BTreeMap<String, Node>,
    pending: VecDeque<Naming>,
}

/// The disk under one folder.
#[derive(Debug)]
pub struct Disk {
    files: Vec<File>,
    /// The first one is the root.
    folders: Vec<Folder>,
}

impl Default for Disk {
    fn default() -> Self {
        Self { files: Vec::new(), folders: vec![Folder::default()] }
    }
}

impl Disk {
    /// Applies an event to it.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Opened(path) => self.open(path),
            Event::Wrote(path, at, bytes) => self.write(path, *at, bytes),
            Event::Resized(path, size) => {
                if let Some(file) = self.file(path) {
                    file.pending.push_back(Change::Size(*size));
                }
            }
            Event::SyncBegan(path) => {
                if let Some(file) = self.file(path) {
                    file.covered = file.pending.len();
                }
            }
            Event::Synced(path) => self.sync(path),
            Event::MadeFolder(path) => {
                self.folders.push(Folder::default());
                self.name(path, Node::Folder(self.folders.len() - 1));
            }
            Event::Renamed(from, to) => self.rename(from, to),
            Event::Linked(from, to) => {
                if let Some(node) = self.find(from) {
                    self.name(to, node);
                }
            }
            Event::Removed(path) => self.change(path, |name| Naming { remove: Some(name), set: None }),
            Event::Accepted(..) | Event::Sent(_) => {}
        }
    }

    fn open(&mut self, path: &Path) {
        match self.file(path) {
            Some(file) => file.end = 0,
            None => {
                self.files.push(File::default());
                self.name(path, Node::File(self.files.len() - 1));
            }
        }
    }

    fn write(&mut self, path: &Path, at: Option<u64>, bytes: &[u8]) {
        let Some(file) = self.file(path) else { return };
        let mut at = at.unwrap_or(file.end);
        file.end = at + length(bytes);
        let mut rest = bytes;
        while !rest.is_empty() {
            let piece = usize::try_from(PAGE - at % PAGE).map_or(rest.len(), |room| room.min(rest.len()));
            let (first, after) = rest.split_at(piece);
            file.pending.push_back(Change::Write(at, first.to_vec()));
            (at, rest) = (at + length(first), after);
        }
    }

    fn sync(&mut self, path: &Path) {
        match self.find(path) {
            Some(Node::File(file)) => {
                let File { durable, pending, covered, .. } = &mut self.files[file];
                pending.drain(..std::mem::take(covered)).for_each(|change| change.apply(durable));
            }
            Some(Node::Folder(folder)) => {
                let Folder { durable, pending, .. } = &mut self.folders[folder];
                pending.drain(..).for_each(|naming| naming.apply(durable));
            }
            None => {}
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        let Some(node) = self.find(from) else { return };
        if from.parent() == to.parent() {
            let old = name_of(from);
            self.change(to, |new| Naming { remove: Some(old), set: Some((new, node)) });
        } else {
            self.name(to, node);
            self.change(from, |name| Naming { remove: Some(name), set: None });
        }
    }

    fn name(&mut self, path: &Path, node: Node) {
        self.change(path, |name| Naming { remove: None, set: Some((name, node)) });
    }

    fn change(&mut self, path: &Path, naming: impl FnOnce(String) -> Naming) {
        // The root itself always exists.
        let Some(parent) = path.parent() else { return };
        let Some(Node::Folder(folder)) = self.find(parent) else { return };
        let naming = naming(name_of(path));
        let folder = &mut self.folders[folder];
        naming.clone().apply(&mut folder.live);
        folder.pending.push_back(naming);
    }

    fn find(&self, path: &Path) -> Option<Node> {
        let names = path.components().filter(|part| matches!(part, Component::Normal(_)));
        names.into_iter().try_fold(Node::Folder(0), |node, name| match node {
            Node::Folder(folder) => {
                self.folders[folder].live.get(&*name.as_os_str().to_string_lossy()).copied()
            }
            Node::File(_) => None,
        })
    }

    fn file(&mut self, path: &Path) -> Option<&mut File> {
        match self.find(path)? {
            Node::File(file) => Some(&mut self.files[file]),
            Node::Folder(_) => None,
        }
    }

    /// Writes the contents after a cut at this instant into the folder `target`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn after_cut(&self, target: &Path, survival: Survival, chance: &mut Seed) -> io::Result<()> {
        let mut contents = HashMap::new();
        self.restore(0, target, survival, chance, &mut contents)
    }

    fn restore(
        &self,
        folder: usize,
        target: &Path,
        survival: Survival,
        chance: &mut Seed,
        contents: &mut HashMap<usize, Vec<u8>>,
    ) -> io::Result<()> {
        let Folder { durable, pending, .. } = &self.folders[folder];
        let kept = match survival {
            Survival::Nothing => 0,
            Survival::Some => chance.index(pending.len() + 1),
            Survival::Everything => pending.len(),
        };
        let mut names = durable.clone();
        pending.iter().take(kept).for_each(|naming| naming.clone().apply(&mut names));
        for (name, node) in names {
            let path = target.join(name);
            match node {
                Node::Folder(inner) => {
                    fs::create_dir(&path)?;
                    private(&path, 0o700)?;
                    self.restore(inner, &path, survival, chance, contents)?;
                }
                Node::File(file) => {
                    // Two names of one file show the same contents.
                    let bytes =
                        contents.entry(file).or_insert_with(|| self.files[file].after_cut(survival, chance));
                    fs::write(&path, bytes)?;
                    private(&path, 0o600)?;
                }
            }
        }
        Ok(())
    }
}

impl File {
    fn after_cut(&self, survival: Survival, chance: &mut Seed) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for change in &self.pending {
            let kept = match survival {
                Survival::Nothing => false,
                Survival::Some => chance.below(2) == 1,
                Survival::Everything => true,
            };
            if kept {
                change.clone().apply(&mut bytes);
            }
        }
        bytes
    }
}

impl Change {
    fn apply(self, to: &mut Vec<u8>) {
        let index = |at: u64| usize::try_from(at).expect("a file of a test fits into memory");
        match self {
            Self::Size(size) => to.resize(index(size), 0),
            Self::Write(at, bytes) => {
                let at = index(at);
                if to.len() < at + bytes.len() {
                    to.resize(at + bytes.len(), 0);
                }
                to[at..at + bytes.len()].copy_from_slice(&bytes);
            }
        }
    }
}

impl Naming {
    fn apply(self, names: &mut BTreeMap<String, Node>) {
        if let Some(name) = self.remove {
            names.remove(&name);
        }
        names.extend(self.set);
    }
}

fn private(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("a length fits")
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the files after a cut, and what is in them.
    fn found(events: &[Event], survival: Survival, seed: u64) -> BTreeMap<String, Vec<u8>> {
        let mut disk = Disk::default();
        events.iter().for_each(|event| disk.apply(event));
        let target = tempfile::tempdir().expect("a temporary folder can be made");
        disk.after_cut(target.path(), survival, &mut Seed::new(seed)).expect("it can be written");
        let entries =
            fs::read_dir(target.path()).expect("it is there").map(|entry| entry.expect("it is there"));
        entries
            .map(|entry| {
                (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("a file"))
            })
            .collect()
    }

    fn synced(path: &str) -> [Event; 2] {
        [Event::SyncBegan(path.into()), Event::Synced(path.into())]
    }

    #[test]
    fn what_was_synced_is_there_and_the_rest_is_as_chance_has_it() {
        let mut events = vec![Event::Opened("a".into()), Event::Wrote("a".into(), None, b"first".to_vec())];
        assert!(found(&events, Survival::Nothing, 1).is_empty(), "a name needs a sync of its folder");
        assert_eq!(found(&events, Survival::Everything, 1)["a"], b"first");
        events.extend(synced(""));
        assert_eq!(found(&events, Survival::Nothing, 1)["a"], b"");
        events.extend(synced("a"));
        events.push(Event::Wrote("a".into(), Some(3), vec![b'x'; 10_000]));
        assert_eq!(found(&events, Survival::Nothing, 1)["a"], b"first");
        let sizes: Vec<_> = (0..20).map(|seed| found(&events, Survival::Some, seed)["a"].clone()).collect();
        assert!(sizes.iter().any(|bytes| bytes.len() > 5 && bytes.contains(&0)), "torn somewhere");
        assert!(sizes.iter().all(|bytes| bytes.starts_with(b"fir")));
    }

    #[test]
    fn a_sync_covers_what_was_written_before_it_began() {
        let mut events = vec![Event::Opened("a".into())];
        events.extend(synced(""));
        events.push(Event::SyncBegan("a".into()));
        events.push(Event::Wrote("a".into(), None, b"late".to_vec()));
        events.push(Event::Synced("a".into()));
        assert_eq!(found(&events, Survival::Nothing, 1)["a"], b"");
    }

    #[test]
    fn a_rename_is_whole_or_not_at_all() {
        let mut events = vec![Event::Opened("a".into()), Event::Opened("b".into())];
        events.extend(synced(""));
        events.push(Event::Renamed("a".into(), "b".into()));
        for seed in 0..20 {
            let names: Vec<_> = found(&events, Survival::Some, seed).into_keys().collect();
            assert!(names == ["a", "b"] || names == ["b"], "{names:?}");
        }
        events.push(Event::Removed("b".into()));
        assert_eq!(found(&events, Survival::Nothing, 1).len(), 2);
        assert_eq!(found(&events, Survival::Everything, 1).len(), 0);
    }
}
