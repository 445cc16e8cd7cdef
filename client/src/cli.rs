//! The command line: the only file that knows how flags are spelled.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};
use lanchat_client::{BadTarget, Target};
use lanchat_model::{RoomRef, limits};

use crate::command::room_names;
use crate::near::nearest;

const EXIT_CODES: &str = "\
Exit codes:
  0  everything that you sent is on the server
  1  a flag, a setting or the folder of keys and logins is not right
  2  no server was found, or the one that you named does not answer
  3  the server is not the one that you trusted
  4  the login failed, or was ended elsewhere
  5  the connection is lost for good
  6  something that you sent was refused, or not all of the input was read

In a pipe, begin the input with /login NAME or /register NAME, and give the password
with --password-file FILE. /login NAME PASSWORD works too, but whoever sees the input
sees the password. From then on this device is remembered. The input is text and
commands, also with --json. With --text it is text alone, such as the output of a program:
  make 2>&1 | lanchat --text --room builds";

/// Chat on the local network: finds a server, or offers to host one.
#[derive(Debug, Parser)]
#[command(name = "lanchat", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// A link that somebody gave you: lanchat://HOST:PORT/#KEY
    #[arg(value_name = "LINK", conflicts_with = "server", value_parser = link)]
    pub(crate) link: Option<Target>,
    /// Connect here; skip discovery: a host, or the name of a server on this network
    #[arg(long, value_name = "HOST[:PORT]|NAME", value_parser = server)]
    pub(crate) server: Option<Named>,
    #[command(flatten)]
    pub(crate) chat: ChatArgs,
    /// The folder of trusted keys, logins and the input history [default: by platform]
    #[arg(long, value_name = "DIR", env = "LANCHAT_HOME", global = true)]
    pub(crate) home: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) task: Option<Task>,
}

/// The server that `--server` names.
#[derive(Clone, Debug)]
pub(crate) enum Named {
    /// A place, or, if it is a bare name that no computer has, the server of that name.
    Target(Target),
    /// The server of this name, which no host can have.
    Called(String),
}

/// How to chat.
#[derive(Clone, Debug, Args)]
pub(crate) struct ChatArgs {
    /// One message per line, for pipes and simple terminals
    #[arg(long, global = true)]
    pub(crate) plain: bool,
    /// Print one frame per line, as on the wire (`welcome` without its token). The input is text and
    /// commands, as without this option
    #[arg(long, conflicts_with = "plain", global = true)]
    pub(crate) json: bool,
    /// Send each line of the input unchanged, even one that begins with a slash: no line is a command. For
    /// pipes. Needs a remembered login. Empty lines are left out
    #[arg(long, global = true)]
    pub(crate) text: bool,
    /// Connect to a new server, if it is the only one here, even if this device knows another one.
    /// A new server with a name like that of a known one needs --server
    #[arg(long)]
    pub(crate) first_contact: bool,
    /// Stay connected when the input ends
    #[arg(long, global = true)]
    pub(crate) follow: bool,
    /// How many older lines of the room to show at the start; with `--json` of all rooms [default: 50 on
    /// a terminal, 0 in a pipe]. What is new since this device was here last is always shown
    #[arg(long, value_name = "COUNT", value_parser = tail, global = true)]
    pub(crate) tail: Option<u64>,
    /// Read the password for a /login NAME or /register NAME in the input from this file: its only line. Nobody else
    /// may be able to read the file. An open descriptor (/dev/fd/N) works too
    #[arg(long, value_name = "FILE", env = "LANCHAT_PASSWORD_FILE", global = true)]
    pub(crate) password_file: Option<PathBuf>,
    /// The room to talk in; you join it if you are not in it yet
    #[arg(long, value_name = "ROOM", value_parser = room, global = true)]
    pub(crate) room: Option<RoomRef>,
}

impl ChatArgs {
    /// Returns whether a person reads the output and can be asked.
    pub(crate) fn has_person(&self) -> bool {
        !self.json && io::stdin().is_terminal() && io::stdout().is_terminal()
    }
}

/// What to do instead of chatting at once.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Host a server and chat on it; leaving stops the server
    #[cfg(feature = "host")]
    Host(HostArgs),
    /// List the servers on this network; with --json one object per line
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
    /// The folder of the server's data [default: by platform, the same as that of lanchatd]
    #[arg(long, value_name = "DIR", env = "LANCHAT_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// Listen on this address; may be given several times
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Vec<String>,
    /// Be found through this network interface only; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) iface: Vec<String>,
    /// Do not announce the server on the network
    #[arg(long)]
    pub(crate) no_mdns: bool,
}

/// What to do about trust.
#[derive(Debug, Subcommand)]
pub(crate) enum TrustTask {
    /// List the servers that you trust, with their six words
    List,
    /// Forget a server and your login there: the key that it shows next is trusted
    Reset {
        /// The id of the server as `list` shows it, or its name if no other has it
        server: String,
    },
    /// Note that you compared the six words of a server with those on its screen
    Verify {
        /// The id of the server as `list` shows it, or its name if no other has it
        server: String,
    },
}

