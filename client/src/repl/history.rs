//! The input history: what was typed before, kept in a file that only its owner can read.
//!
//! rustyline's own history can only grow between two prompts. This one grows while a prompt stands:
//! its length never changes, and the newest line is always the last.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lanchat_client::owner_only;
use lanchat_model::limits;
use rustyline::history::{History, SearchDirection, SearchResult};

/// The number of places, as many as there can be lines. Places before the oldest line are vacant.
const PLACES: usize = limits::INPUT_HISTORY_MAX;

/// The lines, shared by the editor and the key that accepts a line.
#[derive(Clone, Debug, Default)]
pub(crate) struct InputHistory(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<String>,
    file: Option<File>,
    /// Whether the newest line is not written to the file, because it was not sent.
    unwritten: bool,
    /// Whether the user looked back since the last line was accepted.
    browsed: bool,
    /// Whether the lines are hidden, as they are while a password is asked for.
    hidden: bool,
}

impl InputHistory {
    /// Reads the history in `path`, which is made with mode 0600 if it does not exist. After an error, lines are
    /// remembered only until the program ends: chatting is still possible.
    pub(crate) fn open(path: &Path) -> (Self, Option<io::Error>) {
        let mut lines = VecDeque::new();
        let (file, error) = match kept(path, &mut lines) {
            Ok(file) => (Some(file), None),
            Err(error) => (None, Some(error)),
        };
        (Self(Arc::new(Mutex::new(Lines { lines, file, ..Lines::default() }))), error)
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line, unless it repeats the one before. Returns whether the editor has to forget its place in the
    /// history.
    pub(crate) fn accept(&self, line: &str) -> bool {
        let mut lines = self.lock();
        let is_new = lines.lines.back().is_none_or(|last| last != line);
        if is_new {
            remember(&mut lines.lines, line.to_owned());
        }
        let is_due = std::mem::take(&mut lines.unwritten) || is_new;
        if let Some(file) = lines.file.as_mut().filter(|_| is_due) {
            // Each line is one write, so that two programs do not mix their lines. A full disk costs only the history.
            let _ = file.write_all((escape(line) + "\n").as_bytes());
        }
        std::mem::take(&mut lines.browsed)
    }

    /// Adds a line that was not sent, only until the program ends: it is not written to the file. Returns whether the
    /// editor has to forget its place in the history.
    pub(crate) fn keep(&self, line: &str) -> bool {
        let mut lines = self.lock();
        remember(&mut lines.lines, line.to_owned());
        lines.unwritten = true;
        std::mem::take(&mut lines.browsed)
    }

    /// Returns whether the editor has to forget its place in the history, as [`InputHistory::accept`] does.
    pub(crate) fn looked_back(&self) -> bool {
        std::mem::take(&mut self.lock().browsed)
    }

    /// Hides the lines, or shows them again.
    pub(crate) fn hide(&self, hidden: bool) {
        self.lock().hidden = hidden;
    }
}

impl Lines {
    /// Returns the line at a place.
    fn at(&self, place: usize) -> Option<&String> {
        if self.hidden {
            return None;
        }
        let vacant = PLACES - self.lines.len().min(PLACES);
        self.lines.get(place.checked_sub(vacant)?)
    }

    /// Finds the first place, from `start` on, whose line `matches`.
    fn find(
        &mut self,
        start: usize,
        direction: SearchDirection,
        matches: impl Fn(&str) -> Option<usize>,
    ) -> Option<SearchResult<'static>> {
        self.browsed = true;
        let lines = &*self;
        let found = |idx: usize| {
            let line = lines.at(idx)?;
            let pos = matches(line)?;
            Some(SearchResult { entry: Cow::Owned(line.clone()), idx, pos })
        };
        match direction {
            SearchDirection::Forward => (start..PLACES).find_map(found),
            SearchDirection::Reverse => (0..=start.min(PLACES - 1)).rev().find_map(found),
        }
    }
}

