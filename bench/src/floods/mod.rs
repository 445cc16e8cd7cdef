//! Floods: what strangers on the network and single accounts do to keep everybody else out, and what the others notice.
//!
//! A flood comes from one thread. Meanwhile a member chats, a known device connects and disconnects, and a person logs
//! in by password; [`run`] prints what they experienced next to the promises. docs/floods.md describes each flood.

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
    /// Returns its name on the command line.
    fn name(&self) -> String;
    /// Returns what it does, and how fast.
    fn about(&self) -> String;
    /// Returns the kind of address that it comes from; the users have the same kind.
    fn family(&self) -> Family {
        Family::Ipv4
    }
    /// Returns whether it is a flood of multicast DNS, which the loopback network does not carry.
    fn is_multicast(&self) -> bool {
        false
    }
    /// Floods until the field is over.
    ///
    /// # Errors
    /// The system's error; a refusal by the server is not an error.
    fn rage(&self, field: &Field) -> Result<Tally>;
}

/// Returns all floods, in the order in which they are run: those of hosts without an account, and those of one account.
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
