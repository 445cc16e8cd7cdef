//! The server's system calls in order, read from the log of `strace`.
//!
//! `strace` stops a thread at the entry of a call and again at its exit, and writes each down before the thread goes
//! on. So what one thread did because of another comes after it in the log.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::skipped;

/// Calls that change files, make them durable, or talk to others.
const CALLS: &str = "trace=openat,pwrite64,write,writev,sendto,fsync,fdatasync,ftruncate,mkdir,rename,renameat,\
                     renameat2,link,linkat,unlink,unlinkat,accept4";

/// A request to the kernel. Paths are below the watched folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A file was opened, and made if it did not exist.
    Opened(PathBuf),
    /// Bytes were written, at a position or after the last ones.
    Wrote(PathBuf, Option<u64>, Vec<u8>),
    /// A file was cut or stretched to a size.
    Resized(PathBuf, u64),
    /// A sync of a file or folder began: it covers what was written before.
    SyncBegan(PathBuf),
    /// A sync of a file or folder succeeded.
    Synced(PathBuf),
    /// A folder was made.
    MadeFolder(PathBuf),
    /// A file or folder was renamed.
    Renamed(PathBuf, PathBuf),
    /// A file was given a second name.
    Linked(PathBuf, PathBuf),
    /// A name was removed.
    Removed(PathBuf),
    /// A connection from this port was accepted, as this socket.
    Accepted(u16, String),
    /// Bytes were given to a socket.
    Sent(String),
}

/// Returns the words that start a program under the tracer. The log comes out of the program's stderr, and ends when
/// the program and all its threads have ended. The program itself is the started child, so signals reach it.
pub fn tracer(more: &[&str]) -> Vec<String> {
    let words = ["strace", "-D", "-f", "-qq", "-xx", "-y", "-s", "1048576", "-e", CALLS];
    // The program's own output would mix with the tracer's.
    let quiet = ["sh", "-c", "exec \"$0\" \"$@\" 2>/dev/null"];
    words.iter().chain(more).chain(&quiet).map(|word| (*word).to_owned()).collect()
}

/// Returns whether there is a tracer that may trace. If not, a line says so.
pub fn can_trace() -> bool {
    let tried = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output();
    let works = tried.is_ok_and(|output| output.status.success());
    if !works {
        skipped("a power cut needs strace, and the right to trace");
    }
    works
}

/// The log of a tracer.
#[derive(Debug)]
pub struct Trace {
    events: Vec<Event>,
}

impl Trace {
    /// Reads a log, as far as it is about files below `root` and about sockets.
    pub fn read(log: &str, root: &Path) -> Self {
        let mut reader = Reader { root: root.to_owned(), begun: HashMap::new(), events: Vec::new() };
        log.lines().for_each(|line| reader.line(line));
        Self { events: reader.events }
    }

    /// What happened, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Returns where a connection from `port` was accepted, the first one at or after `from`, and the name of its
    /// socket. The system may use a port again, so ask for several connections in their order.
    pub fn accepted(&self, port: u16, from: usize) -> Option<(usize, &str)> {
        self.events.iter().enumerate().skip(from).find_map(|(at, event)| match event {
            Event::Accepted(from, socket) if *from == port => Some((at, socket.as_str())),
            _ => None,
        })
    }
}

struct Reader {
    root: PathBuf,
    /// Calls that were entered but have not returned, by thread.
    begun: HashMap<String, String>,
    events: Vec<Event>,
}

impl Reader {
    fn line(&mut self, line: &str) {
        let (thread, call) = match line.strip_prefix("[pid") {
            Some(rest) => rest.split_once(']').unwrap_or(("", rest)),
            None => ("", line),
        };
        let (thread, call) = (thread.trim().to_owned(), call.trim_start());
        if let Some(begun) = call.strip_suffix(" <unfinished ...>") {
            self.entered(begun);
            self.begun.insert(thread, begun.to_owned());
        } else if let Some(rest) = call.strip_prefix("<... ") {
            let rest = rest.split_once(" resumed>").map_or("", |(_, rest)| rest);
            if let Some(begun) = self.begun.remove(&thread) {
                self.left(&format!("{begun}{rest}"));
            }
        } else {
            self.entered(call);
            self.left(call);
        }
    }

    /// Takes in a call that was entered.
    fn entered(&mut self, call: &str) {
        let Some((name, arguments)) = call.split_once('(') else { return };
        // A call that failed at once changed nothing.
        if arguments.contains(") = -1 ") {
            return;
        }
        let event = match name {
            "pwrite64" | "write" => self.below_root(arguments).map(|path| {
                let bytes = strings(arguments).next().unwrap_or_default();
                let at = arguments.rsplit_once(", ").and_then(|(_, last)| number(last));
                Event::Wrote(path, at.filter(|_| name == "pwrite64"), bytes)
            }),
            "ftruncate" => self.below_root(arguments).and_then(|path| {
                let size = arguments.rsplit_once(", ").and_then(|(_, last)| number(last))?;
                Some(Event::Resized(path, size))
            }),
            "fsync" | "fdatasync" => self.below_root(arguments).map(Event::SyncBegan),
            _ => None,
        };
        let sent = matches!(name, "sendto" | "write" | "writev").then(|| socket(arguments)).flatten();
        self.events.extend(event.or(sent.map(Event::Sent)));
    }

