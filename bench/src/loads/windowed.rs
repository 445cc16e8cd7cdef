//! Senders that always have some messages unacknowledged: the server's capacity, and its cost then.

use std::time::Instant;

use anyhow::{Result, anyhow, ensure};

use super::writer::Writer;
use super::{Goal, Load, Sample};
use crate::fleet::{Fleet, Handler};
use crate::seed::{self, HALL, Scene};
use crate::stage::{Set, Stage};
use crate::target::{Side, Used};
use crate::wire::{Kind, Post, kind};

/// How members share rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rooms {
    /// All in one room; the first `senders` write.
    Hall {
        /// How many write.
        senders: usize,
    },
    /// Pairs in group rooms; one of each pair writes.
    Pairs,
    /// Pairs in private chats; one of each pair writes.
    Private,
}

/// The load.
#[derive(Clone, Copy, Debug)]
pub struct Windowed {
    /// Connections.
    pub members: usize,
    /// How members share rooms.
    pub rooms: Rooms,
    /// Unacknowledged messages of each sender.
    pub window: u32,
}

/// What senders with a window achieved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capacity {
    pub(super) used: Used,
    pub(super) seconds: f64,
    pub(super) acked: f64,
    pub(super) delivered: f64,
}

impl Windowed {
    /// Returns the load of 1 room × 500, 20 senders × window 4.
    pub const fn saturated() -> Self {
        Self { members: 500, rooms: Rooms::Hall { senders: 20 }, window: 4 }
    }

    /// Returns the load of 50 rooms × 2, 50 senders × window 16.
    pub const fn pairs(rooms: Rooms) -> Self {
        Self { members: 100, rooms, window: 16 }
    }

    /// Returns the room as a member names it.
    fn room(&self, member: usize) -> String {
        match self.rooms {
            Rooms::Hall { .. } => HALL.to_owned(),
            Rooms::Pairs => seed::pair_room(member / 2),
            Rooms::Private => format!("@{}", seed::name(member ^ 1)),
        }
    }

    /// Returns the writers.
    pub(super) fn writers(&self) -> Vec<Writer> {
        let writes = |member: &usize| match self.rooms {
            Rooms::Hall { senders } => *member < senders,
            Rooms::Pairs | Rooms::Private => member.is_multiple_of(2),
        };
        let writer = |member| Writer::new(member, self.room(member));
        (0..self.members).filter(writes).map(writer).collect()
    }

    /// Prepares the rooms and brings everybody in.
    pub(super) fn assemble(&self, stage: &Stage, side: Side) -> Result<(Set, Fleet)> {
        let scene = Scene {
            members: self.members,
            hall: matches!(self.rooms, Rooms::Hall { .. }),
            pairs: self.rooms == Rooms::Pairs,
            private: self.rooms == Rooms::Private,
            ..Scene::default()
        };
        let set = stage.set(side, scene, None)?;
        // On the floor, both sides of a chat use the same name for their room.
        let fleet = stage.gather(side, &set, |member| match self.rooms {
            Rooms::Private => seed::pair_room(member / 2),
            _ => self.room(member),
        })?;
        Ok((set, fleet))
    }

    /// Finds out the capacity.
    pub(super) fn capacity(
        &self,
        stage: &Stage,
        side: Side,
        set: &Set,
        fleet: &mut Fleet,
    ) -> Result<Capacity> {
        let mut senders = Senders::new(side, self);
        senders.begin(self.window, fleet)?;
        senders.run_until(Instant::now() + stage.pace.warm_up, fleet)?;
        let began = Instant::now();
        let (mark, acked, delivered) = (set.target.mark()?, senders.acked, senders.delivered);
        senders.run_until(began + stage.pace.measured, fleet)?;
        let capacity = Capacity {
            used: set.target.since(mark)?,
            seconds: began.elapsed().as_secs_f64(),
            acked: (senders.acked - acked) as f64,
            delivered: (senders.delivered - delivered) as f64,
        };
        ensure!(capacity.acked > 0.0 && capacity.delivered > 0.0, "nothing was delivered");
        senders.finish(fleet)?;
        Ok(capacity)
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
        let (set, mut fleet) = self.assemble(stage, side)?;
        let Capacity { used, seconds, acked, delivered } = self.capacity(stage, side, &set, &mut fleet)?;
        let (per_delivery, per_message) = (used.seconds * 1e6 / delivered, used.seconds * 1e6 / acked);
        let mut samples = match self.rooms {
            Rooms::Hall { .. } => vec![
                Sample::new("CPU per delivery", "µs", per_delivery),
                Sample::new("deliveries", "1/s", delivered / seconds),
            ],
            Rooms::Pairs | Rooms::Private => vec![
                Sample::new("CPU per message", "µs", per_message),
                Sample::new("acknowledged", "1/s", acked / seconds),
            ],
        };
        samples.push(Sample::new("of it in the kernel", "%", used.kernel_percent));
        samples.push(Sample::new("CPU in use", "%", used.seconds / seconds * 100.0));
        Ok(samples)
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

/// A writer and its next message.
struct Sender {
    writer: Writer,
    next: u32,
}

/// All writers: for each acknowledged message, the next one is sent.
struct Senders {
    side: Side,
    /// By connection.
    senders: Vec<Option<Sender>>,
    is_over: bool,
    sent: u64,
    acked: u64,
    delivered: u64,
    failure: Option<String>,
}

impl Senders {
    fn new(side: Side, load: &Windowed) -> Self {
        let mut senders: Vec<Option<Sender>> = (0..load.members).map(|_| None).collect();
        for writer in load.writers() {
            if let Some(slot) = senders.get_mut(writer.member) {
                *slot = Some(Sender { writer, next: 0 });
            }
        }
        Self { side, senders, is_over: false, sent: 0, acked: 0, delivered: 0, failure: None }
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
        if let Some(Some(sender)) = self.senders.get_mut(member)
            && !self.is_over
        {
            sender.writer.write(self.side, sender.next, out);
            sender.next += 1;
            self.sent += 1;
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

    /// Stops sending, and waits until everything sent is acknowledged.
    fn finish(&mut self, fleet: &mut Fleet) -> Result<()> {
        self.is_over = true;
        let end = Instant::now() + crate::arrival::PATIENCE;
        while self.acked < self.sent {
            ensure!(Instant::now() < end, "{} of {} messages were acknowledged", self.acked, self.sent);
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
                // Only senders check the author: a line that the floor sends back counts as the acknowledgement.
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
