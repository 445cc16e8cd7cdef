//! `lanchat-bench`: the report, and the floor that it compares with.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use lanchat_bench::cli::{Cli, Command};

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Floor { identity } => lanchat_bench::floor::run(&identity),
        Command::Report(options) => lanchat_bench::report::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told when stderr is gone.
            let _ = writeln!(io::stderr(), "lanchat-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
