//! A disk that is soon full: a few megabytes of memory, mounted where only selected servers can see it.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{Launch, Process, skipped};

/// Mounts, says so, and holds the namespace until its input ends.
const HOLD: &str = "mount -t tmpfs -o size=\"$1\",mode=700 tmpfs \"$2\" && echo mounted && exec cat";

/// A small disk in a mount namespace of its own. It is gone when it is dropped and its servers have ended.
pub struct TinyDisk {
    holder: Process,
    folder: TempDir,
}

impl TinyDisk {
    /// Makes a disk of `bytes` bytes. Returns `None`, with a line that says so, if mounting is not possible.
    pub fn new(bytes: usize) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let launch = Launch::new("unshare").args(["--mount", "sh", "-c", HOLD, "sh", &bytes.to_string()]);
        let holder = Process::start(&launch.arg(folder.path()));
        if holder.stdout.lines().next_line().as_deref() == Some("mounted") {
            return Some(Self { holder, folder });
        }
        skipped("a disk that is soon full needs root and mount namespaces");
        None
    }

    /// Returns the words that start a program that sees the disk.
    pub fn starter(&self) -> Vec<String> {
        ["nsenter", &format!("--mount=/proc/{}/ns/mnt", self.holder.id()), "--"].map(str::to_owned).to_vec()
    }

    /// Returns a folder on the disk, by its path for the servers there.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Returns the same folder, by its path for everybody else.
    pub fn data_from_outside(&self) -> PathBuf {
        self.outside().join("data")
    }

    /// Takes up all space except `room` bytes.
    ///
    /// # Panics
    /// When the disk refuses for another reason than being full.
    pub fn fill(&self, room: u64) {
        const CHUNK: [u8; 4096] = [0; 4096];
        let open = |path: &Path| OpenOptions::new().create(true).append(true).open(path);
        let mut ballast = open(&self.ballast()).expect("a file can be made");
        while ballast.write_all(&CHUNK).is_ok() {}
        let length = ballast.metadata().expect("it is open").len();
        ballast.set_len(length.saturating_sub(room)).expect("a file can be cut");
    }

    /// Frees the space.
    ///
    /// # Panics
    /// When the disk refuses.
    pub fn free(&self) {
        File::create(self.ballast()).expect("a file can be emptied");
    }

    /// Copies the files of the folder, as they are now.
    ///
    /// # Panics
    /// When one cannot be read or written.
    pub fn copy_data(&self, target: &Path) {
        for entry in fs::read_dir(self.data_from_outside()).expect("the folder is there").flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                fs::copy(entry.path(), target.join(entry.file_name())).expect("a file can be copied");
            }
        }
    }

    fn outside(&self) -> PathBuf {
        let inside = self.folder.path().strip_prefix("/").expect("a temporary folder has an absolute path");
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(inside)
    }

    fn ballast(&self) -> PathBuf {
        self.outside().join("ballast")
    }
}
