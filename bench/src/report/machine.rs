//! The machine on which the figures were made.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::company::Company;
use crate::process::Cores;

/// File systems that lose everything with the power: an fsync costs nothing there.
const IN_MEMORY: [&str; 3] = ["tmpfs", "ramfs", "devtmpfs"];

/// The facts needed to interpret a figure.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The model of the CPU.
    pub cpu: String,
    /// How many cores this process may use.
    pub cores: usize,
    /// Name and version.
    pub kernel: String,
    /// The file system of the data directory.
    pub file_system: String,
    /// The commit of the sources, with a `+` if they have changed since.
    pub commit: String,
    /// The compiler.
    pub rustc: String,
    /// The present date.
    pub date: String,
    /// How the report was made.
    pub command: String,
}

impl Machine {
    /// Describes this machine, for data in `folder`.
    ///
    /// # Errors
    /// When `folder` is in memory: fsync would cost nothing there.
    pub fn describe(folder: &Path) -> Result<Self> {
        let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu_info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mounts").context("/proc is needed")?;
        let file_system = file_system_of(&mounts, &folder.canonicalize()?);
        ensure!(
            !IN_MEMORY.iter().any(|kind| file_system.starts_with(kind)),
            "{} is in memory, where an fsync costs nothing: name a folder on a disk with --dir",
            folder.display()
        );
        let changed = if said(&["git", "status", "--porcelain"]).is_empty() { "" } else { "+" };
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        Ok(Self {
            cpu: model.map_or("unknown", |(_, name)| name.trim()).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: format!("Linux {}", kernel.trim()),
            file_system,
            commit: format!("{}{changed}", said(&["git", "rev-parse", "--short", "HEAD"])),
            rustc: said(&["rustc", "--version"]),
            date: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            command: format!("cargo run --release -p lanchat-bench -- {}", arguments.join(" ")),
        })
    }
}

impl Machine {
    /// Returns the head of the report.
    pub fn facts(&self, cores: Option<Cores>, company: &Company) -> Vec<(&'static str, String)> {
        let pinned = cores.map_or_else(
            || "one core, shared by all: the figures are no measure of the server".to_owned(),
            |cores| {
                format!("server and floor on core {}, generator on core {}", cores.server, cores.generator)
            },
        );
        vec![
            ("CPU", format!("{} × {}", self.cores, self.cpu)),
            ("pinned", pinned),
            ("kernel", self.kernel.clone()),
            ("data on", self.file_system.clone()),
            ("company", company.words()),
            ("commit", self.commit.clone()),
            ("compiler", self.rustc.clone()),
            ("date", self.date.clone()),
            ("command", format!("`{}`", self.command)),
        ]
    }
}

/// Returns the kind and options of a folder's file system.
fn file_system_of(mounts: &str, folder: &Path) -> String {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (_, place, kind, options) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        folder.starts_with(place).then(|| (place.len(), format!("{kind} ({options})")))
    });
    // Of two mounts at the same place, the later one hides the other.
    mounts.max_by_key(|(length, _)| *length).map_or_else(|| "unknown".to_owned(), |(_, found)| found)
}

/// Returns a program's output; nothing if it cannot be run.
fn said(words: &[&str]) -> String {
    let Some((program, arguments)) = words.split_first() else { return String::new() };
    let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_mount_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw,nosuid 0 0\n";
        assert_eq!(file_system_of(mounts, Path::new("/home/x")), "ext4 (rw)");
        assert_eq!(file_system_of(mounts, Path::new("/tmp/x")), "tmpfs (rw,nosuid)");
    }
}
