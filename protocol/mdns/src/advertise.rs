//! Advertises a server on every interface through which it may be found.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use lanchat_model::limits;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::interfaces::{Interface, on_each};
use crate::link::{Link, buffer};
use crate::records::Records;
use crate::responder::{Heard, Responder};
use crate::service::Service;

/// After this, a goodbye is sent a second time, in case the first one got lost.
const SECOND_GOODBYE: Duration = Duration::from_millis(120);
/// How long a socket is left alone after the system reported an error on it.
const ERROR_WAIT: Duration = Duration::from_millis(100);

/// Why advertising ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop, and has said goodbye.
    Stopped,
    /// Somebody else has the name. The announcement is withdrawn.
    NameTaken,
}

/// Advertises until `stop`, on every interface and with every address that `admits` accepts, including those that
/// appear later. Memory use does not depend on what others send. If it cannot open a socket, it logs that and tries
/// again.
pub async fn advertise(
    service: Service,
    admits: impl Fn(&str, IpAddr) -> bool,
    stop: &CancellationToken,
) -> Ended {
    let service = Arc::new(service);
    let ending = stop.child_token();
    let (sender, mut conflicts) = mpsc::channel(1);
    let each = on_each(admits, &ending, |interface, is_there_again| {
        let (service, sender, ending) = (Arc::clone(&service), sender.clone(), ending.clone());
        async move {
            match Link::join(&interface) {
                Ok(link) => {
                    let records = Records::new(&service, interface.addresses.clone());
                    let responder = Responder::new(records, is_there_again, service.patience, Instant::now());
                    if respond(responder, link, &interface, &ending).await {
                        // Another task has reported the conflict already.
                        let _ = sender.try_send(());
                    }
                }
                // Retried for ever, but logged once.
                Err(error) if is_there_again => {
                    debug!(%error, interface = %interface.name, "still cannot advertise the server there");
                }
                Err(error) => {
                    let interface = &interface.name;
                    warn!(%error, %interface, "cannot advertise the server there; clients need its address");
                }
            }
        }
    });
    let mut each = std::pin::pin!(each);
    let ended = tokio::select! {
        () = &mut each => return Ended::Stopped,
        _ = conflicts.recv() => Ended::NameTaken,
    };
    ending.cancel();
    each.await;
    ended
}

/// Responds on one interface. Returns whether it ended because somebody else has the name.
async fn respond(
    mut responder: Responder,
    mut link: Link,
    interface: &Interface,
    ending: &CancellationToken,
) -> bool {
    let (mut buffer, mut told) = (buffer(), false);
    let contested = loop {
        let now = Instant::now();
        // Before the next message is read: a flood must not delay what is due.
        if responder.due().is_some_and(|due| due <= now) {
            if let Some(bytes) = responder.next(now) {
                link.multicast(&bytes).await;
            }
            if responder.is_owned() && !told {
                told = true;
                info!(interface = %interface.name, addresses = ?interface.addresses, "advertised");
            }
            continue;
        }
        let due = responder.due();
        let received = tokio::select! {
            biased;
            () = ending.cancelled() => break false,
            () = sleep_until(due.unwrap_or(now)), if due.is_some() => continue,
            received = link.receive(&mut buffer) => received,
        };
        match received {
            Ok(received) => match responder.heard(&buffer[..received.bytes], received.from, Instant::now()) {
                Heard::Nothing => {}
                Heard::Reply(bytes) => link.reply(received, &bytes).await,
                Heard::Conflict => break true,
            },
            Err(_) => sleep(ERROR_WAIT).await,
        }
        // In a flood there is always another message, and each takes time to read.
        yield_now().await;
    };
    if let Some(goodbye) = responder.goodbye() {
        let twice = async {
            link.multicast(&goodbye).await;
            sleep(SECOND_GOODBYE).await;
            link.multicast(&goodbye).await;
        };
        // A link that takes nothing must not keep the server from stopping.
        let _ = timeout(limits::WITHDRAW_MAX, twice).await;
    }
    contested
}
