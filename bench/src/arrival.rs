//! How connections come in: as fast as a server lets strangers in, each from an address of its own.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::fleet::{Destination, Fleet, Handler};
use crate::seed::Member;
use crate::target::Side;
use crate::wire::{Kind, kind, write_attach, write_resume};

/// Connections that are on their way in at a time: well below what a server lets wait in front of its login.
const COMING_MAX: usize = 64;
/// After so long without anybody coming in something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);
/// After so long nobody waits for rest any more.
const REST_MAX: Duration = Duration::from_secs(120);

/// The arrival of all accounts of a scene.
pub struct Arrival<'m, R> {
    side: Side,
    members: &'m [Member],
    room: R,
    arrived: usize,
    failure: Option<String>,
}

impl<'m, R: Fn(usize) -> String> Arrival<'m, R> {
    /// Nobody has come.
    pub fn new(side: Side, members: &'m [Member], room: R) -> Self {
        Self { side, members, room, arrived: 0, failure: None }
    }

    /// Lets everybody in.
    ///
    /// # Errors
    /// When one is refused, or nothing moves any more.
    pub fn bring_in(&mut self, fleet: &mut Fleet, to: Destination) -> Result<()> {
        let (mut last, mut moved) = (0, Instant::now());
        while self.arrived < self.members.len() {
            while fleet.len() < self.members.len() && fleet.len() - self.arrived < COMING_MAX {
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

    /// Waits until nothing has come for a while.
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
            self.arrived += 1;
        }
    }

    fn line(&mut self, id: usize, line: &[u8], _now: Instant, out: &mut Vec<u8>) {
        match kind(line) {
            Kind::Hello => {
                if let Some(member) = self.members.get(id) {
                    write_resume(&member.token, out);
                }
            }
            Kind::Welcome => write_attach(out),
            Kind::Attached => self.arrived += 1,
            Kind::Error => self.failure = Some(String::from_utf8_lossy(line).into_owned()),
            _ => {}
        }
    }

    fn closed(&mut self, id: usize) {
        self.failure.get_or_insert_with(|| format!("connection {id} was closed"));
    }
}

/// The address that a connection comes from: 250 to a /24, and none twice in 60,000.
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
