//! Keeps the certificate in step with the addresses of the host. The key, which clients pin, never changes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use lanchat_certs::{CertificateSlot, Identity, IdentityError};
use lanchat_model::{ServerId, limits};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::advertise;
use crate::interfaces::{InterfaceRule, Neighbourhood};

/// Issues the first certificate, for the addresses that the host has now.
pub(crate) fn issue(
    identity: Arc<Identity>,
    neighbourhood: &Neighbourhood,
) -> Result<Arc<CertificateSlot>, IdentityError> {
    let names = names(identity.server_id());
    CertificateSlot::new(identity, &names, &addresses(neighbourhood))
}

/// Issues another certificate whenever the addresses change, until `shutdown`.
pub(crate) async fn keep_current(
    slot: Arc<CertificateSlot>,
    rule: InterfaceRule,
    mut known: Neighbourhood,
    shutdown: CancellationToken,
) {
    let mut ticks = interval(limits::ADDRESSES_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.cancelled() => return,
        }
        let now = Neighbourhood::look(&rule);
        if now.addresses == known.addresses {
            continue;
        }
        let addresses = addresses(&now);
        match slot.reissue(&names(slot.server_id()), &addresses) {
            Ok(()) => info!(?addresses, "addresses changed"),
            Err(error) => warn!(%error, "addresses changed, the certificate did not"),
        }
        known = now;
    }
}

fn names(id: ServerId) -> Vec<String> {
    let mut names = vec![advertise::host_name(id), "localhost".into()];
    if let Some(host) = hostname::get().ok().and_then(|host| host.into_string().ok()) {
        let first = host.split('.').next().unwrap_or_default();
        names.push(format!("{first}.local"));
        names.push(host);
    }
    names
}

fn addresses(neighbourhood: &Neighbourhood) -> Vec<IpAddr> {
    let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
    loopback.into_iter().chain(neighbourhood.addresses.iter().map(|address| address.ip)).collect()
}
