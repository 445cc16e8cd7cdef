//! Chooses the server to talk to. Servers used before and advertised ones are looked for at the same time.

mod around;
mod ask;
mod found;
mod list;
mod named;
mod offer;

use std::collections::BTreeSet;

use lanchat_client::{Home, Target};
use lanchat_model::{ServerId, limits};

use crate::cli::ChatArgs;
use crate::exit::{Failure, Reason};
use crate::sanitize::quoted;
use crate::trust::say;
use crate::view::clip;
use around::{Around, look_around};
use found::{Found, lines_of, list_of};
#[cfg(feature = "host")]
pub(crate) use list::beside;
pub(crate) use list::{all_servers, list};
pub(crate) use named::named;
pub(crate) use offer::Hosting;
use offer::{Asked, offer};

/// The result of choosing.
pub(crate) enum Choice {
    /// Connect to this one.
    Server(Target),
    /// No server answers, and the user wants to host one.
    Host,
}

/// Finds the server to talk to. `hosting`: what can be hosted instead.
///
/// A client that knows a server never connects to a new one by itself: a person chooses a new one, or `--first-contact`
/// does. With several known servers, the one used last is chosen if it alone answers; being quickest does not count.
///
/// # Errors
/// [`Reason::NoServer`] when there is none, or when there are several and nobody can be asked which one is meant;
/// [`Reason::Untrusted`] when there are only servers that nobody has decided to trust.
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

/// Returns the server to connect to without a question. `was_asked`: it came up while a question was on the screen, so
/// the user may be about to answer something else.
fn by_itself(around: &Around, args: &ChatArgs, asks: bool, was_asked: bool) -> Option<Target> {
    let Around { found, busy, knows_any, .. } = around;
    let known = found.iter().filter(|found| found.known).count();
    match found.as_slice() {
        // Waiting for the user's own server is better than going to another one.
        _ if known == 0 && busy.is_some() => busy.as_ref().map(Target::remembered),
        [only] if only.usual || !knows_any && !was_asked => Some(only.target.clone()),
        // Nobody can be asked: a stranger's advert must not keep a script from the server that it knows.
        [first, ..] if known == 1 && !asks => Some(first.target.clone()),
        [only] if args.first_contact && !only.namesake => Some(only.target.clone()),
        _ => None,
    }
}

/// Returns why a script is not connected in a case where a person would be asked.
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

/// Fails if several servers are known, since nobody is there to choose. The first to answer must not win: the operator
/// of another known server could be quicker than the intended one, and get the password meant for it.
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

/// Returns why a script is not connected to a server that it does not know.
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

/// Says what is missing: the known servers, by name.
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
