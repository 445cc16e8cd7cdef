//! A separate link for the floods: hosts are network namespaces, joined by a bridge, with no connection to the outside.
//!
//! One thread may have sockets on several hosts: a socket stays in the namespace in which its thread made it.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use nix::sched::{CloneFlags, setns};

/// The names of all our namespaces begin with this, followed by the id of the process that made them.
const PREFIX: &str = "lanchat-floods-";
/// Where iproute2 keeps named namespaces.
const PLACE: &str = "/run/netns";
/// The one interface of a host.
const INTERFACE: &str = "lan0";

/// A network namespace. Dropping it removes it; stop what runs there first.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: File,
    interface: u32,
}

impl Namespace {
    fn new(name: String) -> Result<Self> {
        ip(&format!("netns add {name}"))?;
        let file = File::open(Path::new(PLACE).join(&name))?;
        Ok(Self { name, file, interface: 0 })
    }

    /// Runs something there: sockets that it makes and programs that it starts stay there.
    ///
    /// # Errors
    /// The error of what is run, or the system's if this thread cannot enter the namespace or return.
    pub fn within<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<T> {
        let home = File::open("/proc/thread-self/ns/net")?;
        setns(&self.file, CloneFlags::CLONE_NEWNET).with_context(|| format!("cannot enter {}", self.name))?;
        let done = act();
        setns(home, CloneFlags::CLONE_NEWNET).context("cannot leave a network namespace")?;
        done
    }

    /// Returns the number of its interface: the scope of link-local addresses.
    pub fn interface(&self) -> u32 {
        self.interface
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run.
        let _ = ip(&format!("netns delete {}", self.name));
    }
}

/// A link and its hosts. Dropping it removes them.
#[derive(Debug)]
pub struct Lan {
    /// The hosts, in the order in which their addresses were given.
    pub hosts: Vec<Namespace>,
    _switch: Namespace,
}

impl Lan {
    /// Returns a link with a host for each list of addresses (`10.77.1.1/16`).
    ///
    /// # Errors
    /// When this process may not make namespaces, or iproute2 is missing.
    pub fn new(addresses: &[Vec<String>]) -> Result<Self> {
        sweep();
        let id = format!("{PREFIX}{}", std::process::id());
        let switch = Namespace::new(format!("{id}-switch")).context(
            "hosts are network namespaces, which need root and iproute2; --loopback needs neither",
        )?;
        let at_switch = format!("-n {}", switch.name);
        // Multicast goes to all hosts, even if none has joined the group.
        ip(&format!("{at_switch} link add br0 type bridge mcast_snooping 0"))?;
        ip(&format!("{at_switch} link set br0 up"))?;
        let mut hosts = Vec::new();
        for (number, addresses) in addresses.iter().enumerate() {
            let mut host = Namespace::new(format!("{id}-{number}"))?;
            ip(&format!(
                "{at_switch} link add port{number} type veth peer name {INTERFACE} netns {}",
                host.name
            ))?;
            ip(&format!("{at_switch} link set port{number} master br0 up"))?;
            host.settle(addresses)?;
            hosts.push(host);
        }
        Ok(Self { hosts, _switch: switch })
    }
}

impl Namespace {
    /// Gives its interface these addresses.
    fn settle(&mut self, addresses: &[String]) -> Result<()> {
        let mut batch = format!("link set lo up\nlink set {INTERFACE} up\n");
        for address in addresses {
            // Nobody else is on this link: an address is usable at once, without duplicate detection.
            let flags = if address.contains(':') { "nodad" } else { "" };
            batch.push_str(&format!("address add {address} dev {INTERFACE} {flags}\n"));
        }
        let mut child = Command::new("ip")
            .args(["-n", &self.name, "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        child.stdin.take().context("stdin is a pipe")?.write_all(batch.as_bytes())?;
        ensure!(child.wait()?.success(), "a host of the link did not get its addresses");
        let shown = ip(&format!("-n {} -oneline link show {INTERFACE}", self.name))?;
        let number = shown.split(':').next().and_then(|number| number.trim().parse().ok());
        self.interface = number.context("an interface with a number")?;
        Ok(())
    }
}

/// Removes what a killed run has left behind: the programs in its namespaces, then the namespaces.
fn sweep() {
    let Ok(namespaces) = std::fs::read_dir(PLACE) else { return };
    for entry in namespaces.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
            let programs = ip(&format!("netns pids {name}")).unwrap_or_default();
            for pid in programs.split_whitespace().filter_map(|pid| pid.parse().ok()) {
                // It may have ended already, and another run may clean up at the same time.
                let _ = nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(pid),
                    nix::sys::signal::Signal::SIGKILL,
                );
            }
            let _ = ip(&format!("netns delete {name}"));
        }
    }
}

/// Runs `ip` with these arguments and returns its output.
fn ip(words: &str) -> Result<String> {
    let output = Command::new("ip").args(words.split_whitespace()).output().context("cannot run ip")?;
    if !output.status.success() {
        bail!("ip {words}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
