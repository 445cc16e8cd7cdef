//! From the command line to a conversation: state folder, server, trust, connection, front end.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use etcetera::BaseStrategy;
use lanchat_client::{Client, ConnectError, Connection, Decision, Home, Options, Target, connect_patiently};
use lanchat_model::AccountName;
use tokio::sync::mpsc;

use crate::asides;
use crate::chat::{Chat, End, Wishes};
use crate::choose::{self, Choice, Hosting};
#[cfg(feature = "host")]
use crate::cli::HostArgs;
use crate::cli::{ChatArgs, Cli, Named, Task};
use crate::exit::{Failure, Reason};
use crate::hidden;
#[cfg(feature = "host")]
use crate::host::Hosted;
use crate::input;
use crate::output::{Output, Pipe};
use crate::password_file;
use crate::repl;
use crate::trust;

/// Terminals that cannot do what a line editor needs.
const SIMPLE_TERMINALS: [&str; 3] = ["dumb", "cons25", "emacs"];

/// Runs what the command line asks for.
///
/// # Errors
/// [`Failure`] holds the reason and the exit code.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    let home = Home::open(&match cli.home {
        Some(path) => path,
        None => default_home()?,
    })?;
    crate::logging::start(home.path())?;
    if cli.chat.text && io::stdin().is_terminal() {
        let words = "--text is for a pipe, such as `make 2>&1 | lanchat --text`. \
                     At a terminal leave it out; // sends a slash.";
        return Err(Failure::new(Reason::Usage, words));
    }
    let named = cli.link.map(Named::Target).or(cli.server);
    match (cli.task, named) {
        (Some(_), Some(_)) => {
            let words = "This command takes no server. `lanchat --help` shows what each takes.";
            Err(Failure::new(Reason::Usage, words))
        }
        (Some(Task::Trust(task)), None) => trust::run(&task, &home),
        (Some(Task::Discover), None) => choose::list(&home, cli.chat.json).await,
        #[cfg(feature = "host")]
        (Some(Task::Host(args)), None) => host_with(args, &cli.chat, home).await,
        (None, Some(named)) => {
            let target = choose::named(named, &home, &cli.chat).await?;
            chat(target, Wishes::new(&cli.chat, home), &cli.chat, &[]).await
        }
        (None, None) => match choose::choose(&home, &cli.chat, hosting()).await? {
            Choice::Server(target) => chat(target, Wishes::new(&cli.chat, home), &cli.chat, &[]).await,
            Choice::Host => host(&cli.chat, home).await,
        },
    }
}

/// Hosts with the settings that `lanchatd` would have.
#[cfg(feature = "host")]
async fn host(args: &ChatArgs, home: Home) -> Result<(), Failure> {
    let data = std::env::var_os("LANCHAT_DATA").map(Into::into);
    host_with(HostArgs { data, ..Default::default() }, args, home).await
}

/// Serves and chats, and stops serving when the chat ends.
#[cfg(feature = "host")]
async fn host_with(settings: HostArgs, args: &ChatArgs, home: Home) -> Result<(), Failure> {
    let Hosted { target, banner, logins, news, server } = crate::host::start(settings, &home).await?;
    let wishes = Wishes { hosting: true, logins: Some(logins), news: Some(news), ..Wishes::new(args, home) };
    server.during(chat(target, wishes, args, &banner)).await
}

/// Returns what this program can host.
#[cfg(feature = "host")]
fn hosting() -> Hosting {
    Hosting { possible: true, own: crate::host::own_server() }
}

#[cfg(not(feature = "host"))]
fn hosting() -> Hosting {
    Hosting::default()
}

#[cfg(not(feature = "host"))]
async fn host(_: &ChatArgs, _: Home) -> Result<(), Failure> {
    Err(Failure::new(Reason::Usage, "This program was built without the server. Start `lanchatd` instead."))
}

/// Returns the platform's folder for state. Windows does not have one: there it is the part of the profile that does
/// not travel between computers, since a token is for one device.
fn default_home() -> Result<PathBuf, Failure> {
    let base = etcetera::choose_base_strategy().map_err(|_| {
        Failure::new(
            Reason::Usage,
            "You have no home folder. Name a folder for keys and logins with --home DIR.",
        )
    })?;
    Ok(match base.state_dir() {
        Some(state) => state.join("lanchat"),
        None => base.cache_dir().join("lanchat").join("client"),
    })
}

