//! The nemesis: breaks servers, links and clients, at moments that only its seed knows.

use std::collections::BTreeMap;
use std::thread;

use super::arena::Arena;
use super::seed::Seed;
use crate::Signal;

/// What the nemesis does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The server is killed, and started again.
    KillServer,
    /// A client is killed, perhaps between a send and its ack, and started again.
    KillClient,
    /// All connections are reset.
    Reset,
    /// All connections are closed in one direction.
    HalfClose,
    /// The link lets nothing pass for a while.
    Stall,
    /// The server is stopped, and continued.
    StopServer,
    /// A client is stopped, and continued.
    StopClient,
}

const FAULTS: [Fault; 7] = [
    Fault::KillServer,
    Fault::KillClient,
    Fault::Reset,
    Fault::HalfClose,
    Fault::Stall,
    Fault::StopServer,
    Fault::StopClient,
];

/// How often each fault happened.
pub type Tally = BTreeMap<Fault, usize>;

/// A nemesis and its count.
pub struct Nemesis {
    seed: Seed,
    tally: Tally,
}

impl Nemesis {
    /// Makes a nemesis that acts as `seed` says.
    pub fn new(seed: Seed) -> Self {
        Self { seed, tally: Tally::new() }
    }

    /// Causes every fault once, and then mostly kills, until the server was killed `kills` times.
    pub fn torment(&mut self, arena: &mut Arena, kills: usize) {
        for fault in FAULTS {
            self.pause();
            self.strike(arena, fault);
        }
        while self.tally[&Fault::KillServer] < kills {
            let other = FAULTS[self.seed.below(FAULTS.len() as u64) as usize];
            let fault = if self.seed.below(4) == 0 { other } else { Fault::KillServer };
            self.pause();
            self.strike(arena, fault);
        }
    }

    /// Causes one fault now.
    pub fn strike(&mut self, arena: &mut Arena, fault: Fault) {
        *self.tally.entry(fault).or_default() += 1;
        let client = self.seed.below(arena.clients() as u64) as usize;
        match fault {
            Fault::KillServer => {
                arena.server.kill();
                arena.server.start_again();
            }
            Fault::KillClient => arena.kill_client(client),
            Fault::Reset => arena.link.iter().for_each(|link| link.reset()),
            Fault::HalfClose => arena.link.iter().for_each(|link| link.half_close()),
            Fault::Stall => {
                arena.link.iter().for_each(|link| link.stall());
                self.pause();
                arena.link.iter().for_each(|link| link.flow());
            }
            Fault::StopServer => {
                arena.server.signal(Signal::Stop);
                self.pause();
                arena.server.signal(Signal::Continue);
            }
            Fault::StopClient => {
                arena.signal_client(client, Signal::Stop);
                self.pause();
                arena.signal_client(client, Signal::Continue);
            }
        }
    }

    /// Waits as long as the seed says.
    pub fn pause(&mut self) {
        // This does not wait for an event: the moment itself has to be random.
        thread::park_timeout(self.seed.pause());
    }

    /// Returns how often each fault happened.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }
}
