//! The interfaces of this host, and one task for each as long as it exists.

use std::collections::BTreeMap;
use std::net::IpAddr;

use if_addrs::IfOperStatus;
use lanchat_model::limits;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// An interface that is up, with the addresses that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) index: u32,
    pub(crate) addresses: Vec<IpAddr>,
}

/// Runs `start` for every interface until `stop`, and then waits for all tasks to end by themselves. A task is told
/// whether its interface had one before. It is aborted when the interface is gone, and replaced when the addresses
/// change. A task that ended is started again at the next look, `limits::ADDRESSES_EVERY` later.
pub(crate) async fn on_each<F>(
    admits: impl Fn(&str, IpAddr) -> bool,
    stop: &CancellationToken,
    mut start: impl FnMut(Interface, bool) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let mut running: BTreeMap<u32, (Interface, AbortHandle)> = BTreeMap::new();
    let mut ticks = interval(limits::ADDRESSES_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => break,
        }
        while tasks.try_join_next().is_some() {}
        let now = look(&admits);
        running.retain(|index, (_, task)| {
            let stays = now.contains_key(index);
            if !stays {
                task.abort();
            }
            stays
        });
        for (index, interface) in now {
            let before = running.get(&index);
            if before.is_some_and(|(before, task)| *before == interface && !task.is_finished()) {
                continue;
            }
            if let Some((_, task)) = before {
                task.abort();
            }
            let task = tasks.spawn(start(interface.clone(), before.is_some()));
            running.insert(index, (interface, task));
        }
    }
    while tasks.join_next().await.is_some() {}
}

fn look(admits: &impl Fn(&str, IpAddr) -> bool) -> BTreeMap<u32, Interface> {
    let mut found: BTreeMap<u32, Interface> = BTreeMap::new();
    // A list that cannot be read counts as empty: the next look comes soon. Some drivers do not say whether they are
    // up.
    for one in if_addrs::get_if_addrs().unwrap_or_default() {
        let is_up = matches!(one.oper_status, IfOperStatus::Up | IfOperStatus::Unknown);
        let (Some(index), ip) = (one.index, one.ip()) else { continue };
        if !is_up || one.is_loopback() || !admits(&one.name, ip) {
            continue;
        }
        if found.len() >= limits::MDNS_INTERFACES_MAX && !found.contains_key(&index) {
            continue;
        }
        let interface =
            found.entry(index).or_insert_with(|| Interface { name: one.name, index, addresses: Vec::new() });
        if interface.addresses.len() < limits::MDNS_ADDRESSES_MAX {
            interface.addresses.push(ip);
            interface.addresses.sort_unstable();
            interface.addresses.dedup();
        }
    }
    found
}
