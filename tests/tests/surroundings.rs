//! Surroundings of a program that change, or are not as they should be: the time zone, the disk of the home, the
//! network's largest packet.
#![cfg(unix)]

use std::fs;
use std::path::Path;

use lanchat_tests::{
    Addressing, Home, Lan, Launch, PASSWORD, Pipe, Place, Process, ServerSpec, Terminal, TestPeer,
    TestServer, lanchat, lanchatd, skipped,
};

/// Returns the file of a time zone `hours` hours east of Greenwich, without transitions (RFC 8536 §3): the header, the
/// one local time type, and the name.
fn zone(hours: i32) -> Vec<u8> {
    let mut block = b"TZif2".to_vec();
    block.extend([0; 15]);
    // Indicators of UT and of standard time, leap seconds, transitions, types, characters.
    block.extend([0_u32, 0, 0, 0, 1, 4].iter().flat_map(|count| count.to_be_bytes()));
    block.extend((hours * 3600).to_be_bytes());
    block.extend([0, 0]);
    block.extend(b"TST\0");
    let mut file = block.repeat(2);
    file.extend(format!("\nTST{}\n", -hours).as_bytes());
    file
}

/// Number 43: a laptop travels while the program runs.
#[test]
fn a_time_zone_that_changes_is_followed() {
    let server = TestServer::start();
    let (home, address) = (Home::new(), server.address().to_string());
    let mut pipe = Pipe::start(&home, &Place::Here, &["--plain", "--server", &address]);
    pipe.enter(&format!("/register ana {PASSWORD}"));
    assert_eq!(pipe.finish(), 0, "{}", pipe.complaints());
    let file = home.path().join("localtime");
    fs::write(&file, zone(1)).expect("a file can be written");
    let launch = Launch::new(lanchat()).home(&home).args(["--server", &address]);
    let terminal = Terminal::start(launch.env("TZ", format!(":{}", file.display())));
    terminal.wait_for_text("lobby>");
    let mut bob = TestPeer::registered(server.address(), "bob");
    let mut says = |text: &str| {
        let sent = bob.send("lobby", text)["ts"].as_str().expect("a time").to_owned();
        terminal.wait_for_text(text);
        let screen = terminal.screen();
        let row = screen.lines().find(|row| row.contains(text)).expect("it is shown").to_owned();
        // Minutes since midnight, in the zone of the screen and in UTC.
        let minutes = |time: &str| {
            let (hour, minute) = time.split_once(':').expect("a time");
            hour.parse::<i32>().expect("an hour") * 60 + minute.parse::<i32>().expect("a minute")
        };
        (minutes(&row[..5]) - minutes(&sent[11..16])).rem_euclid(24 * 60) / 60
    };
    assert_eq!(says("before the flight"), 1);
    // The file is replaced whole or not at all, as systems do it.
    let next = home.path().join("next");
    fs::write(&next, zone(9)).expect("a file can be written");
    fs::rename(&next, &file).expect("a file can be renamed");
    terminal.wait_for_text("Times are those of UTC+09 from here on.");
    assert_eq!(says("after the flight"), 9);
}

/// A disk without access rights, mounted in a namespace of its own.
struct Fat {
    holder: Process,
    folder: tempfile::TempDir,
}

/// Makes an exFAT disk in a file, mounts it with these options, says so, and unmounts it when its input ends.
const HOLD: &str = r#"truncate -s 16M "$1/image" && mkfs.exfat "$1/image" >&2 && mkdir "$1/disk" || exit 1
loop=$(losetup --find --show "$1/image") && mount.exfat-fuse -o "$2" "$loop" "$1/disk" >&2 && echo mounted && cat
umount "$1/disk"; losetup --detach "$loop""#;

impl Drop for Fat {
    fn drop(&mut self) {
        self.holder.close_stdin();
        self.holder.wait();
    }
}

impl Fat {
    fn mounted(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let launch =
            Launch::new("unshare").args(["--mount", "sh", "-c", HOLD, "sh"]).arg(folder.path()).arg(options);
        let holder = Process::start(&launch);
        if holder.stdout.lines().next_line().as_deref() == Some("mounted") {
            return Some(Self { holder, folder });
        }
        skipped(
            "a disk without access rights needs root, exfatprogs, exfat-fuse, loop devices and mount namespaces",
        );
        None
    }

    fn disk(&self) -> std::path::PathBuf {
        self.folder.path().join("disk")
    }

