//! Many connections that do the same, each from a seat of its own: a lost connection is replaced on its seat.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::field::{Field, Tally, Throttle};
use super::ground::Family;
use crate::fleet::{Fleet, Handler};
use crate::wire::{Kind, kind, text_of, write_resume};

/// Connections that one turn starts at most.
const BEGUN_PER_TURN_MAX: usize = 64;
/// Sessions that are logging in at a time.
const ENTERING_MAX: usize = 8;
/// The pause after a refusal to connect, and when the system has no socket left.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a turn waits for something to happen.
const TURN: Duration = Duration::from_millis(5);

/// What connections do before they begin to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Nothing: they close as soon as TLS stands.
    Passing,
    /// They read the server's hello, and do not log in.
    Stranger,
    /// They resume by these tokens in turn. Sessions of one account log in one after the other, each with the token
    /// that the previous one was given. If they are deaf, they do not read from then on.
    Sessions {
        /// The tokens of the accounts.
        tokens: Vec<String>,
        /// Whether they never read.
        is_deaf: bool,
    },
}

impl Entry {
    /// Keeps the token that a seat was given, if the line has one.
    fn renew(&mut self, seat: usize, line: &[u8]) {
        let Self::Sessions { tokens, .. } = self else { return };
        let accounts = tokens.len().max(1);
        if let (Some(token), Some(newest)) = (tokens.get_mut(seat % accounts), text_of(line, br#""token":""#))
        {
            *token = String::from_utf8_lossy(newest).into_owned();
        }
    }
}

/// What a connection does after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It goes on.
    Stay,
    /// It closes, and another one takes its seat.
    Leave,
}

/// What the connections of a flood ask for.
pub trait Script {
    /// Appends requests, and returns how many answers they get before this seat asks again. 0: it asks again as soon as
    /// the kernel has taken them.
    fn ask(&mut self, seat: usize, out: &mut Vec<u8>) -> u32;

    /// Returns whether each byte of the requests is a TLS record of its own.
    fn is_in_records_of_a_byte(&self) -> bool {
        false
    }

    /// Returns whether it has made all the requests that it may.
    fn is_done(&self) -> bool {
        false
    }

    /// Handles an answer.
    fn answer(&mut self, _seat: usize, _kind: Kind) -> Then {
        Then::Stay
    }
}

/// How many connections, from where, and how fast.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The kind of address.
    pub family: Family,
    /// Host and address of each connection.
    pub seats: Vec<(usize, SocketAddr)>,
    /// What they do before they ask.
    pub entry: Entry,
    /// How many requests a second they make all together. `None`: as many as possible. 0: none.
    pub rate: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It has no connection until then.
    Away(Instant),
    Coming,
    AtHello,
    Entering,
    /// It still expects this many answers.
    Asking(u32),
}

struct Seat {
    host: usize,
    from: SocketAddr,
    id: usize,
    state: State,
}

struct Desk<S> {
    seats: Vec<Seat>,
    /// The seat of each connection.
    at: Vec<usize>,
    entry: Entry,
    script: S,
    tally: Tally,
    /// Connections to close, and those to stop reading.
    leaving: Vec<usize>,
    deafened: Vec<usize>,
}

/// Lets a crowd in and lets it ask until the flood is over.
///
/// # Errors
/// The system's error; a refusal by the server is not an error.
pub fn rage<S: Script>(field: &Field, plan: Plan, script: S) -> Result<Tally> {
    let seat = |(host, from)| Seat { host, from, id: usize::MAX, state: State::Away(Instant::now()) };
    let mut desk = Desk {
        seats: plan.seats.into_iter().map(seat).collect(),
        at: Vec::new(),
        entry: plan.entry,
        script,
        tally: Tally::default(),
        leaving: Vec::new(),
        deafened: Vec::new(),
    };
    let mut fleet = Fleet::new()?;
    let mut throttle = Throttle::new(plan.rate);
    while !field.is_over() {
        desk.take_seats(field, plan.family, &mut fleet)?;
        desk.enter(&mut fleet);
        let may_ask = plan.rate != Some(0) && !desk.script.is_done();
        let has_asked = may_ask && desk.ask(&mut throttle, &mut fleet);
        let until = if has_asked { Instant::now() } else { Instant::now() + TURN };
        fleet.turn(until.min(field.end), &mut desk)?;
        for id in std::mem::take(&mut desk.deafened) {
            fleet.deafen(id);
        }
        for id in std::mem::take(&mut desk.leaving) {
            fleet.close(id);
            desk.closed(id);
        }
    }
    Ok(desk.tally)
}

