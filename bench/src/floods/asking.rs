//! Floods of requests by one account, whose answers are large: with and without reading them.

use std::io::Write;

use anyhow::Result;
use lanchat_model::limits;

use super::Flood;
use super::account::{PIT, plan};
use super::crowd::{self, Script};
use super::field::{CULPRIT, Field, Tally};
use crate::seed;
use crate::wire::Post;

/// Requests that a session sends in one go.
const AT_ONCE: u32 = 16;
/// Messages of the largest size, which make a history page large.
const BODIES: u32 = 48;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// History pages, as large as possible.
    History,
    /// Rooms, members and accounts in turn.
    Lists,
}

/// The flood.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    about: About,
    is_deaf: bool,
    sessions: usize,
}

/// Returns the floods, with and without reading the answers.
pub fn all() -> Vec<Box<dyn Flood>> {
    let asking = |about, is_deaf, sessions| Box::new(Asking { about, is_deaf, sessions }) as Box<dyn Flood>;
    vec![
        asking(About::History, true, 200),
        asking(About::Lists, true, 200),
        asking(About::History, false, limits::SESSIONS_BY_TOKEN_MAX),
        asking(About::Lists, false, limits::SESSIONS_BY_TOKEN_MAX),
    ]
}

impl Flood for Asking {
    fn name(&self) -> String {
        let what = if self.about == About::History { "history" } else { "lists" };
        format!("{what}{}", if self.is_deaf { "-unread" } else { "" })
    }

    fn about(&self) -> String {
        let what = match self.about {
            About::History => "the largest pages of history",
            About::Lists => "rooms, members and accounts",
        };
        let how = if self.is_deaf { "and never read" } else { "and read all answers" };
        format!(
            "1 account, {} sessions: they ask for {what}, {AT_ONCE} times in one go, {how}; as fast as one core can",
            self.sessions
        )
    }

    fn rage(&self, field: &Field) -> Result<Tally> {
        let script = Asker { about: self.about, is_deaf: self.is_deaf, posted: 0, body: body() };
        crowd::rage(field, plan(field, self.sessions, self.is_deaf, None), script)
    }
}

/// Returns a text that is twice as long on the wire.
fn body() -> String {
    "\\\"".repeat(limits::MESSAGE_BYTES_MAX)
}

struct Asker {
    about: About,
    is_deaf: bool,
    posted: u32,
    body: String,
}

impl Script for Asker {
    fn ask(&mut self, _seat: usize, out: &mut Vec<u8>) -> u32 {
        let mut answers = 0;
        if self.about == About::History && self.posted < BODIES {
            // Writing to a Vec cannot fail.
            let _ = writeln!(out, r#"{{"type":"join","id":"j","room":"{PIT}"}}"#);
            for _ in 0..AT_ONCE {
                self.posted += 1;
                Post { member: u16::MAX, number: self.posted }.write_text(PIT, &self.body, out);
            }
            answers += 1 + AT_ONCE;
        } else {
            for number in 0..AT_ONCE {
                let _ = match (self.about, number % 3) {
                    (About::History, _) => {
                        writeln!(out, r#"{{"type":"history","id":"h","room":"{PIT}","limit":200}}"#)
                    }
                    (_, 0) => writeln!(out, r#"{{"type":"rooms","id":"o"}}"#),
                    (_, 1) => writeln!(out, r#"{{"type":"members","id":"m"}}"#),
                    _ => {
                        let name = seed::name(CULPRIT);
                        writeln!(out, r#"{{"type":"whois","id":"w","username":"{name}"}}"#)
                    }
                };
            }
            answers += AT_ONCE;
        }
        if self.is_deaf { 0 } else { answers }
    }
}
