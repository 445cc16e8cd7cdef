//! The server inside another program: it is built, used and stopped.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;

use lanchat_certs::{Decision, Policy, client_config};
use lanchat_server::{App, AppError, InterfaceRule, Options};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::sync::CancellationToken;

fn options(data: &Path) -> Options {
    Options {
        data: data.join("data"),
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        name: "lab".into(),
        interfaces: InterfaceRule::default(),
        mdns: false,
        clients_max: 8,
        registration_open: true,
    }
}

#[tokio::test]
async fn a_server_is_built_greets_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::build(options(folder.path())).await.unwrap();
    let (address, id, handle) = (app.addresses()[0], app.server_id(), app.handle());
    assert_ne!(address.port(), 0);
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(app.run(shutdown.clone()));

    let policy = Policy { expected: Some(handle.fingerprint()), ..Policy::default() };
    let (config, observation) = client_config(policy, &[b"lanchat/1"]);
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::from(address.ip());
    let stream = TlsConnector::from(config).connect(name, stream).await.unwrap();
    let observed = observation.outcome().unwrap().unwrap();
    assert_eq!((observed.server_id, observed.decision), (id, Decision::First));
    let mut lines = BufReader::new(stream).lines();
    let hello = lines.next_line().await.unwrap().unwrap();
    assert!(hello.contains("\"type\":\"hello\"") && hello.contains(&id.to_string()), "{hello}");
    assert_eq!(handle.online(), 0);
    assert!(!handle.set_admin("nobody".parse().unwrap()).await.unwrap());

    shutdown.cancel();
    running.await.unwrap().unwrap();
    // Goodbye, then the end of the stream.
    while lines.next_line().await.unwrap_or_default().is_some() {}
}

#[tokio::test]
async fn the_same_server_comes_back_and_two_at_once_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = App::build(options(folder.path())).await.unwrap();
    let identity = (first.server_id(), first.fingerprint());
    assert!(matches!(App::build(options(folder.path())).await, Err(AppError::DataDir(_))));
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    first.run(shutdown).await.unwrap();

    let again = App::build(options(folder.path())).await.unwrap();
    assert_eq!((again.server_id(), again.fingerprint()), identity);
}
