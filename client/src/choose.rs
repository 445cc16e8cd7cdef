//! Which server to talk to: the ones that were used before and the ones that advertise themselves,
//! at the same time.

use std::collections::BTreeMap;
use std::io::{self, BufRead, IsTerminal, Write};

use lanchat_client::{Decision, Discovered, Discovery, Home, Pins, Probe, Server, Target, discover, probe};
use lanchat_model::{ServerId, limits};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::exit::{Failure, Reason};
use crate::sanitize::quoted;
use crate::trust::say;
use crate::view::clip;

/// A server that answers.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) target: Target,
    id: ServerId,
    name: String,
    address: String,
    online: u64,
    known: bool,
    /// Another server of this name is known: somebody may want to be taken for it.
    namesake: bool,
}

impl Found {
    fn new(target: Target, probe: Probe, pins: &Pins) -> Self {
        let name = clip(&probe.hello.name);
        let known = probe.decision == Decision::Match;
        let same = |other: &str| clip(other).trim().eq_ignore_ascii_case(name.trim());
        let namesake = !known && pins.iter().any(|(id, pin)| id != probe.server_id && same(&pin.name));
        let address = probe.address.to_string();
        Self { target, id: probe.server_id, name, address, online: probe.hello.online, known, namesake }
    }

    fn line(&self) -> String {
        let trust = match (self.known, self.namesake) {
            (true, _) => "known",
            (false, false) => "new",
            (false, true) => "new; ANOTHER server of this name is known to you",
        };
        format!("{:<20} {:<28} {:>3} online  {trust}", self.name, self.address, self.online)
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
/// # Errors
/// [`Reason::NoServer`] when there is none; [`Reason::Untrusted`] when the only one might be an
/// impostor.
pub(crate) async fn choose(home: &Home, may_host: bool) -> Result<Choice, Failure> {
    let asks = io::stdin().is_terminal() && io::stdout().is_terminal();
    if asks {
        say("Looking for servers on this network…")?;
    }
    let mut found = look_around(home, true).await?;
    match found.as_slice() {
        [] if asks && may_host => {
            let hosts = ask("No server on this network. Host one here? [Y/n] ").await?;
            if matches!(hosts.trim().to_ascii_lowercase().as_str(), "" | "y" | "yes") {
                return Ok(Choice::Host);
            }
            Err(nobody())
        }
        [] => Err(nobody()),
        [only] if !only.namesake => Ok(Choice::Server(found.swap_remove(0).target)),
        several if asks => {
            let chosen = pick(several).await?;
            Ok(Choice::Server(found.swap_remove(chosen).target))
        }
        [only] => Err(Failure::new(
            Reason::Untrusted,
            format!(
                "{} at {} is new, but another server of this name is known to you. If you mean this one: \
                 lanchat --server {}",
                only.name, only.address, only.address
            ),
        )),
        // Nobody to ask: a stranger's advert does not keep a script from the server that it knows.
        [known, others @ ..] if known.known && others.iter().all(|other| !other.known) => {
            Ok(Choice::Server(found.swap_remove(0).target))
        }
        several => {
            let lines: Vec<String> = several.iter().map(|found| format!("  {}", found.line())).collect();
            let words = format!("There are several servers. Choose one with --server:\n{}", lines.join("\n"));
            Err(Failure::new(Reason::NoServer, words))
        }
    }
}

fn nobody() -> Failure {
    Failure::new(
        Reason::NoServer,
        "No server on this network. Start one with `lanchat host`, or name one: `lanchat --server HOST`.",
    )
}

/// Looks for as long as `limits::DISCOVER_WINDOW`; with `hurry`, only until the servers that answer
/// at once have.
async fn look_around(home: &Home, hurry: bool) -> Result<Vec<Found>, Failure> {
    let pins = home.pins()?;
    let mut remembered: BTreeMap<ServerId, Server> =
        home.servers()?.into_iter().map(|server| (server.id, server)).collect();
    let mut probes = JoinSet::new();
    for server in remembered.values() {
        spawn_probe(&mut probes, Target::remembered(server), home);
    }
    // Without mDNS the remembered servers are still there; with none of either the user is told how
    // to go on.
    let mut discovery = discover(limits::DISCOVER_WINDOW).ok();
    let window = Instant::now() + limits::DISCOVER_WINDOW;
    let mut end = window;
    let mut found: BTreeMap<ServerId, Found> = BTreeMap::new();
    loop {
        tokio::select! {
            advert = next_advert(&mut discovery) => {
                if let Some(advert) = advert && probes.len() < limits::DISCOVERED_MAX {
                    let target = match remembered.remove(&advert.server_id) {
                        Some(server) => Target::remembered(&server).and(&advert),
                        None => Target::discovered(&advert),
                    };
                    spawn_probe(&mut probes, target, home);
                }
            }
            Some(probed) = probes.join_next() => {
                // What does not answer, or not with the right key, is no choice.
                if let Ok(Some((target, probe))) = probed {
                    let new = Found::new(target, probe, &pins);
                    found.entry(new.id).or_insert(new);
                    if hurry {
                        end = window.min(Instant::now() + limits::DISCOVER_GRACE).min(end);
                    }
                }
            }
            () = sleep_until(end) => break,
        }
    }
    let mut found: Vec<Found> = found.into_values().collect();
    found.sort_by_key(|found| (!found.known, found.name.to_ascii_lowercase()));
    Ok(found)
}

fn spawn_probe(probes: &mut JoinSet<Option<(Target, Probe)>>, target: Target, home: &Home) {
    let home = home.clone();
    probes.spawn(async move {
        let probe = probe(&target, &home).await.ok()?;
        Some((target, probe))
    });
}

/// The next advert; never, once there are no more.
async fn next_advert(discovery: &mut Option<Discovery>) -> Option<Discovered> {
    if let Some(running) = discovery {
        if let Some(advert) = running.next().await {
            return Some(advert);
        }
        *discovery = None;
    }
    std::future::pending().await
}

async fn pick(found: &[Found]) -> Result<usize, Failure> {
    say("Servers on this network:")?;
    for (number, found) in (1..).zip(found) {
        say(&format!("{number:>3}  {}", found.line()))?;
    }
    loop {
        let answer = ask("Which one? [number, or Enter to leave] ").await?;
        match answer.trim().parse::<usize>() {
            Ok(number) if (1..=found.len()).contains(&number) => return Ok(number - 1),
            _ if answer.trim().is_empty() => {
                return Err(Failure::new(Reason::NoServer, "No server was chosen."));
            }
            _ => say(&format!("Type a number from 1 to {}.", found.len()))?,
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
    let found = look_around(home, false).await?;
    if found.is_empty() {
        return Err(nobody());
    }
    for found in found {
        if json {
            let object = serde_json::json!({
                "server_id": found.id.to_string(),
                "name": found.name,
                "address": found.address,
                "online": found.online,
                "known": found.known,
                "namesake": found.namesake,
            });
            say(&crate::sanitize::json(&object.to_string()))?;
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
        let account = server.account.as_deref().map(|name| format!("as {}", clip(name))).unwrap_or_default();
        format!(
            "{:<28} {:<16} {} {account}",
            server.addresses.first().map(|address| clip(address)).unwrap_or_default(),
            if verified { "verified" } else { "not yet verified" },
            quoted(&server.name)
        )
    };
    let mut lines = vec!["Servers that you know (lanchat --server ADDRESS connects):".to_owned()];
    lines.extend(servers.iter().take(limits::REMEMBERED_SERVERS_MAX).map(line));
    lines
}
