//! The command line of the tool.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Makes the files that the packages need from the programs' own data.
#[derive(Debug, Parser)]
#[command(name = "lanchat-xtask", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,
}

/// What to make.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Manual pages and completions of both programs, in the folders man, bash, zsh and fish of OUT
    Pages {
        /// Made if it is missing
        out: PathBuf,
    },
    /// The changelog of a Debian package, on standard output
    Changelog {
        /// The project's own changelog
        #[arg(long, value_name = "FILE", default_value = "CHANGELOG.md")]
        file: PathBuf,
        /// The name of the Debian source package
        #[arg(long, value_name = "NAME", default_value = "lanchat")]
        source: String,
        /// Who signs the entries, as `NAME <ADDRESS>`
        #[arg(long)]
        maintainer: String,
        /// The date of unreleased changes, in seconds since 1970
        #[arg(long, value_name = "SECONDS", env = "SOURCE_DATE_EPOCH")]
        date: i64,
    },
    /// The licences of all third-party crates in the programs, on standard output
    Licences {
        /// The target platform of the programs, as rustc calls it
        #[arg(long, value_name = "TRIPLE")]
        target: String,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
