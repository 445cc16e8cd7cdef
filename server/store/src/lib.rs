//! The store of lanchat: the hub's ports (`lanchat_hub::port`) over one SQLite database in the data
//! directory.
//!
//! [`SqliteStore`] is all there is to see. Behind it one thread writes, in group commits with
//! `synchronous=FULL`, and a few threads read. The crate is the only one that knows SQL; it knows
//! no wire, no socket and no session.

mod accounts;
mod batch;
mod clock;
mod devices;
mod erase;
mod error;
mod fault;
mod journal;
mod log;
mod migrate;
mod open;
mod reader;
mod rooms;
mod row;
mod space;
mod sqlite;
mod writer;

pub use error::OpenError;
pub use sqlite::{FILE_NAME, SqliteStore};
