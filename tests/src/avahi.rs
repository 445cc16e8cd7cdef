//! Avahi as a witness of our adverts: an mDNS implementation by others.

use std::fs;

use crate::netns::Host;
use crate::process::Process;
use crate::{Home, Launch, skipped};

/// A message bus that admits everybody: Avahi's tools talk to its daemon over one.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=BUS_PATH</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/>
    <allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"#;

const DAEMON: &str =
    "[server]\nuse-ipv4=yes\nuse-ipv6=yes\nallow-interfaces=lan0\n[publish]\ndisable-publishing=yes\n";

/// The daemon keeps its socket and pid in a fixed folder: this gives the host one of its own.
const START: &str = "mkdir -p /run/avahi-daemon && mount -t tmpfs none /run/avahi-daemon && \
                     exec avahi-daemon --file \"$1\" --no-drop-root --no-chroot --no-rlimits";

/// An Avahi daemon on a host, with a bus of its own. Dropping it ends both.
pub struct Avahi {
    _daemon: Process,
    _bus: Process,
    host: Launch,
    _home: Home,
}

impl Avahi {
    /// Starts it. Returns `None`, with a line that says so, if it is not installed.
    pub fn start(host: &Host) -> Option<Self> {
        for program in ["avahi-daemon", "avahi-browse", "dbus-daemon"] {
            let path = std::env::var_os("PATH").unwrap_or_default();
            if !std::env::split_paths(&path).any(|folder| folder.join(program).exists()) {
                skipped(&format!("{program} is not installed"));
                return None;
            }
        }
        let home = Home::new();
        let (socket, bus, daemon) =
            (home.path().join("bus"), home.path().join("bus.conf"), home.path().join("avahi.conf"));
        fs::write(&bus, BUS.replace("BUS_PATH", &socket.to_string_lossy())).expect("a file can be written");
        fs::write(&daemon, DAEMON).expect("a file can be written");

        let launch = host.launch("dbus-daemon").arg(format!("--config-file={}", bus.display()));
        let bus = Process::start(&launch.args(["--nofork", "--nopidfile", "--print-address"]));
        bus.stdout.wait_for_text("unix:path=");
        let address = format!("unix:path={}", socket.display());
        let launch = host.launch("sh").args(["-c", START, "avahi"]).arg(&daemon);
        let daemon = Process::start(&launch.env("DBUS_SYSTEM_BUS_ADDRESS", &address));
        daemon.stderr.wait_for_text("Server startup complete");
        let host = host.launch("avahi-browse").env("DBUS_SYSTEM_BUS_ADDRESS", &address);
        Some(Self { _daemon: daemon, _bus: bus, host, _home: home })
    }

    /// Follows the servers on the link: a line that begins with `=` for each that is there, and with `-` for each that
    /// goes.
    pub fn follow(&self) -> Process {
        Process::start(&self.host.clone().args(["-rp", "_lanchat._tcp"]))
    }

    /// Lists the servers on the link that are known by now.
    pub fn list(&self) -> String {
        let (code, list, error) = Process::run(&self.host.clone().args(["-rpt", "_lanchat._tcp"]), "");
        assert_eq!(code, 0, "{error}");
        list
    }
}
