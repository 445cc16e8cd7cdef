//! Which network interfaces reach the neighbours: the real ones, unless configured otherwise.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::{fmt, fs};

use if_addrs::{IfOperStatus, Interface};

/// Name prefixes of interfaces to containers, virtual machines and tunnels. What is behind them is not on this network,
/// and a neighbour cannot reach an address there.
const VIRTUAL: [&str; 25] = [
    "awdl",
    "br-",
    "cali",
    "cni",
    "docker",
    "flannel",
    "ipsec",
    "kube",
    "llw",
    "lxc",
    "lxdbr",
    "nordlynx",
    "podman",
    "ppp",
    "tailscale",
    "tap",
    "tun",
    "utun",
    "vboxnet",
    "vEthernet",
    "veth",
    "virbr",
    "vmnet",
    "wg",
    "zt",
];

/// Which interfaces to use, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceRule {
    /// Only these, of whatever kind. Empty: all physical interfaces.
    pub only: Vec<String>,
    /// Never these, even if they are named in `only`.
    pub except: Vec<String>,
}

impl InterfaceRule {
    /// Returns whether the interface of this name is to be used.
    pub fn admits(&self, name: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|listed| listed == name);
        !named(&self.except) && if self.only.is_empty() { !is_virtual(name) } else { named(&self.only) }
    }
}

fn is_virtual(name: &str) -> bool {
    VIRTUAL.iter().any(|beginning| name.starts_with(beginning))
}

/// Interfaces that were named, but that this host does not have. They may appear later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Absent {
    names: Vec<String>,
    present: BTreeSet<String>,
}

impl Absent {
    /// Looks at the interfaces of this host, up or down. Returns `None` if all named ones exist.
    pub(crate) fn look(rule: &InterfaceRule) -> Option<Self> {
        let addressed = if_addrs::get_if_addrs().unwrap_or_default();
        let mut present: BTreeSet<String> = addressed.into_iter().map(|one| one.name).collect();
        // An interface counts even without an address: the host may be booting, or the cable unplugged.
        if cfg!(target_os = "linux")
            && let Ok(listed) = fs::read_dir("/sys/class/net")
        {
            let folders = listed.flatten().filter(|one| one.path().is_dir());
            present.extend(folders.filter_map(|one| one.file_name().into_string().ok()));
        }
        Self::among(present, rule)
    }

    fn among(present: BTreeSet<String>, rule: &InterfaceRule) -> Option<Self> {
        let names: Vec<String> = rule.only.iter().filter(|name| !present.contains(*name)).cloned().collect();
        (!names.is_empty() && !present.is_empty()).then_some(Self { names, present })
    }
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let present: Vec<&str> = self.present.iter().map(String::as_str).collect();
        let (absent, present) = (self.names.join(", "), present.join(", "));
        write!(f, "this computer has no network interface {absent}; it has {present}")
    }
}

/// An address of this host on one of its interfaces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostAddress {
    /// The name of the interface.
    pub(crate) interface: String,
    /// The address.
    pub(crate) ip: IpAddr,
    /// The index of the interface, without which an IPv6 link-local address has no meaning.
    pub(crate) index: u32,
}

impl HostAddress {
    /// Returns whether it is an IPv6 link-local address (RFC 4291 §2.5.6).
    pub(crate) fn is_link_local(&self) -> bool {
        matches!(self.ip, IpAddr::V6(ip) if is_link_local(ip))
    }
}

fn is_link_local(ip: Ipv6Addr) -> bool {
    ip.segments()[0] & 0xffc0 == 0xfe80
}

/// The addresses at which neighbours may reach this host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Neighbourhood {
    /// IPv4 first, link-local last: the order in which people should try them.
    pub(crate) addresses: Vec<HostAddress>,
    /// Interfaces that are up, but that the rule leaves out.
    pub(crate) left_out: BTreeSet<String>,
}

impl Neighbourhood {
    /// Looks at the interfaces that are up. A list that cannot be read counts as empty: the next look comes soon.
    pub(crate) fn look(rule: &InterfaceRule) -> Self {
        Self::of(if_addrs::get_if_addrs().unwrap_or_default(), rule)
    }

    fn of(interfaces: Vec<Interface>, rule: &InterfaceRule) -> Self {
        let mut found = Self::default();
        // Some drivers do not say whether they are up.
        let up = |one: &Interface| matches!(one.oper_status, IfOperStatus::Up | IfOperStatus::Unknown);
        for one in interfaces.into_iter().filter(|one| up(one) && !one.is_loopback()) {
            if rule.admits(&one.name) {
                let ip = one.ip();
                found.addresses.push(HostAddress { interface: one.name, ip, index: one.index.unwrap_or(0) });
            } else {
                found.left_out.insert(one.name);
            }
        }
        found
            .addresses
            .sort_by_key(|address| (address.is_link_local(), address.ip.is_ipv6(), address.clone()));
        found.addresses.dedup();
        found
    }

