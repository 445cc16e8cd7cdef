//! Senders that always have some messages under way: what the server can do at most, and what it costs then.

use std::time::Instant;

use anyhow::{Result, anyhow, ensure};

use super::{Goal, Load, Sample};
use crate::fleet::{Fleet, Handler};
use crate::seed::{self, Scene};
use crate::stage::Stage;
use crate::target::Side;
use crate::wire::{Kind, Post, kind};

/// Who is with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rooms {
    /// All in one room; the first so many write.
    Hall {
        /// How many write.
        senders: usize,
    },
    /// Two and two in a group room; one of each writes.
    Pairs,
    /// Two and two in a private chat; one of each writes.
    Private,
}

/// The load.
#[derive(Clone, Copy, Debug)]
pub struct Windowed {
    /// Connections.
    pub members: usize,
    /// Who is with whom.
    pub rooms: Rooms,
    /// Messages that each sender has under way.
    pub window: u32,
}

impl Windowed {
    /// 1 room × 500, 20 senders × window 4.
    pub const fn saturated() -> Self {
        Self { members: 500, rooms: Rooms::Hall { senders: 20 }, window: 4 }
    }

    /// 50 rooms × 2, 50 senders × window 16.
    pub const fn pairs(rooms: Rooms) -> Self {
        Self { members: 100, rooms, window: 16 }
    }

    fn sends(&self, member: usize) -> bool {
        match self.rooms {
            Rooms::Hall { senders } => member < senders,
            Rooms::Pairs | Rooms::Private => member.is_multiple_of(2),
        }
    }

    /// The room as a member names it.
    fn room(&self, member: usize) -> String {
        match self.rooms {
            Rooms::Hall { .. } => "hall".to_owned(),
            Rooms::Pairs => format!("pair{}", member / 2),
            Rooms::Private => format!("@{}", seed::name(member ^ 1)),
        }
    }
}

impl Load for Windowed {
    fn name(&self) -> String {
        match self.rooms {
            Rooms::Hall { .. } => "saturated",
            Rooms::Pairs => "pairs",
            Rooms::Private => "pairs-private",
        }
        .to_owned()
    }

    fn play(&self, stage: &Stage, side: Side) -> Result<Vec<Sample>> {
        let scene = Scene {
            members: self.members,
            hall: matches!(self.rooms, Rooms::Hall { .. }),
            pairs: self.rooms == Rooms::Pairs,
            private: self.rooms == Rooms::Private,
        };
        let set = stage.set(side, scene, None)?;
        // On the floor two that chat share a room by one name.
        let mut fleet = stage.gather(side, &set, |member| match self.rooms {
            Rooms::Private => format!("chat{}", member / 2),
            _ => self.room(member),
        })?;
        let mut senders = Senders::new(side, self);
        senders.begin(self.window, &mut fleet)?;
        senders.run_until(Instant::now() + stage.pace.warm_up, &mut fleet)?;
        let began = Instant::now();
        let (cpu, acked, delivered) = (set.target.cpu()?, senders.acked, senders.delivered);
        senders.run_until(began + stage.pace.measured, &mut fleet)?;
        let (cpu, seconds) = ((set.target.cpu()? - cpu).as_secs_f64(), began.elapsed().as_secs_f64());
        let (acked, delivered) = ((senders.acked - acked) as f64, (senders.delivered - delivered) as f64);
        ensure!(acked > 0.0 && delivered > 0.0, "nothing was delivered");
        let per_second = match self.rooms {
            Rooms::Hall { .. } => Sample::new("deliveries", "1/s", delivered / seconds),
            _ => Sample::new("acknowledged", "1/s", acked / seconds),
        };
        Ok(vec![
            Sample::new("CPU per delivery", "µs", cpu * 1e6 / delivered),
            Sample::new("CPU per message", "µs", cpu * 1e6 / acked),
            per_second,
            Sample::new("CPU in use", "%", cpu / seconds * 100.0),
        ])
    }

    fn goals(&self) -> Vec<Goal> {
        match self.rooms {
            Rooms::Hall { .. } => vec![Goal::RatioAtMost("CPU per delivery", 1.6)],
            Rooms::Pairs => {
                vec![Goal::AtLeast("acknowledged", 50_000.0), Goal::AtMost("CPU per message", 12.0)]
            }
            Rooms::Private => Vec::new(),
        }
    }
}

/// One that writes.
struct Sender {
    room: String,
    name: String,
    next: u32,
}

/// All who write: for each message that is acknowledged the next one is sent.
struct Senders {
    side: Side,
    senders: Vec<Option<Sender>>,
    acked: u64,
    delivered: u64,
    failure: Option<String>,
}

impl Senders {
    fn new(side: Side, load: &Windowed) -> Self {
        let sender = |member| Sender { room: load.room(member), name: seed::name(member), next: 0 };
        let senders = (0..load.members).map(|member| load.sends(member).then(|| sender(member))).collect();
        Self { side, senders, acked: 0, delivered: 0, failure: None }
    }

    fn begin(&mut self, window: u32, fleet: &mut Fleet) -> Result<()> {
        for member in 0..self.senders.len() {
            let mut lines = Vec::new();
            (0..window).for_each(|_| self.write_next(member, &mut lines));
            if !lines.is_empty() {
                fleet.send(member, &lines)?;
            }
        }
        Ok(())
    }

    fn write_next(&mut self, member: usize, out: &mut Vec<u8>) {
        let Some(Some(sender)) = self.senders.get_mut(member) else { return };
        let post = Post { member: member as u16, number: sender.next };
        sender.next += 1;
        match self.side {
            Side::Server => post.write_send(&sender.room, out),
            Side::Floor => post.write_relay(&sender.room, &sender.name, out),
        }
    }

    fn run_until(&mut self, end: Instant, fleet: &mut Fleet) -> Result<()> {
        while Instant::now() < end {
            fleet.turn(end, self)?;
            if let Some(failure) = &self.failure {
                return Err(anyhow!("{failure}"));
            }
        }
        Ok(())
    }
}

impl Handler for Senders {
    fn line(&mut self, id: usize, line: &[u8], _now: Instant, out: &mut Vec<u8>) {
        let is_acked = match kind(line) {
            Kind::Message => {
                self.delivered += 1;
                // Only senders look at the author: what the floor sends back says that it was taken.
                self.side == Side::Floor
                    && matches!(self.senders.get(id), Some(Some(_)))
                    && Post::of(line).is_some_and(|post| usize::from(post.member) == id)
            }
            Kind::Ack => true,
            Kind::Error => {
                self.failure = Some(String::from_utf8_lossy(line).into_owned());
                false
            }
            _ => false,
        };
        if is_acked {
            self.acked += 1;
            self.write_next(id, out);
        }
    }

    fn closed(&mut self, id: usize) {
        self.failure = Some(format!("connection {id} was closed"));
    }
}
