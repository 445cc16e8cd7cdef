//! Looks for servers: asks on every interface, and passes on what it hears without storing it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use lanchat_model::limits;
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, QCLASS, QTYPE, Question, ResourceRecord, TYPE};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::interfaces::{Interface, on_each};
use crate::link::{Link, buffer};
use crate::message::{is_response, parse, service_type};

/// The wait before the second question, which is sent in case the first got lost. Later intervals double (RFC 6762
/// §5.2).
const ASK_AGAIN: Duration = Duration::from_millis(500);
const ASK_EVERY_MAX: Duration = Duration::from_secs(60);
/// How long a socket is left alone after the system reported an error on it.
const ERROR_WAIT: Duration = Duration::from_millis(100);
/// Every message about our service type contains this label, so that others are dropped before they are parsed.
const MARK: &[u8] = b"_lanchat";

/// What somebody on the link says about a server. Bounded by the size of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// Keys in lower case, and values.
    pub txt: Vec<(String, String)>,
    /// The port.
    pub port: u16,
    /// The addresses, at most `limits::MDNS_ADDRESSES_MAX`.
    pub addresses: Vec<IpAddr>,
    /// The index of the interface that it was heard on.
    pub interface: u32,
    /// The address that it came from.
    pub from: IpAddr,
}

/// Listens for adverts until it is dropped.
#[derive(Debug)]
pub struct Browser {
    adverts: mpsc::Receiver<Advert>,
    _stop: DropGuard,
}

impl Browser {
    /// Starts to look on all interfaces of this host, including those that appear later. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system does not list its interfaces.
    pub fn start() -> io::Result<Self> {
        if_addrs::get_if_addrs()?;
        let stop = CancellationToken::new();
        let (sender, adverts) = mpsc::channel(limits::MDNS_ADVERTS_MAX);
        let ending = stop.clone();
        tokio::spawn(async move {
            let each = on_each(
                |_, _| true,
                &ending,
                |interface, _| {
                    let (sender, ending) = (sender.clone(), ending.clone());
                    async move {
                        tokio::select! {
                            () = look(&interface, sender) => {}
                            () = ending.cancelled() => {}
                        }
                    }
                },
            );
            each.await;
        });
        Ok(Self { adverts, _stop: stop.drop_guard() })
    }

    /// Returns the next advert. The same server is returned as often as it is heard. While nobody takes adverts, the
    /// sockets are left unread, and the system drops what does not fit. Cancel safe.
    pub async fn next(&mut self) -> Advert {
        match self.adverts.recv().await {
            Some(advert) => advert,
            // The runtime is shutting down.
            None => std::future::pending().await,
        }
    }
}

async fn look(interface: &Interface, sender: mpsc::Sender<Advert>) {
    let mut link = match Link::join_and_ask(interface) {
        Ok(link) => link,
        Err(error) => {
            tracing::debug!(%error, interface = %interface.name, "cannot look for servers there");
            return;
        }
    };
    let (question, mut buffer) = (question(), buffer());
    let (mut ask, mut wait) = (Instant::now(), ASK_AGAIN);
    loop {
        let received = tokio::select! {
            biased;
            () = sleep_until(ask) => {
                link.multicast(&question).await;
                ask += wait;
                wait = (wait * 2).min(ASK_EVERY_MAX);
                continue;
            }
            received = link.receive(&mut buffer) => received,
        };
        let Ok(received) = received else {
            sleep(ERROR_WAIT).await;
            continue;
        };
        for advert in adverts(&buffer[..received.bytes], interface.index, received.from.ip()) {
            if sender.send(advert).await.is_err() {
                return;
            }
        }
    }
}

fn question() -> Vec<u8> {
    let mut packet = Packet::new_query(0);
    let (kind, class) = (QTYPE::TYPE(TYPE::PTR), QCLASS::CLASS(CLASS::IN));
    packet.questions = vec![Question::new(service_type(), kind, class, false)];
    packet.build_bytes_vec_compressed().unwrap_or_default()
}

/// Returns the servers that a message describes completely. An advert gives a server's name, port and addresses in one
/// message (RFC 6763 §12), so nothing has to be kept until the rest arrives.
pub(crate) fn adverts(bytes: &[u8], interface: u32, from: IpAddr) -> Vec<Advert> {
    if !is_response(bytes) || !bytes.windows(MARK.len()).any(|bytes| bytes.eq_ignore_ascii_case(MARK)) {
        return Vec::new();
    }
    let Some(packet) = parse(bytes) else { return Vec::new() };
    let service = service_type();
    let instances = packet.answers.iter().filter_map(|record| match &record.rdata {
        RData::PTR(pointer) if record.name == service && record.ttl > 0 => Some(&pointer.0),
        _ => None,
    });
    let all = || packet.answers.iter().chain(&packet.additional_records).filter(|record| record.ttl > 0);
    let advert = |instance: &Name<'_>| {
        let of_instance = || all().filter(move |record| record.name == *instance);
        let place = of_instance().find_map(|record| match &record.rdata {
            RData::SRV(place) => Some(place),
            _ => None,
        })?;
        let txt = of_instance().find_map(|record| match &record.rdata {
            RData::TXT(txt) => Some(txt.iter_raw().filter_map(attribute).collect()),
            _ => None,
        })?;
        let addresses = all().filter(|record| record.name == place.target).filter_map(address);
        let addresses: Vec<IpAddr> = addresses.take(limits::MDNS_ADDRESSES_MAX).collect();
        (!addresses.is_empty()).then_some(Advert { txt, port: place.port, addresses, interface, from })
    };
    instances.take(limits::MDNS_INSTANCES_MAX).filter_map(advert).collect()
}

fn attribute((key, value): (&[u8], Option<&[u8]>)) -> Option<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    Some((text(key)?.to_ascii_lowercase(), text(value?)?))
}

fn address(record: &ResourceRecord<'_>) -> Option<IpAddr> {
    match &record.rdata {
        RData::A(a) => Some(Ipv4Addr::from(a.address).into()),
        RData::AAAA(a) => Some(Ipv6Addr::from(a.address).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Service;
    use crate::records::{ALL, Records};

    const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn records() -> Records {
        let service = Service {
            instance: "attic".into(),
            host: "lanchat-abababab".into(),
            port: 7072,
            txt: vec![("Name".into(), "attic".into())],
            patience: limits::NAME_CONTESTED_MAX,
        };
        Records::new(&service, vec!["192.0.2.1".parse().unwrap(), "fe80::1".parse().unwrap()])
    }

    #[test]
    fn an_advert_is_read_from_one_message() {
        for bytes in [records().response(ALL), records().response(crate::records::PTR_SET)] {
            let found = adverts(&bytes, 3, FROM);
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].port, found[0].interface, found[0].addresses.len()), (7072, 3, 2));
            assert_eq!(found[0].from, FROM);
            assert_eq!(found[0].txt, [("name".to_owned(), "attic".to_owned())]);
        }
        assert!(adverts(&records().goodbye(), 3, FROM).is_empty());
        assert!(adverts(&records().probe(), 3, FROM).is_empty());
        assert!(adverts(&question(), 3, FROM).is_empty());
    }

    /// Whatever is cut off or changed, nothing panics, and the result stays within its bounds.
    #[test]
    fn damage_is_nothing() {
        let whole = records().response(ALL);
        for at in 0..whole.len() {
            adverts(&whole[..at], 1, FROM);
            for value in [0, 1, 0x3f, 0xc0, 0xff] {
                let mut changed = whole.clone();
                changed[at] = value;
                assert!(adverts(&changed, 1, FROM).len() <= 1);
            }
        }
    }
}