fn server(text: &str) -> Result<Named, String> {
    match text.parse() {
        Ok(target) => Ok(Named::Target(target)),
        // A malformed address is not a server's name.
        Err(BadTarget::Host(_)) if is_server_name(text) => Ok(Named::Called(text.to_owned())),
        Err(error) => Err(error.to_string()),
    }
}

fn is_server_name(text: &str) -> bool {
    let has_one = !text.trim().is_empty() && text.len() <= limits::SERVER_NAME_BYTES_MAX;
    has_one && !text.contains(|c: char| c.is_control() || matches!(c, ':' | '/' | '[' | ']' | '%' | '#'))
}

/// Parses a link. Anything else in its place was most likely meant as a command, or for `--server`.
fn link(text: &str) -> Result<Target, String> {
    if text.contains("://") {
        return text.parse().map_err(|error: BadTarget| error.to_string());
    }
    let command = Cli::command();
    let near = nearest(text, command.get_subcommands().map(clap::Command::get_name));
    Err(match near {
        Some(name) => format!("there is no such command. Did you mean `lanchat {name}`?"),
        None => format!(
            "it is neither a command nor a link (lanchat://HOST:PORT/#KEY). To connect to a host or to a server of this \
             name: lanchat --server {text}"
        ),
    })
}

fn room(text: &str) -> Result<RoomRef, String> {
    text.parse().map_err(|_| room_names())
}

fn tail(text: &str) -> Result<u64, String> {
    let most = limits::JOIN_TAIL_MAX;
    text.parse()
        .ok()
        .filter(|count| *count <= most)
        .ok_or_else(|| format!("--tail needs a number from 0 to {most}, for example --tail 50"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn targets_rooms_and_folders_are_read() {
        let cli = Cli::try_parse_from(["lanchat", "--server", "pi.local", "--room", "#Dev", "--home", "/x"])
            .unwrap();
        assert!(matches!(cli.server, Some(Named::Target(target)) if target.to_string() == "pi.local:7072"));
        assert_eq!(cli.chat.room.unwrap().to_string(), "dev");
        assert_eq!(cli.home.unwrap(), PathBuf::from("/x"));
        let cli = Cli::try_parse_from(["lanchat", "trust", "list", "--home", "/x"]).unwrap();
        assert_eq!(cli.home.unwrap(), PathBuf::from("/x"));
        let key = "ab".repeat(32);
        let link = format!("lanchat://10.0.0.1:7072/#{key}");
        assert!(Cli::try_parse_from(["lanchat", &link]).unwrap().link.unwrap().expected().is_some());
        let cli = Cli::try_parse_from(["lanchat", "--server", "Ana's laptop"]).unwrap();
        assert!(matches!(cli.server, Some(Named::Called(name)) if name == "Ana's laptop"));
    }

    #[test]
    fn a_slip_of_the_fingers_is_no_server() {
        for (typed, meant) in [
            ("hosst", "Did you mean `lanchat host`?"),
            ("discovr", "Did you mean `lanchat discover`?"),
            ("Trsut", "Did you mean `lanchat trust`?"),
            ("workshop", "lanchat --server workshop"),
            ("10.0.0.1", "lanchat --server 10.0.0.1"),
        ] {
            let error = Cli::try_parse_from(["lanchat", typed]).unwrap_err().to_string();
            assert!(error.contains(meant) || (cfg!(not(feature = "host")) && typed == "hosst"), "{error}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            &["lanchat", "--plain", "--json"][..],
            &["lanchat", "--server", " "],
            &["lanchat", "--server", "pi:0"],
            &["lanchat", "--server", "a b:7072"],
            &["lanchat", "--room", "a b"],
            &["lanchat", "trust", "reset"],
            &["lanchat", "--tail", "1001"],
            &["lanchat", "--tail", "some"],
            &["lanchat", "--bogus"],
        ] {
            assert!(Cli::try_parse_from(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_value_that_is_none_is_told_what_would_be() {
        for (arguments, words) in [
            (["--tail", "1001"], "--tail needs a number from 0 to 1000, for example --tail 50"),
            (["--tail", "some"], "--tail needs a number from 0 to 1000, for example --tail 50"),
            (["--room", "tea room"], "room names use a to z, digits, '.', '_' and '-'"),
            (["--server", "a b:9"], "write HOST, HOST:PORT"),
            (["--server", "pi:x"], "a port is a number from 1 to 65535"),
        ] {
            let error = Cli::try_parse_from(["lanchat"].iter().chain(&arguments)).unwrap_err().to_string();
            assert!(error.contains(words), "{arguments:?}: {error}");
            assert!(!error.contains("invalid digit"), "{error}");
        }
    }
}
