//! Whether the store takes posts: one value for the whole server, told to everybody when it changes.

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

/// Whether posts are taken, as the last commit showed.
pub(crate) struct Writing {
    announcer: Announcer,
    read_only: AtomicBool,
    /// Wakes the prober: the disk was found full.
    full: Notify,
}

impl Writing {
    /// Starts as writable. While it is not, the task looks every `limits::WRITE_PROBE` whether there is space again:
    /// people who know that nothing is taken may not try by themselves.
    pub(crate) fn start(store: Arc<dyn Store>, announcer: Announcer) -> (Arc<Self>, JoinHandle<()>) {
        let writing = Arc::new(Self { announcer, read_only: AtomicBool::new(false), full: Notify::new() });
        let prober = tokio::spawn(probe(Arc::clone(&writing), store));
        (writing, prober)
    }

    /// What holds now.
    pub(crate) fn notice(&self) -> Notice {
        if self.read_only.load(Ordering::SeqCst) { Notice::ReadOnly } else { Notice::Writable }
    }

    /// Learns from a commit. Any other failure than a full disk says nothing about space.
    pub(crate) fn note<T>(&self, committed: &Result<T, StoreError>) {
        match committed {
            Ok(_) => self.set(false),
            Err(StoreError::Full) => self.set(true),
            Err(_) => {}
        }
    }

    /// The value first and the wake-ups second: whoever is woken reads what it was woken for.
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

async fn probe(writing: Arc<Writing>, store: Arc<dyn Store>) {
    loop {
        writing.full.notified().await;
        while writing.notice() == Notice::ReadOnly {
            sleep(limits::WRITE_PROBE).await;
            writing.note(&store.check_space().await);
        }
    }
}
