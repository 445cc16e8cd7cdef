//! The command: runs the floods one after the other, each against a fresh server, and prints the outcome.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::ground::Ground;
use super::halt::Halt;
use super::outcome::Outcome;
use super::trial::{Rules, Trials};
use super::{Flood, all, table};
use crate::cli::FloodOptions;
use crate::process::{Cores, raise_descriptor_limit};
use crate::program::{Profile, build_server};
use crate::report::{Company, Machine, alone_in, folder};
use crate::seed::hash_password;

/// The shortest and the longest quiet time before a flood; in between, it is a quarter of the flood. All floods
/// together should take an hour.
const IDLE: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(6)];
/// The same after a flood, until the memory is measured again.
const AFTER: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(4)];
/// The longest flood.
const FLOOD_MAX: Duration = Duration::from_secs(3600);

/// Runs the requested floods, and prints their outcomes.
///
/// # Errors
/// When a flood does not exist, or the system does not allow it; a broken promise is not an error.
pub fn run(options: &FloodOptions) -> Result<()> {
    let floods = chosen(all(), &options.only)?;
    if options.list {
        let lines = floods.iter().map(|flood| format!("{}: {}\n", flood.name(), flood.about()));
        return print(&lines.collect::<String>());
    }
    let flood = Duration::from_secs(options.seconds).clamp(Duration::from_secs(1), FLOOD_MAX);
    let cores = Cores::choose()?;
    let rules = Rules {
        idle: (flood / 4).clamp(IDLE[0], IDLE[1]),
        flood,
        after: (flood / 4).clamp(AFTER[0], AFTER[1]),
        nice: options.nice,
        core: cores.map(|cores| cores.generator),
    };
    let server = options.server.clone().map_or_else(|| build_server(Profile::Release), Ok)?;
    let folder = folder(options.dir.as_deref(), &server)?;
    let _alone = alone_in(&folder)?;
    let machine = Machine::describe(&folder)?;
    raise_descriptor_limit()?;
    let halt = Halt::default();
    halt.on_signals()?;
    let ground = if options.loopback { Ground::loopback() } else { Ground::lan()? };
    let phc = hash_password()?;
    let trials = Trials { server, folder, ground, phc, rules, halt };
    let (mut outcomes, mut company) = (Vec::new(), Company::default());
    let is_text = !options.json && !options.markdown;
    let played = play(&trials, &floods, &mut outcomes, &mut company, is_text);
    let facts = facts(&machine, &company, &rules, &trials.ground);
    if options.json {
        print(&table::json(&facts, &outcomes))?;
    } else if options.markdown {
        print(&table::markdown(&facts, &outcomes))?;
    } else {
        let lines = facts.iter().map(|(name, value)| format!("{name}: {value}\n"));
        print(&lines.collect::<String>())?;
    }
    // Results from before a flood failed are worth printing.
    played
}

fn play(
    trials: &Trials,
    floods: &[Box<dyn Flood>],
    outcomes: &mut Vec<Outcome>,
    company: &mut Company,
    is_text: bool,
) -> Result<()> {
    for (number, flood) in floods.iter().enumerate() {
        let name = flood.name();
        if flood.is_multicast() && !trials.ground.is_lan() {
            note(&format!("{name}: left out, since the loopback network carries no multicast DNS"));
            continue;
        }
        note(&format!("{} of {}: {name}", number + 1, floods.len()));
        let began = Company::look()?;
        let outcome = trials.play(flood.as_ref()).with_context(|| format!("in the flood {name}"))?;
        company.add(&began)?;
        if is_text {
            print(&table::text(&outcome))?;
        }
        outcomes.push(outcome);
    }
    Ok(())
}

/// Returns the floods whose names begin with one of `only`; all if there are none.
fn chosen(floods: Vec<Box<dyn Flood>>, only: &[String]) -> Result<Vec<Box<dyn Flood>>> {
    let names: Vec<String> = floods.iter().map(|flood| flood.name()).collect();
    for wanted in only {
        ensure!(
            names.iter().any(|name| name.starts_with(wanted.as_str())),
            "there is no flood {wanted}: choose from {}",
            names.join(", ")
        );
    }
    // `posts` is one flood, although `posts-large` may be another.
    let is_whole = |wanted: &&String| names.contains(*wanted);
    let is_wanted = |name: String| {
        let is_begun = |wanted: &String| name.starts_with(wanted.as_str()) && !is_whole(&wanted);
        only.is_empty() || only.contains(&name) || only.iter().any(is_begun)
    };
    Ok(floods.into_iter().filter(|flood| is_wanted(flood.name())).collect())
}

/// Returns the facts needed to interpret the figures.
fn facts(
    machine: &Machine,
    company: &Company,
    rules: &Rules,
    ground: &Ground,
) -> Vec<(&'static str, String)> {
    let core = rules.core.map_or_else(|| "the only core".to_owned(), |core| format!("core {core}"));
    let hosts = if ground.is_lan() { "network namespaces, joined by a bridge" } else { "loopback addresses" };
    let mut facts = machine.facts(None, company);
    for (name, value) in &mut facts {
        if *name == "pinned" {
            *value = format!("the flood on {core}, with niceness {}; nobody else", rules.nice);
        }
    }
    facts.push(("hosts", hosts.to_owned()));
    facts.push((
        "times",
        format!(
            "{} s without a flood, {} s of it, {} s until what is kept is looked at",
            rules.idle.as_secs_f64(),
            rules.flood.as_secs_f64(),
            rules.after.as_secs_f64()
        ),
    ));
    facts
}

fn print(text: &str) -> Result<()> {
    io::stdout().write_all(text.as_bytes()).context("cannot print what came of the floods")
}

/// Reports the progress.
fn note(text: &str) {
    // If stderr is gone, nobody can be told.
    let _ = writeln!(io::stderr(), "{text}");
}
