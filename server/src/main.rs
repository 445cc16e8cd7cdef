//! `lanchatd`: the server as a program of its own.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use lanchat_server::{
    App, AppError, BadSettings, Cli, DataDirError, Settings, Task, logging, raise_descriptor_limit,
    stop_on_signal,
};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // When there is nobody to tell, the exit code still says it.
            let _ = writeln!(io::stderr(), "lanchatd: {error:#}");
            exit_code(&error)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let variable = |name: &str| std::env::var(name).ok();
    let (task, data, file) = (cli.task(), cli.data(variable)?, cli.file());
    let settings = Settings::load(data, file, cli.into_layer(), variable)?;
    if task == Task::ShowSettings {
        return say(&settings.show());
    }
    logging::start(variable(logging::VARIABLE).as_deref())?;
    raise_descriptor_limit();
    let runtime = tokio::runtime::Runtime::new().context("cannot start")?;
    runtime.block_on(async {
        let shutdown = CancellationToken::new();
        stop_on_signal(shutdown.clone()).context("cannot listen to signals")?;
        let app = App::build(settings.into_options()).await?;
        say(&app.banner())?;
        Ok(app.run(shutdown).await?)
    })
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to standard output")
}

/// As `lanchatd --help` lists them.
fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.is::<BadSettings>() || error.is::<logging::BadFilter>() {
        return ExitCode::from(2);
    }
    match error.downcast_ref() {
        Some(AppError::DataDir(_) | AppError::Identity(_) | AppError::Database(_)) => ExitCode::from(3),
        Some(AppError::Bind(_)) => ExitCode::from(4),
        _ if error.is::<DataDirError>() => ExitCode::from(3),
        _ => ExitCode::FAILURE,
    }
}
