//! Data directories of other versions: an older one is upgraded and served, a start that dies in the middle leaves the
//! old or the new, and a newer one is refused with a message.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use lanchat_tests::{Launch, Process, ServerSpec, TestPeer, TestServer, interpreter, lanchatd, report};
use serde_json::{Value, json};

/// The exit code of a server that refuses what is in its data directory.
const EXIT_DATA: i32 = 3;
/// More steps than there are at which a start can be told to die.
const STEPS_MAX: usize = 48;

/// Runs statements in a database, with a program that does not share code with the server, and returns the first column
/// of the result.
fn sql(python: &Path, database: &Path, statements: &str) -> String {
    let run = "import sqlite3, sys\n\
               db = sqlite3.connect(sys.argv[1])\n\
               db.create_function('unhex', 1, bytes.fromhex)\n\
               [print(row[0]) for row in db.execute(sys.argv[2])] if sys.argv[2].startswith(('SELECT', 'PRAGMA')) \
               else db.executescript(sys.argv[2])\n\
               db.commit()";
    let mut command = Command::new(python);
    let output = command.args(["-c", run]).arg(database).arg(statements).output().expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Returns a data directory with the database of the first schema, as it was released.
fn frozen(python: &Path) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("a folder can be made");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("it is ours");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests live in the repository");
    let dump =
        fs::read_to_string(root.join("server/store/tests/fixtures/v1.sql")).expect("the fixture is there");
    sql(python, &data.join("lanchat.db"), &dump);
    (folder, data)
}

/// Returns the lobby from its beginning, as a new account reads it.
fn lobby(server: &TestServer) -> Vec<Value> {
    let mut reader = TestPeer::connect(server.address());
    reader.register("newcomer");
    reader.request(json!({"type": "attach", "cursors": {"lobby": 0}}));
    reader.barrier().into_iter().filter(|frame| frame["seq"].is_u64()).collect()
}

#[test]
fn a_database_of_the_first_release_is_served() {
    let Some(python) = interpreter() else { return };
    let (_folder, data) = frozen(&python);
    let mut server = TestServer::start_as(ServerSpec::default().on_data(&data));
    let log = lobby(&server);
    assert_eq!(log[3]["message"], "waves 🦀");
    let positions: Vec<_> = log.iter().filter_map(|entry| entry["seq"].as_u64()).collect();
    assert_eq!(positions, (1..=6).collect::<Vec<_>>(), "five of then, and the newcomer");
    assert_eq!(server.stop(), 0);
    assert_eq!(sql(&python, &data.join("lanchat.db"), "PRAGMA integrity_check"), "ok");
}

/// A server that is killed at any step of making its database leaves none or a whole one: the next start serves.
#[test]
fn a_start_that_dies_in_a_migration_leaves_the_old_or_the_new() {
    let Some(python) = interpreter() else { return };
    let mut died = 0;
    for step in 0..STEPS_MAX {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let data = folder.path().join("data");
        let spec = ServerSpec::default().on_data(&data);
        let mut server = TestServer::start_as(spec.clone());
        assert_eq!(server.stop(), 0);
        // The key stays, the database is made again.
        for name in ["lanchat.db", "lanchat.db-wal", "lanchat.db-shm"] {
            let _ = fs::remove_file(data.join(name));
        }
        server.arm(&format!("store::in_migration={step}*off->return"));
        if server.try_start_again() {
            break;
        }
        died += 1;
        let version = sql(&python, &copy_of(&data), "PRAGMA user_version");
        let tables = sql(&python, &copy_of(&data), "SELECT count(*) FROM sqlite_schema");
        assert!((version == "0") == (tables == "0"), "half a schema: version {version}, {tables} objects");
        server.disarm();
        server.start_again();
        assert_eq!(lobby(&server).len(), 1, "a room with one newcomer");
        assert_eq!(server.stop(), 0);
    }
    report(&format!("upgrade: died at {died} steps"));
    assert!(
        (3..STEPS_MAX).contains(&died),
        "a migration has at least a before, a middle and an after: {died}"
    );
}

/// A server that is killed at any step of upgrading a database with messages, or of rewriting its file, leaves the old
/// or the new one: the next start has all of it, once.
#[test]
fn an_upgrade_that_dies_loses_nothing() {
    let Some(python) = interpreter() else { return };
    let mut died = 0;
    for step in 0..STEPS_MAX {
        let (_folder, data) = frozen(&python);
        let old = fs::read(data.join("lanchat.db")).expect("it is there");
        fs::remove_file(data.join("lanchat.db")).expect("it is ours");
        let mut server = TestServer::start_as(ServerSpec::default().on_data(&data));
        assert_eq!(server.stop(), 0);
        for name in ["lanchat.db-wal", "lanchat.db-shm"] {
            let _ = fs::remove_file(data.join(name));
        }
        fs::write(data.join("lanchat.db"), &old).expect("it is ours");
        server.arm(&format!("store::in_migration={step}*off->return"));
        if server.try_start_again() {
            break;
        }
        died += 1;
        assert_eq!(sql(&python, &copy_of(&data), "PRAGMA integrity_check"), "ok", "dead at step {step}");
        assert_eq!(sql(&python, &copy_of(&data), "SELECT count(*) FROM entries"), "8", "dead at step {step}");
        server.disarm();
        server.start_again();
        let log = lobby(&server);
        assert_eq!((log.len(), &log[3]["message"]), (6, &json!("waves 🦀")), "dead at step {step}");
        assert_eq!(server.stop(), 0);
        assert_eq!(sql(&python, &data.join("lanchat.db"), "SELECT vacuum_due FROM meta"), "0");
    }
    report(&format!("upgrade with messages: died at {died} steps"));
    assert!((20..STEPS_MAX).contains(&died), "each step, the copy before, and the new file behind: {died}");
}

/// Copies a database as the dead server left it: looking at it must not repair the original.
fn copy_of(data: &Path) -> PathBuf {
    let copy = data.with_extension("copy");
    let _ = fs::create_dir(&copy);
    for entry in fs::read_dir(data).expect("it is there").flatten() {
        if entry.file_name().to_string_lossy().starts_with("lanchat.db") {
            fs::copy(entry.path(), copy.join(entry.file_name())).expect("a file can be copied");
        }
    }
    copy.join("lanchat.db")
}

#[test]
fn a_database_of_a_newer_release_is_refused_in_words_and_left_alone() {
    let Some(python) = interpreter() else { return };
    let (_folder, data) = frozen(&python);
    let database = data.join("lanchat.db");
    sql(&python, &database, "PRAGMA journal_mode = DELETE");
    let newer = "BEGIN; PRAGMA user_version = 99; COMMIT;";
    sql(&python, &database, newer);
    let before = fs::read(&database).expect("it is there");
    let launch = Launch::new(lanchatd()).arg("--data").arg(&data);
    let (code, _, words) = Process::run(&launch.args(["--no-mdns", "--listen", "127.0.0.1:0"]), "");
    assert_eq!(code, EXIT_DATA, "{words}");
    assert!(words.contains("made by a newer version") && words.contains("99"), "{words}");
    assert!(words.contains("Start that version again"), "it says what to do: {words}");
    assert_eq!(fs::read(&database).expect("it is there"), before, "left alone");
}
