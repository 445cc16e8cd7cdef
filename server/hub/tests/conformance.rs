//! What every store must do, by the one in memory that the hub is tested with: what the hub does with it, it does with others.

mod memory_store;

use std::sync::Arc;

use lanchat_conformance::conformance;
use lanchat_hub::port::Store;
use memory_store::MemoryStore;

fn open() -> (Arc<dyn Store>, ()) {
    (MemoryStore::new(), ())
}

conformance!(open);
