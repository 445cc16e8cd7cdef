//! One flood against a fresh server: first quiet, then the flood, then quiet again, with users all the while.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use lanchat_hub::port::PasswordHash;

use super::Flood;
use super::field::{CHATTER, DEVICE, Field, PERSON, SERVER_NAME, Tally};
use super::found::search;
use super::ground::{Ground, Host};
use super::halt::Halt;
use super::member::{Chat, chat};
use super::outcome::{Outcome, Phase};
use super::visit::{Key, Visit, come_and_go};
use crate::fleet::Destination;
use crate::process::pin;
use crate::seed::{self, Scene};
use crate::stage::fresh_folder;
use crate::target::{LOG, Target};

/// Accounts of the server.
const ACCOUNTS: usize = 200;
/// The pause between two visits of a device.
const DEVICE_PAUSE: Duration = Duration::from_millis(500);
/// The pause between two visits of a person; a quarter of the flood if that is less.
const PERSON_PAUSE: Duration = Duration::from_secs(2);
/// How often the memory is measured.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long the member may take to log in when nothing else happens.
const READY_MAX: Duration = Duration::from_secs(30);
/// How long a flood may take to stop when told to.
const STOP_MAX: Duration = Duration::from_secs(10);

/// How long the parts of a trial are, and how much of the machine the flood gets.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Before the flood.
    pub idle: Duration,
    /// The flood.
    pub flood: Duration,
    /// After the flood, until the memory is measured again.
    pub after: Duration,
    /// What the flood's thread adds to its niceness.
    pub nice: i32,
    /// The core of the flood's thread.
    pub core: Option<usize>,
}

/// What all trials of a run share.
#[derive(Clone, Debug)]
pub struct Trials {
    /// `lanchatd`.
    pub server: PathBuf,
    /// A folder on the file system where the server keeps its data.
    pub folder: PathBuf,
    /// The hosts.
    pub ground: Ground,
    /// The password of every account, hashed.
    pub phc: PasswordHash,
    /// How long the parts of a trial are.
    pub rules: Rules,
    /// Set when the run is to end.
    pub halt: Halt,
}

/// Tells all threads to stop when dropped, so that waiting for them always ends.
struct AtEnd<'h>([&'h Halt; 2]);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|halt| halt.say());
    }
}

/// The threads of the server's users.
struct Users<'s> {
    chat: ScopedJoinHandle<'s, Result<Chat>>,
    device: ScopedJoinHandle<'s, Vec<Visit>>,
    person: ScopedJoinHandle<'s, Vec<Visit>>,
    search: Option<ScopedJoinHandle<'s, Result<Vec<Visit>>>>,
}

impl Trials {
    /// Plays one flood.
    ///
    /// # Errors
    /// When the server does not start, the system refuses, or the run is to end.
    pub fn play(&self, flood: &dyn Flood) -> Result<Outcome> {
        let folder = fresh_folder(&self.folder)?;
        let scene = Scene { members: ACCOUNTS, hall: true, ..Scene::default() };
        scene.make(folder.path(), &self.phc)?;
        let mut command = Command::new(&self.server);
        command.args(["--name", SERVER_NAME, "--data"]).arg(folder.path()).args(self.ground.flags());
        // A log as in production, whatever the environment of this process says.
        command.env_remove("LANCHAT_LOG");
        let mut target = self.ground.server.within(|| Target::launch(&mut command, folder.path(), None))?;
        let field = Field {
            ground: self.ground.clone(),
            fingerprint: target.destination().fingerprint,
            listening: target.destination().address,
            members: scene.members(),
            end: Instant::now(),
            halt: Halt::default(),
        };
        let (over, ready) = (Halt::default(), Halt::default());
        std::thread::scope(|scope| {
            let at_end = AtEnd([&over, &field.halt]);
            let users = self.users(scope, flood, &field, &over, &ready)?;
            ensure!(!self.waits(&ready)?, "the member did not come in, and nothing else went on");
            self.pause(self.rules.idle)?;
            let mut outcome = Outcome::of(flood);
            let before = Look::at(&target, folder.path())?;
            let began = Instant::now();
            let field = Field { end: began + self.rules.flood, ..field.clone() };
            let flooding = scope.spawn({
                let field = field.clone();
                move || self.rage(flood, &field)
            });
            let peak = self.watch(&mut target, began, &field.halt, || flooding.is_finished())?;
            outcome.has_ended = !target.is_running()?;
            let ended = Instant::now();
            let after = Look::at(&target, folder.path())?;
            drop(at_end);
            let tally = flooding.join().map_err(|_| anyhow!("the flood's thread died"))??;
            outcome.flooded(&tally, ended - began);
            users.tell(&mut outcome, Phase { began, ended })?;
            before.compare(&after, peak, ended - began, &mut outcome);
            self.pause(self.rules.after)?;
            outcome.kept_mib =
                Some(mib(target.resident().unwrap_or(0), before.resident)).filter(|_| !outcome.has_ended);
            Ok(outcome)
        })
    }

