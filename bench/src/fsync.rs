//! How long one fsync takes, measured during a load: a thread repeatedly writes a page and waits for the disk.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::measure::Latency;

/// The time between the starts of two of them.
const EVERY: Duration = Duration::from_millis(50);
/// How much each writes.
const BYTES: usize = 4096;

/// The thread. It runs on the core of its starter.
#[derive(Debug)]
pub struct Probe {
    stop: SyncSender<()>,
    thread: JoinHandle<Result<Latency>>,
}

impl Probe {
    /// Starts on the file system of `folder`.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn start(folder: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(folder)?;
        let (stop, stopped) = sync_channel(1);
        let thread = std::thread::Builder::new().name("fsync".into()).spawn(move || {
            let mut latency = Latency::new()?;
            let mut at: u64 = 0;
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                latency.record(write_one(&file, at)?);
                at += BYTES as u64;
            }
            Ok(latency)
        })?;
        Ok(Self { stop, thread })
    }

    /// Ends it and returns its measurements.
    ///
    /// # Errors
    /// When a write failed.
    pub fn finish(self) -> Result<Latency> {
        drop(self.stop);
        self.thread.join().ok().context("the probe of the disk panicked")?
    }
}

/// Appends a page, as a journal does, and waits for it.
fn write_one(file: &File, at: u64) -> Result<Duration> {
    let began = Instant::now();
    file.write_all_at(&[0x5a; BYTES], at)?;
    file.sync_data()?;
    Ok(began.elapsed())
}
