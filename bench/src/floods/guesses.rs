//! Floods of password guesses: 75 a second from 5 addresses, which is about what a server can hash.

use anyhow::Result;

use super::Flood;
use super::crowd::{self, Entry, Plan, Script};
use super::field::{CULPRIT, Field, PERSON, Tally};
use super::ground::{ATTACKERS, Family};
use crate::seed;
use crate::wire::write_login;

/// Guesses of all hosts in a second.
const RATE: u32 = 75;
/// Connections of one address: one less than were accepted before login by a server version with a bound per address.
const EACH: usize = 15;

/// The account whose password is guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// One account that is not in use.
    One,
    /// Each account in turn.
    Many,
    /// The account of the person who logs in meanwhile.
    Person,
}

/// The flood.
#[derive(Clone, Copy, Debug)]
pub struct Guesses {
    whose: Whose,
    /// `None`: as fast as one core can.
    rate: Option<u32>,
}

/// Returns one flood for each kind of account, and one without a rate.
pub fn all() -> Vec<Box<dyn Flood>> {
    let paced = [Whose::One, Whose::Many, Whose::Person].map(|whose| Guesses { whose, rate: Some(RATE) });
    let all = paced.into_iter().chain([Guesses { whose: Whose::Many, rate: None }]);
    all.map(|guesses| Box::new(guesses) as Box<dyn Flood>).collect()
}

impl Flood for Guesses {
    fn name(&self) -> String {
        let name = match (self.whose, self.rate) {
            (Whose::One, _) => "guesses-one",
            (Whose::Many, Some(_)) => "guesses-many",
            (Whose::Many, None) => "guesses-fast",
            (Whose::Person, _) => "guesses-person",
        };
        name.to_owned()
    }

    fn about(&self) -> String {
        let rate = self.rate.map_or("as many password guesses as one core can".to_owned(), |rate| {
            format!("{rate} password guesses a second")
        });
        let whose = match self.whose {
            Whose::One => "at one account",
            Whose::Many => "at many accounts in turn",
            Whose::Person => "at the account of the person who logs in meanwhile",
        };
        format!("5 hosts, {} connections: {rate} {whose}", ATTACKERS * EACH)
    }

    fn rage(&self, field: &Field) -> Result<Tally> {
        let seats = field.seats(Family::Ipv4, ATTACKERS, 1, EACH);
        let plan = Plan { family: Family::Ipv4, seats, entry: Entry::Stranger, rate: self.rate };
        crowd::rage(field, plan, Guesser { whose: self.whose, accounts: field.members.len(), number: 0 })
    }
}

struct Guesser {
    whose: Whose,
    accounts: usize,
    number: usize,
}

impl Script for Guesser {
    fn ask(&mut self, _seat: usize, out: &mut Vec<u8>) -> u32 {
        self.number += 1;
        let account = match self.whose {
            Whose::One => CULPRIT,
            Whose::Many => CULPRIT + self.number % self.accounts.saturating_sub(CULPRIT).max(1),
            Whose::Person => PERSON,
        };
        write_login(&seed::name(account), &format!("guess {:08}", self.number), out);
        1
    }
}
