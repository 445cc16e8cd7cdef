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
    /// The name as the server gives it, for programs.
    pub(super) raw_name: String,
    pub(super) address: String,
    pub(super) online: u64,
    pub(super) known: bool,
    /// It is the known server that was used last, or the only one.
    pub(super) usual: bool,
    /// Another server whose name looks the same is known: somebody may want to be taken for it.
    pub(super) namesake: bool,
    /// Another server of this list has a name that looks the same.
    pub(super) twin: bool,
    /// Another server of this list claims the same id, with another key: one of them is not what it says.
    pub(super) is_claimed_twice: bool,
    /// How many servers of the same host stand before it: a host with many does not fill the list.
    pub(super) turn: usize,
    pub(super) ip: IpAddr,
    /// How many servers were used since this one was; the largest number for one that never was.
    pub(super) used: usize,
    /// The account that this device is logged in to there.
    pub(super) account: Option<String>,
}

impl Found {
    /// A server that answered, at an address of the target.
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

    /// Whom it claims to be, and the key that it has: anybody can claim an id.
    pub(super) fn identity(&self) -> (ServerId, Fingerprint) {
        (self.id, self.key)
    }

    /// Its name, and who this device is there.
    pub(super) fn called(&self) -> String {
        match &self.account {
            Some(account) => format!("{} as {}", quoted(&self.name), clip(account)),
            None => quoted(&self.name),
        }
    }

    /// Adds what is remembered of it.
    pub(super) fn recall(&mut self, servers: &[Server]) {
        if let Some(at) = servers.iter().position(|server| self.known && server.id == self.id) {
            (self.used, self.account) = (at, servers[at].account.clone());
        }
    }

    /// What is known of it, and a warning.
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

    /// All of it on one line.
    pub(super) fn line(&self) -> String {
        self.with_warning("; ")
    }

    /// As in a list on a terminal: a warning has a row of its own.
    pub(super) fn listed(&self) -> String {
        self.with_warning(";\n       ")
    }

    fn with_warning(&self, before: &str) -> String {
        let (trust, warning) = self.trust();
        let warning = warning.map(|warning| format!("{before}{warning}")).unwrap_or_default();
        format!("{:<28} {:>3} online  {}  {trust}{warning}", self.address, self.online, self.called())
    }
}

/// As many lines as can be looked over.
pub(super) fn lines_of(found: &[Found]) -> Vec<String> {
    let mut lines: Vec<String> = found.iter().take(limits::SERVERS_LISTED_MAX).map(Found::listed).collect();
    if let Some(more @ 1..) = found.len().checked_sub(limits::SERVERS_LISTED_MAX) {
        lines.push(format!("… and {more} more: `lanchat discover` lists them all"));
    }
    lines
}

/// The same below a sentence.
pub(super) fn list_of(found: &[Found]) -> String {
    lines_of(found).iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
