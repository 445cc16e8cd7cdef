//! Which server is meant: a host that somebody typed, a link, an advert, or a server that is
//! remembered.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::str::FromStr;

use lanchat_certs::Fingerprint;
use lanchat_model::{ServerId, limits};
use lanchat_protocol::beacon::DEFAULT_PORT;

use crate::discover::Discovered;
use crate::error::BadTarget;
use crate::servers::Server;

const LINK: &str = "lanchat://";

/// A server to connect to: where it may be, and what is known of it beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    places: Vec<Place>,
    /// The server that it has to be.
    pub(crate) server_id: Option<ServerId>,
    /// The key that it has to show: that of a link, or that of the server that was met already.
    pub(crate) expected: Option<Fingerprint>,
    /// Whether a link names the key, so that there is nothing to compare.
    pub(crate) is_link: bool,
    /// The place that a person gave, by hand or in a link. A typed place that is known never becomes
    /// another server unnoticed; at any other place another server only means to look on.
    pub(crate) typed: Option<Place>,
}

/// Where a server may be. Two spellings of one place are equal: whoever types another one is held to the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// An address.
    Address(SocketAddr),
    /// A name that the system resolves, in lower case and without a final dot (RFC 4343 §2, RFC 1034 §3.1).
    Name(String, u16),
}

impl Target {
    /// The server that an advert speaks of, at any of its addresses. They are a stranger's word:
    /// [`Search`](crate::Search) is the way to connect to none but those of this network.
    pub fn discovered(found: &Discovered) -> Self {
        Self::at(&found.addresses, Some(found.server_id))
    }

    /// A server that was used before, at any of the addresses it was reached at.
    pub fn remembered(server: &Server) -> Self {
        // What was written by this program can be read by it; an address of an interface that is
        // gone cannot.
        let places: Vec<Place> = server.addresses.iter().filter_map(|text| text.parse().ok()).collect();
        Self { places, server_id: Some(server.id), expected: None, is_link: false, typed: None }
    }

    /// A server at one address, for example one hosted by this very process.
    pub fn address(address: SocketAddr) -> Self {
        Self { typed: Some(Place::Address(address)), ..Self::at(&[address], None) }
    }

    /// Whatever is at an address that nobody vouches for.
    pub(crate) fn anything_at(address: SocketAddr) -> Self {
        Self::at(&[address], None)
    }

    /// The same target, which has to be this server, and answered at this address just now.
    #[must_use]
    pub(crate) fn led_by(mut self, id: ServerId, address: SocketAddr) -> Self {
        self.server_id = Some(id);
        self.places.retain(|place| *place != Place::Address(address));
        self.places.insert(0, Place::Address(address));
        self.places.truncate(limits::CANDIDATES_MAX);
        self
    }

    /// The same target, which has to be this server with this key.
    #[must_use]
    pub(crate) fn bound_to(self, id: ServerId, key: Fingerprint, address: SocketAddr) -> Self {
        Self { expected: Some(key), ..self.led_by(id, address) }
    }

    /// The key that has to be shown, if the target is a link or the way back to a server.
    pub fn expected(&self) -> Option<Fingerprint> {
        self.expected
    }

    /// The server that has to answer, if that is known.
    pub fn server_id(&self) -> Option<ServerId> {
        self.server_id
    }

    /// The name that was typed, if it may as well be what a server is called: one label (RFC 1034 §3.1), without a port.
    pub fn bare_name(&self) -> Option<&str> {
        match &self.typed {
            Some(Place::Name(name, DEFAULT_PORT)) if !self.is_link && !name.contains('.') => Some(name),
            _ => None,
        }
    }

    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    fn at(addresses: &[SocketAddr], server_id: Option<ServerId>) -> Self {
        let places = addresses.iter().copied().map(Place::Address).take(limits::CANDIDATES_MAX).collect();
        Self { places, server_id, expected: None, is_link: false, typed: None }
    }
}

impl fmt::Display for Target {
    /// The first place, as a person would type it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.places.first() {
            Some(place) => place.fmt(f),
            None => f.write_str("the server"),
        }
    }
}

impl FromStr for Target {
    type Err = BadTarget;

    /// Reads `HOST`, `HOST:PORT`, `IPV6`, `[IPV6%INTERFACE]:PORT` or `lanchat://HOST:PORT/#KEY`.
    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let text = text.trim();
        let (place, expected) = match text.get(..LINK.len()) {
            Some(scheme) if scheme.eq_ignore_ascii_case(LINK) => {
                let (place, key) = text[LINK.len()..].split_once('#').ok_or(BadTarget::Key)?;
                let key = key.to_ascii_lowercase().parse().map_err(|_| BadTarget::Key)?;
                (place.strip_suffix('/').unwrap_or(place), Some(key))
            }
            _ => (text, None),
        };
        let place: Place = place.parse()?;
        Ok(Self {
            places: vec![place.clone()],
            server_id: None,
            expected,
            is_link: expected.is_some(),
            typed: Some(place),
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

impl FromStr for Place {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        if text.is_empty() {
            return Err(BadTarget::Empty);
        }
        let (host, port) = split_port(text)?;
        if let Some(ip) = parse_v6(host)? {
            return Ok(Self::Address(match ip.0.to_ipv4_mapped() {
                Some(ip) => SocketAddr::new(ip.into(), port),
                None => SocketAddr::V6(SocketAddrV6::new(ip.0, port, 0, ip.1)),
            }));
        }
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(Self::Address(SocketAddr::new(ip, port)));
        }
        if is_host_name(host) {
            let host = host.strip_suffix('.').unwrap_or(host);
            Ok(Self::Name(host.to_ascii_lowercase(), port))
        } else {
            Err(BadTarget::Host(host.to_owned()))
        }
    }
}

/// The host and the port. An IPv6 address has a port only if it stands in brackets.
fn split_port(text: &str) -> Result<(&str, u16), BadTarget> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']').ok_or_else(|| BadTarget::Host(text.to_owned()))?;
            match behind.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if behind.is_empty() => (host, None),
                None => return Err(BadTarget::Host(text.to_owned())),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (text, None),
        },
    };
    let Some(port) = port else { return Ok((host, DEFAULT_PORT)) };
    match port.parse() {
        Ok(number) if number != 0 => Ok((host, number)),
        _ => Err(BadTarget::Port(port.to_owned())),
    }
}

