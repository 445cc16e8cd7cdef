//! The gates of a server: a socket that is bound, and the doors that its scheme leads to.

use std::sync::Arc;

use lanchat_certs::{CertificateSlot, server_config};
use lanchat_listener::{Door, Gate, NoGate};

use crate::doors::{Doors, Introduction, MakeDoor};
use crate::sockets::Bound;

/// Returns the gates for bound sockets.
///
/// # Errors
/// As [`Gate::plain`].
pub(crate) fn gates(
    bound: Vec<Bound>,
    of: Introduction,
    slot: &Arc<CertificateSlot>,
) -> Result<Vec<Gate>, NoGate> {
    let make = of.door_maker();
    bound.into_iter().map(|bound| gate(bound, &make, slot)).collect()
}

fn gate(
    bound: Bound,
    make: &impl Fn(&MakeDoor) -> Arc<dyn Door>,
    slot: &Arc<CertificateSlot>,
) -> Result<Gate, NoGate> {
    let Bound { listen, socket } = bound;
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
