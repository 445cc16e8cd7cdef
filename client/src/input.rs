//! What the user types, from an editor or from a pipe, on its way to the session.

use std::io::{self, BufRead, BufReader, IsTerminal, Read};

use lanchat_model::limits;
use tokio::sync::mpsc;

use crate::command::SlashCommand;
use crate::command::slash::{self, Beginning};
use crate::hidden;

/// One thing from the keyboard or the pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// A line, as typed or pasted.
    Line(String),
    /// A command that was completed by questions.
    Command(SlashCommand),
    /// The user is about to choose a password for a new account of this name.
    NewName(String),
    /// Something that is not a command is being typed.
    Editing,
    /// A line that cannot be understood, with the reason.
    Unreadable(&'static str),
    /// The same for a line that begins like a command.
    UnreadableCommand(&'static str),
    /// The user wants to leave.
    Leave,
    /// The pipe has ended.
    End,
    /// The pipe can no longer be read, with the reason.
    Unread(String),
    /// The terminal is gone, with the reason.
    Broken(String),
}

/// Reads stdin to its end, on a thread of its own, since a read of stdin cannot be cancelled. The queue is bounded;
/// while it is full, the pipe waits.
///
/// If `asks`, a command typed at a terminal without its password makes the thread ask for it, hidden.
///
/// # Errors
/// The system cannot start a thread.
pub(crate) fn from_stdin(asks: bool) -> io::Result<mpsc::Receiver<Typed>> {
    let (typed, inputs) = mpsc::channel(limits::INPUT_LINES_MAX);
    let asks = asks && io::stdin().is_terminal();
    std::thread::Builder::new().name("stdin".into()).spawn(move || {
        let mut source = BufReader::new(Patient(io::stdin()));
        let encoding = mark(&mut source);
        if encoding == Encoding::Utf8 && !read_all(&mut source, asks, &typed) {
            return;
        }
        if encoding == Encoding::Utf16 {
            let words = "The input is UTF-16, so nothing of it was read. Save it as UTF-8; in PowerShell: \
                         Out-File -Encoding utf8, or $OutputEncoding = [Text.Encoding]::UTF8.";
            // An error means that the session has ended first.
            let _ = typed.blocking_send(Typed::Unreadable(words));
        }
        // An error means that the session has ended first.
        let _ = typed.blocking_send(Typed::End);
    })?;
    Ok(inputs)
}

/// Hands over lines until the end of the input. Returns `false` if there is nothing more to report.
fn read_all(source: &mut impl BufRead, asks: bool, typed: &mpsc::Sender<Typed>) -> bool {
    loop {
        let next = match read_line(source) {
            Ok(Some(Typed::Line(line))) if asks => completed(line),
            Ok(Some(next)) => next,
            Ok(None) => return true,
            Err(error) => Typed::Unread(error.to_string()),
        };
        let is_last = matches!(next, Typed::Unread(_));
        // An error means that the session has ended first.
        if typed.blocking_send(next).is_err() || is_last {
            return false;
        }
    }
}

/// Returns a line that was typed at a terminal. A command that lacks its password is completed by questions.
fn completed(line: String) -> Typed {
    match hidden::completed(&line) {
        Some(asked) => asked.map_or_else(Typed::Unreadable, Typed::Command),
        None => Typed::Line(line),
    }
}

/// The encoding of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16,
}

/// Reads past the byte order mark that some programs begin a text with: it does not belong to the first line.
fn mark(source: &mut impl BufRead) -> Encoding {
    // A pipe delivers each write whole, and a mark is never written alone. An error is reported by reading the first
    // line.
    let start = source.fill_buf().unwrap_or_default();
    if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
        return Encoding::Utf16;
    }
    if start.starts_with("\u{feff}".as_bytes()) {
        source.consume('\u{feff}'.len_utf8());
    }
    Encoding::Utf8
}

/// Standard input, which the starting program may have made non-blocking: then this waits.
struct Patient(io::Stdin);

impl Read for Patient {
    #[cfg(unix)]
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        use rustix::event::{PollFd, PollFlags, poll};

        loop {
            match self.0.read(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // If polling fails, the next read reports the error.
                    let _ = poll(&mut [PollFd::new(&self.0, PollFlags::IN)], None);
                }
                outcome => return outcome,
            }
        }
    }

    #[cfg(not(unix))]
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

