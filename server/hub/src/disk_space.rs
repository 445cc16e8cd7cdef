//! Whether the store accepts posts: one value for the whole server, announced to everybody when it changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lanchat_model::limits;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::announcer::Announcer;
use crate::bus::Hint;
use crate::event::Notice;
use crate::port::{Store, StoreError};

/// Whether posts are accepted, as the last commit showed.
pub(crate) struct DiskSpace {
    announcer: Announcer,
    read_only: AtomicBool,
    /// Wakes the prober when the disk was found full.
    full: Notify,
}

impl DiskSpace {
    /// Starts as writable. While the disk is full, the task checks every `limits::WRITE_PROBE` whether there is space
    /// again: people who know that posts are refused may not try.
    pub(crate) fn start(store: Arc<dyn Store>, announcer: Announcer) -> (Arc<Self>, JoinHandle<()>) {
        let disk_space = Arc::new(Self { announcer, read_only: AtomicBool::new(false), full: Notify::new() });
        let prober = tokio::spawn(probe(Arc::clone(&disk_space), store));
        (disk_space, prober)
    }

    /// Returns the current notice.
    pub(crate) fn notice(&self) -> Notice {
        if self.read_only.load(Ordering::SeqCst) { Notice::ReadOnly } else { Notice::Writable }
    }

    /// Learns from the result of a commit. A failure other than a full disk says nothing about space.
    pub(crate) fn note<T>(&self, committed: &Result<T, StoreError>) {
        match committed {
            Ok(_) => self.set(false),
            Err(StoreError::Full) => self.set(true),
            Err(_) => {}
        }
    }

    /// Sets the value before the wake-ups, so that a woken session reads the new value.
    fn set(&self, read_only: bool) {
        if self.read_only.swap(read_only, Ordering::SeqCst) == read_only {
            return;
        }
        if read_only {
            warn!("the disk is full: nothing is taken until there is space");
            self.full.notify_one();
        } else {
            info!("there is space again: messages are taken");
        }
        self.announcer.announce(&Hint::Notice);
    }
}

async fn probe(disk_space: Arc<DiskSpace>, store: Arc<dyn Store>) {
    loop {
        disk_space.full.notified().await;
        while disk_space.notice() == Notice::ReadOnly {
            sleep(limits::WRITE_PROBE).await;
            disk_space.note(&store.check_space().await);
        }
    }
}
