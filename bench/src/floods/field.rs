//! What a flood needs to know: its sources, its target, its account, and its end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use lanchat_certs::Fingerprint;

use super::ground::{Family, Ground};
use super::halt::Halt;
use crate::fleet::Destination;
use crate::seed::Member;

/// The account that chats while a flood rages.
pub const CHATTER: usize = 0;
/// The account whose device comes and goes.
pub const DEVICE: usize = 1;
/// The account that logs in by password.
pub const PERSON: usize = 2;
/// The account that floods, in floods of one account.
pub const CULPRIT: usize = 3;
/// The name of the server.
pub const SERVER_NAME: &str = "floods";

/// The setting of one flood. It holds tokens, so it does not implement `Debug`.
#[derive(Clone)]
pub struct Field {
    /// The hosts.
    pub ground: Ground,
    /// The server's key.
    pub fingerprint: Fingerprint,
    /// Where the server reports that it listens.
    pub listening: SocketAddr,
    /// The accounts.
    pub members: Vec<Member>,
    /// When the flood is over.
    pub end: Instant,
    /// Set when the flood is over earlier.
    pub halt: Halt,
}

impl Field {
    /// Returns whether it is time to stop.
    pub fn is_over(&self) -> bool {
        self.halt.is_said() || Instant::now() >= self.end
    }

    /// Returns the server's address and key, for attacker `host`.
    ///
    /// # Errors
    /// When there is no such host.
    pub fn destination(&self, family: Family, host: usize) -> Result<Destination> {
        let address = self.ground.destination(family, self.ground.attacker(host)?, self.listening);
        Ok(Destination { address, fingerprint: self.fingerprint })
    }

    /// Returns places to connect from: `hosts` attackers with `addresses` each, `each` times; adjacent ones belong to
    /// different hosts.
    pub fn seats(
        &self,
        family: Family,
        hosts: usize,
        addresses: usize,
        each: usize,
    ) -> Vec<(usize, SocketAddr)> {
        let of = |host: usize| {
            let sources =
                self.ground.attackers.get(host).map(|host| host.sources(family)).unwrap_or_default();
            sources.into_iter().take(addresses).collect::<Vec<_>>()
        };
        let sources: Vec<Vec<SocketAddr>> = (0..hosts).map(of).collect();
        let mut seats = Vec::new();
        for _ in 0..each {
            for address in 0..addresses {
                let some = sources.iter().enumerate();
                seats.extend(some.filter_map(|(host, sources)| Some((host, *sources.get(address)?))));
            }
        }
        seats
    }
}

/// What a flood did.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How much it did: packets, requests or guesses.
    pub done: u64,
    /// Connections that it began.
    pub connections: u64,
    /// How often each answer came: answers by type, errors by code.
    pub answers: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts an answer.
    pub fn told(&mut self, what: &str) {
        match self.answers.get_mut(what) {
            Some(count) => *count += 1,
            None => {
                self.answers.insert(what.to_owned(), 1);
            }
        }
    }

    /// Returns it in words, for a flood of this duration.
    pub fn words(&self, took: Duration) -> String {
        let per_second = |count: u64| count as f64 / took.as_secs_f64().max(f64::EPSILON);
        let mut parts = Vec::new();
        if self.done > 0 {
            parts.push(format!("{} ({:.0}/s)", self.done, per_second(self.done)));
        }
        if self.connections > 0 {
            parts.push(format!("{} connections ({:.0}/s)", self.connections, per_second(self.connections)));
        }
        parts.extend(self.answers.iter().map(|(what, count)| format!("{what} {count}")));
        if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
    }
}

/// Allows a number of actions a second, or as many as possible without a rate.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    rate: Option<u32>,
    since: Instant,
    used: u64,
}

impl Throttle {
    /// Makes a throttle that starts now.
    pub fn new(rate: Option<u32>) -> Self {
        Self { rate, since: Instant::now(), used: 0 }
    }

    /// Takes one action, if one is allowed now.
    pub fn take(&mut self) -> bool {
        let allowed = self
            .rate
            .is_none_or(|rate| (self.used as f64) < self.since.elapsed().as_secs_f64() * f64::from(rate));
        self.used += u64::from(allowed);
        allowed
    }
}
