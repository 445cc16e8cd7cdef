//! While the disk is full, only known devices get in, to read.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod memory_store;
mod people;

use std::collections::BTreeMap;

use lanchat_hub::{
    Command, Credentials, Error, Event, Hub, HubOptions, Notice, Refusal, Reply, Session, Welcome,
};
use memory_store::MemoryStore;
use people::{PASSWORD, here, newcomer};

async fn enter(hub: &Hub, credentials: Credentials) -> Result<(Session, Welcome), Error> {
    hub.authenticate(credentials, &here()).await
}

async fn resume(hub: &Hub, token: &str) -> Result<(Session, Welcome), Error> {
    enter(hub, Credentials::Resume { token: token.into() }).await
}

#[tokio::test(start_paused = true)]
async fn a_known_device_resumes_and_keeps_its_token() {
    let store = MemoryStore::new();
    let hub = Hub::open(store.clone(), HubOptions::default()).await.unwrap();
    let first = enter(&hub, newcomer("ana")).await.unwrap().1.token;
    let second = resume(&hub, &first).await.unwrap().1.token;
    store.fill_disk(true);

    // Either token of the device works, any number of times.
    for token in [&first, &second, &second] {
        let (mut ana, welcome) = resume(&hub, token).await.unwrap();
        assert_eq!(&welcome.token, token);
        let command = Command::Attach { epoch: None, cursors: BTreeMap::new(), tail: 5 };
        let Reply::Attached { rooms, .. } = ana.submit(command).await.unwrap() else {
            panic!("not attached")
        };
        assert_eq!(rooms.len(), 1);
        ana.ready().await;
        let told = ana.next_batch().await.unwrap();
        assert!(told.iter().any(|event| matches!(event, Event::Notice(Notice::ReadOnly))), "{told:?}");
    }
    let stranger = resume(&hub, &"0".repeat(64)).await;
    assert!(matches!(stranger, Err(Error::ReadOnly)));
    let login = Credentials::Login { name: "ana".parse().unwrap(), password: PASSWORD.into(), device: None };
    assert!(matches!(enter(&hub, login).await, Err(Error::ReadOnly)));
    assert!(matches!(enter(&hub, newcomer("bob")).await, Err(Error::ReadOnly)));

    store.fill_disk(false);
    let third = resume(&hub, &second).await.unwrap().1.token;
    assert_ne!(third, second);
    assert!(matches!(resume(&hub, &first).await, Err(Error::Refused(Refusal::TokenCopied))));
}
