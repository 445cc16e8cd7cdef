//! The store of lanchat: the hub's ports (`lanchat_hub::port`) over one SQLite database in the data
//! directory.
//!
//! [`SqliteStore`] is the whole interface. Behind it one thread writes, in group commits with `synchronous=FULL`, and a
//! few threads read. This is the only crate that knows SQL; it does not know the wire, sockets or sessions.

mod account_row;
mod accounts;
mod batch;
mod clock;
mod devices;
mod entry_row;
mod erase;
mod error;
mod fault;
mod files;
mod journal;
mod log;
mod membership;
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
