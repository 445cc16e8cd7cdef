//! A log in a file of bounded size, for a server without a terminal or a journal.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use lanchat_certs::private_file::owner_only;
use lanchat_model::limits;

const FILE: &str = "lanchatd.log";
const FILE_BEFORE: &str = "lanchatd.log.1";

/// A log file that replaces the previous one once it is full. Both together take at most twice
/// `limits::LOG_FILE_BYTES_MAX`.
#[derive(Debug)]
pub(crate) struct LogFile {
    folder: PathBuf,
    file: File,
    bytes: u64,
}

impl LogFile {
    /// Opens the log in `folder`, to append to it. Both are created if they are missing.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let mut folders = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut folders, 0o700);
        folders.recursive(true).create(folder)?;
        let file = open(&folder.join(FILE))?;
        let bytes = file.metadata()?.len();
        Ok(Self { folder: folder.to_owned(), file, bytes })
    }

    fn start_anew(&mut self) -> io::Result<()> {
        let path = self.folder.join(FILE);
        if fs::rename(&path, self.folder.join(FILE_BEFORE)).is_ok() {
            self.file = open(&path)?;
        } else {
            // Another program has one of the files open. The bound matters more than the old lines.
            self.file.set_len(0)?;
            self.file.rewind()?;
        }
        self.bytes = 0;
        Ok(())
    }
}

impl Write for LogFile {
    /// Writes a whole line into one file.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let more = line.len() as u64;
        if self.bytes > 0 && self.bytes + more > limits::LOG_FILE_BYTES_MAX {
            self.start_anew()?;
        }
        self.file.write_all(line)?;
        self.bytes += more;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Windows cannot truncate a file that was opened to append to.
    options.write(true).create(true).truncate(false);
    let mut file = owner_only(&mut options).open(path)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_is_put_aside_once_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("made");
        let line = vec![b'x'; (limits::LOG_FILE_BYTES_MAX / 4) as usize + 1];
        let mut log = LogFile::open(&folder).unwrap();
        log.write_all(b"first").unwrap();
        drop(log);
        let mut log = LogFile::open(&folder).unwrap();
        for _ in 0..12 {
            log.write_all(&line).unwrap();
        }
        let size = |name: &str| fs::metadata(folder.join(name)).unwrap().len();
        assert_eq!(size(FILE_BEFORE), line.len() as u64 * 3);
        assert_eq!(size(FILE), line.len() as u64 * 3);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    }

    #[test]
    fn where_the_full_log_cannot_be_put_aside_it_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(FILE_BEFORE).join("in the way")).unwrap();
        let mut log = LogFile::open(folder.path()).unwrap();
        let line = vec![b'x'; limits::LOG_FILE_BYTES_MAX as usize];
        log.write_all(&line).unwrap();
        log.write_all(b"next").unwrap();
        assert_eq!(fs::read(folder.path().join(FILE)).unwrap(), b"next");
    }
}
