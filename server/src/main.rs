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
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // When there is nobody to tell, the exit code still says it.
            let _ = writeln!(io::stderr(), "lanchatd: {}", serve::words(&error));
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
    serve::serve(settings, CancellationToken::new(), say)
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to standard output")
}
