//! The command line of `lanchatd`. The only file that knows how flags are spelled.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{Key, Layer, Origin, Setting};
use crate::data_dir::{DataDir, DataDirError};

/// The variable of `--data`.
const DATA_VARIABLE: &str = "LANCHAT_DATA";

const AFTER_HELP: &str = "\
Every flag is also a variable (LANCHAT_NAME, LANCHAT_LISTEN, …) and a key of lanchat.toml, which is in the data
directory unless --config names another file. `lanchatd config show` prints every setting and where it comes from.
LANCHAT_LOG=debug makes the log say more.

Exit codes: 0 stopped as asked, 1 failed while running, 2 wrong flags or settings, 3 the data directory or what is in
it was refused, 4 cannot listen.";

/// A chat server for the local network.
#[derive(Debug, Parser)]
#[command(name = "lanchatd", version, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<ServerCommand>,
    /// Keep everything in this directory [env: LANCHAT_DATA] [default: by platform]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Read the settings from this file instead of lanchat.toml in the data directory [env: LANCHAT_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum ServerCommand {
    /// Show the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Run as a Windows service
    #[cfg(windows)]
    #[command(subcommand)]
    Service(ServiceCommand),
}

#[cfg(windows)]
#[derive(Clone, Copy, Debug, Subcommand)]
enum ServiceCommand {
    /// Run for the service manager; the data is in ProgramData unless --data names another directory
    Run,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum ConfigCommand {
    /// Print every setting, its value and where it comes from
    Show,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Serve.
    Serve,
    /// Print the settings.
    ShowSettings,
    /// Serve as a service of Windows.
    #[cfg(windows)]
    RunService,
}

#[derive(Debug, Args)]
struct Flags {
    /// Listen on this address or URI, such as lanchat://[::]:7072; may be given several times; port 0 picks a free one
    /// [default: [::]:7072]
    #[arg(long, global = true, value_name = "ADDR:PORT")]
    listen: Vec<String>,
    /// What the server is called [default: the name of this computer]
    #[arg(long, global = true, value_name = "NAME")]
    name: Option<String>,
    /// Be found through this network interface only; may be given several times [default: all physical ones]
    #[arg(long, global = true, value_name = "NAME")]
    iface: Vec<String>,
    /// Do not be found through this network interface; may be given several times
    #[arg(long, global = true, value_name = "NAME")]
    no_iface: Vec<String>,
    /// Do not announce the server on the network
    #[arg(long, global = true)]
    no_mdns: bool,
    /// Allow this many sessions at a time; further clients are told that the server is full
    #[arg(long, global = true, value_name = "N")]
    max_clients: Option<String>,
    /// Whether people can make accounts themselves [default: open]
    #[arg(long, global = true)]
    registration: Option<Registration>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Registration {
    Open,
    Closed,
}

impl Cli {
    /// Returns what to do.
    pub fn task(&self) -> Task {
        match self.command {
            None => Task::Serve,
            Some(ServerCommand::Config(ConfigCommand::Show)) => Task::ShowSettings,
            #[cfg(windows)]
            Some(ServerCommand::Service(ServiceCommand::Run)) => Task::RunService,
        }
    }

    /// Returns the data directory: from the flag, else from `variable`, else the platform's.
    ///
    /// # Errors
    /// [`DataDirError::NoHome`] when the platform has none.
    pub fn data(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Setting<PathBuf>, DataDirError> {
        if let Some(path) = &self.data {
            return Ok(Setting { value: path.clone(), origin: Origin::Flag("--data") });
        }
        match variable(DATA_VARIABLE).filter(|path| !path.is_empty()) {
            Some(path) => Ok(Setting { value: path.into(), origin: Origin::Environment(DATA_VARIABLE) }),
            #[cfg(windows)]
            None if self.task() == Task::RunService => {
                Ok(Setting { value: DataDir::service_path(variable), origin: Origin::Default })
            }
            None => Ok(Setting { value: DataDir::default_path()?, origin: Origin::Default }),
        }
    }

    /// Returns the settings file that a flag names.
    pub fn file(&self) -> Option<Setting<PathBuf>> {
        let value = self.config.clone()?;
        Some(Setting { value, origin: Origin::Flag("--config") })
    }

    /// Returns the settings that were given as flags.
    pub fn into_layer(self) -> Layer {
        let Flags { listen, name, iface, no_iface, no_mdns, max_clients, registration } = self.flags;
        let registration = registration.map(|registration| match registration {
            Registration::Open => "open".to_owned(),
            Registration::Closed => "closed".to_owned(),
        });
        let given = [
            (Key::Listen, listen),
            (Key::Name, name.into_iter().collect()),
            (Key::Iface, iface),
            (Key::NoIface, no_iface),
            (Key::Mdns, no_mdns.then(|| "false".to_owned()).into_iter().collect()),
            (Key::MaxClients, max_clients.into_iter().collect()),
            (Key::Registration, registration.into_iter().collect()),
        ];
        given.into_iter().filter(|(_, texts)| !texts.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_become_settings_wherever_they_stand() {
        let cli = Cli::try_parse_from(["lanchatd", "--listen", "a", "--no-mdns", "--listen", "b"]).unwrap();
        assert_eq!(cli.task(), Task::Serve);
        let layer = cli.into_layer();
        assert_eq!(layer[&Key::Listen], ["a", "b"]);
        assert_eq!(layer[&Key::Mdns], ["false"]);
        assert_eq!(layer.len(), 2);

        let cli = Cli::try_parse_from(["lanchatd", "config", "show", "--name", "lab"]).unwrap();
        assert_eq!(cli.task(), Task::ShowSettings);
        assert_eq!(cli.file(), None);
        assert_eq!(cli.into_layer()[&Key::Name], ["lab"]);

        let cli = Cli::try_parse_from(["lanchatd", "config", "show", "--config", "/etc/x.toml"]).unwrap();
        assert_eq!(cli.task(), Task::ShowSettings);
        assert_eq!(cli.file().unwrap().value, PathBuf::from("/etc/x.toml"));
    }

    #[test]
    fn the_flag_beats_the_variable() {
        let variable = |name: &str| (name == "LANCHAT_DATA").then(|| "/variable".to_owned());
        let cli = Cli::try_parse_from(["lanchatd", "--data", "/flag"]).unwrap();
        assert_eq!(cli.data(variable).unwrap().value, PathBuf::from("/flag"));
        let cli = Cli::try_parse_from(["lanchatd"]).unwrap();
        assert_eq!(cli.data(variable).unwrap().value, PathBuf::from("/variable"));
    }
}
