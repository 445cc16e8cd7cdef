//! Devices of clients that do not keep a token, but prove the password each time they connect.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod memory_store;
mod people;
mod talk;

use lanchat_hub::{Command, Credentials, Error, Event, Hub, LogoutReason, Refusal, Session, Welcome};
use lanchat_model::limits;
use people::{PASSWORD, here};
use talk::{drain, hub, register};

async fn log_in(hub: &Hub, kind: &'static str, device: &str) -> (Session, Welcome) {
    let (name, password) = ("ana".parse().unwrap(), PASSWORD.into());
    let credentials = Credentials::LoginAgain { name, password, kind, device: device.into() };
    hub.authenticate(credentials, &here()).await.unwrap()
}

async fn resume(hub: &Hub, token: &str) -> Result<(Session, Welcome), Error> {
    hub.authenticate(Credentials::Resume { token: token.into() }, &here()).await
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_by_password_again_and_again_logs_out_no_phone() {
    let (hub, _store) = hub().await;
    let (phone, welcome) = register(&hub, "ana").await;
    drop(phone);
    for _ in 0..=limits::DEVICES_PER_ACCOUNT_MAX {
        log_in(&hub, "irc", "weechat").await;
    }
    assert!(resume(&hub, &welcome.token).await.is_ok(), "the phone is logged in still");
}

#[tokio::test(start_paused = true)]
async fn a_device_of_a_kind_is_none_of_another() {
    let (hub, _store) = hub().await;
    register(&hub, "ana").await;
    // Whatever label a login gives its device, the device is a separate one: doors remove control characters from
    // labels.
    let mut tokens = Vec::new();
    for device in ["laptop", "irc", "irc laptop", "irc\u{1f}laptop"] {
        let (name, password) = ("ana".parse().unwrap(), PASSWORD.into());
        let device = Some(device.chars().filter(|c| !c.is_control()).collect());
        let credentials = Credentials::Login { name, password, device };
        tokens.push(hub.authenticate(credentials, &here()).await.unwrap().1.token);
    }
    let (_, on_irc) = log_in(&hub, "irc", "laptop").await;
    let (_, of_an_app) = log_in(&hub, "app", "laptop").await;
    tokens.push(of_an_app.token);
    log_in(&hub, "irc", "laptop").await;
    for token in &tokens {
        assert!(resume(&hub, token).await.is_ok());
    }
    let refused = resume(&hub, &on_irc.token).await.map(|_| ());
    assert_eq!(refused, Err(Error::Refused(Refusal::BadToken)), "it was used again");
}

#[tokio::test(start_paused = true)]
async fn two_connections_of_one_device_are_two_sessions_until_it_is_logged_out() {
    let (hub, _store) = hub().await;
    register(&hub, "ana").await;
    let (mut one, _) = log_in(&hub, "irc", "bouncer").await;
    let (mut other, _) = log_in(&hub, "irc", "bouncer").await;
    assert!(drain(&mut one).await.is_empty(), "the second one ends nothing");
    other.submit(Command::Logout).await.unwrap();
    let told = drain(&mut one).await;
    assert!(matches!(told[..], [Event::LoggedOut(LogoutReason::Elsewhere)]), "{told:?}");
}
