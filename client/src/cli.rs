//! The command line: the only file that knows how flags are spelled.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use lanchat_client::Target;
use lanchat_model::limits;

const EXIT_CODES: &str = "\
Exit codes:
  0  everything that was sent is on the server
  1  a flag, a setting or the state folder is not right
  2  no server was found, or the one that was named does not answer
  3  the server is not the one that was trusted
  4  nobody could be logged in
  5  the connection is lost for good
  6  something that was sent was refused

In a pipe, begin the input with /login NAME or /register NAME, and let --password-file
name the file with the password; /login NAME PASSWORD works too, but shows it to
whoever sees the input. Later the device is remembered. The input is text and commands, also with --json.
With --text it is text alone, as of a program that knows nothing of commands:
  make 2>&1 | lanchat --text --room builds";

/// Chat on the local network: finds a server, or offers to host one.
#[derive(Debug, Parser)]
#[command(name = "lanchat", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// A link that somebody gave you: lanchat://HOST:PORT/#KEY
    #[arg(value_name = "LINK", conflicts_with = "server")]
    pub(crate) link: Option<Target>,
    /// The server, if it is not to be looked for
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) server: Option<Target>,
    #[command(flatten)]
    pub(crate) chat: ChatArgs,
    /// The folder for trusted keys, logins and the input history [default: by platform]
    #[arg(long, value_name = "DIR", env = "LANCHAT_HOME", global = true)]
    pub(crate) home: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) task: Option<Task>,
}

/// How to chat.
#[derive(Clone, Debug, Args)]
pub(crate) struct ChatArgs {
    /// One message per line, for pipes and simple terminals
    #[arg(long, global = true)]
    pub(crate) plain: bool,
    /// Print one frame per line, as on the wire (`welcome` without its token); the input is text and
    /// commands as always
    #[arg(long, conflicts_with = "plain", global = true)]
    pub(crate) json: bool,
    /// Say each line of the input as it is, also one that begins with a slash: none is a command. For
    /// pipes; needs a login that is remembered. Empty lines are left out
    #[arg(long, global = true)]
    pub(crate) text: bool,
    /// Go to a server that is new, if it is the only one here, also if this device knows another one.
    /// A name that looks like that of a known server needs --server
    #[arg(long)]
    pub(crate) first_contact: bool,
    /// Stay when the input ends
    #[arg(long, global = true)]
    pub(crate) follow: bool,
    /// Older lines to show at the start of the room you talk in, with `--json` of all rooms [default: 50
    /// on a terminal, 0 in a pipe]. What is new since this device was here last is shown in any case
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(..=limits::JOIN_TAIL_MAX), global = true)]
    pub(crate) tail: Option<u64>,
    /// The password for a /login NAME or /register NAME in the input: the only line of this file, which nobody else may
    /// read, or of an open descriptor (/dev/fd/N)
    #[arg(long, value_name = "FILE", env = "LANCHAT_PASSWORD_FILE", global = true)]
    pub(crate) password_file: Option<PathBuf>,
    /// The room to talk in; entered if need be
    #[arg(long, value_name = "ROOM", value_parser = room, global = true)]
    pub(crate) room: Option<String>,
}

/// What to do instead of chatting at once.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Serve and chat in one program; leaving stops the server
    #[cfg(feature = "host")]
    Host(HostArgs),
    /// List the servers of this network; with --json one object per line
    Discover,
    /// Show and change which servers are trusted
    #[command(subcommand)]
    Trust(TrustTask),
}

/// How to host.
#[cfg(feature = "host")]
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct HostArgs {
    /// What the server is called [default: the name of this computer]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The server's data [default: by platform; the same as lanchatd's]
    #[arg(long, value_name = "DIR", env = "LANCHAT_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// Where to listen, any number of times
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Vec<String>,
    /// Advertise only on this network interface, any number of times
    #[arg(long, value_name = "NAME")]
    pub(crate) iface: Vec<String>,
    /// Do not advertise on the network
    #[arg(long)]
    pub(crate) no_mdns: bool,
}

/// What to do about trust.
#[derive(Debug, Subcommand)]
pub(crate) enum TrustTask {
    /// List the servers that are trusted, with the words of their keys
    List,
    /// Forget a server: its next key is trusted on first use again
    Reset {
        /// The id of the server as `list` shows it, or its name if no other has it
        server: String,
    },
    /// Note that you have compared the words of a server with those on its screen
    Verify {
        /// The id of the server as `list` shows it, or its name if no other has it
        server: String,
    },
}

fn room(text: &str) -> Result<String, String> {
    text.parse::<lanchat_protocol::RoomRef>().map(|room| room.to_string()).map_err(|error| error.to_string())
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
    fn targets_rooms_and_folders_are_read() {
        let cli = Cli::try_parse_from(["lanchat", "--server", "pi.local", "--room", "#Dev", "--home", "/x"])
            .unwrap();
        assert_eq!(cli.server.unwrap().to_string(), "pi.local:7072");
        assert_eq!(cli.chat.room.unwrap(), "dev");
        assert_eq!(cli.home.unwrap(), PathBuf::from("/x"));
        let cli = Cli::try_parse_from(["lanchat", "trust", "list", "--home", "/x"]).unwrap();
        assert_eq!(cli.home.unwrap(), PathBuf::from("/x"));
        let key = "ab".repeat(32);
        let link = format!("lanchat://10.0.0.1:7072/#{key}");
        assert!(Cli::try_parse_from(["lanchat", &link]).unwrap().link.unwrap().expected().is_some());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            &["lanchat", "--plain", "--json"][..],
            &["lanchat", "--server", "a b"],
            &["lanchat", "--room", "a b"],
            &["lanchat", "trust", "reset"],
            &["lanchat", "--tail", "1001"],
            &["lanchat", "--tail", "some"],
            &["lanchat", "--bogus"],
        ] {
            assert!(Cli::try_parse_from(bad).is_err(), "{bad:?}");
        }
    }
}
