//! What every store must do, checked with SQLite.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails fails the test")]

use std::sync::Arc;

use lanchat_conformance::conformance;
use lanchat_hub::port::Store;
use lanchat_store::SqliteStore;
use tempfile::TempDir;

fn open() -> (Arc<dyn Store>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Arc::new(SqliteStore::open(dir.path()).unwrap()), dir)
}

conformance!(open);
