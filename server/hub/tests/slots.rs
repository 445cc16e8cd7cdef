//! Only somebody who has proved who they are takes the slot of a session.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod memory_store;
mod people;

use lanchat_hub::{Credentials, Hub, HubOptions, Source};
use lanchat_model::limits;
use memory_store::MemoryStore;
use people::{here, newcomer};
use tokio::time::timeout;

/// The logins of strangers are under way, one of each kind from each source, on a server for two.
#[tokio::test(start_paused = true)]
async fn strangers_whose_logins_are_under_way_leave_a_small_server_its_places() {
    let store = MemoryStore::new();
    let options = HubOptions { clients_max: 2, registration_open: true };
    let hub = Hub::open(store.clone(), options).await.unwrap();
    let (ana, welcome) = hub.authenticate(newcomer("ana"), &here()).await.unwrap();
    drop(ana);
    let gate = store.hold();
    let mut strangers = Vec::new();
    for number in 0..10 {
        let guess = Credentials::Login {
            name: "ana".parse().unwrap(),
            password: "not this one".into(),
            device: None,
        };
        let made_up = Credentials::Resume { token: format!("{number}").repeat(64) };
        assert!(hub.authenticate(made_up, &here()).await.is_err(), "it never is under way");
        for credentials in [guess, newcomer(&format!("somebody-{number}"))] {
            let (hub, source) = (hub.clone(), Source(format!("10.0.0.{number}").into()));
            let mut stranger =
                Box::pin(async move { hub.authenticate(credentials, &source).await.map(drop) });
            assert!(timeout(limits::PRESENCE_WAIT_MAX, &mut stranger).await.is_err(), "it is under way");
            strangers.push(stranger);
        }
    }
    store.let_pass();
    let back = hub.authenticate(Credentials::Resume { token: welcome.token }, &here()).await;
    assert!(back.is_ok(), "{:?}", back.err());
    gate.open();
}
