//! The advert: announces the server on the local network by mDNS (PROTOCOL §1, RFC 6762, RFC 6763).
//!
//! It is a hint. A server that cannot advertise still serves, and can be reached by its address.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lanchat_mdns::{Ended, Service};
use lanchat_model::{ServerId, limits};
use lanchat_protocol::beacon::Beacon;
use lanchat_protocol::version;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::interfaces::{InterfaceRule, takes};

/// What is advertised, and where.
#[derive(Clone, Debug)]
pub(crate) struct Advert {
    pub(crate) server_id: ServerId,
    pub(crate) name: String,
    pub(crate) sockets: Vec<SocketAddr>,
    pub(crate) rule: InterfaceRule,
}

/// A series of conflicts over the name, one soon after the other.
#[derive(Clone, Copy, Debug)]
struct Contest {
    began: Instant,
    last: Instant,
}

impl Contest {
    /// Begins a contest. A starting server is not announced yet either, so its start counts as a conflict.
    fn begin(now: Instant) -> Self {
        Self { began: now, last: now }
    }

    /// Records a conflict.
    fn again(self, now: Instant) -> Self {
        if now - self.last < limits::NAME_CONTEST_ENDS {
            Self { last: now, ..self }
        } else {
            Self::begin(now)
        }
    }

    /// Returns how long the next name may be kept from being announced. Zero: it is kept no matter who else has it.
    fn patience(self, suffix: u32, now: Instant) -> Duration {
        if suffix >= limits::NAME_SUFFIX_MAX {
            return Duration::ZERO;
        }
        limits::NAME_CONTESTED_MAX.saturating_sub(now - self.began)
    }
}

/// Advertises until `shutdown`, then withdraws the advert. While somebody else has the name, it tries the next suffix,
/// up to `limits::NAME_SUFFIX_MAX` and within `limits::NAME_CONTESTED_MAX`. After that it keeps its name.
pub(crate) async fn advertise(advert: Advert, shutdown: CancellationToken) {
    let mut contest = Contest::begin(Instant::now());
    for suffix in 1.. {
        let name = with_suffix(&advert.name, suffix);
        let service = service(&advert, &name, contest.patience(suffix, Instant::now()));
        match lanchat_mdns::advertise(service, |interface, ip| reachable(&advert, interface, ip), &shutdown)
            .await
        {
            Ended::Stopped => return,
            Ended::NameTaken => {
                contest = contest.again(Instant::now());
                let new_name = with_suffix(&advert.name, suffix + 1);
                warn!(%name, %new_name, "another server on this network has the same name; this one is renamed");
            }
        }
    }
}

fn service(advert: &Advert, name: &str, patience: Duration) -> Service {
    let beacon =
        Beacon { server_id: advert.server_id, name: name.to_owned(), versions: version::SUPPORTED.to_vec() };
    Service {
        instance: name.to_owned(),
        host: host_label(advert.server_id),
        port: advert.sockets.first().map_or(0, SocketAddr::port),
        txt: beacon.to_txt(),
        patience,
    }
}

/// Returns the host name of the advert. It is not that of the host, which other software may advertise with other
/// addresses.
pub(crate) fn host_name(id: ServerId) -> String {
    format!("{}.local", host_label(id))
}

fn host_label(id: ServerId) -> String {
    format!("lanchat-{}", &id.to_string()[..8])
}

/// Returns whether the advertised port answers at this address of this interface. An advert has room for one port.
fn reachable(advert: &Advert, interface: &str, ip: IpAddr) -> bool {
    let port = advert.sockets.first().map(SocketAddr::port);
    let mut sockets = advert.sockets.iter().filter(|socket| Some(socket.port()) == port);
    advert.rule.admits(interface) && sockets.any(|socket| takes(socket, ip))
}

/// Returns `lab`, `lab (2)`, `lab (3)` and so on, cut to remain a DNS-SD instance label (RFC 6763 §4.1.1).
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
        let service = service(&advert(), "lab. Ω", Duration::ZERO);
        assert_eq!((service.host.as_str(), service.port), ("lanchat-abababab", 7072));
        let value = |key: &str| service.txt.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
        let beacon = Beacon::from_txt(value).unwrap();
        assert_eq!((beacon.server_id, beacon.name.as_str()), (ServerId::from_bytes([0xab; 16]), "lab. Ω"));
    }

    #[test]
    fn a_contested_name_gets_a_number_and_stays_a_label() {
        assert_eq!(with_suffix("lab", 1), "lab");
        assert_eq!(with_suffix("lab", 2), "lab (2)");
        let long = with_suffix(&"é".repeat(31), limits::NAME_SUFFIX_MAX);
        assert!(long.len() <= limits::SERVER_NAME_BYTES_MAX && long.ends_with("é (15)"), "{long}");
    }

    #[test]
    fn however_often_a_name_is_contested_one_is_kept_in_bounded_time() {
        let (start, soon) = (Instant::now(), Duration::from_millis(1250));
        let mut contest = Contest::begin(start);
        assert_eq!(contest.patience(1, start), limits::NAME_CONTESTED_MAX);
        contest = contest.again(start + soon).again(start + soon * 2);
        assert_eq!(contest.patience(3, start + soon * 2), limits::NAME_CONTESTED_MAX - soon * 2);
        let late = start + soon * 3;
        assert_eq!(contest.again(late).patience(4, late), Duration::ZERO);
        // Much later it counts as another contest, but their number is bounded.
        let later = late + limits::NAME_CONTEST_ENDS;
        assert_eq!(contest.again(later).patience(4, later), limits::NAME_CONTESTED_MAX);
        assert_eq!(contest.again(later).patience(limits::NAME_SUFFIX_MAX, later), Duration::ZERO);
    }

    #[tokio::test]
    async fn stopping_withdraws_in_bounded_time_on_any_host() {
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        // Nothing is sent on a network: no interface is admitted.
        let nowhere =
            Advert { rule: InterfaceRule { only: vec!["none".into()], except: Vec::new() }, ..advert() };
        advertise(nowhere, shutdown).await;
    }
}