/// An IPv6 address and its scope, which is a number or the name of an interface (RFC 4007 §11).
fn parse_v6(host: &str) -> Result<Option<(Ipv6Addr, u32)>, BadTarget> {
    let (address, scope) = match host.split_once('%') {
        Some((address, scope)) => (address, Some(scope)),
        None => (host, None),
    };
    let Ok(ip) = address.parse::<Ipv6Addr>() else { return Ok(None) };
    let scope = match scope {
        None => 0,
        Some(text) => text
            .parse()
            .ok()
            .or_else(|| index_of(text))
            .ok_or_else(|| BadTarget::Interface(text.to_owned()))?,
    };
    Ok(Some((ip, scope)))
}

fn index_of(interface: &str) -> Option<u32> {
    let interfaces = if_addrs::get_if_addrs().ok()?;
    // An interface is there once for each of its addresses, and Windows may number only one of IPv4 and IPv6.
    interfaces.into_iter().filter(|found| found.name == interface).find_map(|found| found.index)
}

/// RFC 1123 §2.1, and the underscore that some home routers hand out.
fn is_host_name(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    (1..=253).contains(&text.len()) && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<Target>().unwrap().to_string()
    }

    #[test]
    fn a_host_may_be_written_in_each_usual_way() {
        assert_eq!(shown("pi.local"), "pi.local:7072");
        assert_eq!(shown(" pi:80 "), "pi:80");
        assert_eq!(shown("192.0.2.7"), "192.0.2.7:7072");
        assert_eq!(shown("192.0.2.7:9"), "192.0.2.7:9");
        assert_eq!(shown("2001:db8::1"), "[2001:db8::1]:7072");
        assert_eq!(shown("[2001:db8::1]:9"), "[2001:db8::1]:9");
        assert_eq!(shown("[fe80::1%3]:9"), "[fe80::1%3]:9");
        assert_eq!(shown("fe80::1%3"), "[fe80::1%3]:7072");
    }

    #[test]
    fn one_place_is_one_however_it_is_spelled() {
        let place = |text: &str| text.parse::<Place>().unwrap();
        for (spelled, place_of) in [
            ("PI-Host", "pi-host"),
            ("pi-host.", "pi-host"),
            ("Pi.Local.:9", "pi.local:9"),
            ("[2001:DB8:0:0::1]:9", "[2001:db8::1]:9"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
        ] {
            assert_eq!(place(spelled), place(place_of), "{spelled}");
        }
        assert_ne!(place("pi"), place("pi.local"));
        assert_ne!(place("pi:1"), place("pi:2"));
    }

    #[test]
    fn a_bare_name_may_be_that_of_a_server() {
        let bare = |text: &str| text.parse::<Target>().unwrap().bare_name().map(str::to_owned);
        assert_eq!(bare("Workshop").as_deref(), Some("workshop"));
        for text in ["pi.local", "pi:9", "192.0.2.7", "::1", &format!("lanchat://pi/#{}", "ab".repeat(32))] {
            assert_eq!(bare(text), None, "{text}");
        }
    }

    #[test]
    fn an_interface_may_be_named() {
        let mut interfaces =
            if_addrs::get_if_addrs().unwrap().into_iter().filter(|found| found.is_loopback());
        // Not every system numbers every interface.
        let Some((loopback, index)) = interfaces.find_map(|found| found.index.map(|index| (found, index)))
        else {
            return;
        };
        assert_eq!(shown(&format!("fe80::1%{}", loopback.name)), format!("[fe80::1%{index}]:7072"));
    }

    #[test]
    fn a_link_carries_the_key() {
        let key = "ab".repeat(32);
        let target: Target = format!("lanchat://192.0.2.7:9/#{key}").parse().unwrap();
        assert_eq!(target.expected().unwrap().to_string(), key);
        assert_eq!(target.to_string(), "192.0.2.7:9");
        assert!(format!("LANCHAT://pi#{}", key.to_uppercase()).parse::<Target>().is_ok());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let host = |text: &str| Err(BadTarget::Host(text.to_owned()));
        assert_eq!("".parse::<Target>(), Err(BadTarget::Empty));
        assert_eq!("a b".parse::<Target>(), host("a b"));
        assert_eq!("pi:0".parse::<Target>(), Err(BadTarget::Port("0".to_owned())));
        assert_eq!("pi:70720".parse::<Target>(), Err(BadTarget::Port("70720".to_owned())));
        assert_eq!("[::1".parse::<Target>(), host("[::1"));
        assert_eq!("fe80::1%nope".parse::<Target>(), Err(BadTarget::Interface("nope".to_owned())));
        assert_eq!("lanchat://pi:1/".parse::<Target>(), Err(BadTarget::Key));
        assert_eq!("lanchat://pi:1/#12".parse::<Target>(), Err(BadTarget::Key));
    }
}
