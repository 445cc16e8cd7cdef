//! A server that answers, and how it is listed.

use std::net::IpAddr;

use lanchat_client::{Decision, Fingerprint, Pins, Probe, Server, Target};
use lanchat_model::{ServerId, limits};

use crate::sanitize::quoted;
use crate::trust::namesake;
use crate::view::clip;

/// A server that answers.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) target: Target,
    pub(super) id: ServerId,
    pub(super) key: Fingerprint,
    pub(super) name: String,
    /// The raw name that the server gave, for programs.
    pub(super) raw_name: String,
    pub(super) address: String,
    pub(super) online: u64,
    pub(super) known: bool,
    /// Whether it is the known server that was used last, or the only known one.
    pub(super) usual: bool,
    /// Whether another server whose name looks the same is known: somebody may be imitating it.
    pub(super) namesake: bool,
    /// Whether another server in this list has a name that looks the same.
    pub(super) twin: bool,
    /// Whether another server in this list claims the same id with another key: one of them is lying.
    pub(super) is_claimed_twice: bool,
    /// How many servers of the same host come before it: a host with many must not fill the list.
    pub(super) turn: usize,
    pub(super) ip: IpAddr,
    /// How many servers were used since this one; the largest number if it was never used.
    pub(super) used: usize,
    /// The account that this device is logged in to on it.
    pub(super) account: Option<String>,
}

impl Found {
    /// Makes an item for a server that answered at an address of the target.
    pub(super) fn new(target: Target, probe: &Probe, pins: &Pins, usual: Option<ServerId>) -> Self {
        Self {
            target,
            id: probe.server_id,
            key: probe.fingerprint,
            name: clip(&probe.hello.name),
            raw_name: probe.hello.name.clone(),
            address: probe.address.to_string(),
            online: probe.hello.online,
            known: probe.decision == Decision::Match,
            usual: probe.decision == Decision::Match && usual == Some(probe.server_id),
            namesake: namesake(pins, probe.server_id, &probe.hello.name).is_some(),
            twin: false,
            is_claimed_twice: false,
            turn: 0,
            ip: probe.address.ip(),
            used: usize::MAX,
            account: None,
        }
    }

    /// Returns the id that it claims and the key that it has: anybody can claim an id.
    pub(super) fn identity(&self) -> (ServerId, Fingerprint) {
        (self.id, self.key)
    }

    /// Returns its name, and this device's account there.
    pub(super) fn called(&self) -> String {
        match &self.account {
            Some(account) => format!("{} as {}", quoted(&self.name), clip(account)),
            None => quoted(&self.name),
        }
    }

    /// Adds what is remembered about it.
    pub(super) fn recall(&mut self, servers: &[Server]) {
        if let Some(at) = servers.iter().position(|server| self.known && server.id == self.id) {
            (self.used, self.account) = (at, servers[at].account.clone());
        }
    }

    /// Returns whether it is known, and a warning.
    fn trust(&self) -> (&'static str, Option<&'static str>) {
        if self.is_claimed_twice && !self.known {
            return ("new", Some("ANOTHER server here says that it is this one: compare the six words"));
        }
        match (self.known, self.namesake, self.twin) {
            (true, true, _) => ("known", Some("you know ANOTHER server whose name looks the same")),
            (true, false, _) => ("known", None),
            (false, true, _) => ("new", Some("NOT the server of this name that you know")),
            (false, false, true) => ("new", Some("ANOTHER server here has a name that looks the same")),
            (false, false, false) => ("new", None),
        }
    }

    /// Returns everything about it on one line.
    pub(super) fn line(&self) -> String {
        self.with_warning("; ")
    }

    /// Returns it as listed on a terminal: a warning has a row of its own.
    pub(super) fn listed(&self) -> String {
        self.with_warning(";\n       ")
    }

    fn with_warning(&self, before: &str) -> String {
        let (trust, warning) = self.trust();
        let warning = warning.map(|warning| format!("{before}{warning}")).unwrap_or_default();
        format!("{:<28} {:>3} online  {}  {trust}{warning}", self.address, self.online, self.called())
    }
}

/// Returns as many lines as a person can look over.
pub(super) fn lines_of(found: &[Found]) -> Vec<String> {
    let mut lines: Vec<String> = found.iter().take(limits::SERVERS_LISTED_MAX).map(Found::listed).collect();
    if let Some(more @ 1..) = found.len().checked_sub(limits::SERVERS_LISTED_MAX) {
        lines.push(format!("… and {more} more: `lanchat discover` lists them all"));
    }
    lines
}

/// Returns the same lines, indented below a sentence.
pub(super) fn list_of(found: &[Found]) -> String {
    lines_of(found).iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
