//! How many sessions an account may have.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod memory_store;
mod people;

use lanchat_hub::{Credentials, Error, Hub, HubOptions, Refusal};
use lanchat_model::limits;
use memory_store::MemoryStore;
use people::{PASSWORD, here, newcomer};

#[tokio::test(start_paused = true)]
async fn an_account_has_a_bounded_number_of_sessions() {
    let hub = Hub::open(MemoryStore::new(), HubOptions::default()).await.unwrap();
    let (ana, welcome) = hub.authenticate(newcomer("ana"), &here()).await.unwrap();
    let resume = async || {
        let token = Credentials::Resume { token: welcome.token.clone() };
        hub.authenticate(token, &here()).await.map(|(session, _)| session)
    };
    let mut sessions = vec![ana];
    while sessions.len() < limits::SESSIONS_PER_ACCOUNT_MAX {
        sessions.push(resume().await.unwrap());
    }
    let login = Credentials::Login { name: "ana".parse().unwrap(), password: PASSWORD.into(), device: None };
    for refused in [resume().await.err(), hub.authenticate(login, &here()).await.err()] {
        assert_eq!(refused, Some(Error::Refused(Refusal::TooManySessions)));
    }
    assert!(hub.authenticate(newcomer("bob"), &here()).await.is_ok());
    sessions.pop();
    assert!(resume().await.is_ok(), "the place is free again, and the token as good as it was");
}
