//! Connections that come and go: TLS, a login by token, a room, and a disconnect.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

use super::{Goal, Load, Sample};
use crate::arrival::source;
use crate::fleet::{Fleet, Handler};
use crate::seed::{Member, Scene};
use crate::stage::{Set, Stage};
use crate::target::Side;
use crate::wire::{Kind, kind, text_of, write_attach, write_resume};

/// How long the server may take to become idle again.
const REST: Duration = Duration::from_millis(200);

/// The load.
#[derive(Clone, Copy, Debug)]
pub struct Connect {
    /// Connections at a time, each with an account of its own.
    pub at_once: usize,
}

impl Default for Connect {
    fn default() -> Self {
        Self { at_once: 16 }
    }
}

impl Load for Connect {
    fn name(&self) -> String {
        "connect".to_owned()
    }

    fn play(&self, stage: &Stage, side: Side) -> Result<Vec<Sample>> {
        let set = stage.set(side, Scene { members: self.at_once, ..Scene::default() }, None)?;
        let mut fleet = Fleet::new()?;
        let mut visits = Visits {
            side,
            accounts: set.members.clone(),
            account: Vec::new(),
            done: 0,
            idle: Vec::new(),
            failure: None,
        };
        visits.run(stage.pace.warm_up, &set, &mut fleet)?;
        let (mark, done) = (set.target.mark()?, visits.done);
        let began = Instant::now();
        visits.run(stage.pace.measured, &set, &mut fleet)?;
        let seconds = began.elapsed().as_secs_f64();
        // The floor's work for the last ones comes after they have gone.
        std::thread::park_timeout(REST);
        let (cpu, done) = (set.target.since(mark)?.seconds, (visits.done - done) as f64);
        ensure!(done > 0.0, "nobody came in");
        Ok(vec![
            Sample::new("CPU per connection", "ms", cpu * 1e3 / done),
            Sample::new("connections", "1/s", done / seconds),
        ])
    }

    fn goals(&self) -> Vec<Goal> {
        vec![Goal::AtMost("CPU per connection", 0.35)]
    }
}

/// Accounts that come and go, each with the token that it was given last.
struct Visits {
    side: Side,
    accounts: Vec<Member>,
    /// The account of each connection.
    account: Vec<usize>,
    done: usize,
    /// Connections that have done their work.
    idle: Vec<usize>,
    failure: Option<String>,
}

impl Visits {
    /// Lets them come for this long, and waits for the last ones.
    fn run(&mut self, duration: Duration, set: &Set, fleet: &mut Fleet) -> Result<()> {
        let end = Instant::now() + duration;
        let mut free: Vec<usize> = (0..self.accounts.len()).collect();
        loop {
            if Instant::now() < end {
                for account in free.drain(..) {
                    let id = fleet.connect(set.target.destination(), source(account))?;
                    ensure!(id == self.account.len(), "connections are numbered in order");
                    self.account.push(account);
                }
            } else if free.len() == self.accounts.len() {
                return Ok(());
            }
            fleet.turn(Instant::now() + Duration::from_millis(100), self)?;
            if let Some(failure) = &self.failure {
                return Err(anyhow!("{failure}"));
            }
            for id in self.idle.drain(..) {
                fleet.close(id);
                self.done += 1;
                free.extend(self.account.get(id));
            }
        }
    }
}

impl Handler for Visits {
    fn opened(&mut self, id: usize, out: &mut Vec<u8>) {
        if self.side == Side::Floor {
            out.extend_from_slice(b"lobby\n");
            self.idle.push(id);
        }
    }

    fn line(&mut self, id: usize, line: &[u8], _now: Instant, out: &mut Vec<u8>) {
        let account = self.account.get(id).and_then(|account| self.accounts.get_mut(*account));
        match (kind(line), account) {
            (Kind::Hello, Some(account)) => write_resume(&account.token, out),
            (Kind::Welcome, Some(account)) => {
                if let Some(token) = text_of(line, br#""token":""#) {
                    account.token = String::from_utf8_lossy(token).into_owned();
                }
                write_attach(out);
            }
            (Kind::Attached, _) => self.idle.push(id),
            (Kind::Error, _) => self.failure = Some(String::from_utf8_lossy(line).into_owned()),
            _ => {}
        }
    }

    fn closed(&mut self, id: usize) {
        self.failure = Some(format!("connection {id} was closed"));
    }
}
