//! What can be set, its name in each source, and where a value came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Where to listen: URIs or `ADDR:PORT`, any number of them.
    Listen,
    /// The name of the server.
    Name,
    /// The only interfaces on which to advertise.
    Iface,
    /// Interfaces on which not to advertise.
    NoIface,
    /// Whether to advertise at all.
    Mdns,
    /// How many sessions there may be.
    MaxClients,
    /// Whether new accounts may be made.
    Registration,
}

impl Key {
    pub(super) const ALL: [Self; 7] = [
        Self::Listen,
        Self::Name,
        Self::Iface,
        Self::NoIface,
        Self::Mdns,
        Self::MaxClients,
        Self::Registration,
    ];

    /// Returns its name in the file, its variable and its flag.
    pub(super) const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Listen => ("listen", "LANCHAT_LISTEN", "--listen"),
            Self::Name => ("name", "LANCHAT_NAME", "--name"),
            Self::Iface => ("iface", "LANCHAT_IFACE", "--iface"),
            Self::NoIface => ("no_iface", "LANCHAT_NO_IFACE", "--no-iface"),
            Self::Mdns => ("mdns", "LANCHAT_MDNS", "--no-mdns"),
            Self::MaxClients => ("max_clients", "LANCHAT_MAX_CLIENTS", "--max-clients"),
            Self::Registration => ("registration", "LANCHAT_REGISTRATION", "--registration"),
        }
    }

    /// Returns whether it is a list: in a variable, separated by commas.
    pub(super) const fn is_list(self) -> bool {
        matches!(self, Self::Listen | Self::Iface | Self::NoIface)
    }
}

/// Values that one source gives, as texts.
pub type Layer = BTreeMap<Key, Vec<String>>;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was not set.
    Default,
    /// The settings file.
    File(PathBuf),
    /// A variable of the environment.
    Environment(&'static str),
    /// A flag on the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => path.display().fmt(f),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub origin: Origin,
}
