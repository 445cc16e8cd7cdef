//! A real `lanchatd` in a data directory of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};

use crate::launch::files_below;
use crate::process::{Process, Signal};
use crate::stream::Stream;
use crate::{Home, Launch, Place, faulty_lanchatd, lanchatd};

/// How a server is to be started.
#[derive(Clone, Debug)]
pub struct ServerSpec {
    /// Where it runs.
    pub place: Place,
    /// Its name.
    pub name: String,
    /// Where it listens; its own default if `None`.
    pub listen: Option<SocketAddr>,
    /// Whether it is advertised on the link.
    pub mdns: bool,
    /// Its data directory; one of its own if `None`.
    pub data: Option<PathBuf>,
    /// The program and the arguments that start it, such as a tracer; none if empty.
    pub under: Vec<String>,
    /// Whether it is the test build that fails on purpose.
    pub faulty: bool,
    /// More arguments.
    pub arguments: Vec<String>,
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
}

impl Default for ServerSpec {
    /// Returns a server on a free port of the loopback interface, not advertised.
    fn default() -> Self {
        Self {
            place: Place::Here,
            name: "test server".to_owned(),
            listen: Some(SocketAddr::new(own_loopback(), 0)),
            mdns: false,
            data: None,
            under: Vec::new(),
            faulty: false,
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }
}

impl ServerSpec {
    /// Returns a server in the namespace of a host, advertised, with its own defaults for everything else.
    pub fn on(place: &Place, name: &str) -> Self {
        Self { place: place.clone(), name: name.to_owned(), listen: None, mdns: true, ..Self::default() }
    }

    /// Sets the data directory.
    pub fn on_data(mut self, data: &Path) -> Self {
        self.data = Some(data.to_owned());
        self
    }

    /// Sets another program that starts it.
    pub fn under(mut self, words: Vec<String>) -> Self {
        self.under = words;
        self
    }

    /// Makes it the test build, failing as `failpoints` says: `hub::before_ack=16*off->return`.
    pub fn faulty(mut self, failpoints: &str) -> Self {
        self.faulty = true;
        self.env("FAILPOINTS", failpoints)
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Adds a variable to its environment.
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.environment.push((key.to_owned(), value.to_owned()));
        self
    }
}

/// Returns a loopback address that no other server of this test process has, if there are several: a server that starts
/// again then finds its port free, whatever else happens.
fn own_loopback() -> IpAddr {
    static COUNT: AtomicU8 = AtomicU8::new(1);
    if cfg!(target_os = "linux") {
        let [.., third, fourth] = std::process::id().to_be_bytes();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        IpAddr::V4(Ipv4Addr::new(127, third | 1, fourth, count.clamp(1, 254)))
    } else {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    }
}

/// A server that is running, or was.
pub struct TestServer {
    process: Option<Process>,
    addresses: Vec<SocketAddr>,
    logs: Vec<Stream>,
    spec: ServerSpec,
    home: Home,
}

impl TestServer {
    /// Starts a server with the defaults of [`ServerSpec`].
    pub fn start() -> Self {
        Self::start_as(ServerSpec::default())
    }

    /// Starts a server.
    pub fn start_as(spec: ServerSpec) -> Self {
        let mut server =
            Self { process: None, addresses: Vec::new(), logs: Vec::new(), spec, home: Home::new() };
        server.start_again();
        server
    }

    /// Starts the server again on its data and its port.
    pub fn start_again(&mut self) {
        let process = Process::start(&self.launch());
        self.logs.extend([process.stdout.clone(), process.stderr.clone()]);
        self.addresses = process.stdout.wait_for("waiting for the server to listen", |bytes| {
            let text = String::from_utf8_lossy(bytes);
            let whole = &text[..text.rfind('\n')?];
            let found: Vec<_> = whole.lines().filter_map(listening_on).collect();
            (!found.is_empty()).then_some(found)
        });
        if let Some(listen) = &mut self.spec.listen {
            *listen = self.addresses[0];
        }
        self.process = Some(process);
    }

