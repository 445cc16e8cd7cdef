//! The hub as it should be, in as few lines as possible: without sessions, rings, cursors or tasks. Everything happens
//! at once, in the order of the requests.

use std::collections::{BTreeMap, BTreeSet};

/// An account, by its number.
pub(crate) type Account = usize;

/// A room, independent of who names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Room {
    Group(usize),
    /// A private chat; the smaller number comes first.
    Private(Account, Account),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Joined,
    Left,
    Message(u128, String),
}

/// The outcome of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Stored(u64),
    NotAMember,
    IdReused,
}

#[derive(Debug, Default)]
pub(crate) struct ReferenceHub {
    pub(crate) logs: BTreeMap<Room, Vec<(Account, Said)>>,
    members: BTreeSet<(Account, Room)>,
    posts: BTreeMap<(Account, u128), (Room, String, u64)>,
}

impl ReferenceHub {
    pub(crate) fn join(&mut self, who: Account, room: Room) {
        if self.members.insert((who, room)) {
            self.append(who, room, Said::Joined);
        }
    }

    pub(crate) fn leave(&mut self, who: Account, room: Room) {
        if self.members.remove(&(who, room)) {
            self.append(who, room, Said::Left);
        }
    }

    pub(crate) fn post(&mut self, who: Account, room: Room, id: u128, text: &str) -> Outcome {
        if let Room::Private(one, other) = room {
            self.members.extend([(one, room), (other, room)]);
        }
        match self.posts.get(&(who, id)) {
            Some((in_room, said, seq)) if *in_room == room && said == text => Outcome::Stored(*seq),
            Some(_) => Outcome::IdReused,
            None if !self.is_member(who, room) => Outcome::NotAMember,
            None => {
                let seq = self.append(who, room, Said::Message(id, text.to_owned()));
                self.posts.insert((who, id), (room, text.to_owned(), seq));
                Outcome::Stored(seq)
            }
        }
    }

    fn append(&mut self, who: Account, room: Room, said: Said) -> u64 {
        let log = self.logs.entry(room).or_default();
        log.push((who, said));
        log.len() as u64
    }

    pub(crate) fn is_member(&self, who: Account, room: Room) -> bool {
        self.members.contains(&(who, room))
    }

    pub(crate) fn rooms(&self, who: Account) -> BTreeSet<Room> {
        self.members.iter().filter(|(account, _)| *account == who).map(|(_, room)| *room).collect()
    }

    pub(crate) fn head(&self, room: Room) -> u64 {
        self.logs.get(&room).map_or(0, |log| log.len() as u64)
    }

    /// Returns whether an account may see an entry. A member sees all of a room's log; a former member sees it up to
    /// the entry of their leaving.
    pub(crate) fn may_see(&self, who: Account, room: Room, seq: u64) -> bool {
        let left =
            |(at, entry): (usize, &(Account, Said))| (*entry == (who, Said::Left)).then_some(at as u64 + 1);
        let end = || self.logs.get(&room)?.iter().enumerate().rev().find_map(left);
        self.is_member(who, room) || end().is_some_and(|end| seq <= end)
    }
}
