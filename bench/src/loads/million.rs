//! A room with a long history: how soon the server is ready, how much it needs before anybody connects, and how soon
//! old entries arrive.

use std::fs::File;
use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use tempfile::TempDir;

use super::dialogue::Dialogue;
use super::{Goal, Load, Sample};
use crate::measure::Latency;
use crate::seed::{HALL, Scene};
use crate::stage::Stage;
use crate::target::Side;
use crate::wire::Kind;

/// Pages that are requested at each position.
const PAGES: u64 = 200;
/// Entries of a page: what a client asks for by default.
const PAGE: u64 = 50;

/// The load.
#[derive(Debug)]
pub struct Million {
    /// Messages in the room.
    pub messages: usize,
    /// Made once, because that takes longer than the whole measurement; each run starts the server on it anew.
    folder: OnceLock<TempDir>,
}

impl Million {
    /// Returns the load with this many messages in the room.
    pub const fn with_messages(messages: usize) -> Self {
        Self { messages, folder: OnceLock::new() }
    }

    /// Requests pages before positions and returns how long each took.
    fn pages(dialogue: &mut Dialogue, before: impl Fn(u64) -> u64) -> Result<Latency> {
        let mut latency = Latency::new()?;
        for number in 0..PAGES {
            let before = before(number);
            let ask = format!(
                "{{\"type\":\"history\",\"id\":\"h{number}\",\"room\":\"{HALL}\",\"before\":{before},\"limit\":{PAGE}}}\n"
            );
            latency.record(dialogue.ask(ask.as_bytes(), Kind::History)?);
        }
        Ok(latency)
    }
}

impl Load for Million {
    fn name(&self) -> String {
        "million".to_owned()
    }

    fn sides(&self) -> &'static [Side] {
        &[Side::Server]
    }

    fn play(&self, stage: &Stage, side: Side) -> Result<Vec<Sample>> {
        let scene = Scene { members: 100, hall: true, messages: self.messages, ..Scene::default() };
        let folder = match self.folder.get() {
            Some(folder) => folder,
            None => {
                let folder = stage.fresh_folder()?;
                scene.make(folder.path(), &stage.phc)?;
                self.folder.get_or_init(|| folder)
            }
        };
        forget(folder.path())?;
        let set = stage.set_on(side, scene, folder.path())?;
        let memory = set.target.memory()?;
        let mut dialogue = Dialogue::begin(&set, set.members.first().context("a member")?)?;
        let (all, half) = (self.messages as u64, self.messages as u64 / 2);
        // Steps that share no factor with the number of messages, so that no page is asked for twice.
        let middle = Self::pages(&mut dialogue, |number| half + (number * 1013) % (half / 2).max(1) + 1)?;
        let end = Self::pages(&mut dialogue, |number| (all - (number * 13) % half.max(1)).max(1))?;
        Ok(vec![
            Sample::new("start to listening", "ms", set.target.started_in().as_secs_f64() * 1e3),
            Sample::new("memory before clients", "MiB", memory.resident as f64 / 1024.0 / 1024.0),
            Sample::new("page from the middle p50", "ms", middle.quantile_ms(0.5)),
            Sample::new("page from the middle p99", "ms", middle.quantile_ms(0.99)),
            Sample::new("page from the end p50", "ms", end.quantile_ms(0.5)),
            Sample::new("page from the end p99", "ms", end.quantile_ms(0.99)),
        ])
    }

    fn goals(&self) -> Vec<Goal> {
        vec![Goal::AtMost("start to listening", 100.0), Goal::AtMost("memory before clients", 20.0)]
    }
}

/// Asks the kernel to drop its cache of the files in a folder, so that a start reads them from the disk.
fn forget(folder: &Path) -> Result<()> {
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.is_file() {
            let file = File::open(&path)?;
            file.sync_all()?;
            posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
        }
    }
    Ok(())
}
