//! Where a flood takes place: the server, its users, and up to five attacking hosts, on a link of their own or on the
//! loopback network.

use std::fmt::{self, Display, Formatter};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;

use anyhow::{Context, Result};

use super::lan::{Lan, Namespace};

/// The number of attacking hosts.
pub const ATTACKERS: usize = 5;
/// Addresses of each family that a host has: more than enough to fill the 256 places of a server version that accepted
/// 16 connections per address before login.
pub const ADDRESSES: u8 = 20;
/// The default port of a server.
const PORT: u16 = 7072;

/// A kind of address. All users of a run have the same kind: an attacker of that kind is as close as possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6, link-local: all hosts are in `fe80::/64`.
    LinkLocal,
    /// IPv6, all hosts in one /64 that is routed.
    Global,
}

impl Display for Family {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::LinkLocal => "link-local IPv6",
            Self::Global => "routed IPv6",
        })
    }
}

/// A place on the link.
#[derive(Clone, Debug)]
pub struct Host {
    number: u8,
    /// The number of its addresses of each family.
    addresses: u8,
    lan: Option<Arc<Lan>>,
}

impl Host {
    /// Runs something there, see [`Namespace::within`].
    ///
    /// # Errors
    /// The error of what is run.
    pub fn within<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<T> {
        match self.namespace() {
            Some(namespace) => namespace.within(act),
            None => act(),
        }
    }

    fn namespace(&self) -> Option<&Namespace> {
        self.lan.as_ref()?.hosts.get(usize::from(self.number))
    }

    /// Returns its addresses of a family, to connect from; on the loopback network there is only IPv4.
    pub fn sources(&self, family: Family) -> Vec<SocketAddr> {
        (1..=self.addresses).map(|at| self.address(family, at, 0)).collect()
    }

    /// Returns its IPv4 address.
    pub fn ipv4(&self) -> Ipv4Addr {
        ipv4(self.lan.is_some(), self.number, 1)
    }

    /// Returns the number of its interface; 0 on the loopback network.
    pub fn interface(&self) -> u32 {
        self.namespace().map_or(0, Namespace::interface)
    }

    fn address(&self, family: Family, at: u8, port: u16) -> SocketAddr {
        match family {
            _ if self.lan.is_none() => SocketAddr::from((ipv4(false, self.number, at), port)),
            Family::Ipv4 => SocketAddr::from((ipv4(true, self.number, at), port)),
            Family::LinkLocal => {
                SocketAddrV6::new(ipv6(0xfe80, self.number, at), port, 0, self.interface()).into()
            }
            Family::Global => SocketAddrV6::new(ipv6(0xfd77, self.number, at), port, 0, 0).into(),
        }
    }
}

/// Returns how many addresses a host has: the server and the member have one each.
fn addresses_of(host: u8) -> u8 {
    if host < 2 { 1 } else { ADDRESSES }
}

fn ipv4(is_lan: bool, host: u8, at: u8) -> Ipv4Addr {
    let [first, second] = if is_lan { [10, 77] } else { [127, 77] };
    Ipv4Addr::new(first, second, host + 1, at)
}

fn ipv6(prefix: u16, host: u8, at: u8) -> Ipv6Addr {
    Ipv6Addr::new(prefix, 0, 0, 0, 0, 0, u16::from(host) + 1, u16::from(at))
}

/// All hosts.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Where the server is.
    pub server: Host,
    /// Where somebody chats, and one of their devices connects and disconnects.
    pub member: Host,
    /// Where somebody logs in by password, each time from another address.
    pub person: Host,
    /// Where the flood comes from.
    pub attackers: Vec<Host>,
    lan: Option<Arc<Lan>>,
}

impl Ground {
    /// Makes network namespaces, joined by a bridge.
    ///
    /// # Errors
    /// As [`Lan::new`].
    pub fn lan() -> Result<Self> {
        let addresses = |host: u8| {
            let each = (1..=addresses_of(host)).flat_map(move |at| {
                [
                    format!("{}/16", ipv4(true, host, at)),
                    format!("{}/64", ipv6(0xfe80, host, at)),
                    format!("{}/64", ipv6(0xfd77, host, at)),
                ]
            });
            each.collect::<Vec<_>>()
        };
        let hosts: Vec<Vec<String>> = (0..3 + ATTACKERS as u8).map(addresses).collect();
        Ok(Self::on(Some(Arc::new(Lan::new(&hosts)?))))
    }

    /// Uses addresses of the loopback network, without multicast and IPv6.
    pub fn loopback() -> Self {
        Self::on(None)
    }

    fn on(lan: Option<Arc<Lan>>) -> Self {
        let host = |number: u8| Host { number, addresses: addresses_of(number), lan: lan.clone() };
        let attackers = (3..3 + ATTACKERS as u8).map(host).collect();
        Self { server: host(0), member: host(1), person: host(2), attackers, lan }
    }

    /// Returns whether hosts are namespaces.
    pub fn is_lan(&self) -> bool {
        self.lan.is_some()
    }

    /// Returns the server's address as seen from a host. `listening` is where the server reports that it listens.
    pub fn destination(&self, family: Family, from: &Host, listening: SocketAddr) -> SocketAddr {
        if !self.is_lan() {
            return listening;
        }
        let mut address = self.server.address(family, 1, PORT);
        if let (Family::LinkLocal, SocketAddr::V6(v6)) = (family, &mut address) {
            v6.set_scope_id(from.interface());
        }
        address
    }

    /// Returns the server's flags for where to listen: none on a link, where its defaults apply.
    pub fn flags(&self) -> Vec<String> {
        if self.is_lan() {
            return Vec::new();
        }
        vec!["--listen".to_owned(), format!("{}:0", self.server.ipv4()), "--no-mdns".to_owned()]
    }

    /// Returns an attacker on the link. One thread may have sockets on several of them.
    ///
    /// # Errors
    /// When there is no such host.
    pub fn attacker(&self, number: usize) -> Result<&Host> {
        self.attackers.get(number % self.attackers.len().max(1)).context("an attacker")
    }
}
