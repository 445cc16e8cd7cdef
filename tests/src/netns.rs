//! A link with several hosts: network namespaces joined by a bridge, without a way out and without DNS.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Launch, Place, Process, skipped};

/// All our namespaces begin with this; the pid of the test process follows.
const PREFIX: &str = "lanchat-test-";

/// Which addresses the hosts of a link have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// `10.77.0.N` and an IPv6 link-local address.
    Both,
    /// An IPv6 link-local address only.
    LinkLocal,
}

/// A host on a link: a namespace whose one interface is `lan0`.
pub struct Host {
    namespace: String,
    number: usize,
}

impl Host {
    /// Returns the place where programs of this host are started.
    pub fn place(&self) -> Place {
        Place::Namespace(self.namespace.clone())
    }

    /// Opens the namespace, for a thread that has to enter it.
    pub(crate) fn namespace_file(&self) -> std::fs::File {
        let path = Path::new("/run/netns").join(&self.namespace);
        std::fs::File::open(path).expect("the namespace is there as long as its host")
    }

    /// Returns its IPv4 address, if the link has IPv4 addresses.
    pub fn ipv4(&self) -> String {
        format!("10.77.0.{}", self.number)
    }

    /// Changes the network of this host by running `ip` with these words.
    ///
    /// # Panics
    /// When `ip` refuses.
    pub fn ip(&self, words: &str) {
        ip(&format!("-n {} {words}", self.namespace));
    }

    /// Returns a launch of a program on this host.
    pub fn launch(&self, program: impl AsRef<std::ffi::OsStr>) -> Launch {
        Launch::new(program).at(&self.place())
    }

    /// Sets a kernel setting, by its path below `/proc/sys/net`.
    fn set(&self, path: &str, value: &str) {
        let (code, _, error) = Process::run(
            &self.launch("sh").args(["-c", &format!("echo {value} > /proc/sys/net/{path}")]),
            "",
        );
        assert_eq!(code, 0, "{path}: {error}");
    }
}

/// A link and its hosts. Dropping it removes them; end what runs there first.
pub struct Lan {
    switch: Host,
    hosts: Vec<Host>,
}

impl Lan {
    /// Makes a link with `count` hosts. Returns `None`, with a line that says so, if namespaces cannot be made.
    pub fn new(count: usize, addressing: Addressing) -> Option<Self> {
        if !Path::new("/proc/net/if_inet6").exists() {
            skipped("this system has no IPv6");
            return None;
        }
        static COUNT: AtomicU32 = AtomicU32::new(0);
        sweep();
        let id = format!("{PREFIX}{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        if let Err(why) = try_ip(&format!("netns add {id}-switch")) {
            skipped(&format!("network namespaces need root and iproute2 ({})", why.trim()));
            return None;
        }
        let mut lan =
            Self { switch: Host { namespace: format!("{id}-switch"), number: 0 }, hosts: Vec::new() };
        lan.switch.ip("link add br0 type bridge mcast_snooping 0");
        lan.switch.ip("link set br0 up");
        for number in 1..=count {
            let namespace = format!("{id}-{number}");
            ip(&format!("netns add {namespace}"));
            lan.hosts.push(Host { namespace, number });
            lan.plug_in(number, addressing);
        }
        Some(lan)
    }

    /// Joins a host to the bridge.
    fn plug_in(&self, number: usize, addressing: Addressing) {
        let host = &self.hosts[number - 1];
        self.switch.ip(&format!("link add port{number} type veth peer name lan0 netns {}", host.namespace));
        self.switch.ip(&format!("link set port{number} master br0 up"));
        // Nobody else is on this link, so an address is usable at once, without a check for duplicates.
        host.set("ipv6/conf/lan0/accept_dad", "0");
        host.ip("link set lo up");
        host.ip("link set lan0 up");
        if addressing == Addressing::Both {
            host.ip(&format!("address add {}/24 dev lan0", host.ipv4()));
        }
    }

    /// Returns the hosts.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Returns the host that every frame of the link passes.
    pub fn switch(&self) -> &Host {
        &self.switch
    }

    /// Pulls the cable of a host, by its place in [`Lan::hosts`].
    pub fn unplug(&self, host: usize) {
        self.switch.ip(&format!("link set port{} down", self.hosts[host].number));
    }

    /// Plugs it in again.
    pub fn plug(&self, host: usize) {
        self.switch.ip(&format!("link set port{} up", self.hosts[host].number));
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for host in self.hosts.iter().chain([&self.switch]) {
            // The next test process removes what cannot be removed now.
            let _ = try_ip(&format!("netns delete {}", host.namespace));
        }
    }
}

/// Removes the namespaces of test processes that were killed.
fn sweep() {
    let Ok(namespaces) = std::fs::read_dir("/run/netns") else { return };
    for entry in namespaces.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Another process may sweep at the same time.
            let _ = try_ip(&format!("netns delete {name}"));
        }
    }
}

fn ip(words: &str) {
    try_ip(words).unwrap_or_else(|why| panic!("ip {words}: {why}"));
}

fn try_ip(words: &str) -> Result<(), String> {
    let output =
        Command::new("ip").args(words.split_whitespace()).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
