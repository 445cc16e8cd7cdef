//! Which server to connect to: a typed host, a link, an advert, or a remembered server.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use lanchat_certs::Fingerprint;
use lanchat_model::{ServerId, limits};
use lanchat_protocol::beacon::DEFAULT_PORT;

use crate::discover::Discovered;
use crate::endpoint::Endpoint;
use crate::error::BadTarget;
use crate::servers::Server;

const LINK: &str = "lanchat://";

/// A server to connect to: where it may be, and what is known about it in advance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    places: Vec<Endpoint>,
    /// The server that it has to be.
    pub(crate) server_id: Option<ServerId>,
    /// The key that it has to show: from a link, or of the server that was met already.
    pub(crate) expected: Option<Fingerprint>,
    /// Whether a link names the key, so that there is nothing to compare.
    pub(crate) is_link: bool,
    /// The place that a person gave, by hand or in a link. A known typed place never becomes another server unnoticed;
    /// if another server answers at any other place, the search just goes on.
    pub(crate) typed: Option<Endpoint>,
}

impl Target {
    /// Returns the advertised server, at any of its addresses. They are a stranger's claims: use
    /// [`Search`](crate::Search) to connect only to addresses on this network.
    pub fn discovered(found: &Discovered) -> Self {
        Self::at(&found.addresses, Some(found.server_id))
    }

    /// Returns a server that was used before, at any of the addresses where it was reached.
    pub fn remembered(server: &Server) -> Self {
        // This program can read what it wrote, except an address of an interface that is gone.
        let places: Vec<Endpoint> = server.addresses.iter().filter_map(|text| text.parse().ok()).collect();
        Self { places, server_id: Some(server.id), expected: None, is_link: false, typed: None }
    }

    /// Returns a server at one address, for example one hosted by this very process.
    pub fn address(address: SocketAddr) -> Self {
        Self { typed: Some(Endpoint::Address(address)), ..Self::at(&[address], None) }
    }

    /// Returns any server at an address that nobody vouches for.
    pub(crate) fn anything_at(address: SocketAddr) -> Self {
        Self::at(&[address], None)
    }

    /// Returns the same target, but it has to be this server, which answered at this address just now.
    #[must_use]
    pub(crate) fn led_by(mut self, id: ServerId, address: SocketAddr) -> Self {
        self.server_id = Some(id);
        self.places.retain(|place| *place != Endpoint::Address(address));
        self.places.insert(0, Endpoint::Address(address));
        self.places.truncate(limits::CANDIDATES_MAX);
        self
    }

    /// Returns the same target, but it has to be this server with this key.
    #[must_use]
    pub(crate) fn bound_to(self, id: ServerId, key: Fingerprint, address: SocketAddr) -> Self {
        Self { expected: Some(key), ..self.led_by(id, address) }
    }

    /// Returns the key that the server has to show, if the target is a link or a reconnect.
    pub fn expected(&self) -> Option<Fingerprint> {
        self.expected
    }

    /// Returns the server that has to answer, if it is known.
    pub fn server_id(&self) -> Option<ServerId> {
        self.server_id
    }

    /// Returns the typed name, if it may also be a server's own name: one label (RFC 1034 §3.1), without a port.
    pub fn bare_name(&self) -> Option<&str> {
        match &self.typed {
            Some(Endpoint::Name(name, DEFAULT_PORT)) if !self.is_link && !name.contains('.') => Some(name),
            _ => None,
        }
    }

    pub(crate) fn places(&self) -> &[Endpoint] {
        &self.places
    }

    fn at(addresses: &[SocketAddr], server_id: Option<ServerId>) -> Self {
        let places = addresses.iter().copied().map(Endpoint::Address).take(limits::CANDIDATES_MAX).collect();
        Self { places, server_id, expected: None, is_link: false, typed: None }
    }
}

impl fmt::Display for Target {
    /// Writes the first place, as a person would type it.
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
        let place: Endpoint = place.parse()?;
        Ok(Self {
            places: vec![place.clone()],
            server_id: None,
            expected,
            is_link: expected.is_some(),
            typed: Some(place),
        })
    }
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
    fn a_bare_name_may_be_that_of_a_server() {
        let bare = |text: &str| text.parse::<Target>().unwrap().bare_name().map(str::to_owned);
        assert_eq!(bare("Workshop").as_deref(), Some("workshop"));
        for text in ["pi.local", "pi:9", "192.0.2.7", "::1", &format!("lanchat://pi/#{}", "ab".repeat(32))] {
            assert_eq!(bare(text), None, "{text}");
        }
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
