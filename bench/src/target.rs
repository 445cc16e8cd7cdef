//! What is measured: the server or the floor, as a process of its own with a directory of its own.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use lanchat_certs::Identity;

use crate::fleet::Destination;
use crate::process::{Cores, Memory, cpu_ticks, cpu_time, pin, resident};

/// The log of a program, in its folder.
pub const LOG: &str = "stderr.log";

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The floor.
    Floor,
    /// The server.
    Server,
}

/// The two programs.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `lanchatd`.
    pub server: PathBuf,
    /// This program, of which the floor is a subcommand.
    pub floor: PathBuf,
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Target {
    child: Child,
    destination: Destination,
    started_in: Duration,
}

/// A point in the life of a program, to count from.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    cpu: Duration,
    ticks: (u64, u64),
}

/// CPU time since a mark.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// In the program and in the kernel together.
    pub seconds: f64,
    /// The share of it in the kernel, to the precision of its ticks.
    pub kernel_percent: f64,
}

impl Target {
    /// Starts a program on the data in `folder`, on a free port of the loopback interface, and waits until it listens.
    /// `max_clients` is for the server, which otherwise uses its default.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(
        programs: &Programs,
        side: Side,
        folder: &Path,
        cores: Option<Cores>,
        max_clients: Option<usize>,
    ) -> Result<Self> {
        let mut command = match side {
            Side::Floor => {
                let mut command = Command::new(&programs.floor);
                command.arg("floor").arg(folder.join("identity"));
                command
            }
            Side::Server => {
                let mut command = Command::new(&programs.server);
                command
                    .args(["--listen", "127.0.0.1:0", "--no-mdns", "--name", "bench", "--data"])
                    .arg(folder);
                command.args(max_clients.map(|most| format!("--max-clients={most}")));
                command
            }
        };
        Self::launch(&mut command, folder, cores)
    }

    /// Starts a program that reports where it listens, as [`Target::start`] does. Its log is in [`LOG`] in `folder`,
    /// and so is its key.
    ///
    /// # Errors
    /// When it does not start.
    pub fn launch(command: &mut Command, folder: &Path, cores: Option<Cores>) -> Result<Self> {
        let fingerprint = Identity::load_or_create(&folder.join("identity"))?.fingerprint();
        let log = File::create(folder.join(LOG))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        // A child inherits the core of its starter, so it also sees only one core.
        if let Some(cores) = cores {
            pin(cores.server)?;
        }
        let began = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"));
        if let Some(cores) = cores {
            pin(cores.generator)?;
        }
        let mut child = child?;
        let stdout = child.stdout.take().context("stdout is a pipe")?;
        let address = listening(stdout);
        let address = match address {
            Ok(address) => address,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error.context(format!("see {}", folder.join(LOG).display())));
            }
        };
        let started_in = began.elapsed();
        Ok(Self { child, destination: Destination { address, fingerprint }, started_in })
    }

    /// Returns where it listens.
    pub fn destination(&self) -> Destination {
        self.destination
    }

    /// Returns how long it took from its start until it listened.
    pub fn started_in(&self) -> Duration {
        self.started_in
    }

    /// Returns a mark to count from.
    ///
    /// # Errors
    /// When it has ended.
    pub fn mark(&self) -> Result<Mark> {
        let pid = self.child.id();
        Ok(Mark { cpu: cpu_time(pid)?, ticks: cpu_ticks(pid)? })
    }

    /// Returns the CPU time since a mark.
    ///
    /// # Errors
    /// When it has ended.
    pub fn since(&self, mark: Mark) -> Result<Used> {
        let now = self.mark()?;
        let user = now.ticks.0.saturating_sub(mark.ticks.0) as f64;
        let kernel = now.ticks.1.saturating_sub(mark.ticks.1) as f64;
        Ok(Used {
            seconds: now.cpu.saturating_sub(mark.cpu).as_secs_f64(),
            kernel_percent: kernel / (user + kernel).max(1.0) * 100.0,
        })
    }

    /// Returns the CPU time since it was started.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu(&self) -> Result<Duration> {
        cpu_time(self.child.id())
    }

    /// Returns its bytes in RAM: less precise than [`Target::memory`], but without slowing it down.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resident(&self) -> Result<u64> {
        resident(self.child.id())
    }

    /// Returns whether it still runs.
    ///
    /// # Errors
    /// When the system does not report it.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Returns its memory now.
    ///
    /// # Errors
    /// When it has ended.
    pub fn memory(&self) -> Result<Memory> {
        Memory::of(self.child.id())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the address on which a program reports that it listens.
fn listening(stdout: std::process::ChildStdout) -> Result<SocketAddr> {
    for line in BufReader::new(stdout).lines() {
        if let Some(address) = line?.strip_prefix("listening on ") {
            return Ok(address.parse()?);
        }
    }
    anyhow::bail!("the program ended before it listened")
}
