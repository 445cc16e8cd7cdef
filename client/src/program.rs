//! The program from its arguments to its exit code.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::exit::Reason;
use crate::{app, asides, view};

/// Runs what the process's arguments ask for; on failure, prints the reason and returns its exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // If nobody reads, the exit code still tells.
            let _ = error.print();
            return if error.use_stderr() { Reason::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    let outcome = match tokio::runtime::Runtime::new() {
        Ok(runtime) => {
            let outcome = runtime.block_on(app::run(cli));
            // A thread may be blocked in a read of the input for ever.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let words = format!("lanchat: {failure}");
            let words = match io::stderr().is_terminal() {
                true => view::paragraphs(&words).join("\n"),
                false => words,
            };
            asides::conclude(&words);
            failure.reason.into()
        }
    }
}
