//! The report: all loads, floor and server in turn, round by round, and the results.

mod company;
mod machine;
mod results;
mod table;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};

pub use company::Company;
pub use machine::Machine;
pub use results::{Results, Verdict};
pub use table::{json, markdown};

use crate::cli::Options;
use crate::loads::{self, Load};
use crate::process::{Cores, pin, raise_descriptor_limit};
use crate::program::{Profile, build_server};
use crate::seed::hash_password;
use crate::stage::{Pace, RUN_PREFIX, Stage};
use crate::target::Programs;

/// Runs the requested loads and prints the report.
///
/// # Errors
/// When a load does not exist, or fails.
pub fn run(options: &Options) -> Result<()> {
    let loads = chosen(loads::all(), &options.only)?;
    let floor = std::env::current_exe()?;
    let server = options.server.clone().map_or_else(|| build_server(Profile::Release), Ok)?;
    let folder = folder(options.dir.as_deref(), &server)?;
    let _alone = alone_in(&folder)?;
    let machine = Machine::describe(&folder)?;
    raise_descriptor_limit()?;
    let cores = Cores::choose()?;
    if let Some(cores) = cores {
        pin(cores.generator)?;
    }
    let pace = if options.quick { Pace::QUICK } else { Pace::FULL };
    let phc = hash_password()?;
    let stage = Stage { programs: Programs { server, floor }, folder, cores, pace, phc };
    let mut results: Vec<Results> = loads.iter().map(|load| Results::of(load.as_ref())).collect();
    let mut company = Company::default();
    let played = play(&stage, &loads, options.rounds, &mut results, &mut company);
    let facts = machine.facts(cores, &company);
    let text = if options.json { json(&facts, &results) } else { markdown(&facts, &results) };
    io::stdout().write_all(text.as_bytes()).context("cannot print the report")?;
    // Results from before a load failed are worth printing.
    played
}

/// Returns the loads whose names begin with one of `only`; all if there are none.
fn chosen(loads: Vec<Box<dyn Load>>, only: &[String]) -> Result<Vec<Box<dyn Load>>> {
    let names: Vec<String> = loads.iter().map(|load| load.name()).collect();
    for wanted in only {
        ensure!(
            names.iter().any(|name| name.starts_with(wanted.as_str())),
            "there is no load {wanted}: choose from {}",
            names.join(", ")
        );
    }
    let wanted =
        |name: String| only.is_empty() || only.iter().any(|wanted| name.starts_with(wanted.as_str()));
    Ok(loads.into_iter().filter(|load| wanted(load.name())).collect())
}

/// Returns where the server keeps its data: next to the programs, which are on a disk.
pub(crate) fn folder(asked: Option<&Path>, server: &Path) -> Result<PathBuf> {
    let folder = match asked {
        Some(asked) => asked.to_owned(),
        None => {
            let target = server.parent().and_then(Path::parent).context("a server in a target folder")?;
            target.join("bench")
        }
    };
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}: name another one with --dir", folder.display()))?;
    Ok(folder)
}

/// Makes sure that only one report runs at a time, and removes what a killed one has left behind.
pub(crate) fn alone_in(folder: &Path) -> Result<File> {
    let lock = File::create(folder.join("lock"))?;
    lock.try_lock().context("another report is running here, and both would be wrong: wait for it")?;
    for entry in folder.read_dir()? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(RUN_PREFIX) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(lock)
}

/// Plays every load for the given rounds, its sides directly one after the other, so that the machine is in the same
/// state.
fn play(
    stage: &Stage,
    loads: &[Box<dyn Load>],
    rounds: usize,
    results: &mut [Results],
    company: &mut Company,
) -> Result<()> {
    let runs: usize = loads.iter().map(|load| rounds.min(load.rounds_max()) * load.sides().len()).sum();
    let bar = ProgressBar::new(runs as u64).with_style(ProgressStyle::with_template(
        "{bar:30} {pos}/{len} {elapsed} of about {duration} {msg}",
    )?);
    for round in 0..rounds {
        for (load, results) in loads.iter().zip(&mut *results) {
            if round >= load.rounds_max() {
                continue;
            }
            for side in load.sides() {
                bar.set_message(format!("{}, {side:?}", load.name()));
                bar.tick();
                let began = Company::look()?;
                let samples = load
                    .play(stage, *side)
                    .with_context(|| format!("the load {} failed on the {side:?}", load.name()))?;
                company.add(&began)?;
                results.add(*side, &samples);
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    Ok(())
}
