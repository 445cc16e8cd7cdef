//! `lanchat` without a terminal: lines in, lines out.

use std::net::SocketAddr;

use serde_json::Value;

use crate::process::{Process, Signal};
use crate::stream::Lines;
use crate::{Home, Launch, PASSWORD, Place, lanchat};

/// A `lanchat` with pipes.
pub struct Pipe {
    process: Process,
    output: Lines,
}

impl Pipe {
    /// Starts `lanchat` with these arguments.
    pub fn start(home: &Home, place: &Place, arguments: &[&str]) -> Self {
        Self::launch(&Launch::new(lanchat()).at(place).home(home).args(arguments))
    }

    /// Starts `lanchat` as the launch says.
    pub fn launch(launch: &Launch) -> Self {
        let process = Process::start(launch);
        let output = process.stdout.lines();
        Self { process, output }
    }

    /// Starts `lanchat --json --follow`, logged in as a new account, in the lobby and ready to see what others write.
    pub fn json(home: &Home, server: SocketAddr, name: &str) -> Self {
        let server = server.to_string();
        let mut pipe =
            Self::start(home, &Place::Here, &["--server", &server, "--json", "--follow", "--tail", "50"]);
        pipe.enter(&format!("/register {name} {PASSWORD}"));
        pipe.expect("attached", |_| true);
        pipe
    }

    /// Gives it one line.
    pub fn enter(&mut self, line: &str) {
        self.process.write(&format!("{line}\n"));
    }

    /// Reads the next line of its output; `None` at its end.
    pub fn next_line(&mut self) -> Option<String> {
        self.output.next_line()
    }

    /// Reads until a line that holds `text`, and returns it.
    pub fn find(&mut self, text: &str) -> String {
        let what = format!("waiting for {text:?}");
        self.output.find(&what, |line| line.contains(text).then(|| line.to_owned()))
    }

    /// With `--json`: reads until a frame of this type for which `holds` is true.
    pub fn expect(&mut self, kind: &str, holds: impl Fn(&Value) -> bool) -> Value {
        self.output.find(&format!("waiting for {kind}"), |line| {
            let frame: Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: no frame: {line:?}"));
            (frame["type"] == kind && holds(&frame)).then_some(frame)
        })
    }

    /// With `--json`: returns what `judge` makes of the next frame.
    ///
    /// # Panics
    /// When there is none.
    pub fn expect_frame<T>(&mut self, judge: impl FnOnce(&Value) -> T) -> T {
        let Some(line) = self.next_line() else { panic!("the client ended\n{}", self.complaints()) };
        judge(&serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: no frame: {line:?}")))
    }

    /// Returns the process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Returns its complaints so far.
    pub fn complaints(&self) -> String {
        self.process.stderr.text()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Ends its input, waits for its end, and returns its exit code.
    pub fn finish(&mut self) -> i32 {
        self.process.close_stdin();
        self.process.wait()
    }
}