    /// Waits until `ready` is set. Returns whether the wait was in vain.
    fn waits(&self, ready: &Halt) -> Result<bool> {
        let end = Instant::now() + READY_MAX;
        while !ready.wait(LOOK_EVERY) {
            ensure!(!self.halt.is_said(), "stopped");
            if Instant::now() > end {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn pause(&self, time: Duration) -> Result<()> {
        ensure!(!self.halt.wait(time), "stopped");
        Ok(())
    }

    fn rage(&self, flood: &dyn Flood, field: &Field) -> Result<Tally> {
        rustix::process::nice(self.rules.nice).context("the system does not let the flood be so nice")?;
        if let Some(core) = self.rules.core {
            pin(core)?;
        }
        flood.rage(field).with_context(|| format!("the flood {} failed", flood.name()))
    }

    /// Measures the server's memory until the flood is over, and returns the maximum.
    fn watch(
        &self,
        target: &mut Target,
        began: Instant,
        flood: &Halt,
        is_over: impl Fn() -> bool,
    ) -> Result<u64> {
        let mut peak = 0;
        while !is_over() {
            ensure!(!self.halt.wait(LOOK_EVERY), "stopped");
            // A server that has ended has no memory, and nothing is left to flood.
            peak = peak.max(target.resident().unwrap_or(0));
            if !target.is_running()? {
                flood.say();
            }
            if began.elapsed() > self.rules.flood + STOP_MAX {
                flood.say();
                bail!("the flood did not stop");
            }
        }
        Ok(peak)
    }

    /// Starts the server's users. They stop when `over` is set; the member sets `ready` when it is logged in.
    fn users<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        flood: &dyn Flood,
        field: &Field,
        over: &Halt,
        ready: &Halt,
    ) -> Result<Users<'s>> {
        let family = flood.family();
        let place = |host: &Host| {
            let address = self.ground.destination(family, host, field.listening);
            (host.sources(family), Destination { address, fingerprint: field.fingerprint })
        };
        let token = |number: usize| field.members.get(number).map(|member| member.token.clone());
        let (member, person) = (&self.ground.member, &self.ground.person);
        let (sources, to) = place(member);
        let from = *sources.first().context("a member has an address")?;
        let chatter = token(CHATTER).context("a member")?;
        let (halt, begun) = (over.clone(), ready.clone());
        let chat = scope.spawn(move || chat(member, from, to, chatter, &halt, &begun));
        let (key, halt) = (Key::Token(token(DEVICE).context("a device")?), over.clone());
        let device = scope.spawn(move || come_and_go(member, &sources, to, key, DEVICE_PAUSE, &halt));
        let ((sources, to), halt) = (place(person), over.clone());
        let (key, pause) = (Key::Password(seed::name(PERSON)), PERSON_PAUSE.min(self.rules.flood / 4));
        let person = scope.spawn(move || come_and_go(person, &sources, to, key, pause, &halt));
        let halt = over.clone();
        let server = &self.ground.server;
        let search =
            flood.is_multicast().then(|| scope.spawn(move || search(member, server, SERVER_NAME, &halt)));
        Ok(Users { chat, device, person, search })
    }
}

impl Users<'_> {
    /// Waits for all to stop, and records what they experienced.
    fn tell(self, outcome: &mut Outcome, phase: Phase) -> Result<()> {
        let died = |_| anyhow!("the thread of somebody who uses the server died");
        outcome.chatted(&self.chat.join().map_err(died)??, phase)?;
        outcome.device.visited(&self.device.join().map_err(died)?, phase);
        outcome.person.visited(&self.person.join().map_err(died)?, phase);
        if let Some(search) = self.search {
            outcome.found.get_or_insert_default().visited(&search.join().map_err(died)??, phase);
        }
        Ok(())
    }
}

/// What a server has used so far.
struct Look {
    resident: u64,
    log: u64,
    disk: u64,
    cpu: Duration,
}

impl Look {
    fn at(target: &Target, folder: &Path) -> Result<Self> {
        Ok(Self {
            resident: target.resident().unwrap_or(0),
            log: fs::metadata(folder.join(LOG))?.len(),
            disk: size_of(folder),
            cpu: target.cpu().unwrap_or_default(),
        })
    }

    fn compare(&self, after: &Self, peak: u64, took: Duration, outcome: &mut Outcome) {
        let seconds = took.as_secs_f64().max(f64::EPSILON);
        outcome.growth_mib = mib(peak.max(after.resident), self.resident);
        outcome.log_kb_per_second = after.log.saturating_sub(self.log) as f64 / 1000.0 / seconds;
        outcome.disk_mib = mib(after.disk, self.disk);
        outcome.cpu_percent = after.cpu.saturating_sub(self.cpu).as_secs_f64() / seconds * 100.0;
    }
}

/// Returns the growth, in MiB.
fn mib(now: u64, before: u64) -> f64 {
    now.saturating_sub(before) as f64 / 1024.0 / 1024.0
}

/// Returns the bytes of the files in a folder, including its subfolders.
fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => size_of(&entry.path()),
        Ok(found) => found.len(),
        // A file may disappear meanwhile.
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}
