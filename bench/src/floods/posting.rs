//! Floods of posts: many small ones that everybody reads, the largest ones, and those that are refused; by one account,
//! and the largest ones by many.

use std::io::Write;

use anyhow::Result;
use lanchat_model::limits;

use super::Flood;
use super::account::PIT;
use super::crowd::{self, Entry, Plan, Script};
use super::field::{CULPRIT, Field, Tally};
use super::ground::Family;
use crate::seed::{self, HALL};
use crate::wire::{Post, write_attach};

/// Unacknowledged posts of one session (PROTOCOL §6).
const WINDOW: usize = limits::UNACKED_PER_SESSION_MAX;
/// Posts of the largest size that fill a room's ring.
const FULL: usize = limits::RING_BYTES_MAX / limits::MESSAGE_BYTES_MAX;
/// Accounts that post side by side.
const ACCOUNTS: usize = 40;
/// Rooms that one account makes in a day.
const ROOMS: usize = limits::ROOMS_MADE_PER_DAY_MAX;
/// Bytes of text that a flood writes at most: it must not fill the disk of the person who runs it.
const TEXT_BYTES_MAX: u64 = 6 * 1024 * 1024 * 1024;

/// A room that nobody has made.
const NOWHERE: &str = "nowhere";

/// What is posted, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Small posts in the member's room.
    Small,
    /// Posts of the largest size, in a room of the account's own.
    Large,
    /// Small posts that are refused: in a room that the account has left, and in one that nobody has made.
    Outside,
    /// Posts of the largest size, by many accounts, each in a room of its own.
    LargeOfMany,
    /// Posts of the largest size, in many rooms of the account's own and in private chats, one after the other; one of
    /// its sessions follows them.
    LargeInMany,
}

/// The flood.
#[derive(Clone, Copy, Debug)]
pub struct Posting(pub What);

/// Returns one flood of each kind.
pub fn all() -> Vec<Box<dyn Flood>> {
    let all = [What::Small, What::Large, What::Outside, What::LargeOfMany, What::LargeInMany];
    all.into_iter().map(|what| Box::new(Posting(what)) as Box<dyn Flood>).collect()
}

impl What {
    fn accounts(self) -> usize {
        if self == Self::LargeOfMany { ACCOUNTS } else { 1 }
    }

    /// Returns how many sessions each account has.
    fn sessions(self) -> usize {
        match self {
            Self::Small => 64,
            Self::Large | Self::Outside | Self::LargeInMany => limits::SESSIONS_BY_TOKEN_MAX,
            Self::LargeOfMany => 4,
        }
    }
}

impl Flood for Posting {
    fn name(&self) -> String {
        let name = match self.0 {
            What::Small => "posts",
            What::Large => "large-posts",
            What::Outside => "posts-outside",
            What::LargeOfMany => "accounts-large",
            What::LargeInMany => "rooms-full",
        };
        name.to_owned()
    }

    fn about(&self) -> String {
        let what = match self.0 {
            What::Small => "posts of 128 bytes in the member's room".to_owned(),
            What::Large => "posts of 16 KiB in a room of its own, at most 6 GiB".to_owned(),
            What::Outside => {
                "posts of 128 bytes in a room that it has left, and in one that nobody has made".to_owned()
            }
            What::LargeOfMany => "posts of 16 KiB in a room of each account's own, at most 6 GiB".to_owned(),
            What::LargeInMany => format!(
                "posts of 16 KiB, {FULL} in each of {ROOMS} new rooms and of its private chats with all who do not \
                 use the server now, again and again, while one session reads along, at most 6 GiB"
            ),
        };
        let who = match (self.0.accounts(), self.0.sessions()) {
            (1, sessions) => format!("1 account, {sessions} sessions"),
            (accounts, sessions) => format!("{accounts} accounts of 1 host, {sessions} sessions each"),
        };
        format!("{who}, {WINDOW} posts under way each: {what}; as fast as one core can")
    }