    /// Returns the addresses at which a neighbour reaches one of the sockets, with the port.
    pub(crate) fn reached_by(&self, sockets: &[SocketAddr]) -> Vec<(&HostAddress, SocketAddr)> {
        let mut reached: Vec<(&HostAddress, SocketAddr)> = Vec::new();
        for address in &self.addresses {
            for socket in sockets.iter().filter(|socket| takes(socket, address.ip)) {
                let there = match address.ip {
                    IpAddr::V6(ip) if is_link_local(ip) => {
                        SocketAddrV6::new(ip, socket.port(), 0, address.index).into()
                    }
                    ip => SocketAddr::new(ip, socket.port()),
                };
                if !reached.contains(&(address, there)) {
                    reached.push((address, there));
                }
            }
        }
        reached
    }
}

/// Returns whether a socket accepts connections to `ip`. `[::]` accepts IPv4 as well.
pub(crate) fn takes(socket: &SocketAddr, ip: IpAddr) -> bool {
    match socket.ip() {
        IpAddr::V6(bound) if bound.is_unspecified() => true,
        IpAddr::V4(bound) if bound.is_unspecified() => ip.is_ipv4(),
        bound => bound == ip,
    }
}

// On Windows an interface has one more field.
#[cfg(test)]
#[cfg(not(windows))]
mod tests {
    use if_addrs::{IfAddr, Ifv4Addr, Ifv6Addr};

    use super::*;

    fn interface(name: &str, ip: &str, oper_status: IfOperStatus) -> Interface {
        let addr = match ip.parse().unwrap() {
            IpAddr::V4(ip) => IfAddr::V4(Ifv4Addr {
                ip,
                netmask: [255, 255, 255, 0].into(),
                prefixlen: 24,
                broadcast: None,
            }),
            IpAddr::V6(ip) => {
                IfAddr::V6(Ifv6Addr { ip, netmask: Ipv6Addr::UNSPECIFIED, prefixlen: 64, broadcast: None })
            }
        };
        Interface { name: name.into(), addr, index: Some(7), oper_status, is_p2p: false }
    }

    fn host() -> Vec<Interface> {
        vec![
            interface("lo", "127.0.0.1", IfOperStatus::Unknown),
            interface("eth0", "fe80::1", IfOperStatus::Up),
            interface("eth0", "10.0.0.1", IfOperStatus::Up),
            interface("wlan0", "10.0.1.1", IfOperStatus::Down),
            interface("docker0", "172.17.0.1", IfOperStatus::Up),
            interface("wg0", "10.9.0.1", IfOperStatus::Unknown),
        ]
    }

    fn rule(only: &[&str], except: &[&str]) -> InterfaceRule {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        InterfaceRule { only: list(only), except: list(except) }
    }

    #[test]
    fn real_interfaces_only_unless_others_are_named() {
        let used = |rule: &InterfaceRule| {
            let found = Neighbourhood::of(host(), rule);
            found.addresses.iter().map(|address| address.ip.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(used(&rule(&[], &[])), ["10.0.0.1", "fe80::1"]);
        assert_eq!(used(&rule(&["docker0", "wg0"], &[])), ["172.17.0.1", "10.9.0.1"]);
        assert_eq!(used(&rule(&[], &["eth0"])), [""; 0]);
        assert_eq!(used(&rule(&["eth0"], &["eth0"])), [""; 0]);
        let left_out = Neighbourhood::of(host(), &rule(&[], &[])).left_out;
        assert_eq!(left_out.into_iter().collect::<Vec<_>>(), ["docker0", "wg0"]);
    }

    #[test]
    fn interfaces_that_are_not_there_are_named_beside_those_that_are() {
        let present = || ["eth0", "lo"].map(str::to_owned).into();
        assert_eq!(Absent::among(present(), &rule(&[], &["nope0"])), None);
        assert_eq!(Absent::among(present(), &rule(&["eth0"], &[])), None);
        let absent = Absent::among(present(), &rule(&["eth0", "nope0"], &[])).unwrap().to_string();
        assert_eq!(absent, "this computer has no network interface nope0; it has eth0, lo");
    }

    #[test]
    fn a_socket_is_reached_where_it_listens() {
        let found = Neighbourhood::of(host(), &rule(&[], &[]));
        let reached = |sockets: &[&str]| {
            let sockets: Vec<SocketAddr> = sockets.iter().map(|socket| socket.parse().unwrap()).collect();
            found.reached_by(&sockets).iter().map(|(_, there)| there.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(reached(&["[::]:7072"]), ["10.0.0.1:7072", "[fe80::1%7]:7072"]);
        assert_eq!(reached(&["0.0.0.0:1", "[::]:1"]), ["10.0.0.1:1", "[fe80::1%7]:1"]);
        assert_eq!(reached(&["10.0.0.1:9"]), ["10.0.0.1:9"]);
        assert_eq!(reached(&["127.0.0.1:9"]), [""; 0]);
    }
}
