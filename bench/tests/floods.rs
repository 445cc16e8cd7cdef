//! Every flood for a moment on the loopback network, so that the command keeps working. The figures mean nothing.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Result, ensure};
use lanchat_bench::floods::ground::Ground;
use lanchat_bench::floods::halt::Halt;
use lanchat_bench::floods::trial::{Rules, Trials};
use lanchat_bench::floods::{Flood, all, table};
use lanchat_bench::program::{Profile, build_server};
use lanchat_bench::seed::hash_password;

/// Returns the path of the server, built once.
fn server() -> &'static Path {
    static BUILT: OnceLock<std::path::PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build_server(Profile::Debug).expect("a server that builds"))
}

/// Plays the floods of these names.
fn play(names: &[&str]) -> Result<()> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let rules = Rules {
        idle: Duration::from_millis(500),
        flood: Duration::from_secs(1),
        after: Duration::from_millis(100),
        nice: 10,
        core: None,
    };
    let (server, folder_path) = (server().to_owned(), folder.path().to_owned());
    let (ground, phc, halt) = (Ground::loopback(), hash_password()?, Halt::default());
    let trials = Trials { server, folder: folder_path, ground, phc, rules, halt };
    let floods = all();
    for name in names {
        let flood = floods.iter().find(|flood| flood.name() == *name);
        let flood: &dyn Flood = flood.map(AsRef::as_ref).ok_or_else(|| anyhow::anyhow!("no flood {name}"))?;
        let outcome = trials.play(flood)?;
        ensure!(outcome.done != "nothing", "{name} did nothing");
        ensure!(outcome.posts > 0 && outcome.idle_ack_p99_ms > 0.0, "nobody chatted: {outcome:?}");
        ensure!(outcome.device.attempts > 0 && outcome.person.attempts > 0, "nobody came: {outcome:?}");
        ensure!(!outcome.has_ended, "the server ended: {outcome:?}");
        let text = table::text(&outcome);
        ensure!(text.contains(name) && text.contains("at most"), "{text}");
    }
    Ok(())
}

#[test]
fn strangers_who_say_nothing() -> Result<()> {
    play(&["silent-ipv4", "drip", "half-handshakes", "greeted"])
}

#[test]
fn strangers_who_make_work() -> Result<()> {
    play(&["reconnects", "garbage", "registrations", "bad-tokens", "records", "guesses-many"])
}

#[test]
fn one_account_that_asks() -> Result<()> {
    play(&["history-unread", "lists", "posts", "large-posts", "posts-outside", "rooms-full"])
}

#[test]
fn one_account_that_does() -> Result<()> {
    play(&["join-and-leave", "away-45", "come-and-go", "typing", "passwd"])
}

#[test]
fn many_accounts() -> Result<()> {
    play(&["accounts-large"])
}

#[test]
fn every_flood_has_a_name_of_its_own_and_says_what_it_does() {
    let floods = all();
    let mut names: Vec<String> = floods.iter().map(|flood| flood.name()).collect();
    assert!(floods.iter().all(|flood| flood.about().len() > 20));
    names.sort();
    names.dedup();
    assert_eq!(names.len(), floods.len());
    let page = include_str!("../../docs/floods.md");
    let untold: Vec<_> = names.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(untold.is_empty(), "docs/floods.md tells nothing of {untold:?}");
}
