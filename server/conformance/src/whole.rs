//! Cases of `port::Store`: the store as a whole.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails fails the test")]
#![allow(missing_docs, reason = "the name of a case says what a store must do")]

use std::sync::Arc;

use lanchat_hub::port::Store;
use lanchat_model::{RoomName, Seq, limits};

use crate::scene::{append, draft, facts, fresh, message, person};

pub async fn a_store_has_an_epoch(store: Arc<dyn Store>) {
    let epoch = store.epoch().await.unwrap();
    assert!((1..=limits::EPOCH_BYTES_MAX).contains(&epoch.len()), "{epoch}");
    assert!(epoch.bytes().all(|b| b.is_ascii_graphic()), "{epoch}");
    assert_eq!(store.epoch().await.unwrap(), epoch);
}

pub async fn a_store_with_space_can_be_written_to(store: Arc<dyn Store>) {
    let lobby = store.group(RoomName::lobby()).await.unwrap().unwrap();
    store.check_space().await.unwrap();
    assert_eq!(store.group(RoomName::lobby()).await.unwrap().unwrap(), lobby, "nobody can tell");
}

pub async fn a_store_that_is_closed_has_all_that_it_kept(store: Arc<dyn Store>) {
    let epoch = store.epoch().await.unwrap();
    let ana = person(&*store, "ana").await;
    let lobby = store.group(RoomName::lobby()).await.unwrap().unwrap();
    let kept = fresh(append(&*store, draft(&ana, lobby.id, message("kept"))).await);
    store.close().await.unwrap();
    // A reader that continues until the process ends still gets its answers.
    assert_eq!(store.epoch().await.unwrap(), epoch);
    let log = store.read_after(lobby.id, kept.seq.back(1), 10).await.unwrap();
    assert_eq!((log.len(), facts(&log[0])), (1, facts(&kept)));
    assert!(store.read_after(lobby.id, Seq::ZERO, 10).await.unwrap().len() > 1);
}
