//! A server's settings, its data directory and its identity, from the outside.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};

use lanchat_tests::{Home, Launch, Process, ServerSpec, TestPeer, TestServer, lanchatd};

/// Runs `lanchatd` to its end.
fn run(home: &Home, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let launch = variables.iter().fold(Launch::new(lanchatd()).home(home), |launch, (k, v)| launch.env(k, v));
    Process::run(&launch.args(arguments), "")
}

fn data_directory(home: &Home, settings: &str) -> String {
    let data = home.path().join("data");
    fs::create_dir(&data).expect("a folder can be made");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("modes can be set");
    fs::write(data.join("lanchat.toml"), settings).expect("a file can be written");
    data.to_string_lossy().into_owned()
}

#[test]
fn flags_beat_the_environment_beats_the_file_beats_the_defaults() {
    let home = Home::new();
    let data = data_directory(&home, "name = \"from the file\"\nmax_clients = 7\n");
    let show = ["--data", &data, "config", "show"];
    let row = |text: &str, key: &str| {
        let row = text.lines().find(|line| line.contains(key)).map(str::to_owned);
        row.unwrap_or_else(|| panic!("no {key} in\n{text}"))
    };
    let (code, shown, error) = run(&home, &show, &[]);
    assert_eq!(code, 0, "{error}");
    assert!(row(&shown, "max_clients").contains('7'), "{shown}");
    assert!(
        row(&shown, "name").contains("from the file") && row(&shown, "name").contains("lanchat.toml"),
        "{shown}"
    );
    assert!(row(&shown, "registration").contains("default"), "{shown}");
    let (_, shown, _) = run(&home, &show, &[("LANCHAT_NAME", "from the environment")]);
    assert!(row(&shown, "name").contains("from the environment"), "{shown}");
    let flags = ["--name", "from a flag", "--data", &data, "config", "show"];
    let (_, shown, _) = run(&home, &flags, &[("LANCHAT_NAME", "from the environment")]);
    assert!(row(&shown, "name").contains("from a flag"), "{shown}");
}

#[test]
fn an_unknown_key_is_named() {
    let home = Home::new();
    let data = data_directory(&home, "colour = \"green\"\n");
    let (code, _, error) = run(&home, &["--data", &data], &[]);
    assert_ne!(code, 0);
    assert!(error.contains("colour") && error.contains("lanchat.toml"), "{error}");
}

#[test]
fn a_second_server_on_the_same_data_refuses() {
    let server = TestServer::start();
    let (code, _, error) = Process::run(&server.launch(), "");
    assert_ne!(code, 0);
    assert!(error.contains("another") || error.contains("already"), "{error}");
    TestPeer::connect(server.address());
}

#[test]
fn a_data_directory_that_others_may_read_is_refused() {
    let home = Home::new();
    let data = data_directory(&home, "");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).expect("modes can be set");
    let (code, _, error) = run(&home, &["--data", &data, "--no-mdns"], &[]);
    assert_ne!(code, 0);
    assert!(error.contains("chmod"), "it says what to do: {error}");
}

#[test]
fn a_database_of_a_newer_program_is_refused_and_left_alone() {
    let mut server = TestServer::start();
    assert_eq!(server.stop(), 0);
    let path = server.data().join("lanchat.db");
    // The user version of an SQLite file: four bytes at offset 60, big end first.
    let file = fs::OpenOptions::new().write(true).open(&path).expect("the database is a file");
    file.write_all_at(&9999_u32.to_be_bytes(), 60).expect("a file can be written");
    let before = fs::read(&path).expect("a file can be read");
    let (code, _, error) = Process::run(&server.launch(), "");
    assert_ne!(code, 0);
    assert!(error.contains("newer"), "{error}");
    assert_eq!(fs::read(&path).expect("a file can be read"), before);
}

#[test]
fn nothing_in_the_data_directory_is_for_others_whatever_the_umask() {
    let home = Home::new();
    let data = home.path().join("data");
    let start = format!(
        "umask 000; exec {} --data {} --listen 127.0.0.1:0 --no-mdns",
        lanchatd().display(),
        data.display()
    );
    let process = Process::start(&Launch::new("sh").args(["-c", &start]).home(&home));
    process.stdout.wait_for_text("listening on");
    let files = home.files();
    assert!(files.iter().any(|path| path.ends_with("server.key")), "{files:?}");
    assert!(files.iter().any(|path| path.ends_with("lanchat.db")), "{files:?}");
    let folders = [data.clone(), data.join("identity")];
    for path in files.iter().chain(&folders).filter(|path| path.starts_with(&data)) {
        let mode = fs::metadata(path).expect("it exists").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {:o}", path.display(), mode & 0o777);
    }
}

#[test]
fn the_key_stays_when_the_certificate_is_made_anew() {
    let mut server = TestServer::start_as(ServerSpec::default());
    let first = fingerprint(&server);
    assert_eq!(first.split('-').count(), 6, "six words: {first}");
    server.kill();
    server.start_again();
    assert_eq!(fingerprint(&server), first);
}

/// Returns the words that the banner shows.
fn fingerprint(server: &TestServer) -> String {
    let words = |text: &str| {
        let candidates =
            text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_ascii_lowercase()));
        candidates.filter(|word| word.split('-').count() == 6).map(str::to_owned).next()
    };
    server
        .stdout()
        .wait_for("waiting for the fingerprint in the banner", |bytes| words(&String::from_utf8_lossy(bytes)))
}
