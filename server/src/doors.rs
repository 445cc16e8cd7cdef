//! The doors of this build, and the listeners in front of them: one line each.

use std::sync::Arc;

use lanchat_frames::ServerInfo;
use lanchat_listener::Door;
use lanchat_model::ServerId;

/// What every door may say about the server.
pub(crate) struct Introduction {
    pub(crate) server_id: ServerId,
    pub(crate) name: String,
    pub(crate) registration_open: bool,
}

/// Makes the door of a server that this describes.
pub(crate) type MakeDoor = fn(Arc<ServerInfo>) -> Arc<dyn Door>;

/// A kind of listener: the scheme of its URI, and the doors behind it.
#[derive(Debug)]
pub(crate) struct Scheme {
    pub(crate) name: &'static str,
    pub(crate) doors: Doors,
}

/// Doors that share a listener, or a door that has its own.
#[derive(Debug)]
#[cfg_attr(not(test), allow(dead_code, reason = "not each way is taken by the doors of this build"))]
pub(crate) enum Doors {
    /// Over TLS, each chosen by ALPN; the preferred one first.
    ByAlpn(&'static [MakeDoor]),
    /// Over TLS, alone: for clients that do not name a protocol.
    Encrypted(MakeDoor),
    /// In plain text, alone.
    Plain(MakeDoor),
}

/// All kinds of listeners. The first one applies to an address without a scheme.
pub(crate) static SCHEMES: [Scheme; 1] =
    [Scheme { name: "lanchat", doors: Doors::ByAlpn(&[lanchat_door_native::door]) }];

impl Introduction {
    /// Returns what makes doors that introduce the server in this way.
    pub(crate) fn door_maker(self) -> impl Fn(&MakeDoor) -> Arc<dyn Door> {
        let Self { server_id, name, registration_open } = self;
        let software = format!("lanchatd/{}", env!("CARGO_PKG_VERSION"));
        let info = Arc::new(ServerInfo { server_id, name, software, registration_open });
        move |make| make(Arc::clone(&info))
    }
}

impl Scheme {
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.doors, Doors::Plain(_))
    }

    /// Returns whether it is the default, which needs no scheme in an address.
    pub(crate) fn is_default(&self) -> bool {
        *self == SCHEMES[0]
    }
}

/// Schemes have unique names.
impl PartialEq for Scheme {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Scheme {}

/// One of each kind, to test how they are parsed.
#[cfg(test)]
pub(crate) static KINDS: [Scheme; 3] = [
    Scheme { name: "lanchat", doors: Doors::ByAlpn(&[lanchat_door_native::door]) },
    Scheme { name: "ircs", doors: Doors::Encrypted(lanchat_door_native::door) },
    Scheme { name: "legacy+json", doors: Doors::Plain(lanchat_door_native::door) },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_scheme_has_a_name_of_its_own_that_a_uri_can_have() {
        let names: BTreeSet<_> = SCHEMES.iter().map(|scheme| scheme.name).collect();
        assert_eq!(names.len(), SCHEMES.len());
        // RFC 3986 §3.1.
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '+';
        assert!(names.iter().all(|name| name.chars().all(fits) && !name.ends_with("+insecure")));
    }
}
