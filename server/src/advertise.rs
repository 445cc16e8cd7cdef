//! The advert: says on the local network, by mDNS, that there is a server (PROTOCOL §1, RFC 6762, RFC 6763).
//!
//! It is a hint. A server that cannot advertise still serves, and can be reached by its address.

use std::net::SocketAddr;
use std::time::Duration;

use lanchat_model::{ServerId, limits};
use lanchat_protocol::beacon::{Beacon, SERVICE_TYPE};
use lanchat_protocol::version;
use mdns_sd::{DaemonEvent, IfKind, IfPredicate, Receiver, ServiceDaemon, ServiceInfo};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::interfaces::{InterfaceRule, takes};

/// A goodbye is sent a second time after 120 ms, in case the first one got lost; this is that and some slack.
const SECOND_GOODBYE: Duration = Duration::from_millis(150);

/// What is advertised, and where.
#[derive(Clone, Debug)]
pub(crate) struct Advert {
    pub(crate) server_id: ServerId,
    pub(crate) name: String,
    pub(crate) sockets: Vec<SocketAddr>,
    pub(crate) rule: InterfaceRule,
}

/// Why an advertiser ended.
enum Ended {
    /// The server stops.
    Stopped,
    /// Another server has the same name.
    NameTaken,
    /// Its thread is gone: a packet that it could not bear, or the system.
    Died,
}

/// Advertises until `shutdown`, then withdraws the advert, for at most `limits::WITHDRAW_MAX`.
///
/// An advertiser that dies is started again, after a while that doubles up to `limits::ADVERTISER_DELAY_MAX`.
pub(crate) async fn advertise(advert: Advert, shutdown: CancellationToken) {
    let first_delay = Duration::from_secs(1);
    let (mut suffix, mut delay) = (1, first_delay);
    loop {
        let name = with_suffix(&advert.name, suffix);
        let started = Instant::now();
        let ended = match Advertiser::start(&advert, &name) {
            Ok(advertiser) => advertiser.run(&shutdown, suffix < limits::NAME_SUFFIX_MAX).await,
            Err(error) => {
                warn!(%error, "cannot advertise the server; clients need its address");
                Ended::Died
            }
        };
        match ended {
            Ended::Stopped => return,
            Ended::NameTaken => {
                suffix += 1;
                let new_name = with_suffix(&advert.name, suffix);
                warn!(%name, %new_name, "another server on this network has the same name; this one is renamed");
            }
            Ended::Died => {
                delay = if started.elapsed() > limits::ADVERTISER_DELAY_MAX { first_delay } else { delay };
                tokio::select! {
                    () = sleep(delay) => {}
                    () = shutdown.cancelled() => return,
                }
                delay = (delay * 2).min(limits::ADVERTISER_DELAY_MAX);
            }
        }
    }
}

struct Advertiser {
    daemon: ServiceDaemon,
    events: Receiver<DaemonEvent>,
    full_name: String,
}

impl Advertiser {
    fn start(advert: &Advert, name: &str) -> mdns_sd::Result<Self> {
        let service = service(advert, name)?;
        let full_name = service.get_fullname().to_owned();
        let daemon = ServiceDaemon::new()?;
        let events = daemon.monitor()?;
        // All off, then ours on: an interface that appears later is judged by the same rule.
        daemon.disable_interface(IfKind::All)?;
        daemon.enable_interface(reachable(advert))?;
        daemon.register(service)?;
        Ok(Self { daemon, events, full_name })
    }

    async fn run(self, shutdown: &CancellationToken, may_rename: bool) -> Ended {
        let ended = loop {
            let event = tokio::select! {
                event = self.events.recv_async() => event,
                () = shutdown.cancelled() => break Ended::Stopped,
            };
            match event {
                Ok(DaemonEvent::NameChange(change))
                    if change.new_name.ends_with(SERVICE_TYPE) && may_rename =>
                {
                    break Ended::NameTaken;
                }
                Ok(DaemonEvent::Announce(name, at)) => info!(%name, %at, "advertised"),
                Ok(DaemonEvent::Error(error)) => warn!(%error, "advertising"),
                Ok(event) => debug!(?event, "advertising"),
                Err(_) => break Ended::Died,
            }
        };
        if timeout(limits::WITHDRAW_MAX, self.withdraw()).await.is_err() {
            debug!("the advertiser did not answer in time");
        }
        ended
    }

