//! Floods of connections that hold a place before the login, and send nothing or very little.

use std::time::Duration;

use anyhow::Result;

use super::Flood;
use super::crowd::{self, Entry, Plan, Script};
use super::field::{Field, Tally};
use super::ground::{ADDRESSES, ATTACKERS, Family};
use super::raw::{self, Words};

/// How far a connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// TCP alone, and these bytes.
    Tcp(Words),
    /// TLS, and then nothing.
    Hello,
    /// TLS, and then blanks that never become a line, one byte a second.
    Blanks,
}

/// The flood.
#[derive(Clone, Copy, Debug)]
pub struct Silent {
    name: &'static str,
    family: Family,
    depth: Depth,
    hosts: usize,
    addresses: u8,
    /// Connections of one address.
    each: usize,
}

/// The pause before each byte of a handshake.
const DRIP: Duration = Duration::from_secs(1);

/// Returns all these floods.
pub fn all() -> Vec<Box<dyn Flood>> {
    let tcp = Depth::Tcp(Words::None);
    let silent = |name, family, depth, hosts, addresses, each| {
        Box::new(Silent { name, family, depth, hosts, addresses, each }) as Box<dyn Flood>
    };
    vec![
        silent("silent-ipv4", Family::Ipv4, tcp, ATTACKERS, 1, 100),
        silent("silent-ipv4-many", Family::Ipv4, tcp, ATTACKERS, ADDRESSES, 16),
        silent("silent-one-host", Family::LinkLocal, tcp, 1, ADDRESSES, 16),
        silent("silent-link-local", Family::LinkLocal, tcp, ATTACKERS, ADDRESSES, 16),
        silent("silent-one-64", Family::Global, tcp, 1, 1, 32),
        silent("silent-global", Family::Global, tcp, ATTACKERS, ADDRESSES, 16),
        silent("half-handshakes", Family::Ipv4, Depth::Tcp(Words::Half), ATTACKERS, ADDRESSES, 16),
        silent("drip", Family::Ipv4, Depth::Tcp(Words::Drip(DRIP)), ATTACKERS, ADDRESSES, 16),
        silent("greeted", Family::Ipv4, Depth::Hello, ATTACKERS, ADDRESSES, 8),
        silent("greeted-drip", Family::LinkLocal, Depth::Blanks, ATTACKERS, ADDRESSES, 8),
    ]
}

impl Silent {
    fn seats(&self) -> usize {
        self.hosts * usize::from(self.addresses) * self.each
    }
}

impl Flood for Silent {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn about(&self) -> String {
        let what = match self.depth {
            Depth::Tcp(Words::None) => "connect and say nothing",
            Depth::Tcp(Words::Half) => "send half of the first message of TLS",
            Depth::Tcp(Words::Drip(_)) => "send the first message of TLS, one byte a second",
            Depth::Hello => "complete TLS and say nothing",
            Depth::Blanks => "complete TLS and send one blank a second, never a line",
        };
        let hosts = if self.hosts == 1 { "1 host".to_owned() } else { format!("{} hosts", self.hosts) };
        format!(
            "{hosts}, {}, addresses of each: {}; {} connections that {what}, and come back at once when closed",
            self.family,
            self.addresses,
            self.seats()
        )
    }

    fn family(&self) -> Family {
        self.family
    }

    fn rage(&self, field: &Field) -> Result<Tally> {
        let seats = field.seats(self.family, self.hosts, usize::from(self.addresses), self.each);
        let rate = match self.depth {
            Depth::Tcp(words) => return raw::rage(field, self.family, seats, words),
            Depth::Hello => 0,
            Depth::Blanks => seats.len() as u32,
        };
        let plan = Plan { family: self.family, seats, entry: Entry::Stranger, rate: Some(rate) };
        crowd::rage(field, plan, Blanks)
    }
}

/// One blank at a time.
struct Blanks;

impl Script for Blanks {
    fn ask(&mut self, _seat: usize, out: &mut Vec<u8>) -> u32 {
        out.push(b' ');
        0
    }
}
