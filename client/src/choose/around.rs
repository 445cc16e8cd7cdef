//! A look around: which known and which advertised servers answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use lanchat_client::{Decision, Fingerprint, Home, Pins, Search, Server, Sighting, look_alike};
use lanchat_model::{ServerId, limits};

use super::Found;
use crate::exit::Failure;
use crate::sanitize::quoted;
use crate::view::clip;

/// The result of a look around.
pub(super) struct Around {
    /// The servers that answer, the known ones first.
    pub(super) found: Vec<Found>,
    /// What to tell the user about servers that answer in place of others.
    pub(super) others: Vec<String>,
    /// The known server that was used last, if it is full now.
    pub(super) busy: Option<Server>,
    /// Whether any server is known.
    pub(super) knows_any: bool,
}

impl Around {
    /// Returns whether there is a server that was not there before.
    pub(super) fn has_more_than(&self, before: &Self) -> bool {
        let is_new = |found: &Found| before.found.iter().all(|other| other.identity() != found.identity());
        self.found.iter().any(is_new) || self.busy.is_some() && before.busy.is_none()
    }
}

/// Looks for as long as a [`Search`] does; with `hurry`, only until the servers that answer at once have answered.
pub(super) async fn look_around(home: &Home, hurry: bool) -> Result<Around, Failure> {
    let (servers, pins) = (home.servers()?, home.pins()?);
    let usual = usual(&servers, &pins);
    let mut search = Search::start(home)?;
    let knows_any = search.knows_any();
    // The key is part of the index: otherwise a server that claims another's id could replace it here.
    let mut found: BTreeMap<(ServerId, Fingerprint), Found> = BTreeMap::new();
    let (mut others, mut busy) = (Vec::new(), BTreeSet::new());
    while let Some(sighting) = search.next().await {
        match sighting {
            Sighting::Server(probe) => {
                let full = found.len() >= limits::DISCOVERED_MAX && probe.decision != Decision::Match;
                // Of the addresses where it answers, keep one that can be read out and typed.
                let identity = (probe.server_id, probe.fingerprint);
                let better = match found.get(&identity) {
                    Some(before) => before.ip.is_ipv6() && probe.address.is_ipv4(),
                    None => !full,
                };
                if better {
                    let target = search.target(&probe);
                    found.insert(identity, Found::new(target, &probe, &pins, usual));
                }
                // A client that knows a server waits for it, even if others answer sooner.
                let known = probe.decision == Decision::Match;
                if hurry && (known || !knows_any) {
                    search.hurry(known && usual == Some(probe.server_id));
                }
            }
            Sighting::Other { known, address, presented }
                if others.len() < limits::OTHER_SERVERS_TOLD_MAX =>
            {
                others.push((known, other(&pins, known, &address.to_string(), presented)));
            }
            // Bounded by the number of remembered servers.
            Sighting::Busy { known } => drop(busy.insert(known)),
            _ => {}
        }
    }
    found.values_mut().for_each(|found| found.recall(&servers));
    let last = servers.into_iter().find(|server| usual == Some(server.id));
    let is_found = |id| found.keys().any(|(found, _)| *found == id);
    let knows_others = found.values().any(|found| found.known);
    let absent = last.as_ref().filter(|last| knows_others && !is_found(last.id));
    let absent = absent.map(|last| does_not_answer(last, busy.contains(&last.id)));
    let busy = last.filter(|last| busy.contains(&last.id));
    // For a server that was found, other addresses where it is not are of no interest.
    others.retain(|(known, _)| !is_found(*known));
    let others = others.into_iter().map(|(_, words)| words).chain(absent).collect();
    Ok(Around { found: sorted(found.into_values().collect()), others, busy, knows_any })
}

/// Returns the known server that was used last, or the only known one.
fn usual(servers: &[Server], pins: &Pins) -> Option<ServerId> {
    let pinned = || pins.iter().next().filter(|_| pins.iter().count() == 1).map(|(id, _)| id);
    servers.first().map(|server| server.id).or_else(pinned)
}

/// Says what became of the server that was used last, when others answer.
fn does_not_answer(last: &Server, is_busy: bool) -> String {
    let what = if is_busy { "is full now" } else { "does not answer" };
    format!("{}, which you used last, {what}.", quoted(&clip(&last.name)))
}

/// Sorts the list: known servers first, and the hosts take turns.
fn sorted(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by_cached_key(|found| (!found.known, found.name.to_lowercase()));
    let mut turns: HashMap<IpAddr, usize> = HashMap::new();
    for server in &mut found {
        let turn = turns.entry(server.ip).or_default();
        server.turn = *turn;
        *turn += 1;
    }
    found.sort_by_key(|found| (!found.known, found.turn));
    // Only the listed ones are compared, so the number is bounded.
    for at in 0..found.len().min(limits::SERVERS_LISTED_MAX) {
        let twin =
            |(other, server): (usize, &Found)| other != at && look_alike(&server.name, &found[at].name);
        let twin = found.iter().take(limits::SERVERS_LISTED_MAX).enumerate().any(twin);
        found[at].twin = twin;
    }
    let mut claims: HashMap<ServerId, usize> = HashMap::new();
    found.iter().for_each(|server| *claims.entry(server.id).or_default() += 1);
    found.iter_mut().for_each(|server| server.is_claimed_twice = claims[&server.id] > 1);
    found
}

/// Describes a server that answers in place of a known one. It does not advise forgetting the known one: this may be
/// somebody's forged advert.
fn other(pins: &Pins, known: ServerId, address: &str, presented: Fingerprint) -> String {
    let name = pins.get(known).map(|pin| quoted(&clip(&pin.name))).unwrap_or_default();
    format!(
        "Another server answers at {address}, not {name}, which you know. Its six words: {}. Nothing was sent to it.",
        presented.words()
    )
}
