//! `lanchatd`: the server as a program of its own.

mod serve;
#[cfg(windows)]
mod service;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use lanchat_server::{Cli, Task, logging};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => {
            logging::conclude("");
            ExitCode::SUCCESS
        }
        Err(error) => {
            logging::conclude(&format!("lanchatd: {}", serve::words(&error)));
            ExitCode::from(serve::exit_code(&error))
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let task = cli.task();
    #[cfg(windows)]
    if task == Task::RunService {
        return service::run(cli);
    }
    let settings = serve::settings(cli)?;
    if task == Task::ShowSettings {
        return say(&settings.show());
    }
    logging::start(serve::variable(logging::VARIABLE).as_deref())?;
    serve::serve(settings, CancellationToken::new(), |banner| {
        // A server that cannot show its banner still serves.
        if let Err(error) = say(banner) {
            tracing::warn!("{error:#}: nobody sees the addresses and the six words of the server");
        }
        Ok(())
    })
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to standard output")
}