/// Reads the next line, without its line end. Returns `None` at the end of the input.
///
/// # Errors
/// The source cannot be read: everything after the previous line is lost.
fn read_line(source: &mut impl BufRead) -> io::Result<Option<Typed>> {
    let mut line = Vec::new();
    let limit = limits::INPUT_LINE_BYTES_MAX + 1;
    let count = source.by_ref().take(limit as u64).read_until(b'\n', &mut line)?;
    if count == 0 {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') && count == limit {
        skip_line(source)?;
        let words = "A line of the input is too long: a message has at most 16 KiB. Split it.";
        return Ok(Some(unreadable(&line, words)));
    }
    while matches!(line.last(), Some(b'\n' | b'\r')) {
        line.pop();
    }
    Ok(Some(match String::from_utf8(line) {
        Ok(line) if line.contains('\0') => unreadable(
            line.as_bytes(),
            "A line of the input holds NUL characters, as UTF-16 does, so it was not sent. Save it as UTF-8.",
        ),
        Ok(line) => Typed::Line(line),
        Err(error) => unreadable(error.as_bytes(), "A line of the input is not UTF-8, so it was not sent."),
    }))
}

fn unreadable(line: &[u8], words: &'static str) -> Typed {
    match slash::beginning(&String::from_utf8_lossy(line)) {
        Beginning::Text => Typed::Unreadable(words),
        Beginning::Slash(_) | Beginning::Likeness(_) => Typed::UnreadableCommand(words),
    }
}

/// Discards the rest of the line.
fn skip_line(source: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = source.fill_buf()?;
        let (count, found) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        source.consume(count);
        if found {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<Typed> {
        let mut source = BufReader::with_capacity(64, bytes);
        std::iter::from_fn(|| read_line(&mut source).unwrap()).collect()
    }

    #[test]
    fn lines_come_without_their_ends_and_the_last_needs_none() {
        let line = |text: &str| Typed::Line(text.into());
        assert_eq!(read(b"one\r\n\ntwo"), [line("one"), line(""), line("two")]);
        assert!(read(b"").is_empty());
    }

    #[test]
    fn a_bad_line_is_told_and_the_next_one_is_read() {
        let mut bytes = vec![b'x'; limits::INPUT_LINE_BYTES_MAX * 3];
        bytes.extend(b"\nnext\n\xff\xfe\nlast\n");
        let read = read(&bytes);
        assert!(matches!(read[0], Typed::Unreadable(why) if why.contains("too long")));
        assert_eq!(read[1], Typed::Line("next".into()));
        assert!(matches!(read[2], Typed::Unreadable(why) if why.contains("UTF-8")));
        assert_eq!(read[3], Typed::Line("last".into()));
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        let line = |text: &str| Some(Typed::Line(text.into()));
        let mut source = BufReader::new(&b"\xef\xbb\xbf/login ana x\n\xef\xbb\xbfnext\n"[..]);
        assert_eq!(mark(&mut source), Encoding::Utf8);
        assert_eq!(read_line(&mut source).unwrap(), line("/login ana x"));
        assert_eq!(read_line(&mut source).unwrap(), line("\u{feff}next"));
        assert_eq!(mark(&mut BufReader::new(&b"\xff\xfe/\0l\0"[..])), Encoding::Utf16);
        assert_eq!(mark(&mut BufReader::new(&b""[..])), Encoding::Utf8);
        assert!(matches!(&read(b"/\0l\0o\0\n")[..], [Typed::UnreadableCommand(why)] if why.contains("NUL")));
    }

    #[test]
    fn a_command_that_cannot_be_read_is_told_from_text() {
        let long = [b"/join ".as_slice(), &vec![b'x'; limits::INPUT_LINE_BYTES_MAX]].concat();
        for line in [b" /join caf\xe9".as_slice(), b"/join a\0", &long] {
            assert!(matches!(&read(line)[..], [Typed::UnreadableCommand(_)]));
        }
        assert!(matches!(&read(b"caf\xe9 / bar")[..], [Typed::Unreadable(_)]));
    }

    #[test]
    fn the_longest_line_is_taken() {
        let mut bytes = vec![b'x'; limits::INPUT_LINE_BYTES_MAX];
        bytes.push(b'\n');
        assert!(
            matches!(&read(&bytes)[..], [Typed::Line(line)] if line.len() == limits::INPUT_LINE_BYTES_MAX)
        );
    }
}
