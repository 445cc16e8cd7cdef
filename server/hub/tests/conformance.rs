//! Checks the store in memory for what every store must do, so that tests of the hub with it hold for other stores too.

mod memory_store;

use std::sync::Arc;

use lanchat_conformance::conformance;
use lanchat_hub::port::Store;
use memory_store::MemoryStore;

fn open() -> (Arc<dyn Store>, ()) {
    (MemoryStore::new(), ())
}

conformance!(open);
