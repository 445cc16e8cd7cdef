//! How many sessions an account may have.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod memory_store;
mod people;

use lanchat_hub::{Command, Credentials, Error, Event, Hub, HubOptions, LogoutReason, Refusal, Reply};
use lanchat_model::{Password, limits};
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
    let log_in = async || {
        let (name, password) = ("ana".parse().unwrap(), PASSWORD.into());
        let login = Credentials::Login { name, password, device: None };
        hub.authenticate(login, &here()).await.map(|(session, _)| session)
    };
    let mut sessions = vec![ana];
    while sessions.len() < limits::SESSIONS_BY_TOKEN_MAX {
        sessions.push(resume().await.unwrap());
    }
    // The other sessions are reserved for those who know the password.
    while sessions.len() < limits::SESSIONS_PER_ACCOUNT_MAX {
        assert_eq!(resume().await.err(), Some(Error::Refused(Refusal::TooManySessions)));
        sessions.push(log_in().await.unwrap());
    }
    for refused in [resume().await.err(), log_in().await.err()] {
        assert_eq!(refused, Some(Error::Refused(Refusal::TooManySessions)));
    }
    assert!(hub.authenticate(newcomer("bob"), &here()).await.is_ok());
    sessions.truncate(limits::SESSIONS_BY_TOKEN_MAX - 1);
    assert!(resume().await.is_ok(), "the place is free again, and the token as good as it was");
}

/// A thief with a stolen token begins as many sessions as it allows. A change of the password ends them.
#[tokio::test(start_paused = true)]
async fn sessions_of_a_thief_do_not_keep_the_owner_from_changing_the_password() {
    let hub = Hub::open(MemoryStore::new(), HubOptions::default()).await.unwrap();
    let (_, welcome) = hub.authenticate(newcomer("ana"), &here()).await.unwrap();
    let mut token = welcome.token;
    let mut of_thief = Vec::new();
    while let Ok((session, welcome)) =
        hub.authenticate(Credentials::Resume { token: token.clone() }, &here()).await
    {
        token = welcome.token;
        of_thief.push(session);
    }
    assert_eq!(of_thief.len(), limits::SESSIONS_BY_TOKEN_MAX);
    let login = Credentials::Login { name: "ana".parse().unwrap(), password: PASSWORD.into(), device: None };
    let (mut owner, _) = hub.authenticate(login, &here()).await.unwrap();
    let new = Password::parse("battery staple").unwrap();
    let change = Command::ChangePassword { old: PASSWORD.into(), new, renew: false };
    assert!(matches!(owner.submit(change).await, Ok(Reply::PasswordChanged { .. })));
    for session in &mut of_thief {
        let events = session.next_batch().await.unwrap();
        let is_over = |event: &Event| matches!(event, Event::LoggedOut(LogoutReason::PasswordChanged));
        assert!(events.iter().any(is_over));
    }
    assert!(hub.authenticate(Credentials::Resume { token }, &here()).await.is_err());
}
