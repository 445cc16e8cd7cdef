//! Which server to talk to: the ones that were used before and the ones that advertise themselves,
//! at the same time.

mod ask;
mod named;
mod offer;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use lanchat_client::{
    Decision, Fingerprint, Home, HomeError, Pins, Probe, Search, Server, Sighting, Target, look_alike,
};
use lanchat_model::{ServerId, limits};

use crate::cli::ChatArgs;
use crate::exit::{Failure, Reason};
use crate::sanitize::quoted;
use crate::trust::{namesake, print, say};
use crate::view::clip;
pub(crate) use named::named;
pub(crate) use offer::Hosting;
use offer::{Asked, offer};

/// A server that answers.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) target: Target,
    id: ServerId,
    key: Fingerprint,
    name: String,
    /// The name as the server gives it, for programs.
    raw_name: String,
    address: String,
    online: u64,
    known: bool,
    /// It is the known server that was used last, or the only one.
    usual: bool,
    /// Another server whose name looks the same is known: somebody may want to be taken for it.
    namesake: bool,
    /// Another server of this list has a name that looks the same.
    twin: bool,
    /// Another server of this list claims the same id, with another key: one of them is not what it says.
    is_claimed_twice: bool,
    /// How many servers of the same host stand before it: a host with many does not fill the list.
    turn: usize,
    ip: IpAddr,
    /// How many servers were used since this one was; the largest number for one that never was.
    used: usize,
    /// The account that this device is logged in to there.
    account: Option<String>,
}

