//! The server of lanchat, put together: settings, data directory, sockets, doors, advert, start and stop.
//!
//! The composition root: it calls the constructor of every part, and no part depends on it. `lanchatd` is one user of
//! [`App`]; a client that hosts a server is another.

mod advertise;
mod app;
mod banner;
mod certificate_names;
mod cli;
mod config;
mod data_dir;
mod descriptors;
mod doors;
mod gates;
mod interfaces;
mod listen;
mod log_file;
mod log_limit;
mod log_queue;
pub mod logging;
mod options;
mod signals;
mod sockets;
mod store;

pub use app::{App, AppError, AppHandle};
pub use cli::{Cli, Task};
pub use config::{BadSettings, Key, Layer, Origin, Setting, Settings};
pub use data_dir::{DataDir, DataDirError};
pub use descriptors::raise_descriptor_limit;
pub use interfaces::InterfaceRule;
pub use listen::{BadListen, Listen};
pub use options::Options;
pub use signals::stop_on_signal;
pub use sockets::BindError;
