//! Where a connection comes from, as limits count it.

use std::net::IpAddr;
use std::sync::Arc;

/// The source of a connection, as its listener names it: an address, followed by `%` and the interface if it is
/// link-local. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source(pub Arc<str>);

/// The network of a source. One host can have very many sources in it: an IPv4 /16, an IPv6 /64, or one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// The /16 of an IPv4 address.
    V4([u8; 2]),
    /// The /64 of an IPv6 address.
    V6([u16; 4]),
    /// The number of the interface of a link-local address.
    Link(u32),
    /// The network of all sources that are not addresses.
    Unknown,
}

impl Source {
    /// Returns the network that it is in.
    pub fn network(&self) -> Network {
        if let Some((_, link)) = self.0.split_once('%') {
            return link.parse().map_or(Network::Unknown, Network::Link);
        }
        match self.0.parse() {
            Ok(IpAddr::V4(address)) => {
                let [a, b, ..] = address.octets();
                Network::V4([a, b])
            }
            Ok(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                Network::V6([a, b, c, d])
            }
            Err(_) => Network::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_one_host_may_have_are_of_one_network() {
        let of = |text: &str| Source(text.into()).network();
        for (one, other) in [
            ("10.0.0.1", "10.0.255.9"),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2"),
            ("fe80::1%2", "fe80::2%2"),
        ] {
            assert_eq!(of(one), of(other));
        }
        for (one, other) in
            [("10.0.0.1", "10.1.0.1"), ("2001:db8:0:1::1", "2001:db8:0:2::1"), ("fe80::1%2", "fe80::1%3")]
        {
            assert_ne!(of(one), of(other));
        }
        assert_eq!(of("nowhere"), Network::Unknown);
    }
}
