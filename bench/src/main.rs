//! `lanchat-bench`: the report, and the floor for comparison.

use std::io::{self, Write};
use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    use clap::Parser;
    use lanchat_bench::cli::{Cli, Command};

    let done = match Cli::parse().command {
        Command::Floor { identity } => lanchat_bench::floor::run(&identity),
        Command::Floods(options) => lanchat_bench::floods::run::run(&options),
        Command::Report(options) => lanchat_bench::report::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&format!("{error:#}")),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    refuse("it measures by what Linux says of a process: run it on Linux")
}

fn refuse(why: &str) -> ExitCode {
    // If stderr is gone, nobody can be told.
    let _ = writeln!(io::stderr(), "lanchat-bench: {why}");
    ExitCode::FAILURE
}