/// Talks to one server until the user leaves. `greeting` is shown first.
///
/// # Errors
/// [`Failure`] holds the reason for an early end.
async fn chat(
    target: Target,
    mut wishes: Wishes,
    args: &ChatArgs,
    greeting: &[String],
) -> Result<(), Failure> {
    let home = wishes.home.clone();
    if let Some(path) = &args.password_file {
        wishes.password = Some(password_file::read(path)?);
    }
    // Reading the pipe starts now, so that a login in it is available when the server asks for one.
    let front = Front::of(args);
    let typed = match front {
        Front::Terminal => None,
        _ => Some(input::from_stdin(wishes.password.is_none())?),
    };
    let connection = reach(&target, &home).await?;
    wishes.known = connection.decision() == Decision::Match;
    let mut words = greeting.to_vec();
    if !wishes.hosting {
        words.extend(trust::introduction(&connection, &home.pins()?, front == Front::Terminal));
    }
    let mut trusted = connection.trust(&home)?;
    // A later login must go to this same server, even if another one answers at its address by then.
    let same = trusted.way_back();

    let (output, typed) = front.open(&home, typed, wishes.hosting)?;
    let mut chat = Chat::new(output, typed, wishes);
    words.iter().for_each(|line| chat.notice(line));
    let mut first = None;
    let end = loop {
        chat.met(&trusted);
        let (client, events) = Client::start(trusted, home.clone(), options());
        match chat.run(client, events, first.take()).await {
            End::Done => break Ok(()),
            End::Failed(failure) => break Err(failure),
            End::Relogin(command) => {
                first = Some(command);
                trusted = match reach(&same, &home).await.and_then(|connection| connection.trust(&home)) {
                    Ok(trusted) => trusted,
                    Err(error) => break Err(error.into()),
                };
            }
        }
    };
    chat.close().await;
    hidden::give_back();
    end
}

/// Connects; if the server is crowded, says so and tries again.
async fn reach(target: &Target, home: &Home) -> Result<Connection, ConnectError> {
    connect_patiently(target, home, |is_known| {
        let words = if is_known {
            "The server is crowded. Trying again; no line is lost."
        } else {
            "The connection was closed without an answer: the server may be crowded. Trying again…"
        };
        asides::conclude(words);
    })
    .await
}

fn options() -> Options {
    let mut options = Options::default();
    options.device = hostname::get().ok().and_then(|name| name.into_string().ok());
    options.rediscover = true;
    options
}

/// The front end to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Front {
    Terminal,
    Plain,
    Json,
}

impl Front {
    fn of(args: &ChatArgs) -> Self {
        let simple = std::env::var("TERM").is_ok_and(|term| SIMPLE_TERMINALS.contains(&term.as_str()));
        match args {
            ChatArgs { json: true, .. } => Self::Json,
            ChatArgs { plain: false, .. } if args.has_person() && !simple => Self::Terminal,
            _ => Self::Plain,
        }
    }

    fn open(
        self,
        home: &Home,
        typed: Option<mpsc::Receiver<input::Typed>>,
        hosting: bool,
    ) -> io::Result<(Output, mpsc::Receiver<input::Typed>)> {
        match (self, typed) {
            (Self::Json, Some(typed)) => Ok((Output::Json(Pipe::open()?), typed)),
            (Self::Plain, Some(typed)) => Ok((Output::Plain(Pipe::open()?), typed)),
            _ => {
                let (terminal, typed) = repl::open(home.path(), suggested_name(), hosting)?;
                Ok((Output::Terminal(terminal), typed))
            }
        }
    }
}

/// Returns the user's name on this computer, if it is a valid account name.
fn suggested_name() -> Option<String> {
    let name = ["USER", "USERNAME", "LOGNAME"].iter().find_map(|variable| std::env::var(variable).ok())?;
    Some(name.parse::<AccountName>().ok()?.to_string())
}
