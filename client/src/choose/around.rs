//! A look around: who answers, of the servers that are known and of those that advertise themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use lanchat_client::{Decision, Fingerprint, Home, Pins, Search, Server, Sighting, look_alike};
use lanchat_model::{ServerId, limits};

use super::Found;
use crate::exit::Failure;
use crate::sanitize::quoted;
use crate::view::clip;

/// What a look around came to.
pub(super) struct Around {
    /// The servers that answer, the known ones first.
    pub(super) found: Vec<Found>,
    /// What is to be said of servers that answer in the place of others.
    pub(super) others: Vec<String>,
    /// The known server that was used last, if it has no place now.
    pub(super) busy: Option<Server>,
    /// Whether any server is known.
    pub(super) knows_any: bool,
}

impl Around {
    /// Whether there is a server that was not there before.
    pub(super) fn has_more_than(&self, before: &Self) -> bool {
        let is_new = |found: &Found| before.found.iter().all(|other| other.identity() != found.identity());
        self.found.iter().any(is_new) || self.busy.is_some() && before.busy.is_none()
    }
}

/// Looks for as long as a [`Search`] does; with `hurry`, only until the servers that answer at once
/// have.
pub(super) async fn look_around(home: &Home, hurry: bool) -> Result<Around, Failure> {
    let (servers, pins) = (home.servers()?, home.pins()?);
    let usual = usual(&servers, &pins);
    let mut search = Search::start(home)?;
    let knows_any = search.knows_any();
    // By the key too, or whoever claims the id of another server would stand in its place.
    let mut found: BTreeMap<(ServerId, Fingerprint), Found> = BTreeMap::new();
    let (mut others, mut busy) = (Vec::new(), BTreeSet::new());
    while let Some(sighting) = search.next().await {
        match sighting {
            Sighting::Server(probe) => {
                let full = found.len() >= limits::DISCOVERED_MAX && probe.decision != Decision::Match;
                // Of the addresses that it answers at, one that can be read out and typed.
                let identity = (probe.server_id, probe.fingerprint);
                let better = match found.get(&identity) {
                    Some(before) => before.ip.is_ipv6() && probe.address.is_ipv4(),
                    None => !full,
                };
                if better {
                    let target = search.target(&probe);
                    found.insert(identity, Found::new(target, &probe, &pins, usual));
                }
                // Who knows a server waits for it, whoever else is quicker to answer.
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
            // At most as many as are remembered.
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
    // Of a server that was found nobody needs to know where else it is not.
    others.retain(|(known, _)| !is_found(*known));
    let others = others.into_iter().map(|(_, words)| words).chain(absent).collect();
    Ok(Around { found: sorted(found.into_values().collect()), others, busy, knows_any })
}

/// The known server that was used last, or the only one that is known.
fn usual(servers: &[Server], pins: &Pins) -> Option<ServerId> {
    let pinned = || pins.iter().next().filter(|_| pins.iter().count() == 1).map(|(id, _)| id);
    servers.first().map(|server| server.id).or_else(pinned)
}

/// What to say of the server that was used last, where others answer.
fn does_not_answer(last: &Server, is_busy: bool) -> String {
    let what = if is_busy { "has no place now" } else { "does not answer" };
    format!("{}, which you used last, {what}.", quoted(&clip(&last.name)))
}

/// The order of the list: known servers first, then those of each host by turns.
fn sorted(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by_cached_key(|found| (!found.known, found.name.to_lowercase()));
    let mut turns: HashMap<IpAddr, usize> = HashMap::new();
    for server in &mut found {
        let turn = turns.entry(server.ip).or_default();
        server.turn = *turn;
        *turn += 1;
    }
    found.sort_by_key(|found| (!found.known, found.turn));
    // Of those that are shown, which is a bounded number.
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

/// What to say of a server that is not the one that it should be. No advice to forget the known one:
/// this may be somebody's advert.
fn other(pins: &Pins, known: ServerId, address: &str, presented: Fingerprint) -> String {
    let name = pins.get(known).map(|pin| quoted(&clip(&pin.name))).unwrap_or_default();
    format!(
        "Another server answers at {address}, not {name}, which you know. Its six words: {}. Nothing was sent to it.",
        presented.words()
    )
}