    /// Returns a launch of a program that sees the disk.
    fn launch(&self, program: &Path) -> Launch {
        let namespace = format!("--mount=/proc/{}/ns/mnt", self.holder.id());
        Launch::new("nsenter").args([&namespace, "--"]).arg(program).env("HOME", self.disk())
    }
}

/// Number 43: the advice about a disk without access rights works.
#[test]
fn a_disk_without_access_rights_is_told_what_helps_and_it_does() {
    let Some(fat) = Fat::mounted("umask=000") else { return };
    let (code, _, complaints) = Process::run(&fat.launch(lanchat()).args(["trust", "list"]), "");
    assert_eq!(code, 1, "{complaints}");
    assert!(complaints.contains("keeps no access rights") && complaints.contains("--home"), "{complaints}");
    assert!(!complaints.contains("run `chmod"), "{complaints}");
    let server = ["--no-mdns", "--listen", "127.0.0.1:0"];
    let (code, _, complaints) = Process::run(&fat.launch(lanchatd()).args(server), "");
    assert_ne!(code, 0, "{complaints}");
    assert!(complaints.contains("keeps no access rights") && complaints.contains("--data"), "{complaints}");
    // First advice: another folder.
    let elsewhere = Home::new();
    let state = elsewhere.path().join("state");
    let (code, _, complaints) =
        Process::run(&fat.launch(lanchat()).args(["trust", "list", "--home"]).arg(&state), "");
    assert_eq!(code, 0, "{complaints}");
    // A password file is read before the client connects.
    let write = fat.launch(Path::new("sh")).args(["-c", "echo 'correct horse' >\"$HOME/password\""]);
    assert_eq!(Process::run(&write, "").0, 0);
    let log_in = fat.launch(lanchat()).args(["--server", "127.0.0.1:1", "--home"]).arg(&state);
    let log_in = log_in.arg("--password-file").arg(fat.disk().join("password"));
    let (code, _, complaints) = Process::run(&log_in, "/login ana\n");
    assert_eq!(code, 1, "{complaints}");
    assert!(
        complaints.contains("keeps no access rights") && !complaints.contains("Run: chmod"),
        "{complaints}"
    );
    drop(fat);

    // Use the mount options that the sentence names.
    let Some(fat) = Fat::mounted("uid=0,umask=077") else { return };
    let hosting = fat.launch(lanchat()).args(["host"]).args(server).args(["--tail", "5"]);
    let (code, shown, complaints) = Process::run(&hosting, &format!("/register ana {PASSWORD}\nhello\n"));
    assert_eq!(code, 0, "{complaints}");
    assert!(shown.contains("ana  hello"), "{shown}");
    let (code, _, complaints) = Process::run(&hosting, "again\n");
    assert_eq!(code, 0, "{complaints}");
}

/// Number 43: small packets pass and large ones do not.
#[test]
fn a_network_that_loses_large_packets_is_told_from_a_computer_that_is_off() {
    let Some(lan) = Lan::new(3, Addressing::Both) else { return };
    let [server_host, client, _off] = lan.hosts() else { panic!("three hosts") };
    let server = TestServer::start_as(ServerSpec::on(&server_host.place(), "office"));
    server.stderr().wait_for_text("advertised");
    // Longer frames than this vanish silently in the switch.
    lan.switch().ip("link set port1 mtu 500");
    let home = Home::new();
    let connect = |address: &str| {
        let launch = client.launch(lanchat()).home(&home).args(["--plain", "--server", address]);
        let (code, _, complaints) = Process::run(&launch, "");
        assert_eq!(code, 2, "{complaints}");
        complaints
    };
    let complaints = connect(&server_host.ipv4());
    assert!(complaints.contains("the computer is on and takes the connection"), "{complaints}");
    assert!(complaints.contains("mtu") && !complaints.contains("is the computer on?"), "{complaints}");
    lan.unplug(2);
    let complaints = connect("10.77.0.3");
    assert!(!complaints.contains("mtu"), "{complaints}");
    lan.switch().ip("link set port1 mtu 1500");
    let launch = client.launch(lanchat()).home(&home).args(["--plain", "--server", &server_host.ipv4()]);
    let (code, _, complaints) = Process::run(&launch, &format!("/register ana {PASSWORD}\nhello\n"));
    assert_eq!(code, 0, "{complaints}");
}