impl Found {
    fn new(target: Target, probe: &Probe, pins: &Pins, usual: Option<ServerId>) -> Self {
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
    fn identity(&self) -> (ServerId, Fingerprint) {
        (self.id, self.key)
    }

    /// Its name, and who this device is there.
    fn called(&self) -> String {
        match &self.account {
            Some(account) => format!("{} as {}", quoted(&self.name), clip(account)),
            None => quoted(&self.name),
        }
    }

    /// Adds what is remembered of it.
    fn recall(&mut self, servers: &[Server]) {
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
    fn line(&self) -> String {
        self.with_warning("; ")
    }

    /// As in a list on a terminal: a warning has a row of its own.
    fn listed(&self) -> String {
        self.with_warning(";\n       ")
    }

    fn with_warning(&self, before: &str) -> String {
        let (trust, warning) = self.trust();
        let warning = warning.map(|warning| format!("{before}{warning}")).unwrap_or_default();
        format!("{:<28} {:>3} online  {}  {trust}{warning}", self.address, self.online, self.called())
    }
}

/// What looking around came to.
pub(crate) enum Choice {
    /// This one.
    Server(Target),
    /// None answers, and the user wants to host one.
    Host,
}

/// Finds the server to talk to. `hosting`: what can be hosted instead.
///
/// Who knows a server goes to no other one by itself: a new one is chosen by a person, or with `--first-contact`. Of several
/// that are known the one that was used last is gone to if it alone answers; which is the quickest is no choice.
///
/// # Errors
/// [`Reason::NoServer`] when there is none, or nobody to ask which of several known ones is meant; [`Reason::Untrusted`]
/// when there are only some that nobody has decided to trust.
pub(crate) async fn choose(home: &Home, args: &ChatArgs, hosting: Hosting) -> Result<Choice, Failure> {
    let asks = args.has_person();
    if asks {
        say("Looking for servers on this network…")?;
    } else {
        knows_at_most_one(home)?;
    }
    let (mut around, mut was_asked) = (look_around(home, true).await?, false);
    loop {
        if let Some(target) = by_itself(&around, args, asks, was_asked) {
            return Ok(Choice::Server(target));
        }
        if !asks {
            return Err(undecided(home, &around)?);
        }
        (around, was_asked) = match offer(home, &around, hosting).await? {
            Asked::Choice(choice) => return Ok(choice),
            Asked::Around { now, again } => (now, again),
        };
    }
}

/// The server that is gone to without a question. `was_asked`: a question stood when it came up, so that somebody who meant
/// to do something else may be about to.
fn by_itself(around: &Around, args: &ChatArgs, asks: bool, was_asked: bool) -> Option<Target> {
    let Around { found, busy, knows_any, .. } = around;
    let known = found.iter().filter(|found| found.known).count();
    match found.as_slice() {
        // Better wait for the own server than go to another one.
        _ if known == 0 && busy.is_some() => busy.as_ref().map(Target::remembered),
        [only] if only.usual || !knows_any && !was_asked => Some(only.target.clone()),
        // Nobody to ask: a stranger's advert does not keep a script from the server that it knows.
        [first, ..] if known == 1 && !asks => Some(first.target.clone()),
        [only] if args.first_contact && !only.namesake => Some(only.target.clone()),
        _ => None,
    }
}

/// Why a script is not connected, where a person would be asked.
fn undecided(home: &Home, around: &Around) -> Result<Failure, Failure> {
    let Around { found, others, knows_any, .. } = around;
    let known = found.iter().any(|found| found.known);
    if found.is_empty() {
        return nobody(home, *knows_any, others);
    }
    if *knows_any && !known {
        return not_by_itself(home, found, others);
    }
    let words = format!("There are several servers. Choose one with --server:\n{}", list_of(found));
    Ok(Failure::new(Reason::NoServer, words))
}

/// Nobody is there to choose between known servers, and which answers first is no choice: whoever runs one of them could
/// be quicker than the one that is meant, and get the password for it.
fn knows_at_most_one(home: &Home) -> Result<(), Failure> {
    let (servers, pins) = (home.servers()?, home.pins()?);
    let mut ids: BTreeSet<ServerId> = servers.iter().map(|server| server.id).collect();
    ids.extend(pins.iter().map(|(id, _)| id));
    if ids.len() < 2 {
        return Ok(());
    }
    let mut lines = vec!["You know several servers. Name the one that you mean with --server:".to_owned()];
    lines.extend(servers.iter().take(limits::SERVERS_LISTED_MAX).map(|server| {
        let address = server.addresses.first().map(|address| clip(address)).unwrap_or_default();
        format!("  {address:<28} {}", quoted(&clip(&server.name)))
    }));
    Err(Failure::new(Reason::NoServer, lines.join("\n")))
}

/// Why a script is not connected to a server that it does not know.
fn not_by_itself(home: &Home, found: &[Found], others: &[String]) -> Result<Failure, Failure> {
    let mut words: Vec<String> = others.to_vec();
    words.push(format!("{} lanchat goes to no other one by itself. These are here:", missing(home, true)?));
    words.push(list_of(found));
    words.push(match found {
        [only] if only.namesake => format!("If you mean this one: lanchat --server {}", only.address),
        [only] => format!("If you mean this one: lanchat --server {}, or --first-contact", only.address),
        _ => "If you mean one of them: lanchat --server ADDRESS".to_owned(),
    });
    Ok(Failure::new(Reason::Untrusted, words.join("\n")))
}

/// What is missing: the servers that are known, by name.
fn missing(home: &Home, knows_any: bool) -> Result<String, Failure> {
    const NAMES_MAX: usize = 3;
    if !knows_any {
        return Ok("No server on this network.".to_owned());
    }
    let servers = home.servers()?;
    let mut names: Vec<String> =
        servers.iter().take(NAMES_MAX).map(|server| quoted(&clip(&server.name))).collect();
    if servers.len() > NAMES_MAX {
        names.push("…".to_owned());
    }
    Ok(match names.is_empty() {
        true => "No server that you know answers.".to_owned(),
        false => format!("No server that you know answers ({}).", names.join(", ")),
    })
}

fn nobody(home: &Home, knows_any: bool, others: &[String]) -> Result<Failure, Failure> {
    let mut words: Vec<String> = others.to_vec();
    words.push(format!(
        "{} Start one with `lanchat host`, or name one: `lanchat --server HOST`.",
        missing(home, knows_any)?
    ));
    Ok(Failure::new(Reason::NoServer, words.join("\n")))
}

/// What a look around came to.
struct Around {
    /// The servers that answer, the known ones first.
    found: Vec<Found>,
    /// What is to be said of servers that answer in the place of others.
    others: Vec<String>,
    /// The known server that was used last, if it has no place now.
    busy: Option<Server>,
    /// Whether any server is known.
    knows_any: bool,
}

impl Around {
    /// Whether there is a server that was not there before.
    fn has_more_than(&self, before: &Self) -> bool {
        let is_new = |found: &Found| before.found.iter().all(|other| other.identity() != found.identity());
        self.found.iter().any(is_new) || self.busy.is_some() && before.busy.is_none()
    }
}

/// Looks for as long as a [`Search`] does; with `hurry`, only until the servers that answer at once
/// have.
async fn look_around(home: &Home, hurry: bool) -> Result<Around, Failure> {
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

/// As many lines as can be looked over.
fn lines_of(found: &[Found]) -> Vec<String> {
    let mut lines: Vec<String> = found.iter().take(limits::SERVERS_LISTED_MAX).map(Found::listed).collect();
    if let Some(more @ 1..) = found.len().checked_sub(limits::SERVERS_LISTED_MAX) {
        lines.push(format!("… and {more} more: `lanchat discover` lists them all"));
    }
    lines
}

fn list_of(found: &[Found]) -> String {
    lines_of(found).iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// Runs `lanchat discover`.
///
/// # Errors
/// [`Reason::NoServer`] when there is none.
pub(crate) async fn list(home: &Home, json: bool) -> Result<(), Failure> {
    let Around { found, others, knows_any, .. } = look_around(home, false).await?;
    if found.is_empty() {
        return Err(nobody(home, knows_any, &others)?);
    }
    if !json {
        others.iter().try_for_each(|other| say(other))?;
    }
    for found in found {
        if json {
            let object = serde_json::json!({
                "server_id": found.id.to_string(),
                "name": found.raw_name,
                "address": found.address,
                "online": found.online,
                "known": found.known,
                "namesake": found.namesake,
            });
            print(&crate::sanitize::json(&object.to_string()))?;
        } else {
            say(&found.line())?;
        }
    }
    Ok(())
}

/// What `/servers` shows: the servers that are known, and those that are new and here now. Looks as long as a [`Search`]
/// does.
pub(crate) async fn all_servers(home: &Home) -> Vec<String> {
    match servers_and_pins(home) {
        Ok((servers, pins)) => {
            let around = look_around(home, false).await;
            let found = around.map(|around| around.found).unwrap_or_default();
            list_all(&servers, &pins, &found)
        }
        Err(error) => vec![error.to_string()],
    }
}

fn servers_and_pins(home: &Home) -> Result<(Vec<Server>, Pins), HomeError> {
    Ok((home.servers()?, home.pins()?))
}

fn list_all(servers: &[Server], pins: &Pins, found: &[Found]) -> Vec<String> {
    let line = |server: &Server| {
        let here = found.iter().find(|found| found.known && found.id == server.id);
        let verified = pins.get(server.id).is_some_and(|pin| pin.verified);
        let account = server.account.as_deref().map(|name| format!(" as {}", clip(name))).unwrap_or_default();
        let address = here.map(|here| here.address.as_str()).or(server.addresses.first().map(String::as_str));
        format!(
            "  {:<28} {}{account}; {}; {}",
            address.map(clip).unwrap_or_default(),
            quoted(&clip(&server.name)),
            if verified { "key verified" } else { "key not verified" },
            if here.is_some() { "here" } else { "does not answer" },
        )
    };
    let mut lines = Vec::new();
    if servers.is_empty() {
        lines.push("You know no server yet.".to_owned());
    } else {
        lines.push("Servers that you know (lanchat --server ADDRESS connects):".to_owned());
        lines.extend(servers.iter().take(limits::REMEMBERED_SERVERS_MAX).map(line));
    }
    let new: Vec<&Found> = found.iter().filter(|found| !found.known).collect();
    if !new.is_empty() {
        lines.push("New on this network:".to_owned());
        lines.extend(new.iter().take(limits::SERVERS_LISTED_MAX).map(|found| format!("  {}", found.line())));
    }
    lines
}

/// What whoever hosts is told of the other servers here, each once; `told` are those that it knows of: its own, and at most
/// `limits::HOSTS_TOLD_MAX`.
#[cfg(feature = "host")]
pub(crate) async fn beside(home: &Home, told: &mut BTreeSet<ServerId>) -> Result<Vec<String>, Failure> {
    let around = look_around(home, false).await?;
    let mut lines = Vec::new();
    for found in &around.found {
        if told.len() <= limits::HOSTS_TOLD_MAX && told.insert(found.id) {
            lines.push(format!(
                "Another server is on this network: {} at {}, {} online. People may end up on either; /quit here if \
                 you want to be together there.",
                quoted(&found.name),
                found.address,
                found.online
            ));
        }
    }
    Ok(lines)
}