    /// Takes in a call that has succeeded.
    fn left(&mut self, call: &str) {
        let Some((name, arguments)) = call.split_once('(') else { return };
        let Some((arguments, result)) = arguments.rsplit_once(" = ") else { return };
        if result.starts_with('-') {
            return;
        }
        let mut paths = self.paths(arguments).into_iter();
        let mut next = || paths.next();
        let event = match name {
            "openat" if arguments.contains("O_CREAT") => next().map(Event::Opened),
            "fsync" | "fdatasync" => self.below_root(arguments).map(Event::Synced),
            "mkdir" => next().map(Event::MadeFolder),
            "rename" | "renameat" | "renameat2" => {
                next().zip(next()).map(|(from, to)| Event::Renamed(from, to))
            }
            "link" | "linkat" => next().zip(next()).map(|(from, to)| Event::Linked(from, to)),
            "unlink" | "unlinkat" => next().map(Event::Removed),
            "accept4" => {
                port(arguments).zip(socket(result)).map(|(port, socket)| Event::Accepted(port, socket))
            }
            _ => None,
        };
        self.events.extend(event);
    }

    /// Returns the file that the first argument, a descriptor, stands for.
    fn below_root(&self, arguments: &str) -> Option<PathBuf> {
        let path = unescape(annotation(arguments)?);
        self.relative(Path::new(std::str::from_utf8(&path).ok()?))
    }

    /// Returns the paths among the arguments; a relative one belongs to the folder before it.
    fn paths(&self, arguments: &str) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for (at, _) in arguments.match_indices('"').step_by(2) {
            let Some(bytes) = strings(&arguments[at..]).next() else { continue };
            let path = PathBuf::from(String::from_utf8_lossy(&bytes).into_owned());
            let folder = arguments[..at].rsplit_once('<').and_then(|(_, rest)| rest.split('>').next());
            let folder = folder.map(unescape).unwrap_or_default();
            let whole = Path::new(&*String::from_utf8_lossy(&folder)).join(path);
            paths.extend(self.relative(&whole));
        }
        paths
    }

    fn relative(&self, path: &Path) -> Option<PathBuf> {
        path.strip_prefix(&self.root).ok().map(Path::to_owned)
    }
}

/// Returns what is in angle brackets after a descriptor.
fn annotation(arguments: &str) -> Option<&str> {
    let (descriptor, rest) = arguments.split_once('<')?;
    let is_descriptor = !descriptor.is_empty() && descriptor.bytes().all(|byte| byte.is_ascii_digit());
    is_descriptor.then(|| rest.split('>').next()).flatten()
}

/// Returns the name of the socket that a descriptor stands for.
fn socket(arguments: &str) -> Option<String> {
    let name = unescape(annotation(arguments)?);
    name.starts_with(b"socket:").then(|| String::from_utf8_lossy(&name).into_owned())
}

/// Returns the port in an address.
fn port(arguments: &str) -> Option<u16> {
    let (_, rest) = arguments.split_once("htons(")?;
    rest.split(')').next()?.parse().ok()
}

/// Returns the number at the start of a piece of text.
fn number(text: &str) -> Option<u64> {
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Returns the strings among the arguments.
fn strings(arguments: &str) -> impl Iterator<Item = Vec<u8>> + '_ {
    arguments.split('"').skip(1).step_by(2).map(unescape)
}

/// Returns the bytes written as `\x68\x69`.
fn unescape(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| Some(digit(*pair.get(2)?)? << 4 | digit(*pair.get(3)?)?);
    text.as_bytes().chunks(4).filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read() {
        let hex = |text: &str| text.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
        let (db, wal, at) = (hex("/d/lanchat.db"), hex("/d/wal"), hex("/d"));
        let log = format!(
            "openat(AT_FDCWD<{cwd}>, \"{db}\", O_RDWR|O_CREAT, 0600) = 3<{db}>\n\
             [pid  7] pwrite64(4<{wal}>, \"{data}\", 2, 32 <unfinished ...>\n\
             [pid 8] fdatasync(3<{db}>) = -1 EIO (Input/output error)\n\
             [pid  7] <... pwrite64 resumed>) = 2\n\
             [pid 7] fsync(4<{wal}> <unfinished ...>\n\
             [pid 9] sendto(5<{socket}>, \"{data}\", 2, MSG_NOSIGNAL, NULL, 0) = 2\n\
             [pid 7] <... fsync resumed>)  = 0\n\
             [pid 9] unlinkat(6<{at}>, \"{wal_name}\", 0) = 0\n\
             [pid 9] accept4(7<{socket}>, {{sa_family=AF_INET, sin_port=htons(4711), \
             sin_addr=inet_addr(\"{data}\")}}, [128 => 16], SOCK_CLOEXEC) = 8<{socket}>\n",
            cwd = hex("/"),
            data = hex("hi"),
            socket = hex("socket:[9]"),
            wal_name = hex("wal"),
        );
        let (wal, socket) = (PathBuf::from("wal"), "socket:[9]".to_owned());
        let expected = [
            Event::Opened("lanchat.db".into()),
            Event::Wrote(wal.clone(), Some(32), b"hi".to_vec()),
            Event::SyncBegan(wal.clone()),
            Event::Sent(socket.clone()),
            Event::Synced(wal.clone()),
            Event::Removed(wal),
            Event::Accepted(4711, socket),
        ];
        let trace = Trace::read(&log, Path::new("/d"));
        assert_eq!(trace.events(), expected);
        assert_eq!(trace.accepted(4711, 0), Some((6, "socket:[9]")));
        assert_eq!(trace.accepted(4711, 7), None);
    }
}
