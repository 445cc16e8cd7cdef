//! How connections come in: as fast as a server lets unknown clients in, each from its own address.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::fleet::{Destination, Fleet, Handler};
use crate::measure::Latency;
use crate::seed::Member;
use crate::target::Side;
use crate::wire::{Kind, kind, write_attach, write_resume};

/// Connections that are being set up at a time when there is no rush.
const COMING_MAX: usize = 64;
/// The same when all arrive at once: a few less than a server of any version lets wait before the login.
pub const CROWD_MAX: usize = 240;
/// If nothing arrives for this long, something is wrong.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait for quiet at most.
const REST_MAX: Duration = Duration::from_secs(120);

/// The arrival of all accounts of a scene.
pub struct Arrival<'m, R> {
    side: Side,
    members: &'m [Member],
    room: R,
    at_once: usize,
    began: Vec<Instant>,
    arrived: usize,
    /// From the beginning of a connection until it was attached.
    pub took: Latency,
    failure: Option<String>,
}

impl<'m, R: Fn(usize) -> String> Arrival<'m, R> {
    /// Makes an arrival of which nobody has come yet. `room` gives each member's room on the floor.
    ///
    /// # Errors
    /// When no histogram can be made.
    pub fn new(side: Side, members: &'m [Member], room: R) -> Result<Self> {
        let (began, took) = (Vec::with_capacity(members.len()), Latency::new()?);
        Ok(Self { side, members, room, at_once: COMING_MAX, began, arrived: 0, took, failure: None })
    }

    /// Sets how many may be on their way in at a time.
    pub fn at_once(mut self, most: usize) -> Self {
        self.at_once = most;
        self
    }

    fn arrive(&mut self, id: usize, now: Instant) {
        self.arrived += 1;
        if let Some(began) = self.began.get(id) {
            self.took.record(now.saturating_duration_since(*began));
        }
    }

    /// Lets everybody in.
    ///
    /// # Errors
    /// When one is refused, or there is no progress.
    pub fn bring_in(&mut self, fleet: &mut Fleet, to: Destination) -> Result<()> {
        let (mut last, mut moved) = (0, Instant::now());
        while self.arrived < self.members.len() {
            while fleet.len() < self.members.len() && fleet.len() - self.arrived < self.at_once {
                self.began.push(Instant::now());
                fleet.connect(to, source(fleet.len()))?;
            }
            fleet.turn(Instant::now() + Duration::from_millis(100), self)?;
            if let Some(failure) = &self.failure {
                bail!("a connection did not come in: {failure}");
            }
            if self.arrived > last {
                (last, moved) = (self.arrived, Instant::now());
            } else if moved.elapsed() > PATIENCE {
                bail!("{last} of {} connections came in, and then none", self.members.len());
            }
        }
        Ok(())
    }

    /// Waits until nothing has arrived for a while.
    ///
    /// # Errors
    /// When a connection ends.
    pub fn rest(&mut self, fleet: &mut Fleet, quiet: Duration) -> Result<()> {
        let began = Instant::now();
        let (mut seen, mut since) = (fleet.lines(), Instant::now());
        while since.elapsed() < quiet && began.elapsed() < REST_MAX {
            fleet.turn(since + quiet, self)?;
            if fleet.lines() != seen {
                (seen, since) = (fleet.lines(), Instant::now());
            }
            if let Some(failure) = &self.failure {
                bail!("a connection ended while all waited: {failure}");
            }
        }
        Ok(())
    }
}

impl<R: Fn(usize) -> String> Handler for Arrival<'_, R> {
    fn opened(&mut self, id: usize, out: &mut Vec<u8>) {
        if self.side == Side::Floor {
            out.extend_from_slice((self.room)(id).as_bytes());
            out.push(b'\n');
            self.arrive(id, Instant::now());
        }
    }

    fn line(&mut self, id: usize, line: &[u8], now: Instant, out: &mut Vec<u8>) {
        match kind(line) {
            Kind::Hello => {
                if let Some(member) = self.members.get(id) {
                    write_resume(&member.token, out);
                }
            }
            Kind::Welcome => write_attach(out),
            Kind::Attached => self.arrive(id, now),
            Kind::Error => self.failure = Some(String::from_utf8_lossy(line).into_owned()),
            _ => {}
        }
    }

    fn closed(&mut self, id: usize) {
        self.failure.get_or_insert_with(|| format!("connection {id} was closed"));
    }
}

/// Returns the source address of a connection: 250 per /24, without repetition in 60,000.
pub fn source(number: usize) -> Ipv4Addr {
    let octet = |part: usize| (part % 250) as u8 + 1;
    Ipv4Addr::new(127, 1, octet(number / 250), octet(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_come_from_different_addresses() {
        let mut sources: Vec<Ipv4Addr> = (0..10_000).map(source).collect();
        sources.sort();
        sources.dedup();
        assert_eq!(sources.len(), 10_000);
    }
}
