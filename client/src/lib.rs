//! The terminal client: a line editor, `--plain` and `--json` for pipes and programs, and host mode.
//!
//! The program is [`main`]. [`Cli`] is public for the files made from its flags: manual pages and completions. To write
//! a client of your own, take `lanchat-client`.

mod app;
mod asides;
mod chat;
mod choose;
mod cli;
mod command;
mod exit;
mod hidden;
#[cfg(feature = "host")]
mod host;
mod input;
mod logging;
mod near;
mod output;
mod password_file;
mod program;
mod repl;
mod row_queue;
mod rows;
mod sanitize;
mod signals;
mod trust;
mod view;

pub use cli::Cli;
pub use program::main;
