//! Which server to talk to: the ones that were used before and the ones that advertise themselves,
//! at the same time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, BufRead, IsTerminal, Write};
use std::net::IpAddr;

use lanchat_client::{
    Decision, Fingerprint, Home, Pins, Probe, Search, Server, Sighting, Target, look_alike,
};
use lanchat_model::{ServerId, limits};

use crate::cli::ChatArgs;
use crate::exit::{Failure, Reason};
use crate::sanitize::quoted;
use crate::trust::{namesake, print, say};
use crate::view::clip;

/// A server that answers.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) target: Target,
    id: ServerId,
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
    /// How many servers of the same host stand before it: a host with many does not fill the list.
    turn: usize,
    ip: IpAddr,
}

impl Found {
    fn new(target: Target, probe: &Probe, pins: &Pins, usual: Option<ServerId>) -> Self {
        Self {
            target,
            id: probe.server_id,
            name: clip(&probe.hello.name),
            raw_name: probe.hello.name.clone(),
            address: probe.address.to_string(),
            online: probe.hello.online,
            known: probe.decision == Decision::Match,
            usual: probe.decision == Decision::Match && usual == Some(probe.server_id),
            namesake: namesake(pins, probe.server_id, &probe.hello.name).is_some(),
            twin: false,
            turn: 0,
            ip: probe.address.ip(),
        }
    }

    /// What is known of it, and a warning.
    fn trust(&self) -> (&'static str, Option<&'static str>) {
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
        format!("{:<28} {:>3} online  {}  {trust}{warning}", self.address, self.online, quoted(&self.name))
    }
}

/// What looking around came to.
pub(crate) enum Choice {
    /// This one.
    Server(Target),
    /// None answers, and the user wants to host one.
    Host,
}

