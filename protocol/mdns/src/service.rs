//! The service that is advertised.

use std::time::Duration;

/// What is advertised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// What the instance is called: one label of at most 63 bytes, which may hold dots and spaces (RFC 6763 §4.1.1).
    pub instance: String,
    /// The first label of the host name.
    pub host: String,
    /// The port of the server.
    pub port: u16,
    /// Keys and values; a pair over 254 bytes is left out.
    pub txt: Vec<(String, String)>,
    /// How long its name may be contested, on each interface, before it is announced and kept no matter who else has
    /// it. Zero: it is kept from the beginning.
    pub patience: Duration,
}