impl<S: Script> Desk<S> {
    /// Starts connections for seats without one.
    fn take_seats(&mut self, field: &Field, family: Family, fleet: &mut Fleet) -> Result<()> {
        let now = Instant::now();
        let is_session = matches!(self.entry, Entry::Sessions { .. });
        let mut coming =
            self.count(|state| matches!(state, State::Coming | State::AtHello | State::Entering));
        let mut begun = 0;
        for (number, seat) in self.seats.iter_mut().enumerate() {
            if begun == BEGUN_PER_TURN_MAX || is_session && coming == ENTERING_MAX {
                break;
            }
            if !matches!(seat.state, State::Away(until) if until <= now) {
                continue;
            }
            let to = field.destination(family, seat.host)?;
            let host = field.ground.attacker(seat.host)?;
            let Ok(id) = host.within(|| fleet.connect_from(to, seat.from)) else {
                seat.state = State::Away(now + PAUSE);
                continue;
            };
            (seat.id, seat.state) = (id, State::Coming);
            self.at.resize(id + 1, usize::MAX);
            if let Some(place) = self.at.get_mut(id) {
                *place = number;
            }
            self.tally.connections += 1;
            (begun, coming) = (begun + 1, coming + 1);
        }
        Ok(())
    }

    fn count(&self, which: impl Fn(State) -> bool) -> usize {
        self.seats.iter().filter(|seat| which(seat.state)).count()
    }

    /// Logs in the next session of each account that has no login in progress: a token is valid only once.
    fn enter(&mut self, fleet: &mut Fleet) {
        let Entry::Sessions { tokens, .. } = &self.entry else { return };
        let accounts = tokens.len();
        for (account, token) in tokens.iter().enumerate() {
            let mut own = self.seats.iter().skip(account).step_by(accounts);
            if own.any(|seat| seat.state == State::Entering) {
                continue;
            }
            let mut own = self.seats.iter_mut().skip(account).step_by(accounts);
            if let Some(seat) = own.find(|seat| seat.state == State::AtHello) {
                let mut line = Vec::new();
                write_resume(token, &mut line);
                // A lost connection is noticed when it is read.
                let _ = fleet.send(seat.id, &line);
                seat.state = State::Entering;
            }
        }
    }

    /// Lets every seat that may ask do so. Returns whether any did.
    fn ask(&mut self, throttle: &mut Throttle, fleet: &mut Fleet) -> bool {
        let mut has_asked = false;
        let mut lines = Vec::new();
        for (number, seat) in self.seats.iter_mut().enumerate() {
            if seat.state != State::Asking(0) || fleet.owed(seat.id) > 0 {
                continue;
            }
            if !throttle.take() {
                break;
            }
            lines.clear();
            let answers = self.script.ask(number, &mut lines);
            let sent = if self.script.is_in_records_of_a_byte() {
                fleet.send_bytes(seat.id, &lines)
            } else {
                fleet.send(seat.id, &lines)
            };
            if sent.is_ok() {
                seat.state = State::Asking(answers);
                self.tally.done += u64::from(answers.max(1));
                has_asked = true;
            }
        }
        has_asked
    }

    fn seat(&mut self, id: usize) -> Option<(usize, &mut Seat)> {
        let number = *self.at.get(id)?;
        let seat = self.seats.get_mut(number)?;
        (seat.id == id).then_some((number, seat))
    }
}

impl<S: Script> Handler for Desk<S> {
    fn opened(&mut self, id: usize, _out: &mut Vec<u8>) {
        if self.entry == Entry::Passing {
            self.tally.done += 1;
            self.leaving.push(id);
        }
    }

    fn line(&mut self, id: usize, line: &[u8], _now: Instant, _out: &mut Vec<u8>) {
        let kind = kind(line);
        let is_session = matches!(self.entry, Entry::Sessions { .. });
        let Some((number, seat)) = self.seat(id) else { return };
        match (kind, seat.state) {
            (Kind::Hello, State::Coming) => {
                seat.state = if is_session { State::AtHello } else { State::Asking(0) };
            }
            (Kind::Welcome, State::Entering) => {
                seat.state = State::Asking(0);
                self.entry.renew(number, line);
                if matches!(self.entry, Entry::Sessions { is_deaf: true, .. }) {
                    self.deafened.push(id);
                }
            }
            (Kind::Error, State::Coming | State::AtHello | State::Entering) => {
                self.told(kind, line);
                self.leaving.push(id);
            }
            // Frames that answer no request have no id, except a message, which has its author's.
            (Kind::Message, _) => {}
            (_, State::Asking(open))
                if line.get(..64).unwrap_or(line).windows(6).any(|six| six == b"\"id\":\"") =>
            {
                seat.state = State::Asking(open.saturating_sub(1));
                self.told(kind, line);
                // A new password brings a new token (PROTOCOL §4).
                if line.starts_with(br#"{"type":"ok""#) {
                    self.entry.renew(number, line);
                }
                if self.script.answer(number, kind) == Then::Leave {
                    self.leaving.push(id);
                }
            }
            (Kind::Error, _) => self.told(kind, line),
            _ => {}
        }
    }

    fn closed(&mut self, id: usize) {
        let Some((_, seat)) = self.seat(id) else { return };
        let was_refused = matches!(seat.state, State::Entering | State::AtHello);
        let wait = if was_refused { PAUSE } else { Duration::ZERO };
        seat.state = State::Away(Instant::now() + wait);
        seat.id = usize::MAX;
    }
}

impl<S> Desk<S> {
    fn told(&mut self, kind: Kind, line: &[u8]) {
        let field: &[u8] = if kind == Kind::Error { br#""code":""# } else { br#""type":""# };
        let what = text_of(line, field).unwrap_or(b"?");
        self.tally.told(&String::from_utf8_lossy(what));
    }
}
