//! The server of lanchat, put together: settings, data directory, sockets, doors, advert, start and stop.
//!
//! The composition root: it knows every part by its constructor, and no part knows it. `lanchatd` is one user of
//! [`App`]; a client that hosts a server is another.

mod advertise;
mod app;
mod banner;
mod cli;
mod config;
mod data_dir;
mod descriptors;
mod doors;
mod follow;
mod interfaces;
mod log_file;
mod log_limit;
mod log_queue;
pub mod logging;
mod signals;
mod sockets;
mod store;

pub use app::{App, AppError, AppHandle, Options};
pub use cli::{Cli, Task};
pub use config::{BadListen, BadSettings, Key, Layer, Listen, Origin, Setting, Settings};
pub use data_dir::{DataDir, DataDirError};
pub use descriptors::raise_descriptor_limit;
pub use interfaces::InterfaceRule;
pub use signals::stop_on_signal;
pub use sockets::BindError;
