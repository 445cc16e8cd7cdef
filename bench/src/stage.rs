//! Where a load is played: programs, cores, directories, and for how long.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use lanchat_hub::port::PasswordHash;
use tempfile::TempDir;

use crate::arrival::Arrival;
use crate::fleet::Fleet;
use crate::process::Cores;
use crate::seed::{Member, Scene};
use crate::target::{Programs, Side, Target};

/// The name prefix of a folder that exists for one run.
pub const RUN_PREFIX: &str = "run-";

/// For how long loads run.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Before measurements count.
    pub warm_up: Duration,
    /// While measurements count.
    pub measured: Duration,
    /// How long all connections must be quiet to count as idle.
    pub rest: Duration,
}

impl Pace {
    /// For figures that are to be kept.
    pub const FULL: Self = Self {
        warm_up: Duration::from_secs(1),
        measured: Duration::from_secs(4),
        rest: Duration::from_millis(500),
    };
    /// For a quick look.
    pub const QUICK: Self = Self {
        warm_up: Duration::from_millis(500),
        measured: Duration::from_millis(1500),
        rest: Duration::from_millis(300),
    };
    /// To check that it runs at all.
    pub const TINY: Self = Self {
        warm_up: Duration::from_millis(50),
        measured: Duration::from_millis(200),
        rest: Duration::from_millis(50),
    };
}

/// What all loads share.
#[derive(Clone, Debug)]
pub struct Stage {
    /// What is measured.
    pub programs: Programs,
    /// A folder on the file system where the server keeps its data.
    pub folder: PathBuf,
    /// The cores; `None` on a machine with only one.
    pub cores: Option<Cores>,
    /// For how long.
    pub pace: Pace,
    /// The password of every account, hashed.
    pub phc: PasswordHash,
}

/// A program that runs on a scene.
pub struct Set {
    /// The program.
    pub target: Target,
    /// The accounts.
    pub members: Vec<Member>,
    /// Its directory, unless somebody else keeps that. After the program, so that it is removed when nobody writes in
    /// it.
    _folder: Option<TempDir>,
}

impl Stage {
    /// Prepares a scene and starts a program on it.
    ///
    /// # Errors
    /// When either fails.
    pub fn set(&self, side: Side, scene: Scene, max_clients: Option<usize>) -> Result<Set> {
        let folder = self.fresh_folder()?;
        if side == Side::Server {
            scene.make(folder.path(), &self.phc)?;
        }
        let target = Target::start(&self.programs, side, folder.path(), self.cores, max_clients)?;
        Ok(Set { target, members: scene.members(), _folder: Some(folder) })
    }

    /// Starts a program on a scene that was made before.
    ///
    /// # Errors
    /// When it does not start.
    pub fn set_on(&self, side: Side, scene: Scene, folder: &Path) -> Result<Set> {
        let target = Target::start(&self.programs, side, folder, self.cores, None)?;
        Ok(Set { target, members: scene.members(), _folder: None })
    }

    /// Returns a folder for one run, which is removed after it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn fresh_folder(&self) -> Result<TempDir> {
        fresh_folder(&self.folder)
    }

    /// Brings all accounts of a set in: connected, logged in, attached and idle. Connection and account have the same
    /// number. `room` gives each member's room on the floor.
    ///
    /// # Errors
    /// When one does not get in.
    pub fn gather(&self, side: Side, set: &Set, room: impl Fn(usize) -> String) -> Result<Fleet> {
        self.gather_first(side, set, set.members.len(), room)
    }

    /// As [`Stage::gather`], but only the first `count` accounts.
    ///
    /// # Errors
    /// As [`Stage::gather`].
    pub fn gather_first(
        &self,
        side: Side,
        set: &Set,
        count: usize,
        room: impl Fn(usize) -> String,
    ) -> Result<Fleet> {
        let mut fleet = Fleet::new()?;
        let members = set.members.get(..count).context("as many accounts as are to come")?;
        let mut arrival = Arrival::new(side, members, room)?;
        arrival.bring_in(&mut fleet, set.target.destination())?;
        arrival.rest(&mut fleet, self.pace.rest)?;
        Ok(fleet)
    }
}

/// Returns a folder for one run inside another one, which is removed after the run.
///
/// # Errors
/// When it cannot be made.
pub fn fresh_folder(folder: &Path) -> Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    // The server refuses a folder that others may use.
    builder.prefix(RUN_PREFIX).permissions(Permissions::from_mode(0o700));
    builder
        .tempdir_in(folder)
        .with_context(|| format!("cannot make a folder in {}: name another one with --dir", folder.display()))
}