    /// As [`TestServer::start_again`], for a server that may die of its failpoints. Returns whether it listens.
    pub fn try_start_again(&mut self) -> bool {
        let process = Process::start(&self.launch());
        let mut lines = process.stdout.lines();
        self.logs.extend([process.stdout.clone(), process.stderr.clone()]);
        let listens = std::iter::from_fn(|| lines.next_line()).any(|line| listening_on(&line).is_some());
        if listens {
            self.process = Some(process);
        } else {
            process.wait();
        }
        listens
    }

    /// Makes it the test build from its next start on, failing as `failpoints` says.
    pub fn arm(&mut self, failpoints: &str) {
        self.disarm();
        self.spec = self.spec.clone().faulty(failpoints);
    }

    /// Kills it, and starts it again on its data outside its namespace.
    pub fn come_home(&mut self) {
        self.kill();
        self.spec.place = Place::Here;
        self.spec.listen = ServerSpec::default().listen;
        self.start_again();
    }

    /// Makes it the normal server from its next start on.
    pub fn disarm(&mut self) {
        self.spec.faulty = false;
        self.spec.environment.retain(|(key, _)| key != "FAILPOINTS");
    }

    /// Waits until it ends by itself, and returns its exit code: -1 if it crashed.
    pub fn wait(&mut self) -> i32 {
        let code = self.process().wait();
        self.process().stdout.wait_for_end();
        self.process().stderr.wait_for_end();
        self.process = None;
        code
    }

    /// Returns the command that starts it.
    pub fn launch(&self) -> Launch {
        let program = if self.spec.faulty { faulty_lanchatd() } else { lanchatd() };
        let mut launch = match &self.spec.under[..] {
            [] => Launch::new(program),
            [starter, arguments @ ..] => Launch::new(starter).args(arguments).arg(program),
        };
        launch = launch.at(&self.spec.place).home(&self.home);
        launch = launch.arg("--data").arg(self.data()).arg("--name").arg(&self.spec.name);
        if let Some(listen) = self.spec.listen {
            launch = launch.arg("--listen").arg(listen.to_string());
        }
        if !self.spec.mdns {
            launch = launch.arg("--no-mdns");
        }
        let variables = self.spec.environment.iter();
        let launch = variables.fold(launch, |launch, (key, value)| launch.env(key, value));
        launch.args(&self.spec.arguments)
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Returns its data directory.
    pub fn data(&self) -> PathBuf {
        self.spec.data.clone().unwrap_or_else(|| self.home.path().join("data"))
    }

    /// Returns all files of its data directory.
    pub fn data_files(&self) -> Vec<PathBuf> {
        files_below(&self.data())
    }

    /// Returns everything that all its runs printed, on stdout and stderr. While it runs, the last output may still be
    /// on its way: a test waits for text in [`TestServer::stderr`], or ends the server first.
    ///
    /// # Panics
    /// When the server is running.
    pub fn log(&self) -> String {
        assert!(self.process.is_none(), "a server that runs may have more to say: stop it first");
        self.logs.iter().map(Stream::text).collect()
    }

    /// Returns the stdout of its latest run.
    pub fn stdout(&self) -> &Stream {
        &self.process().stdout
    }

    /// Returns the stderr of its latest run, which is its log.
    pub fn stderr(&self) -> &Stream {
        &self.process().stderr
    }

    /// Kills it at once, like a power cut.
    pub fn kill(&mut self) {
        self.signal(Signal::Kill);
        self.process().wait();
        self.process = None;
    }

    /// Asks it to stop, and returns its exit code.
    pub fn stop(&mut self) -> i32 {
        self.signal(Signal::Terminate);
        let code = self.process().wait();
        self.process().stdout.wait_for_end();
        self.process().stderr.wait_for_end();
        self.process = None;
        code
    }

    /// Returns the process id of its latest run.
    pub fn id(&self) -> i32 {
        self.process().id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process().signal(signal);
    }

    /// Returns whether any file of the data directory holds `needle`.
    pub fn stores(&self, needle: &[u8]) -> bool {
        self.data_files().iter().any(|path| file_holds(path, needle))
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("the server runs")
    }
}

fn file_holds(path: &Path, needle: &[u8]) -> bool {
    std::fs::read(path).is_ok_and(|bytes| crate::stream::contains(&bytes, needle))
}

fn listening_on(line: &str) -> Option<SocketAddr> {
    line.trim().strip_prefix("listening on ")?.trim().parse().ok()
}
