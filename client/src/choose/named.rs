//! `--server NAME`: a place that a person typed, or else the server of that name. A name in an advert proves nothing,
//! so it is trusted no more than an advert (ADR 7): it leads to a known server, to the only server if the user knows
//! none, and to any other only if a person says so.

use lanchat_client::{Home, Probe, Server, Target, probe};
use lanchat_model::limits;

use super::ask::{ask, yes_or_no};
use super::{Around, Found, list_of, look_around};
use crate::cli::{ChatArgs, Named};
use crate::exit::{Failure, Reason};
use crate::sanitize::quoted;
use crate::trust::{namesake, say};
use crate::view::clip;

/// Finds the server that was named on the command line.
///
/// # Errors
/// [`Reason::NoServer`] when there is none, or several have the name; [`Reason::Untrusted`] when nobody has decided to
/// trust the one that has it.
pub(crate) async fn named(named: Named, home: &Home, args: &ChatArgs) -> Result<Target, Failure> {
    let (name, target) = match named {
        Named::Called(name) => (name, None),
        Named::Target(target) => match target.bare_name() {
            Some(name) => (name.to_owned(), Some(target)),
            None => return Ok(target),
        },
    };
    let asks = args.has_person();
    let is_called = |other: &str| other.trim().to_lowercase() == name.trim().to_lowercase();
    let servers = home.servers()?;
    let remembered: Vec<&Server> = servers.iter().filter(|server| is_called(&server.name)).collect();
    if let Some(target) = &target
        && let Some(server) = home.bound_to(target)?
    {
        return the_one(&server, &name, target, home).await;
    }
    // A name that the system resolves means that computer.
    if let Some(target) = target
        && resolves(&name).await
        && let Some(meant) = meant(&target, &remembered, home).await?
    {
        return unmistakable(meant, &name, &remembered, home);
    }
    if asks {
        say(&format!("Looking for a server called {}…", quoted(&clip(&name))))?;
    }
    // If the known server of this name is still at its address, no look around is needed.
    if let [server] = *remembered
        && namesake(&home.pins()?, server.id, &server.name).is_none()
    {
        let target = Target::remembered(server);
        if reached(&target, home).await.is_some() {
            return Ok(target);
        }
    }
    let around = look_around(home, false).await?;
    let (known, new): (Vec<Found>, Vec<Found>) =
        around.found.iter().filter(|found| is_called(&found.name)).cloned().partition(|found| found.known);
    let mut called = if known.is_empty() { new } else { known };
    match called.len() {
        0 => Err(nobody_called(&name, &around)),
        1 => go_to(called.swap_remove(0), &around, args, asks).await,
        _ => {
            let words = format!(
                "Several servers are called {}. Name the address of the one that you mean, with --server:\n{}",
                quoted(&clip(&name)),
                list_of(&called)
            );
            Err(Failure::new(Reason::NoServer, words))
        }
    }
}

/// Finds the server that a name led to before, and only that one, whatever answers by that name now.
async fn the_one(server: &Server, name: &str, target: &Target, home: &Home) -> Result<Target, Failure> {
    if resolves(name).await
        && let Some((target, _)) = meant(target, &[server], home).await?
    {
        return Ok(target);
    }
    let remembered = Target::remembered(server);
    if reached(&remembered, home).await.is_some() {
        return Ok(remembered);
    }
    let around = look_around(home, false).await?;
    let found = around.found.into_iter().find(|found| found.known && found.id == server.id);
    found.map(|found| found.target).ok_or_else(|| {
        let words = format!(
            "{} led you to the server {} before, which does not answer. It never leads to another one. If you mean \
             another server, name its address: lanchat --server ADDRESS",
            quoted(&clip(name)),
            quoted(&clip(&server.name))
        );
        Failure::new(Reason::NoServer, words)
    })
}

/// What a name means: a target, and what was found there if a server of that name is known.
type Meant = (Target, Option<Probe>);

