//! Gates: which ones exist, and which connections they let through.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use lanchat_certs::{Policy, client_config, server_config};
use lanchat_listener::{Gate, Listener, NoGate};
use lanchat_protocol::version;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::framed::FramedDoor;
use crate::site::{Site, info};

#[tokio::test]
async fn plain_text_is_for_this_computer_alone_unless_somebody_says_otherwise() {
    let every = [SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), (Ipv6Addr::UNSPECIFIED, 0).into()];
    // A host may lack IPv6.
    for address in every.into_iter().filter(|address| lanchat_listener::bind(*address).is_ok()) {
        let bound = || lanchat_listener::bind(address).unwrap();
        let refused = Gate::plain(bound(), Arc::new(FramedDoor), false).err();
        assert!(matches!(refused, Some(NoGate::Exposed(_))), "{address}");
        assert!(Gate::plain(bound(), Arc::new(FramedDoor), true).is_ok());
    }
    for address in [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), (Ipv6Addr::LOCALHOST, 0).into()] {
        let Ok(bound) = lanchat_listener::bind(address) else { continue };
        assert!(Gate::plain(bound, Arc::new(FramedDoor), false).is_ok(), "{address}");
    }
}

async fn shake_hands(address: SocketAddr, alpn: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
    let (config, _) = client_config(Policy::default(), alpn);
    let tcp = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(config).connect(ServerName::from(address.ip()), tcp).await
}

/// Returns the server's first bytes; none if it closes.
async fn greeting(address: SocketAddr, alpn: &[&[u8]]) -> Vec<u8> {
    let Ok(mut stream) = shake_hands(address, alpn).await else { return Vec::new() };
    let mut piece = [0; 4096];
    let count = stream.read(&mut piece).await.unwrap_or(0);
    piece[..count].to_vec()
}

#[tokio::test]
async fn among_several_doors_one_is_chosen_by_its_protocol_and_whoever_names_none_goes_nowhere() {
    let site = Site::with(|socket, slot, hub| {
        let door = lanchat_door_native::door(info());
        Listener::new(vec![Gate::by_alpn(socket, server_config(slot, &[version::ALPN]), vec![door])], hub)
    })
    .await;
    assert!(greeting(site.address, &[version::ALPN]).await.starts_with(b"{\"type\":\"hello\""));
    assert!(greeting(site.address, &[]).await.is_empty());
    assert!(greeting(site.address, &[b"irc"]).await.is_empty());
    site.close().await;
}

#[tokio::test]
async fn a_door_of_its_own_listener_serves_whoever_names_its_protocol_or_none() {
    let site = Site::with(|socket, slot, hub| {
        let door = lanchat_door_native::door(info());
        Listener::new(vec![Gate::encrypted(socket, server_config(slot, &[version::ALPN]), door)], hub)
    })
    .await;
    for alpn in [&[version::ALPN][..], &[]] {
        assert!(greeting(site.address, alpn).await.starts_with(b"{\"type\":\"hello\""));
    }
    assert!(greeting(site.address, &[b"http/1.1"]).await.is_empty(), "TLS refuses it");
    site.close().await;
}
