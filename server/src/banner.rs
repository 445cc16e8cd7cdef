//! The banner: what a person needs to know so that others can connect.

use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, SocketAddr};

use lanchat_certs::Fingerprint;

use crate::interfaces::{Absent, Neighbourhood};
use crate::listen::Listen;
use crate::store::NoHistory;

/// What the server says about itself when it is ready.
#[derive(Debug)]
pub(crate) struct Banner<'a> {
    pub(crate) name: &'a str,
    pub(crate) fingerprint: Fingerprint,
    /// Where lanchat clients reach it.
    pub(crate) sockets: &'a [SocketAddr],
    /// Everything that it listens on.
    pub(crate) listening: &'a [Listen],
    pub(crate) neighbourhood: &'a Neighbourhood,
    /// Interfaces that were named but do not exist.
    pub(crate) absent: Option<&'a Absent>,
    /// Set if there was a key but no database.
    pub(crate) no_history: Option<&'a NoHistory>,
    pub(crate) mdns: bool,
}

impl Display for Banner<'_> {
    /// Ends with one line `listening on ADDR:PORT` per socket, which programs may read. A socket that is not for
    /// lanchat clients is shown by its URI.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "lanchat server {:?}, version {}", self.name, env!("CARGO_PKG_VERSION"))?;
        writeln!(f, "six words: {}", self.fingerprint.words())?;
        if let Some(no_history) = self.no_history {
            writeln!(f, "warning: {no_history}")?;
        }
        if let Some(absent) = self.absent {
            writeln!(f, "warning: --iface: {absent}")?;
        }
        let reached = self.neighbourhood.reached_by(self.sockets);
        for (address, there) in &reached {
            writeln!(f, "address: {} ({})", without_scope(*there), address.interface)?;
        }
        match reached.iter().find(|(address, _)| !address.is_link_local()).or(reached.first()) {
            Some((address, there)) => {
                // A link-local address needs the interface of the connecting computer, which only its user knows.
                let scope = if address.is_link_local() { "%INTERFACE" } else { "" };
                self.invite(f, &with_scope(*there, scope))?;
            }
            None => self.explain_loneliness(f)?,
        }
        for listen in self.listening {
            writeln!(f, "listening on {listen}")?;
        }
        Ok(())
    }
}

impl Banner<'_> {
    fn invite(&self, f: &mut Formatter<'_>, there: &str) -> fmt::Result {
        writeln!(f, "on another computer in this network, type one of:")?;
        if self.mdns {
            writeln!(f, "    lanchat")?;
        }
        writeln!(f, "    lanchat --server {there}")?;
        writeln!(f, "    lanchat lanchat://{there}/#{}", self.fingerprint)
    }

    fn explain_loneliness(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.sockets.iter().all(|socket| socket.ip().is_loopback()) {
            return writeln!(
                f,
                "only this computer can reach this server: --listen [::]:7072 lets others in"
            );
        }
        let left_out: Vec<&str> = self.neighbourhood.left_out.iter().map(String::as_str).collect();
        if self.absent.is_some() {
            writeln!(
                f,
                "not announced: none of the interfaces that --iface names has an address; name one that has"
            )
        } else if left_out.is_empty() {
            writeln!(
                f,
                "this computer has no network address that the server listens on: no other computer can reach it"
            )
        } else {
            let names = left_out.join(", ");
            writeln!(
                f,
                "not announced: this computer has only virtual or excluded network interfaces ({names})"
            )?;
            writeln!(f, "to be found through one of them, start the server with --iface NAME")
        }
    }
}

fn without_scope(there: SocketAddr) -> SocketAddr {
    SocketAddr::new(there.ip(), there.port())
}

fn with_scope(there: SocketAddr, scope: &str) -> String {
    match there.ip() {
        IpAddr::V6(ip) => format!("[{ip}{scope}]:{}", there.port()),
        IpAddr::V4(_) => there.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interfaces::HostAddress;

    fn shown(addresses: &[&str], left_out: &[&str], socket: &str, mdns: bool) -> String {
        let address = |ip: &&str| HostAddress { interface: "eth0".into(), ip: ip.parse().unwrap(), index: 2 };
        let neighbourhood = Neighbourhood {
            addresses: addresses.iter().map(address).collect(),
            left_out: left_out.iter().map(|name| (*name).to_owned()).collect(),
        };
        let banner = Banner {
            name: "lab",
            fingerprint: Fingerprint::from_bytes([0; 32]),
            sockets: &[socket.parse().unwrap()],
            listening: &[socket.parse().unwrap()],
            neighbourhood: &neighbourhood,
            absent: None,
            no_history: None,
            mdns,
        };
        banner.to_string()
    }

    #[test]
    fn the_banner_says_what_to_type() {
        let banner = shown(&["10.0.0.1", "fe80::1"], &[], "[::]:7072", true);
        let lines: Vec<&str> = banner.lines().collect();
        assert_eq!(lines[1], "six words: abandon-abandon-abandon-abandon-abandon-abandon");
        assert!(lines.contains(&"address: 10.0.0.1:7072 (eth0)"), "{banner}");
        assert!(lines.contains(&"address: [fe80::1]:7072 (eth0)"), "{banner}");
        assert!(lines.contains(&"    lanchat"), "{banner}");
        assert!(lines.contains(&"    lanchat --server 10.0.0.1:7072"), "{banner}");
        let link = format!("    lanchat lanchat://10.0.0.1:7072/#{}", "00".repeat(32));
        assert!(lines.contains(&&*link), "{banner}");
        assert_eq!(lines.last(), Some(&"listening on [::]:7072"));
    }

    #[test]
    fn without_an_advert_the_address_is_needed() {
        assert!(!shown(&["10.0.0.1"], &[], "[::]:7072", false).lines().any(|line| line == "    lanchat"));
        assert!(shown(&["fe80::1"], &[], "[::]:7", true).contains("--server [fe80::1%INTERFACE]:7\n"));
    }

    #[test]
    fn a_server_that_nobody_can_reach_says_why() {
        assert!(shown(&[], &["docker0"], "[::]:7072", true).contains("(docker0)\n"));
        assert!(shown(&["10.0.0.1"], &[], "127.0.0.1:7072", true).contains("--listen"));
    }
}
