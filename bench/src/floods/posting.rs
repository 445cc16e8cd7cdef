//! Floods of posts by one account: many small ones that everybody reads, the largest ones, and those that are refused.

use std::io::Write;

use anyhow::Result;
use lanchat_model::limits;

use super::Flood;
use super::account::{PIT, plan};
use super::crowd::{self, Script};
use super::field::{Field, Tally};
use crate::seed::HALL;
use crate::wire::Post;

/// Posts under way of one session (PROTOCOL §6).
const WINDOW: usize = limits::UNACKED_PER_SESSION_MAX;
/// Bytes of text that a flood writes at most: it must not fill the disk of whoever runs it.
const TEXT_BYTES_MAX: u64 = 6 * 1024 * 1024 * 1024;

/// A room that nobody has made.
const NOWHERE: &str = "nowhere";

/// What is posted, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Small posts in the member's room.
    Small,
    /// Posts as large as can be, in a room of the account's own.
    Large,
    /// Small posts that are refused: in a room that the account has left, and in one that nobody has made.
    Outside,
}

/// The flood.
#[derive(Clone, Copy, Debug)]
pub struct Posting {
    sessions: usize,
    what: What,
}

/// One of each.
pub fn all() -> Vec<Box<dyn Flood>> {
    vec![
        Box::new(Posting { sessions: 64, what: What::Small }),
        Box::new(Posting { sessions: limits::SESSIONS_BY_TOKEN_MAX, what: What::Large }),
        Box::new(Posting { sessions: limits::SESSIONS_BY_TOKEN_MAX, what: What::Outside }),
    ]
}

impl Flood for Posting {
    fn name(&self) -> String {
        let name = match self.what {
            What::Small => "posts",
            What::Large => "large-posts",
            What::Outside => "posts-outside",
        };
        name.to_owned()
    }

    fn about(&self) -> String {
        let what = match self.what {
            What::Small => "posts of 128 bytes in the member's room",
            What::Large => "posts of 16 KiB in a room of its own, at most 6 GiB",
            What::Outside => "posts of 128 bytes in a room that it has left, and in one that nobody has made",
        };
        format!(
            "1 account, {} sessions, {WINDOW} posts under way each: {what}; as fast as one core can",
            self.sessions
        )
    }

    fn rage(&self, field: &Field) -> Result<Tally> {
        let script = Poster { what: self.what, number: 0, body: "x".repeat(limits::MESSAGE_BYTES_MAX) };
        crowd::rage(field, plan(field, self.sessions, false, None), script)
    }
}

struct Poster {
    what: What,
    number: u32,
    body: String,
}

impl Script for Poster {
    fn ask(&mut self, _seat: usize, out: &mut Vec<u8>) -> u32 {
        let mut answers = WINDOW;
        if self.what != What::Small && self.number == 0 {
            // Writing to a Vec cannot fail.
            let _ = writeln!(out, r#"{{"type":"join","id":"j","room":"{PIT}"}}"#);
            answers += 1;
        }
        if self.what == What::Outside && self.number == 0 {
            let _ = writeln!(out, r#"{{"type":"leave","id":"l","room":"{PIT}"}}"#);
            answers += 1;
        }
        for _ in 0..WINDOW {
            self.number = self.number.wrapping_add(1);
            // Not the ids of those who chat.
            let post = Post { member: u16::MAX, number: self.number };
            match self.what {
                What::Small => post.write_send(HALL, out),
                What::Large => post.write_text(PIT, &self.body, out),
                What::Outside if self.number.is_multiple_of(2) => post.write_send(PIT, out),
                What::Outside => post.write_send(NOWHERE, out),
            }
        }
        answers as u32
    }

    fn is_done(&self) -> bool {
        self.what == What::Large && u64::from(self.number) * self.body.len() as u64 > TEXT_BYTES_MAX
    }
}
