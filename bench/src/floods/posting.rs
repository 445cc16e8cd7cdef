//! Floods of posts by one account: many small ones that everybody reads, and the largest ones.

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

/// The flood.
#[derive(Clone, Copy, Debug)]
pub struct Posting {
    sessions: usize,
    /// Whether posts are as large as can be, in a room of the account's own.
    is_large: bool,
}

/// Small and large ones.
pub fn all() -> Vec<Box<dyn Flood>> {
    vec![
        Box::new(Posting { sessions: 64, is_large: false }),
        Box::new(Posting { sessions: limits::SESSIONS_BY_TOKEN_MAX, is_large: true }),
    ]
}

impl Flood for Posting {
    fn name(&self) -> String {
        (if self.is_large { "large-posts" } else { "posts" }).to_owned()
    }

    fn about(&self) -> String {
        let what = if self.is_large {
            "posts of 16 KiB in a room of its own, at most 6 GiB"
        } else {
            "posts of 128 bytes in the member's room"
        };
        format!(
            "1 account, {} sessions, {WINDOW} posts under way each: {what}; as fast as one core can",
            self.sessions
        )
    }

    fn rage(&self, field: &Field) -> Result<Tally> {
        let script =
            Poster { is_large: self.is_large, number: 0, body: "x".repeat(limits::MESSAGE_BYTES_MAX) };
        crowd::rage(field, plan(field, self.sessions, false, None), script)
    }
}

struct Poster {
    is_large: bool,
    number: u32,
    body: String,
}

impl Script for Poster {
    fn ask(&mut self, _seat: usize, out: &mut Vec<u8>) -> u32 {
        let mut answers = WINDOW;
        if self.is_large && self.number == 0 {
            // Writing to a Vec cannot fail.
            let _ = writeln!(out, r#"{{"type":"join","id":"j","room":"{PIT}"}}"#);
            answers += 1;
        }
        for _ in 0..WINDOW {
            self.number = self.number.wrapping_add(1);
            // Not the ids of those who chat.
            let post = Post { member: u16::MAX, number: self.number };
            if self.is_large {
                post.write_text(PIT, &self.body, out);
            } else {
                post.write_send(HALL, out);
            }
        }
        answers as u32
    }

    fn is_done(&self) -> bool {
        self.is_large && u64::from(self.number) * self.body.len() as u64 > TEXT_BYTES_MAX
    }
}
