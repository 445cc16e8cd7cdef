//! Makes files for the packages: manual pages, completions, the Debian changelog, licences.
//!
//! A build tool. It is not in any package.

mod changelog;
mod cli;
mod licences;
mod pages;

use std::fs;
use std::io::{self, Write};

use anyhow::Context;
use clap::Parser;

use cli::{Cli, Task};

fn main() -> anyhow::Result<()> {
    match Cli::parse().task {
        Task::Pages { out } => pages::write(&out),
        Task::Changelog { file, source, maintainer, date } => {
            let text =
                fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let version = env!("CARGO_PKG_VERSION");
            let release = changelog::Release { source: &source, version, maintainer: &maintainer, date };
            say(&changelog::to_debian(&text, &release)?)
        }
        Task::Licences { target } => say(&licences::of(&target)?),
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to standard output")
}
