//! `lanchatd` as its users see it: flags, settings, refusals, and shutdown.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

fn lanchatd(data: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lanchatd"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LANCHAT_")) {
        command.env_remove(name);
    }
    command.arg("--data").arg(data).args(args);
    command
}

fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Returns a data directory that exists and is private.
fn data() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    #[cfg(unix)]
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    folder
}

/// A listening server, and its output until then. Killed when dropped.
struct Running {
    child: Child,
    said: Vec<String>,
}

impl Running {
    fn start(data: &Path, args: &[&str]) -> Self {
        let mut command = lanchatd(data, args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut said = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            said.push(line.unwrap());
            if said.last().unwrap().starts_with("listening on ") {
                break;
            }
        }
        Self { child, said }
    }

    fn address(&self) -> &str {
        self.said.last().unwrap().strip_prefix("listening on ").unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn version_and_help() {
    let data = data();
    let version = output(&mut lanchatd(data.path(), &["--version"]));
    assert_eq!(stdout(&version), concat!("lanchatd ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = stdout(&output(&mut lanchatd(data.path(), &["--help"])));
    for part in ["--data", "--config", "--listen", "--no-mdns", "config", "Exit codes"] {
        assert!(help.contains(part), "{part}: {help}");
    }
    let unknown = output(&mut lanchatd(data.path(), &["--prot", "1"]));
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
fn config_show_prints_every_setting_with_its_origin() {
    let data = data();
    fs::write(data.path().join("lanchat.toml"), "name = 'from file'\nmax_clients = 7\n").unwrap();
    let mut command = lanchatd(data.path(), &["config", "show", "--max-clients", "9", "--no-mdns"]);
    let shown = output(command.env("LANCHAT_REGISTRATION", "closed"));
    assert!(shown.status.success(), "{}", stderr(&shown));
    let shown = stdout(&shown);
    let file = data.path().join("lanchat.toml");
    let lines = [
        format!("# data directory: {} (flag --data)", data.path().display()),
        format!("# settings file: {} (default)", file.display()),
        "listen = [\"[::]:7072\"]  # default".into(),
        format!("name = \"from file\"  # {}", file.display()),
        "iface = []  # default".into(),
        "no_iface = []  # default".into(),
        "mdns = false  # flag --no-mdns".into(),
        "max_clients = 9  # flag --max-clients".into(),
        "registration = \"closed\"  # environment LANCHAT_REGISTRATION".into(),
    ];
    assert_eq!(shown.lines().collect::<Vec<_>>(), lines);
    // Showing the settings changes nothing.
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 1);
}

#[test]
fn a_settings_file_that_was_named_must_be_there() {
    let data = data();
    let file = data.path().join("elsewhere.toml");
    let show = || lanchatd(data.path(), &["config", "show"]);
    let missing = output(show().arg("--config").arg(&file));
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("elsewhere.toml (flag --config)"), "{}", stderr(&missing));
    fs::write(&file, "name = 'elsewhere'\n").unwrap();
    let shown = output(show().env("LANCHAT_CONFIG", &file));
    assert!(stdout(&shown).contains("\nname = \"elsewhere\"  # "), "{}", stdout(&shown));
}

#[test]
fn an_unknown_key_is_named_with_its_file() {
    let data = data();
    fs::write(data.path().join("lanchat.toml"), "nmae = 'lab'\nmax_clients = 'many'\n").unwrap();
    for args in [&["config", "show"][..], &["--listen", "127.0.0.1:0"]] {
        let refused = output(&mut lanchatd(data.path(), args));
        assert_eq!(refused.status.code(), Some(2));
        let error = stderr(&refused);
        for part in ["`nmae`", "lanchat.toml", "`many`", "the keys are"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}

#[test]
fn the_banner_says_where_it_really_listens() {
    let data = data();
    let args = ["--listen", "127.0.0.1:0", "--no-mdns", "--name", "lab"];
    let server = Running::start(data.path(), &args);
    assert!(server.said[0].contains("\"lab\""), "{:?}", server.said);
    let words = server.said[1].strip_prefix("six words: ").unwrap();
    assert_eq!(words.split('-').count(), 6);
    assert!(!server.address().ends_with(":0"));
    TcpStream::connect(server.address()).unwrap();
}

#[test]
fn where_to_listen_may_be_a_uri_on_the_command_line_and_in_the_settings() {
    let data = data();
    fs::write(data.path().join("lanchat.toml"), "listen = [\"lanchat://127.0.0.1:0\"]\n").unwrap();
    for args in [&["--no-mdns"][..], &["--no-mdns", "--listen", "lanchat://127.0.0.1:0"]] {
        let server = Running::start(data.path(), args);
        assert!(server.address().starts_with("127.0.0.1:") && !server.address().ends_with(":0"));
        TcpStream::connect(server.address()).unwrap();
    }
    let shown = stdout(&output(&mut lanchatd(data.path(), &["config", "show"])));
    assert!(shown.contains("listen = [\"127.0.0.1:0\"]"), "the short form is the same: {shown}");
}

#[test]
fn an_interface_that_does_not_exist_is_named_in_the_banner() {
    let data = data();
    let args = ["--listen", "0.0.0.0:0", "--no-mdns", "--iface", "nope0"];
    let banner = Running::start(data.path(), &args).said.join("\n");
    let complaint = "warning: --iface: this computer has no network interface nope0; it has ";
    assert!(banner.contains(complaint), "{banner}");
    assert!(!banner.contains("virtual"), "{banner}");
}

#[test]
fn a_second_server_on_the_same_data_directory_refuses() {
    let data = data();
    let args = ["--listen", "127.0.0.1:0", "--no-mdns"];
    let first = Running::start(data.path(), &args);
    let second = output(&mut lanchatd(data.path(), &args));
    assert_eq!(second.status.code(), Some(3));
    assert!(stderr(&second).contains("another server uses"), "{}", stderr(&second));
    assert_eq!(stdout(&second), "");
    drop(first);
    // The lock ends with its process, even if that is killed; the key stays.
    Running::start(data.path(), &args);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let (data, other) = (data(), data());
    let first = Running::start(data.path(), &["--listen", "127.0.0.1:0", "--no-mdns"]);
    let second = output(&mut lanchatd(other.path(), &["--listen", first.address(), "--no-mdns"]));
    assert_eq!(second.status.code(), Some(4));
    let said = stderr(&second);
    assert!(said.contains(first.address()) && said.contains("--listen"), "{said}");
    assert!(!said.contains("os error") && said.matches("uses this port").count() == 1, "{said}");
}

#[test]
fn what_the_system_refuses_is_told_once_with_the_path_and_what_to_do() {
    let data = data();
    fs::create_dir(data.path().join("lock")).unwrap();
    let refused = output(&mut lanchatd(data.path(), &["--listen", "127.0.0.1:0"]));
    assert_eq!(refused.status.code(), Some(3));
    let said = stderr(&refused);
    assert_eq!(said.matches("os error").count(), 1, "{said}");
    assert!(said.contains(&data.path().display().to_string()) && said.contains("--data DIR"), "{said}");
}

#[test]
fn values_that_are_none_are_told_what_would_be() {
    let data = data();
    for (flags, words) in [
        (["--max-clients", "many"], "a number from 1 up, for example 500"),
        (["--listen", "7072"], "for example 0.0.0.0:7072 or [::]:7072"),
        (["--listen", "lanchat://7072"], "for example lanchat://0.0.0.0:7072 or lanchat://[::]:7072"),
        (["--listen", "gopher://127.0.0.1:70"], "no listener of the kind `gopher`; it has lanchat"),
        (["--listen", "lanchat+insecure://127.0.0.1:0"], "lanchat is always encrypted; leave +insecure out"),
        (["--registration", "maybe"], "open"),
        (["--name", ""], "a name cannot be empty"),
    ] {
        let refused = output(&mut lanchatd(data.path(), &flags));
        assert_eq!(refused.status.code(), Some(2), "{flags:?}");
        assert!(stderr(&refused).contains(words), "{flags:?}: {}", stderr(&refused));
    }
}

#[cfg(unix)]
#[test]
fn a_data_directory_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let data = data();
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let refused = output(&mut lanchatd(data.path(), &["--listen", "127.0.0.1:0"]));
    assert_eq!(refused.status.code(), Some(3));
    assert!(stderr(&refused).contains("chmod 700"), "{}", stderr(&refused));
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn a_key_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let data = data();
    let args = ["--listen", "127.0.0.1:0", "--no-mdns"];
    drop(Running::start(data.path(), &args));
    let key = data.path().join("identity/server.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = output(&mut lanchatd(data.path(), &args));
    assert_eq!(refused.status.code(), Some(3));
    assert!(stderr(&refused).contains("chmod 600"), "{}", stderr(&refused));
}

#[cfg(unix)]
#[test]
fn the_signals_to_stop_end_it_in_order() {
    for signal in ["TERM", "INT", "HUP"] {
        let data = data();
        let mut server = Running::start(data.path(), &["--listen", "127.0.0.1:0", "--no-mdns"]);
        let sent =
            Command::new("kill").args(["-s", signal, &server.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        assert_eq!(server.child.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_history_that_is_gone_is_worth_a_word_in_banner_and_log() {
    let data = data();
    let args = ["--listen", "127.0.0.1:0", "--no-mdns"];
    let warned = |server: &Running| server.said.iter().any(|line| line.contains("a restore that was not"));
    let database = data.path().join("lanchat.db");
    assert!(!warned(&Running::start(data.path(), &args)), "a first start is no loss");
    assert!(!warned(&Running::start(data.path(), &args)), "nothing is lost");
    for cut in [fs::remove_file, |path: &Path| fs::write(path, "")] {
        for beside in ["lanchat.db-wal", "lanchat.db-shm"] {
            let _ = fs::remove_file(data.path().join(beside));
        }
        cut(&database).unwrap();
        assert!(warned(&Running::start(data.path(), &args)));
    }

    fs::remove_file(&database).unwrap();
    let mut child =
        lanchatd(data.path(), &args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let warned = said.take_while(|line| !line.contains("serving")).any(|line| line.contains("no history"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(warned);
}
