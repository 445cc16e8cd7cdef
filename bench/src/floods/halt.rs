//! One stop signal for all threads of a run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Whether to stop. Clones share the signal.
#[derive(Clone, Debug, Default)]
pub struct Halt(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    said: AtomicBool,
    lock: Mutex<()>,
    heard: Condvar,
}

impl Halt {
    /// Tells all threads to stop.
    pub fn say(&self) {
        let _held = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.said.store(true, Ordering::Release);
        self.0.heard.notify_all();
    }

    /// Returns whether the threads were told to stop.
    pub fn is_said(&self) -> bool {
        self.0.said.load(Ordering::Acquire)
    }

    /// Waits for this long, or until the signal. Returns whether it was given.
    pub fn wait(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        let mut held = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.is_said() {
            let rest = end.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return false;
            }
            held = self.0.heard.wait_timeout(held, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Tells all threads to stop as soon as a signal asks this process to end (Ctrl+C, SIGTERM, a terminal that goes
    /// away), so that everything that was started is stopped before it exits.
    ///
    /// # Errors
    /// When the process cannot wait for signals.
    pub fn on_signals(&self) -> Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        drop(entered);
        let halt = self.clone();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
            });
            halt.say();
        })?;
        Ok(())
    }
}