/// Reads the lines in a file, and opens it to add more.
fn kept(path: &Path, lines: &mut VecDeque<String>) -> io::Result<File> {
    if read(path, lines)? > 2 * PLACES {
        match shorten(path, lines) {
            // Some systems do not replace a file that another program has open: the next program shortens it.
            Err(error) if cfg!(windows) && error.kind() == io::ErrorKind::PermissionDenied => {}
            outcome => outcome?,
        }
    }
    owner_only(OpenOptions::new().append(true).create(true)).open(path)
}

/// Reads the last lines in a file, and counts them. Lines that nobody can have typed are skipped: the file is damaged.
fn read(path: &Path, lines: &mut VecDeque<String>) -> io::Result<usize> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Err(io::Error::other("it is not a file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    }
    let mut file = File::open(path)?;
    let skipped = file.metadata()?.len().saturating_sub(limits::INPUT_HISTORY_BYTES_MAX);
    file.seek(SeekFrom::Start(skipped))?;
    let mut source = BufReader::new(file.take(limits::INPUT_HISTORY_BYTES_MAX));
    // A file too long to be read whole has to be shortened, and reading begins in the middle of a line.
    let (mut count, mut is_torn) = if skipped > 0 { (2 * PLACES, true) } else { (0, false) };
    loop {
        let mut bytes = Vec::new();
        if source.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(count);
        }
        count += 1;
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        // Escaping may double each character.
        let fits = bytes.len() <= 2 * limits::INPUT_LINE_BYTES_MAX;
        if let (false, true, Ok(line)) = (std::mem::take(&mut is_torn), fits, std::str::from_utf8(bytes)) {
            remember(lines, unescape(line));
        }
    }
}

fn remember(lines: &mut VecDeque<String>, line: String) {
    if lines.len() >= PLACES {
        lines.pop_front();
    }
    lines.push_back(line);
}

/// Replaces the file by the kept lines, whole or not at all.
fn shorten(path: &Path, lines: &VecDeque<String>) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = owner_only(OpenOptions::new().write(true).create(true).truncate(true)).open(&temporary)?;
    let text: String = lines.iter().map(|line| escape(line) + "\n").collect();
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

fn escape(line: &str) -> String {
    line.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r")
}

fn unescape(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => line.push('\n'),
            ('\\', Some('r')) => line.push('\r'),
            ('\\', Some(escaped)) => line.push(escaped),
            (plain, _) => line.push(plain),
        }
    }
    line
}

