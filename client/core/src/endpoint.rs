//! Where a server may be: an address, or a name that the system resolves.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::str::FromStr;

use lanchat_protocol::beacon::DEFAULT_PORT;

use crate::error::BadTarget;

/// Where a server may be. Two spellings of one place are equal, so both are held to the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// An address.
    Address(SocketAddr),
    /// A name that the system resolves, in lower case and without a final dot (RFC 4343 §2, RFC 1034 §3.1).
    Name(String, u16),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

impl FromStr for Endpoint {
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

/// Splits off the port. An IPv6 address has a port only if it is in brackets.
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

/// Parses an IPv6 address and its scope, which is a number or the name of an interface (RFC 4007 §11).
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
    // An interface is listed once for each of its addresses, and Windows may number only one of IPv4 and IPv6.
    interfaces.into_iter().filter(|found| found.name == interface).find_map(|found| found.index)
}

/// Returns whether a text is a host name (RFC 1123 §2.1), allowing the underscore that some home routers hand out.
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

    #[test]
    fn one_place_is_one_however_it_is_spelled() {
        let place = |text: &str| text.parse::<Endpoint>().unwrap();
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
    fn an_interface_may_be_named() {
        let mut interfaces =
            if_addrs::get_if_addrs().unwrap().into_iter().filter(|found| found.is_loopback());
        // Not every system numbers every interface.
        let Some((loopback, index)) = interfaces.find_map(|found| found.index.map(|index| (found, index)))
        else {
            return;
        };
        let place: Endpoint = format!("fe80::1%{}", loopback.name).parse().unwrap();
        assert_eq!(place.to_string(), format!("[fe80::1%{index}]:7072"));
    }
}
