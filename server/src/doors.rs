//! The doors of this build, and the listeners that lead to them: one line each.

use std::sync::Arc;

use lanchat_certs::{CertificateSlot, server_config};
use lanchat_frames::ServerInfo;
use lanchat_listener::{Door, Gate, NoGate};
use lanchat_model::ServerId;

use crate::sockets::Bound;

/// What every door may say of the server.
pub(crate) struct Introduction {
    pub(crate) server_id: ServerId,
    pub(crate) name: String,
    pub(crate) registration_open: bool,
}

/// Makes the door of a server that says this of itself.
type MakeDoor = fn(Arc<ServerInfo>) -> Arc<dyn Door>;

/// A kind of listener: what its URI begins with, and what is behind it.
#[derive(Debug)]
pub(crate) struct Scheme {
    pub(crate) name: &'static str,
    pub(crate) doors: Doors,
}

/// Doors that share a listener, or have one.
#[derive(Debug)]
#[cfg_attr(not(test), allow(dead_code, reason = "not each way is taken by the doors of this build"))]
pub(crate) enum Doors {
    /// Over TLS, each chosen by ALPN; the preferred one first.
    ByAlpn(&'static [MakeDoor]),
    /// Over TLS, alone: for clients that name no protocol.
    Encrypted(MakeDoor),
    /// In plain text, alone.
    Plain(MakeDoor),
}

/// All kinds of listeners. The first one is what an address without a scheme means.
pub(crate) static SCHEMES: [Scheme; 1] =
    [Scheme { name: "lanchat", doors: Doors::ByAlpn(&[lanchat_door_native::door]) }];

impl Scheme {
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.doors, Doors::Plain(_))
    }

    /// Whether it is the one that needs no name.
    pub(crate) fn is_default(&self) -> bool {
        *self == SCHEMES[0]
    }
}

/// A name is used once.
impl PartialEq for Scheme {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Scheme {}

/// The gates of sockets that are bound.
///
/// # Errors
/// As [`Gate::plain`].
pub(crate) fn gates(
    bound: Vec<Bound>,
    of: Introduction,
    slot: &Arc<CertificateSlot>,
) -> Result<Vec<Gate>, NoGate> {
    let Introduction { server_id, name, registration_open } = of;
    let software = format!("lanchatd/{}", env!("CARGO_PKG_VERSION"));
    let info = Arc::new(ServerInfo { server_id, name, software, registration_open });
    bound.into_iter().map(|bound| gate(bound, &info, slot)).collect()
}

fn gate(bound: Bound, info: &Arc<ServerInfo>, slot: &Arc<CertificateSlot>) -> Result<Gate, NoGate> {
    let Bound { listen, socket } = bound;
    let make = |door: &MakeDoor| door(Arc::clone(info));
    let tls = |doors: &[Arc<dyn Door>]| {
        let alpn: Vec<&[u8]> = doors.iter().filter_map(|door| door.alpn()).collect();
        server_config(slot, &alpn)
    };
    match &listen.scheme().doors {
        Doors::ByAlpn(doors) => {
            let doors: Vec<_> = doors.iter().map(make).collect();
            Ok(Gate::by_alpn(socket, tls(&doors), doors))
        }
        Doors::Encrypted(door) => {
            let door = make(door);
            Ok(Gate::encrypted(socket, tls(&[Arc::clone(&door)]), door))
        }
        Doors::Plain(door) => Gate::plain(socket, make(door), listen.is_insecure()),
    }
}

/// One of each kind, to try how they are read.
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