impl History for InputHistory {
    fn get(&self, index: usize, direction: SearchDirection) -> rustyline::Result<Option<SearchResult<'_>>> {
        let _ = direction;
        let mut lines = self.lock();
        lines.browsed = true;
        Ok(lines.at(index).map(|line| SearchResult { entry: Cow::Owned(line.clone()), idx: index, pos: 0 }))
    }

    fn add(&mut self, line: &str) -> rustyline::Result<bool> {
        self.accept(line);
        Ok(true)
    }

    fn add_owned(&mut self, line: String) -> rustyline::Result<bool> {
        self.add(&line)
    }

    fn len(&self) -> usize {
        PLACES
    }

    fn is_empty(&self) -> bool {
        self.lock().lines.is_empty()
    }

    fn set_max_len(&mut self, _: usize) -> rustyline::Result<()> {
        Ok(())
    }

    fn ignore_dups(&mut self, _: bool) -> rustyline::Result<()> {
        Ok(())
    }

    fn ignore_space(&mut self, _: bool) {}

    fn save(&mut self, _: &Path) -> rustyline::Result<()> {
        Ok(())
    }

    fn append(&mut self, _: &Path) -> rustyline::Result<()> {
        Ok(())
    }

    fn load(&mut self, _: &Path) -> rustyline::Result<()> {
        Ok(())
    }

    fn clear(&mut self) -> rustyline::Result<()> {
        self.lock().lines.clear();
        Ok(())
    }

    fn search(
        &self,
        term: &str,
        start: usize,
        direction: SearchDirection,
    ) -> rustyline::Result<Option<SearchResult<'_>>> {
        Ok(self.lock().find(start, direction, |line| line.find(term)))
    }

    fn starts_with(
        &self,
        term: &str,
        start: usize,
        direction: SearchDirection,
    ) -> rustyline::Result<Option<SearchResult<'_>>> {
        Ok(self.lock().find(start, direction, |line| line.starts_with(term).then_some(term.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(history: &InputHistory, back: usize) -> Option<String> {
        let found = history.get(PLACES - back, SearchDirection::Reverse).unwrap();
        found.map(|found| found.entry.into_owned())
    }

    fn open(path: &Path) -> InputHistory {
        let (history, error) = InputHistory::open(path);
        assert!(error.is_none(), "{error:?}");
        history
    }

    #[test]
    fn the_newest_line_is_last_whenever_it_was_added() {
        let history = InputHistory::default();
        history.accept("one");
        history.accept("two");
        history.accept("two");
        assert_eq!(at(&history, 1).unwrap(), "two");
        assert_eq!(at(&history, 2).unwrap(), "one");
        assert_eq!(at(&history, 3), None);
        assert!(history.accept("three"), "the place is to be forgotten: lines were looked at");
        assert!(!history.accept("four"));
    }

    #[test]
    fn lines_survive_in_a_file_of_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        open(&path).accept("a\\n b\nc");
        assert_eq!(at(&open(&path), 1).unwrap(), "a\\n b\nc");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_line_that_was_not_said_is_there_and_not_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let history = open(&path);
        history.accept("said");
        history.keep("not said");
        assert_eq!(at(&history, 1).unwrap(), "not said");
        history.keep("said later");
        history.accept("said later");
        assert_eq!(fs::read_to_string(path).unwrap(), "said\nsaid later\n");
    }

    #[test]
    fn the_file_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let history = open(&path);
        for n in 0..3 * PLACES {
            history.accept(&n.to_string());
        }
        drop(history);
        let history = open(&path);
        assert_eq!(at(&history, 1).unwrap(), (3 * PLACES - 1).to_string());
        assert_eq!(fs::read_to_string(path).unwrap().lines().count(), PLACES);
    }

    #[test]
    fn a_damaged_file_gives_what_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let long = "x".repeat(2 * limits::INPUT_LINE_BYTES_MAX + 1);
        let damaged = [b"one\n\xff\xfe\n".as_slice(), long.as_bytes(), b"\ntwo"].concat();
        fs::write(&path, damaged).unwrap();
        let history = open(&path);
        assert_eq!(at(&history, 1).unwrap(), "two");
        assert_eq!(at(&history, 2).unwrap(), "one");
        assert_eq!(at(&history, 3), None);
    }

    #[test]
    fn of_a_file_without_end_the_last_lines_are_read_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let file = File::create(&path).unwrap();
        // This makes a hole, which takes no space on the disk.
        file.set_len(4 * limits::INPUT_HISTORY_BYTES_MAX).unwrap();
        // Windows does not replace a file that is open.
        drop(file);
        owner_only(OpenOptions::new().append(true)).open(&path).unwrap().write_all(b"\nlast\n").unwrap();
        assert_eq!(at(&open(&path), 1).unwrap(), "last");
        assert!(fs::metadata(&path).unwrap().len() < limits::INPUT_HISTORY_BYTES_MAX);
    }

    #[test]
    fn what_cannot_be_a_history_is_told_and_lines_are_remembered_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (history, error) = InputHistory::open(folder.path());
        assert!(error.unwrap().to_string().contains("not a file"));
        history.accept("one");
        assert_eq!(at(&history, 1).unwrap(), "one");
    }

    #[test]
    fn nothing_is_shown_while_a_password_is_asked_for() {
        let history = InputHistory::default();
        history.accept("one");
        history.hide(true);
        assert_eq!(at(&history, 1), None);
        assert!(history.search("o", PLACES - 1, SearchDirection::Reverse).unwrap().is_none());
    }
}
