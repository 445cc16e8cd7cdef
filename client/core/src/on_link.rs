//! Which addresses of an advert may be connected to. Anybody can send an advert. A client that followed it anywhere
//! could be sent anywhere: to services that trust this computer, to a printer, to the internet. A server that
//! advertises itself by mDNS is on the same link (RFC 6762 §1), so it has an address of this link.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use if_addrs::{IfAddr, Ifv4Addr, Ifv6Addr, Interface};

/// The networks that this computer has an interface in.
pub(crate) struct OnLink {
    networks: Vec<IfAddr>,
    /// The interfaces with IPv6 link-local addresses.
    scopes: Vec<u32>,
}

impl OnLink {
    /// Returns the current networks of this computer. Blocks for a few system calls. If the system does not answer, no
    /// address is on a link.
    pub(crate) fn here() -> Self {
        Self::of(if_addrs::get_if_addrs().unwrap_or_default())
    }

    fn of(interfaces: Vec<Interface>) -> Self {
        let (mut networks, mut scopes) = (Vec::new(), Vec::new());
        for interface in interfaces.into_iter().filter(|interface| !interface.is_loopback()) {
            if interface.is_link_local() && interface.ip().is_ipv6() {
                scopes.extend(interface.index);
            }
            networks.push(interface.addr);
        }
        Self { networks, scopes }
    }

    /// Returns whether a host of these networks may have this address. Loopback, multicast, broadcast and unspecified
    /// addresses are excluded. The computer's own addresses are included: another user's server may run on it.
    pub(crate) fn takes(&self, address: SocketAddr) -> bool {
        if address.port() == 0 {
            return false;
        }
        match address {
            SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => {
                // Each link is a scope of its own (RFC 4007 §6): the prefix is the same on all of them.
                self.scopes.contains(&v6.scope_id()) && is_host_v6(*v6.ip(), 64)
            }
            _ => self.networks.iter().any(|network| match (network, address.ip()) {
                (IfAddr::V4(network), IpAddr::V4(ip)) => is_in_v4(network, ip),
                (IfAddr::V6(network), IpAddr::V6(ip)) => is_in_v6(network, ip),
                _ => false,
            }),
        }
    }
}

fn is_in_v4(network: &Ifv4Addr, ip: Ipv4Addr) -> bool {
    if ip.is_loopback()
        || ip.is_multicast()
        || ip.is_broadcast()
        || ip.octets()[0] == 0
        || ip.octets()[0] >= 240
    {
        return false;
    }
    let (mask, host) = (u32::from(network.netmask), u32::from(ip));
    if ip == network.ip {
        return true;
    }
    let same = mask != 0 && host & mask == u32::from(network.ip) & mask;
    // A network of two has no broadcast address (RFC 3021).
    let special = mask.count_ones() < 31 && (host & !mask == 0 || host & !mask == !mask);
    same && !special && network.broadcast != Some(ip)
}

fn is_in_v6(network: &Ifv6Addr, ip: Ipv6Addr) -> bool {
    if ip.is_loopback() || ip.is_multicast() || ip.is_unspecified() || ip.to_ipv4().is_some() {
        return false;
    }
    let mask = u128::from(network.netmask);
    let same = mask != 0 && u128::from(ip) & mask == u128::from(network.ip) & mask;
    ip == network.ip || same && is_host_v6(ip, mask.count_ones())
}

/// Returns whether an address is not the subnet routers' own (RFC 4291 §2.6.1).
fn is_host_v6(ip: Ipv6Addr, prefix: u32) -> bool {
    prefix >= 127 || u128::from(ip) << prefix != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use if_addrs::IfOperStatus;

    fn interface(name: &str, index: u32, addr: IfAddr) -> Interface {
        Interface {
            name: name.to_owned(),
            addr,
            index: Some(index),
            oper_status: IfOperStatus::Up,
            is_p2p: false,
            #[cfg(windows)]
            adapter_name: String::new(),
        }
    }

    fn v4(ip: &str, prefixlen: u8) -> IfAddr {
        let netmask = Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(prefixlen)).unwrap_or(0));
        IfAddr::V4(Ifv4Addr { ip: ip.parse().unwrap(), netmask, prefixlen, broadcast: None })
    }

    fn v6(ip: &str, prefixlen: u8) -> IfAddr {
        let netmask = Ipv6Addr::from(u128::MAX.checked_shl(128 - u32::from(prefixlen)).unwrap_or(0));
        IfAddr::V6(Ifv6Addr { ip: ip.parse().unwrap(), netmask, prefixlen, broadcast: None })
    }

    fn home() -> OnLink {
        OnLink::of(vec![
            interface("lo", 1, v4("127.0.0.1", 8)),
            interface("lo", 1, v6("::1", 128)),
            interface("lan0", 2, v4("192.168.7.20", 24)),
            interface("lan0", 2, v6("fe80::20", 64)),
            interface("lan0", 2, v6("2001:db8:7::20", 64)),
            interface("tun0", 3, v4("10.9.0.2", 32)),
            interface("all", 4, v4("203.0.113.9", 0)),
        ])
    }

    #[test]
    fn hosts_of_the_link_are_taken_and_this_computer_too() {
        for address in [
            "192.168.7.1:7072",
            "192.168.7.20:7072",
            "10.9.0.2:7072",
            "203.0.113.9:7072",
            "[fe80::1%2]:7072",
            "[2001:db8:7::1]:7072",
            "[2001:db8:7::20]:7072",
        ] {
            assert!(home().takes(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn no_other_address_is() {
        for address in [
            "192.168.7.1:0",
            "127.0.0.1:22",
            "127.8.8.8:22",
            "[::1]:22",
            "[::ffff:127.0.0.1]:22",
            "[::127.0.0.1]:22",
            "[::ffff:192.168.7.1]:22",
            "0.0.0.0:22",
            "[::]:22",
            "224.0.0.251:5353",
            "239.1.2.3:9",
            "[ff02::fb%2]:5353",
            "255.255.255.255:9",
            "192.168.7.255:9",
            "192.168.7.0:9",
            "240.0.0.1:9",
            "192.168.8.1:9",
            "10.9.0.1:9",
            "93.184.215.14:443",
            "169.254.169.254:80",
            "[2001:db8:8::1]:9",
            "[2001:db8:7::]:9",
            "[2606:4700::1111]:443",
            "[fe80::%2]:9",
            "[fe80::1]:9",
            "[fe80::1%1]:9",
            "[fe80::1%9]:9",
        ] {
            assert!(!home().takes(address.parse().unwrap()), "{address}");
        }
    }
}
