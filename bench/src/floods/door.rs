//! Floods of strangers that cost the server work: handshakes, invalid frames, accounts, tokens.

use std::io::Write;

use anyhow::Result;
use sha2::{Digest, Sha256};

use super::Flood;
use super::crowd::{self, Entry, Plan, Script, Then};
use super::field::{DEVICE, Field, Tally};
use super::ground::{ADDRESSES, ATTACKERS, Family};
use crate::seed::PASSWORD;
use crate::wire::{Kind, write_resume};

/// Connections of one address: as many before login as were accepted by a server version with a bound per address.
const EACH: usize = 16;
/// Tokens that a connection sends in one go when there are many: nearly as many requests as are allowed before login.
const TOKENS: usize = 60;
/// Lines that are sent in one go.
const LINES: usize = 16;

/// Connections of the one host that sends blank lines.
const EACH_OF_RECORDS: usize = 64;
/// Blank lines that are sent in one go.
const BLANK_LINES: usize = 1024;

/// What strangers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// They connect and close.
    Reconnect,
    /// They send lines that are not frames.
    Garbage,
    /// They make accounts.
    Register,
    /// They resume by invalid tokens, every other one resembling that of a known device.
    Resume,
    /// The same from as many connections as a server has places before login, each of which always has a token in
    /// progress.
    ResumeMany,
    /// They send blank lines, each in a TLS record of its own.
    Records,
}

/// The flood.
#[derive(Clone, Copy, Debug)]
pub struct Strangers(pub Deed);

/// Returns one flood for each deed.
pub fn all() -> Vec<Box<dyn Flood>> {
    let deeds =
        [Deed::Reconnect, Deed::Garbage, Deed::Register, Deed::Resume, Deed::ResumeMany, Deed::Records];
    deeds.into_iter().map(|deed| Box::new(Strangers(deed)) as Box<dyn Flood>).collect()
}

impl Flood for Strangers {
    fn name(&self) -> String {
        let name = match self.0 {
            Deed::Reconnect => "reconnects",
            Deed::Garbage => "garbage",
            Deed::Register => "registrations",
            Deed::Resume => "bad-tokens",
            Deed::ResumeMany => "bad-tokens-many",
            Deed::Records => "records",
        };
        name.to_owned()
    }

    fn about(&self) -> String {
        let what = match self.0 {
            Deed::Reconnect => "connect, complete TLS and close",
            Deed::Garbage => "send lines that are no frames",
            Deed::Register => "register a new account each",
            Deed::Resume => "resume by tokens that are none, half of them like that of a known device",
            Deed::ResumeMany => "resume by tokens that are none, many in one go",
            Deed::Records => "send blank lines, each in a TLS record of its own",
        };
        let hosts =
            if self.0.hosts() == 1 { "1 host".to_owned() } else { format!("{} hosts", self.0.hosts()) };
        format!("{hosts}, {} connections: they {what}; as fast as one core can", self.0.connections())
    }

    fn rage(&self, field: &Field) -> Result<Tally> {
        let seats = field.seats(Family::Ipv4, self.0.hosts(), self.0.addresses(), self.0.each());
        let entry = if self.0 == Deed::Reconnect { Entry::Passing } else { Entry::Stranger };
        let token = field.members.get(DEVICE).map(|device| device.token.clone()).unwrap_or_default();
        let plan = Plan { family: Family::Ipv4, seats, entry, rate: None };
        crowd::rage(field, plan, Stranger { deed: self.0, number: 0, token })
    }
}

impl Deed {
    fn hosts(self) -> usize {
        if self == Self::Records { 1 } else { ATTACKERS }
    }

    /// Returns how many addresses each host uses.
    fn addresses(self) -> usize {
        if self == Self::ResumeMany { usize::from(ADDRESSES) } else { 1 }
    }

    /// Returns how many connections each address has.
    fn each(self) -> usize {
        if self == Self::Records { EACH_OF_RECORDS } else { EACH }
    }

    fn connections(self) -> usize {
        self.hosts() * self.addresses() * self.each()
    }
}

struct Stranger {
    deed: Deed,
    number: u64,
    /// The first token of a known device.
    token: String,
}

impl Script for Stranger {
    fn ask(&mut self, _seat: usize, out: &mut Vec<u8>) -> u32 {
        self.number += 1;
        let number = self.number;
        match self.deed {
            Deed::Reconnect => 0,
            Deed::Garbage => {
                for line in 0..LINES {
                    // Writing to a Vec cannot fail.
                    let _ = match line % 4 {
                        0 => writeln!(out, "GET /{number} HTTP/1.1"),
                        1 => writeln!(out, r#"{{"type":"login","id":"{number}","username":7}}"#),
                        2 => writeln!(out, r#"{{"type":"nonsense","id":"{number}"}}"#),
                        _ => writeln!(out, "{}", "[".repeat(64)),
                    };
                }
                0
            }
            Deed::Register => {
                let _ = writeln!(
                    out,
                    r#"{{"type":"register","id":"r","username":"r{number}","password":"{PASSWORD}"}}"#
                );
                1
            }
            Deed::Resume => {
                write_resume(&self.bad_token(), out);
                1
            }
            Deed::ResumeMany => {
                for _ in 0..TOKENS {
                    self.number += 1;
                    write_resume(&self.bad_token(), out);
                }
                TOKENS as u32
            }
            Deed::Records => {
                out.resize(out.len() + BLANK_LINES, b'\n');
                0
            }
        }
    }

    fn is_in_records_of_a_byte(&self) -> bool {
        self.deed == Deed::Records
    }

    fn answer(&mut self, _seat: usize, kind: Kind) -> Then {
        if kind == Kind::Welcome { Then::Leave } else { Then::Stay }
    }
}

impl Stranger {
    fn bad_token(&self) -> String {
        // Made differently from the tokens of the scene, or it would be one of them.
        let digest = Sha256::digest(format!("no token {}", self.number));
        let random: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let half = if self.number.is_multiple_of(2) { self.token.len() / 2 } else { 0 };
        let (like, other) = (self.token.get(..half), random.get(half..));
        [like.unwrap_or_default(), other.unwrap_or_default()].concat()
    }
}
