//! The options for building a server.

use std::path::PathBuf;

use crate::interfaces::InterfaceRule;
use crate::listen::Listen;

/// The options for building a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory.
    pub data: PathBuf,
    /// Where to listen. Empty: on all addresses of the host, at the default port.
    pub listen: Vec<Listen>,
    /// The name of the server: at most `limits::SERVER_NAME_BYTES_MAX`, without control characters.
    pub name: String,
    /// The interfaces through which the server can be found.
    pub interfaces: InterfaceRule,
    /// Whether the server is advertised.
    pub mdns: bool,
    /// The number of sessions at a time.
    pub clients_max: usize,
    /// Whether anybody may make an account.
    pub registration_open: bool,
}