    fn rage(&self, field: &Field) -> Result<Tally> {
        let what = self.0;
        let culprits = field.members.iter().skip(CULPRIT).take(what.accounts());
        let tokens: Vec<String> = culprits.map(|culprit| culprit.token.clone()).collect();
        let seats = field.seats(Family::Ipv4, 1, 1, what.accounts() * what.sessions());
        let entry = Entry::Sessions { tokens, is_deaf: false };
        let plan = Plan { family: Family::Ipv4, seats, entry, rate: None };
        crowd::rage(field, plan, Poster::new(what, rooms(what, field.members.len())))
    }
}

/// Returns the rooms that the flood posts to, on a server with this many accounts.
fn rooms(what: What, accounts: usize) -> Vec<String> {
    match what {
        What::Small => vec![HALL.to_owned()],
        What::Large | What::Outside | What::LargeOfMany => (0..what.accounts()).map(own_room).collect(),
        What::LargeInMany => {
            let chats = (CULPRIT + 1..accounts).map(|other| format!("@{}", seed::name(other)));
            (0..ROOMS).map(own_room).chain(chats).collect()
        }
    }
}

/// Returns a room that the flood makes.
fn own_room(number: usize) -> String {
    format!("{PIT}{number}")
}

struct Poster {
    what: What,
    /// Posts so far, and how often seats asked.
    number: u32,
    turns: usize,
    /// The rooms that the flood posts to, and which of them it has made.
    rooms: Vec<String>,
    made: Vec<bool>,
    /// Whether a session follows: a server does not keep a room in memory that nobody reads.
    is_attached: bool,
    body: String,
}

impl Poster {
    fn new(what: What, rooms: Vec<String>) -> Self {
        let (made, body) = (vec![false; rooms.len()], "x".repeat(limits::MESSAGE_BYTES_MAX));
        Self { what, number: 0, turns: 0, rooms, made, is_attached: what != What::LargeInMany, body }
    }

    /// Returns a seat's next room, and how many posts go there.
    fn next(&mut self, seat: usize) -> (usize, usize) {
        self.turns += 1;
        match self.what {
            // Each room is filled in one go: posts beyond the window are read once there is room.
            What::LargeInMany => (self.turns % self.rooms.len().max(1), FULL),
            // Seats belong to the accounts in turn.
            _ => (seat % self.rooms.len().max(1), WINDOW),
        }
    }
}

impl Script for Poster {
    fn ask(&mut self, seat: usize, out: &mut Vec<u8>) -> u32 {
        let (at, posts) = self.next(seat);
        let (Some(room), Some(is_made)) = (self.rooms.get(at), self.made.get_mut(at)) else { return 0 };
        let mut answers = posts;
        if !std::mem::replace(&mut self.is_attached, true) {
            write_attach(out);
            answers += 1;
        }
        if !std::mem::replace(is_made, true) && self.what != What::Small && !room.starts_with('@') {
            // Writing to a Vec cannot fail.
            let _ = writeln!(out, r#"{{"type":"join","id":"j","room":"{room}"}}"#);
            answers += 1;
            if self.what == What::Outside {
                let _ = writeln!(out, r#"{{"type":"leave","id":"l","room":"{room}"}}"#);
                answers += 1;
            }
        }
        for _ in 0..posts {
            self.number = self.number.wrapping_add(1);
            // These ids differ from those of the chat.
            let post = Post { member: u16::MAX, number: self.number };
            match self.what {
                What::Small => post.write_send(room, out),
                What::Outside if self.number.is_multiple_of(2) => post.write_send(room, out),
                What::Outside => post.write_send(NOWHERE, out),
                What::Large | What::LargeOfMany | What::LargeInMany => post.write_text(room, &self.body, out),
            }
        }
        answers as u32
    }

    fn is_done(&self) -> bool {
        let is_large = !matches!(self.what, What::Small | What::Outside);
        is_large && u64::from(self.number) * self.body.len() as u64 > TEXT_BYTES_MAX
    }
}
