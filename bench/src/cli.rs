//! The command line of `lanchat-bench`. The only file that knows how flags are spelled.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Measures lanchatd against the least that any such server has to do.
#[derive(Debug, Parser)]
#[command(name = "lanchat-bench", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the loads and print a table
    Report(Options),
    /// Flood a server in every known way, and print what its users notice
    Floods(FloodOptions),
    /// Run the floor alone, until it is killed
    Floor {
        /// Folder of its key, created if it is missing
        identity: PathBuf,
    },
}

/// How to report.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Run only these loads; the beginning of a name is enough
    #[arg(long, value_name = "LOAD", value_delimiter = ',')]
    pub only: Vec<String>,
    /// How often each load is run
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub rounds: usize,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
    /// Take a third of the time, for a quick look; not for figures that are kept
    #[arg(long)]
    pub quick: bool,
    /// Measure this lanchatd instead of building one
    #[arg(long, value_name = "PATH")]
    pub server: Option<PathBuf>,
    /// Keep the data of the server below this directory; it must not be in memory [default: target/bench]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// How to flood.
#[derive(Clone, Debug, Args)]
pub struct FloodOptions {
    /// Run only these floods; the beginning of a name is enough
    #[arg(long, value_name = "FLOOD", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Print the available floods without running any
    #[arg(long)]
    pub list: bool,
    /// How long each flood lasts, in seconds
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub seconds: u64,
    /// Niceness of the thread that floods: it must not take the server's share of the machine
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub nice: i32,
    /// Print one JSON object
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Print a table in Markdown, with a row for each flood
    #[arg(long)]
    pub markdown: bool,
    /// Flood over the loopback network, without multicast DNS and IPv6: needs neither root nor iproute2
    #[arg(long)]
    pub loopback: bool,
    /// Flood this lanchatd instead of building one
    #[arg(long, value_name = "PATH")]
    pub server: Option<PathBuf>,
    /// Keep the data of the server below this directory; it must not be in memory [default: target/bench]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
