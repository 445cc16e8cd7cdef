//! Floods of what one account may do: rooms, presence, typing, connects and disconnects, password changes.

use std::io::Write;

use anyhow::Result;
use lanchat_model::limits;

use super::Flood;
use super::crowd::{self, Entry, Plan, Script, Then};
use super::field::{CULPRIT, Field, Tally};
use super::ground::Family;
use crate::seed::{HALL, PASSWORD};
use crate::wire::Kind;

/// The room that the account makes.
pub const PIT: &str = "pit";

/// The padding that makes a line long: with the rest, it stays below the server's limit.
const PADDING_BYTES: usize = limits::FRAME_BYTES_MAX - 4 * 1024;

/// What the account does repeatedly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It makes a room and leaves it.
    JoinAndLeave,
    /// It makes rooms.
    Join,
    /// It is away and back, 45 times a second.
    Away,
    /// The same as often as possible.
    AwayFast,
    /// It connects and disconnects.
    ComeAndGo,
    /// It types.
    Type,
    /// It changes its password to the same one, and also tries to with a wrong old one.
    Passwd,
    /// It sends lines of the greatest length that ask for next to nothing.
    LongLines,
}

/// The flood.
#[derive(Clone, Copy, Debug)]
pub struct Account(pub Deed);

/// Returns one flood for each deed.
pub fn all() -> Vec<Box<dyn Flood>> {
    let deeds = [
        Deed::JoinAndLeave,
        Deed::Join,
        Deed::Away,
        Deed::AwayFast,
        Deed::ComeAndGo,
        Deed::Type,
        Deed::Passwd,
        Deed::LongLines,
    ];
    deeds.into_iter().map(|deed| Box::new(Account(deed)) as Box<dyn Flood>).collect()
}

/// Plans sessions of the one account, from one host.
pub fn plan(field: &Field, sessions: usize, is_deaf: bool, rate: Option<u32>) -> Plan {
    let tokens = field.members.iter().skip(CULPRIT).take(1).map(|culprit| culprit.token.clone()).collect();
    let seats = field.seats(Family::Ipv4, 1, 1, sessions);
    Plan { family: Family::Ipv4, seats, entry: Entry::Sessions { tokens, is_deaf }, rate }
}

impl Deed {
    fn sessions(self) -> usize {
        match self {
            Self::Away => 1,
            Self::JoinAndLeave | Self::Join => 8,
            Self::Passwd => 16,
            Self::AwayFast | Self::ComeAndGo | Self::Type | Self::LongLines => limits::SESSIONS_BY_TOKEN_MAX,
        }
    }

    fn rate(self) -> Option<u32> {
        (self == Self::Away).then_some(45)
    }

    /// Returns how many requests a session sends in one go.
    fn at_once(self) -> u32 {
        match self {
            Self::Away | Self::ComeAndGo => 1,
            Self::Passwd | Self::LongLines => 8,
            Self::JoinAndLeave | Self::Join | Self::AwayFast => 16,
            Self::Type => 64,
        }
    }
}

impl Flood for Account {
    fn name(&self) -> String {
        let name = match self.0 {
            Deed::JoinAndLeave => "join-and-leave",
            Deed::Join => "join",
            Deed::Away => "away-45",
            Deed::AwayFast => "away-fast",
            Deed::ComeAndGo => "come-and-go",
            Deed::Type => "typing",
            Deed::Passwd => "passwd",
            Deed::LongLines => "long-lines",
        };
        name.to_owned()
    }

    fn about(&self) -> String {
        let what = match self.0 {
            Deed::JoinAndLeave => "makes a new room and leaves it; as fast as one core can",
            Deed::Join => "makes new rooms; as fast as one core can",
            Deed::Away => "is away or back, 45 times a second",
            Deed::AwayFast => "is away or back; as fast as one core can",
            Deed::ComeAndGo => "comes, and says goodbye; as fast as one core can",
            Deed::Type => "types in the member's room; as fast as one core can",
            Deed::Passwd => {
                "changes its password to what it is in one, and tries to by a wrong one in the others; as fast as one \
                 core can"
            }
            Deed::LongLines => "sends lines of 60 KiB that ask for a sign of life; as fast as one core can",
        };
        format!("1 account, sessions: {}; it {what}", self.0.sessions())
    }

    fn rage(&self, field: &Field) -> Result<Tally> {
        let plan = plan(field, self.0.sessions(), false, self.0.rate());
        // An unknown field, with as many numbers as fit.
        let padding = "1,".repeat(PADDING_BYTES / 2);
        crowd::rage(field, plan, Culprit { deed: self.0, number: 0, padding })
    }
}

struct Culprit {
    deed: Deed,
    number: u64,
    padding: String,
}

impl Script for Culprit {
    fn ask(&mut self, seat: usize, out: &mut Vec<u8>) -> u32 {
        // A change ends all other sessions, which reconnect; a wrong old password costs a hash without ending any.
        let old = if seat == 0 { PASSWORD } else { "not the password" };
        for _ in 0..self.deed.at_once() {
            self.number += 1;
            let number = self.number;
            // Every two requests use one room.
            let room = if self.deed == Deed::Join { number } else { number.div_ceil(2) };
            // Writing to a Vec cannot fail.
            let _ = match self.deed {
                Deed::JoinAndLeave if number.is_multiple_of(2) => {
                    writeln!(out, r#"{{"type":"leave","id":"l","room":"pit{room}"}}"#)
                }
                Deed::JoinAndLeave | Deed::Join => {
                    writeln!(out, r#"{{"type":"join","id":"j","room":"pit{room}"}}"#)
                }
                Deed::Away | Deed::AwayFast if number.is_multiple_of(2) => {
                    writeln!(out, r#"{{"type":"back","id":"b"}}"#)
                }
                Deed::Away | Deed::AwayFast => {
                    writeln!(out, r#"{{"type":"away","id":"a","reason":"{number}"}}"#)
                }
                Deed::ComeAndGo => writeln!(out, r#"{{"type":"bye","id":"b"}}"#),
                Deed::Type => writeln!(out, r#"{{"type":"typing","id":"t","room":"{HALL}"}}"#),
                Deed::LongLines => {
                    writeln!(out, r#"{{"type":"ping","id":"p","x":[{}1]}}"#, self.padding)
                }
                Deed::Passwd => {
                    writeln!(
                        out,
                        r#"{{"type":"passwd","id":"p","old":"{old}","new":"{PASSWORD}","renew":true}}"#
                    )
                }
            };
        }
        if self.deed == Deed::Type { 0 } else { self.deed.at_once() }
    }

    fn answer(&mut self, _seat: usize, _kind: Kind) -> Then {
        if self.deed == Deed::ComeAndGo { Then::Leave } else { Then::Stay }
    }
}