/// Returns what a name means if it means the computer that it resolves to. If a server of this name is known, only that
/// one is meant: anyone who answers name lookups on this network decides where a name leads. The target is then held to
/// the server that was found: whoever answers the next connection may be somebody else.
///
/// # Errors
/// [`Reason::Untrusted`] when another server answers there.
async fn meant(target: &Target, remembered: &[&Server], home: &Home) -> Result<Option<Meant>, Failure> {
    if remembered.is_empty() {
        return Ok(Some((target.clone(), None)));
    }
    let Some(probed) = reached(target, home).await else { return Ok(None) };
    if remembered.iter().any(|server| server.id == probed.server_id) {
        return Ok(Some((probed.hold(target.clone()), Some(probed))));
    }
    let address = probed.address;
    let words = format!(
        "The server at {address} is NOT the server of this name that you know. If you mean this one: lanchat --server \
         {address}"
    );
    Err(Failure::new(Reason::Untrusted, words))
}

/// Returns where a name leads, unless another known server has the name too, or one that looks the same: servers choose
/// their own names, and the network decides which of them the name resolves to.
///
/// # Errors
/// [`Reason::Untrusted`] when the name does not tell which server is meant.
fn unmistakable(meant: Meant, name: &str, remembered: &[&Server], home: &Home) -> Result<Target, Failure> {
    let (target, Some(probed)) = meant else { return Ok(meant.0) };
    let is_shared = remembered.iter().any(|server| server.id != probed.server_id);
    if !is_shared && namesake(&home.pins()?, probed.server_id, name).is_none() {
        return Ok(target);
    }
    let address = probed.address;
    let words = format!(
        "The server at {address} is known to you, but so is ANOTHER one whose name looks the same. If you mean this \
         one: lanchat --server {address}"
    );
    Err(Failure::new(Reason::Untrusted, words))
}

/// Probes the server at a place, if one answers soon. Nothing secret is sent to it.
async fn reached(target: &Target, home: &Home) -> Option<Probe> {
    let probed = tokio::time::timeout(limits::DISCOVER_WINDOW, probe(target, home)).await;
    probed.ok()?.ok()
}

/// Goes to the only server of the name. A new one is treated as if it had been found without its name. Even a known one
/// may have taken the name of another known server that does not answer.
async fn go_to(found: Found, around: &Around, args: &ChatArgs, asks: bool) -> Result<Target, Failure> {
    let (called, address) = (found.called(), &found.address);
    if found.namesake {
        let which = match found.known {
            true => "known to you, but so is ANOTHER one whose name looks the same and which",
            false => "NOT the server of this name that you know, which",
        };
        let words = format!(
            "The server called {called} at {address} is {which} does not answer. If you mean this one: lanchat --server \
             {address}"
        );
        return Err(Failure::new(Reason::Untrusted, words));
    }
    if found.known {
        return Ok(found.target);
    }
    if !around.knows_any || args.first_contact {
        return Ok(found.target);
    }
    if !asks {
        let words = format!(
            "The server called {called} at {address} is new to this device, and anybody can use its name. If you \
             mean it: lanchat --server {address}, or --first-contact"
        );
        return Err(Failure::new(Reason::Untrusted, words));
    }
    say(&format!("{called} at {address} is NEW to you."))?;
    loop {
        match yes_or_no(&ask("Go there? [y/n] ").await?, None) {
            Some(true) => return Ok(found.target),
            Some(false) => return Err(Failure::new(Reason::NoServer, "No server was chosen.")),
            None => say("Type y or n.")?,
        }
    }
}

fn nobody_called(name: &str, around: &Around) -> Failure {
    let mut words = format!(
        "There is no server called {0} on this network, and no computer either.",
        quoted(&clip(name))
    );
    if around.found.is_empty() {
        words.push_str(" If it is elsewhere, name its address: lanchat --server ADDRESS");
    } else {
        words.push_str(&format!(" These are here:\n{}", list_of(&around.found)));
    }
    Failure::new(Reason::NoServer, words)
}

/// Returns whether the system knows a computer of this name.
async fn resolves(name: &str) -> bool {
    let found = tokio::time::timeout(limits::DISCOVER_WINDOW, tokio::net::lookup_host((name, 1)));
    found.await.is_ok_and(|found| found.is_ok_and(|mut found| found.next().is_some()))
}
