//! Floods: what strangers on the network and single accounts do to keep everybody else out, and what everybody else
//! notices of it.
//!
//! A flood comes from one thread. Beside it a member chats, a known device comes and goes, and a person logs in by
//! password; [`run`] prints what they went through beside what they are promised. docs/floods.md tells of each flood.

pub mod account;
pub mod asking;
pub mod crowd;
pub mod door;
pub mod field;
pub mod found;
pub mod ground;
pub mod guesses;
pub mod halt;
pub mod lan;
pub mod member;
pub mod multicast;
pub mod outcome;
pub mod packet;
pub mod posting;
pub mod raw;
pub mod run;
pub mod silent;
pub mod table;
pub mod trial;
pub mod visit;

use anyhow::Result;

use field::{Field, Tally};
use ground::Family;

/// A flood.
pub trait Flood: Send + Sync {
    /// What it is called on the command line.
    fn name(&self) -> String;
    /// What it does, and how fast.
    fn about(&self) -> String;
    /// From which kind of address it comes; all others come from the same kind.
    fn family(&self) -> Family {
        Family::Ipv4
    }
    /// Whether it is a flood of multicast DNS, which the loopback network does not carry.
    fn is_multicast(&self) -> bool {
        false
    }
    /// Floods until the field says that it is over.
    ///
    /// # Errors
    /// As the system says; not when the server refuses.
    fn rage(&self, field: &Field) -> Result<Tally>;
}

/// All floods, in the order in which they are run: those of hosts without an account, and those of one account.
pub fn all() -> Vec<Box<dyn Flood>> {
    let mut floods = multicast::all();
    floods.extend(silent::all());
    floods.extend(door::all());
    floods.extend(guesses::all());
    floods.extend(asking::all());
    floods.extend(posting::all());
    floods.extend(account::all());
    floods
}