/// Finds the server to talk to. `may_host`: hosting can be offered.
///
/// Who knows a server goes to no other one by itself: a new one is chosen by a person, or with `--first-contact`. Of several
/// that are known the one that was used last is gone to if it alone answers; which is the quickest is no choice.
///
/// # Errors
/// [`Reason::NoServer`] when there is none, or nobody to ask which of several known ones is meant; [`Reason::Untrusted`] when there are only some that
/// nobody has decided to trust.
pub(crate) async fn choose(home: &Home, args: &ChatArgs, may_host: bool) -> Result<Choice, Failure> {
    let asks = io::stdin().is_terminal() && io::stdout().is_terminal() && !args.json;
    if asks {
        say("Looking for servers on this network…")?;
    } else {
        knows_at_most_one(home)?;
    }
    let Around { mut found, others, busy, knows_any } = look_around(home, true).await?;
    let known = found.iter().filter(|found| found.known).count();
    // Better wait for the own server than go to another one.
    if known == 0
        && let Some(busy) = busy
    {
        return Ok(Choice::Server(Target::remembered(&busy)));
    }
    match found.as_slice() {
        [] if asks && may_host => {
            others.iter().try_for_each(|other| say(other))?;
            let missing = missing(home, knows_any)?;
            let hosts = ask(&format!("{missing} Host one here? [Y/n] ")).await?;
            if matches!(hosts.trim().to_ascii_lowercase().as_str(), "" | "y" | "yes") {
                return Ok(Choice::Host);
            }
            Err(nobody(home, knows_any, &others)?)
        }
        [] => Err(nobody(home, knows_any, &others)?),
        [only] if only.usual || !knows_any => Ok(Choice::Server(found.swap_remove(0).target)),
        // Nobody to ask: a stranger's advert does not keep a script from the server that it knows.
        _ if known == 1 && !asks => Ok(Choice::Server(found.swap_remove(0).target)),
        [only] if args.first_contact && !only.namesake => Ok(Choice::Server(found.swap_remove(0).target)),
        several if asks => {
            others.iter().try_for_each(|other| say(other))?;
            let chosen = pick(several, knows_any && known == 0).await?;
            Ok(Choice::Server(found.swap_remove(chosen).target))
        }
        unknown if known == 0 && knows_any => Err(not_by_itself(home, unknown, &others)?),
        several => {
            let words = format!("There are several servers. Choose one with --server:\n{}", list_of(several));
            Err(Failure::new(Reason::NoServer, words))
        }
    }
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

/// Looks for as long as a [`Search`] does; with `hurry`, only until the servers that answer at once
/// have.
async fn look_around(home: &Home, hurry: bool) -> Result<Around, Failure> {
    let (servers, pins) = (home.servers()?, home.pins()?);
    let usual = usual(&servers, &pins);
    let mut search = Search::start(home)?;
    let knows_any = search.knows_any();
    let mut found: BTreeMap<ServerId, Found> = BTreeMap::new();
    let (mut others, mut busy) = (Vec::new(), BTreeSet::new());
    while let Some(sighting) = search.next().await {
        match sighting {
            Sighting::Server(probe) => {
                let full = found.len() >= limits::DISCOVERED_MAX && probe.decision != Decision::Match;
                // Of the addresses that it answers at, one that can be read out and typed.
                let better = match found.get(&probe.server_id) {
                    Some(before) => before.ip.is_ipv6() && probe.address.is_ipv4(),
                    None => !full,
                };
                if better {
                    let target = search.target(&probe);
                    found.insert(probe.server_id, Found::new(target, &probe, &pins, usual));
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
    let last = servers.into_iter().find(|server| usual == Some(server.id));
    let knows_others = found.values().any(|found| found.known);
    let absent = last.as_ref().filter(|last| knows_others && !found.contains_key(&last.id));
    let absent = absent.map(|last| does_not_answer(last, busy.contains(&last.id)));
    let busy = last.filter(|last| busy.contains(&last.id));
    // Of a server that was found nobody needs to know where else it is not.
    others.retain(|(known, _)| !found.contains_key(known));
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
    found
}

/// What to say of a server that is not the one that it should be. No advice to forget the known one:
/// this may be somebody's advert.
fn other(pins: &Pins, known: ServerId, address: &str, presented: Fingerprint) -> String {
    let name = pins.get(known).map(|pin| quoted(&clip(&pin.name))).unwrap_or_default();
    format!(
        "At {address} another server answers than {name}, which you know. It has the key {}; nothing was sent to it.",
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

/// Asks which one. `strangers`: a server is known, and none of these is it.
async fn pick(found: &[Found], strangers: bool) -> Result<usize, Failure> {
    if strangers {
        say("No server that you know answers. These are NEW to you:")?;
    } else {
        say("Servers on this network:")?;
    }
    for (number, line) in (1..).zip(lines_of(found)) {
        match number <= found.len().min(limits::SERVERS_LISTED_MAX) {
            true => say(&format!("{number:>3}  {line}"))?,
            false => say(&format!("     {line}"))?,
        }
    }
    let last = found.len().min(limits::SERVERS_LISTED_MAX);
    loop {
        let answer = ask("Which one? [number, or Enter to leave] ").await?;
        match answer.trim().parse::<usize>() {
            Ok(number) if (1..=last).contains(&number) => return Ok(number - 1),
            _ if answer.trim().is_empty() => {
                return Err(Failure::new(Reason::NoServer, "No server was chosen."));
            }
            _ => say(&format!("Type a number from 1 to {last}."))?,
        }
    }
}

/// Asks on the terminal, before the line editor has it. The end of the input is an error.
async fn ask(question: &str) -> Result<String, Failure> {
    let question = question.to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        let mut out = io::stdout().lock();
        out.write_all(question.as_bytes())?;
        out.flush()?;
        let mut answer = String::new();
        match io::stdin().lock().read_line(&mut answer)? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no answer was given")),
            _ => Ok(answer),
        }
    });
    let answer = asked.await.map_err(|error| Failure::new(Reason::Usage, error.to_string()))?;
    Ok(answer?)
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

/// What `/servers` shows.
pub(crate) fn known_servers(home: &Home) -> Vec<String> {
    let (servers, pins) = match (home.servers(), home.pins()) {
        (Ok(servers), Ok(pins)) => (servers, pins),
        (Err(error), _) | (_, Err(error)) => return vec![error.to_string()],
    };
    if servers.is_empty() {
        return vec!["You know no server yet.".into()];
    }
    let line = |server: &Server| {
        let verified = pins.get(server.id).is_some_and(|pin| pin.verified);
        let account =
            server.account.as_deref().map(|name| format!("as {}; ", clip(name))).unwrap_or_default();
        format!(
            "{:<28} {}  {account}{}",
            server.addresses.first().map(|address| clip(address)).unwrap_or_default(),
            quoted(&clip(&server.name)),
            if verified { "key verified" } else { "key not verified" },
        )
    };
    let mut lines = vec!["Servers that you know (lanchat --server ADDRESS connects):".to_owned()];
    lines.extend(servers.iter().take(limits::REMEMBERED_SERVERS_MAX).map(line));
    lines
}