    async fn withdraw(&self) {
        // An error on the way says that the advertiser is gone, and then there is nothing to stop.
        if let Ok(answer) = self.daemon.unregister(&self.full_name)
            && answer.recv_async().await.is_ok()
        {
            sleep(SECOND_GOODBYE).await;
        }
        if let Ok(answer) = self.daemon.shutdown() {
            let _ = answer.recv_async().await;
        }
    }
}

fn service(advert: &Advert, name: &str) -> mdns_sd::Result<ServiceInfo> {
    let beacon =
        Beacon { server_id: advert.server_id, name: name.to_owned(), versions: version::SUPPORTED.to_vec() };
    let port = advert.sockets.first().map_or(0, SocketAddr::port);
    let addresses: &[std::net::IpAddr] = &[];
    let host = host_name(advert.server_id);
    let service = ServiceInfo::new(SERVICE_TYPE, name, &host, addresses, port, &beacon.to_txt()[..])?;
    Ok(service.enable_addr_auto())
}

/// The host name of the advert. Not that of the host: other software may advertise that one with other addresses.
pub(crate) fn host_name(id: ServerId) -> String {
    format!("lanchat-{}.local.", &id.to_string()[..8])
}

/// Addresses on chosen interfaces at which the advertised port answers. An advert has room for one port.
fn reachable(advert: &Advert) -> IfKind {
    let port = advert.sockets.first().map(SocketAddr::port);
    let sockets: Vec<SocketAddr> =
        advert.sockets.iter().copied().filter(|socket| Some(socket.port()) == port).collect();
    let rule = advert.rule.clone();
    IfKind::Predicate(IfPredicate::new(move |interface| {
        !interface.is_loopback()
            && rule.admits(&interface.name)
            && sockets.iter().any(|socket| takes(socket, interface.ip()))
    }))
}

/// `lab`, `lab (2)`, `lab (3)`: cut so that it stays a DNS-SD instance label (RFC 6763 §4.1.1).
fn with_suffix(name: &str, number: u32) -> String {
    if number < 2 {
        return name.to_owned();
    }
    let suffix = format!(" ({number})");
    let room = limits::SERVER_NAME_BYTES_MAX - suffix.len();
    format!("{}{suffix}", &name[..name.floor_char_boundary(room)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advert() -> Advert {
        Advert {
            server_id: ServerId::from_bytes([0xab; 16]),
            name: "lab. Ω".into(),
            sockets: vec!["[::]:7072".parse().unwrap()],
            rule: InterfaceRule::default(),
        }
    }

    #[test]
    fn the_advert_is_what_clients_read() {
        let service = service(&advert(), "lab. Ω").unwrap();
        assert_eq!(service.get_hostname(), "lanchat-abababab.local.");
        assert_eq!(service.get_port(), 7072);
        let beacon = Beacon::from_txt(|key| service.get_property_val_str(key)).unwrap();
        assert_eq!((beacon.server_id, beacon.name.as_str()), (ServerId::from_bytes([0xab; 16]), "lab. Ω"));
    }

    #[test]
    fn a_contested_name_gets_a_number_and_stays_a_label() {
        assert_eq!(with_suffix("lab", 1), "lab");
        assert_eq!(with_suffix("lab", 2), "lab (2)");
        let long = with_suffix(&"é".repeat(31), limits::NAME_SUFFIX_MAX);
        assert!(long.len() <= limits::SERVER_NAME_BYTES_MAX && long.ends_with("é (99)"), "{long}");
    }

    #[tokio::test]
    async fn stopping_withdraws_in_bounded_time_on_any_host() {
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        // Nothing is said on a network: no interface is admitted.
        let nowhere =
            Advert { rule: InterfaceRule { only: vec!["none".into()], except: Vec::new() }, ..advert() };
        advertise(nowhere, shutdown).await;
    }
}
