//! The ledger: a record, kept outside the server, of what clients sent, were acknowledged and were shown. It is
//! compared with what the server has at the end.
//!
//! Writers and readers are processes of their own ([`client`]), each with a [`record`] on disk. A [`Nemesis`] breaks
//! the server, the link and the clients while they work; an [`Arena`] holds all of them. The [`checker`] reads the
//! records and the log, and names what is wrong.

mod arena;
pub mod checker;
pub mod client;
mod dump;
mod nemesis;
pub mod record;
mod seed;

pub use arena::{Arena, Cast};
pub use checker::{Evidence, Violation, check};
pub use nemesis::{Fault, Nemesis, Tally};
pub use seed::{Seed, long_run};
