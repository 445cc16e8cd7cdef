//! How a process is started: where, in which environment, and with a home of its own.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use portable_pty::CommandBuilder;
use tempfile::TempDir;

/// Where a process runs.
#[derive(Clone, Debug, Default)]
pub enum Place {
    /// On this computer, outside any namespace.
    #[default]
    Here,
    /// Inside the network namespace of this name.
    Namespace(String),
}

/// A command to be started with nothing inherited but `PATH`.
#[derive(Clone, Debug)]
pub struct Launch {
    place: Place,
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

impl Launch {
    /// Returns the program, without arguments.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let launch = Self {
            place: Place::Here,
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
        };
        launch.env("PATH", path).env("LANG", "C.UTF-8").env("TZ", "UTC")
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args(self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        arguments.into_iter().fold(self, |launch, argument| launch.arg(argument))
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs it with this home.
    pub fn home(self, home: &Home) -> Self {
        self.env("HOME", home.path())
    }

    /// Runs it at this place.
    pub fn at(mut self, place: &Place) -> Self {
        self.place = place.clone();
        self
    }

    /// Returns the program and its arguments, for messages.
    pub fn name(&self) -> String {
        self.words().iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    fn words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = match &self.place {
            Place::Here => Vec::new(),
            Place::Namespace(name) => ["ip", "netns", "exec", name].map(OsString::from).to_vec(),
        };
        words.push(self.program.clone());
        words.extend(self.arguments.iter().cloned());
        words
    }

    /// Makes the command for pipes.
    pub(crate) fn command(&self) -> Command {
        let words = self.words();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear().envs(self.environment.iter().cloned());
        command
    }

    /// Makes the command for a terminal.
    pub(crate) fn terminal_command(&self) -> CommandBuilder {
        let mut command = CommandBuilder::from_argv(self.words());
        command.env_clear();
        for (key, value) in &self.environment {
            command.env(key, value);
        }
        command
    }
}

/// The home folder of one person on one computer: empty at first, removed at the end.
pub struct Home {
    directory: TempDir,
}

impl Home {
    /// Returns a new, empty home.
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary folder can be made") }
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Returns all files in it, at any depth.
    pub fn files(&self) -> Vec<PathBuf> {
        files_below(self.path())
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns all files below `directory`, at any depth.
pub(crate) fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(_) => files.push(entry.path()),
                Err(_) => {}
            }
        }
    }
    files
}
