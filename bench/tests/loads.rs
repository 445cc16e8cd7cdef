//! Every load in a tiny form, so that the benchmark keeps working. The figures mean nothing.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Result, ensure};
use lanchat_bench::loads::{
    Connect, HalfLoad, Idle, Load, LoginStorm, MassResume, Million, Replay, Rooms, Sample, Steady, Windowed,
    all,
};
use lanchat_bench::program::{Profile, build_server};
use lanchat_bench::seed::hash_password;
use lanchat_bench::stage::{Pace, Stage};
use lanchat_bench::target::{Programs, Side};
use tempfile::TempDir;

/// Returns the programs, built once.
fn programs() -> &'static Programs {
    static BUILT: OnceLock<Programs> = OnceLock::new();
    BUILT.get_or_init(|| Programs {
        server: build_server(Profile::Debug).expect("a server that builds"),
        floor: env!("CARGO_BIN_EXE_lanchat-bench").into(),
    })
}

/// Returns a stage for one test. Not pinned: tests run side by side.
fn stage() -> Result<(TempDir, Stage)> {
    let folder = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
    let stage = Stage {
        programs: programs().clone(),
        folder: folder.path().to_owned(),
        cores: None,
        pace: Pace::TINY,
        phc: hash_password()?,
    };
    Ok((folder, stage))
}

/// Plays a load on all its sides, and checks its samples against its goals.
fn play(load: &dyn Load) -> Result<Vec<Vec<Sample>>> {
    let (_folder, stage) = stage()?;
    play_on(&stage, load)
}

fn play_on(stage: &Stage, load: &dyn Load) -> Result<Vec<Vec<Sample>>> {
    let mut runs = Vec::new();
    for side in load.sides() {
        let samples = load.play(stage, *side)?;
        for goal in load.goals() {
            ensure!(
                samples.iter().any(|sample| sample.metric == goal.metric()),
                "{} has a goal for {} and no figure",
                load.name(),
                goal.metric()
            );
        }
        ensure!(samples.iter().all(|sample| sample.value.is_finite() && sample.value >= 0.0), "{samples:?}");
        runs.push(samples);
    }
    Ok(runs)
}

/// Returns the value of a metric in each run.
fn values(runs: &[Vec<Sample>], metric: &str) -> Vec<f64> {
    runs.iter().flatten().filter(|sample| sample.metric == metric).map(|sample| sample.value).collect()
}

#[test]
fn steady() -> Result<()> {
    let runs = play(&Steady { members: 6, rate: 100 })?;
    ensure!(values(&runs, "CPU per delivery").iter().all(|value| *value > 0.0), "{runs:?}");
    ensure!(values(&runs, "delivery p99").len() == 2, "both sides have latencies");
    Ok(())
}

#[test]
fn saturated() -> Result<()> {
    let runs = play(&Windowed { members: 6, rooms: Rooms::Hall { senders: 2 }, window: 4 })?;
    ensure!(values(&runs, "deliveries").iter().all(|value| *value > 0.0), "{runs:?}");
    Ok(())
}

#[test]
fn pairs_in_group_rooms_and_in_private() -> Result<()> {
    for rooms in [Rooms::Pairs, Rooms::Private] {
        let runs = play(&Windowed { members: 4, rooms, window: 4 })?;
        ensure!(values(&runs, "acknowledged").iter().all(|value| *value > 0.0), "{runs:?}");
    }
    Ok(())
}

#[test]
fn half_load() -> Result<()> {
    let runs = play(&HalfLoad { pairs: Windowed { members: 4, rooms: Rooms::Pairs, window: 2 } })?;
    ensure!(values(&runs, "messages").iter().all(|value| *value > 0.0), "{runs:?}");
    Ok(())
}

#[test]
fn idle() -> Result<()> {
    let runs = play(&Idle { connections: 100 })?;
    ensure!(values(&runs, "memory per connection").len() == 2, "both sides have a figure");
    Ok(())
}

#[test]
fn connect() -> Result<()> {
    let runs = play(&Connect { at_once: 3 })?;
    ensure!(values(&runs, "connections").iter().all(|value| *value > 0.0), "{runs:?}");
    Ok(())
}

#[test]
fn replay() -> Result<()> {
    play(&Replay { messages: 500 }).map(drop)
}

#[test]
fn mass_resume() -> Result<()> {
    play(&MassResume { clients: 40 }).map(drop)
}

#[test]
fn million() -> Result<()> {
    let (_folder, stage) = stage()?;
    let load = Million::with_messages(2_000);
    play_on(&stage, &load)?;
    // The data from the first run is reused.
    play_on(&stage, &load).map(drop)
}

#[test]
fn login_storm() -> Result<()> {
    play(&LoginStorm { members: 3, rate: 50, logins: 4 }).map(drop)
}

#[test]
fn every_load_has_a_name_of_its_own_and_something_to_be_played_on() {
    let loads = all();
    let mut names: Vec<String> = loads.iter().map(|load| load.name()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), loads.len());
    assert!(loads.iter().all(|load| load.sides().contains(&Side::Server) && load.rounds_max() > 0));
}
