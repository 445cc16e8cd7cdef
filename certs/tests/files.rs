//! The files, and how a changed or damaged file is handled.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;

use lanchat_certs::{Fingerprint, Identity, IdentityError, Pin, Pins, PinsError};
use lanchat_model::{ServerId, Timestamp, limits};

fn id(n: u8) -> ServerId {
    ServerId::from_bytes([n; 16])
}

fn pin(key: u8, name: &str) -> Pin {
    Pin {
        fingerprint: Fingerprint::from_bytes([key; 32]),
        name: name.into(),
        verified: false,
        first_seen: Timestamp(1_700_000_000_000),
    }
}

#[test]
fn pins_are_kept_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pins.json");
    let mut pins = Pins::load(&path).unwrap();
    assert_eq!(pins.iter().count(), 0);
    pins.insert(id(1), pin(1, "lab")).unwrap();
    pins.insert(id(2), pin(2, &"é".repeat(100))).unwrap();
    assert!(pins.verify(id(1)).unwrap());
    assert!(!pins.verify(id(9)).unwrap());

    let read = Pins::load(&path).unwrap();
    assert_eq!(read.get(id(1)), Some(&Pin { verified: true, ..pin(1, "lab") }));
    assert!(read.get(id(2)).unwrap().name.len() <= limits::SERVER_NAME_BYTES_MAX);
    assert_eq!(read.fingerprints()[&id(2)], Fingerprint::from_bytes([2; 32]));

    assert_eq!(pins.remove(id(2)).unwrap().unwrap().fingerprint, Fingerprint::from_bytes([2; 32]));
    assert!(Pins::load(&path).unwrap().get(id(2)).is_none());
}

#[test]
fn another_key_never_replaces_a_pin() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pins.json");
    let mut pins = Pins::load(&path).unwrap();
    pins.insert(id(1), pin(1, "lab")).unwrap();
    assert!(matches!(pins.insert(id(1), pin(2, "lab")), Err(PinsError::Conflict { .. })));
    assert_eq!(Pins::load(&path).unwrap().get(id(1)), Some(&pin(1, "lab")));
    // The same key again is not a conflict: its name may change, the time when it was first met may not.
    pins.insert(id(1), Pin { first_seen: Timestamp(9), ..pin(1, "workshop") }).unwrap();
    assert_eq!(Pins::load(&path).unwrap().get(id(1)), Some(&pin(1, "workshop")));
}

#[test]
fn two_programs_with_one_file_keep_each_others_pins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pins.json");
    let (mut one, mut other) = (Pins::load(&path).unwrap(), Pins::load(&path).unwrap());
    one.insert(id(1), pin(1, "lab")).unwrap();
    other.insert(id(2), pin(2, "den")).unwrap();
    assert_eq!(Pins::load(&path).unwrap().iter().count(), 2);
    // What the other program has pinned in the meantime counts.
    assert!(matches!(one.insert(id(2), pin(3, "den")), Err(PinsError::Conflict { .. })));
}

#[test]
fn the_number_of_pins_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pins.json");
    let line = |n: usize| {
        let (id, key) = (format!("{n:032x}"), "00".repeat(32));
        format!(r#"{{"id":"{id}","fingerprint":"{key}","name":"lab","verified":false,"first_seen_ms":0}}"#)
    };
    let file = |count: usize| {
        let lines: Vec<String> = (0..count).map(line).collect();
        format!(r#"{{"version":1,"servers":[{}]}}"#, lines.join(","))
    };
    lanchat_certs::private_file::write(&path, file(limits::PINS_MAX).as_bytes()).unwrap();
    let mut pins = Pins::load(&path).unwrap();
    assert!(matches!(pins.insert(id(0xff), pin(1, "lab")), Err(PinsError::Full(_))));
    lanchat_certs::private_file::write(&path, file(limits::PINS_MAX + 1).as_bytes()).unwrap();
    assert!(matches!(Pins::load(&path), Err(PinsError::Damaged { .. })));
}

#[test]
fn a_damaged_pins_file_is_an_error_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pins.json");
    let mut pins = Pins::load(&path).unwrap();
    pins.insert(id(1), pin(1, "lab")).unwrap();
    let whole = fs::read_to_string(&path).unwrap();
    let server = &whole[whole.find('{').unwrap() + 1..];
    let damaged = [
        String::new(),
        "{}".into(),
        "not json".into(),
        whole[..whole.len() / 2].into(),
        whole.replace("\"version\": 1", "\"version\": 2"),
        whole.replace("\"verified\"", "\"trusted\""),
        whole.replace(&"01".repeat(32), &"01".repeat(31)),
        whole.replace(&"01".repeat(16), "x"),
        format!("{whole}{whole}"),
        format!("{{{server}").replacen("\"servers\"", "\"servers\": [], \"servers\"", 1),
    ];
    for text in damaged {
        assert_ne!(text, whole);
        fs::write(&path, &text).unwrap();
        assert!(matches!(Pins::load(&path), Err(PinsError::Damaged { .. })), "{text}");
        assert!(pins.insert(id(2), pin(2, "den")).is_err());
        assert!(pins.remove(id(1)).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn a_server_that_stands_in_the_file_twice_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pins.json");
    let mut pins = Pins::load(&path).unwrap();
    pins.insert(id(1), pin(1, "lab")).unwrap();
    pins.insert(id(2), pin(2, "den")).unwrap();
    let text = fs::read_to_string(&path).unwrap().replace(&id(2).to_string(), &id(1).to_string());
    fs::write(&path, text).unwrap();
    let error = Pins::load(&path).unwrap_err();
    assert!(error.to_string().contains("twice"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_pins_file_that_others_may_use_or_nobody_can_read_is_an_error() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pins.json");
    Pins::load(&path).unwrap().insert(id(1), pin(1, "lab")).unwrap();
    let before = fs::read(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = Pins::load(&path).unwrap_err();
    assert!(error.to_string().contains("chmod 600"), "{error}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // Root can read everything.
    if fs::File::open(&path).is_err() {
        assert!(Pins::load(&path).is_err());
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
    // A folder in its place does not count as an empty list either.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(Pins::load(&path).is_err());
}

#[test]
fn an_identity_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity");
    let made = Identity::load_or_create(&path).unwrap();
    let read = Identity::load_or_create(&path).unwrap();
    assert_eq!((made.server_id(), made.fingerprint()), (read.server_id(), read.fingerprint()));
    assert_eq!(files(&path), ["server.id", "server.key"]);
    assert_eq!(files(folder.path()), ["identity"]);
    let der = read.certificate(&["lab.local".into()], &[[10, 0, 0, 1].into()]).unwrap();
    assert_eq!(Fingerprint::of_certificate(&der), Ok(made.fingerprint()));

    let other = Identity::load_or_create(&folder.path().join("other")).unwrap();
    assert_ne!((made.server_id(), made.fingerprint()), (other.server_id(), other.fingerprint()));
}

#[test]
fn an_identity_that_is_not_whole_is_an_error_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity");
    Identity::load_or_create(&path).unwrap();
    for name in ["server.key", "server.id"] {
        let file = path.join(name);
        let whole = fs::read(&file).unwrap();
        for damaged in [&b""[..], &whole[..whole.len() / 2], b"\xff\xfe"] {
            fs::write(&file, damaged).unwrap();
            let error = Identity::load_or_create(&path).unwrap_err();
            assert!(matches!(&error, IdentityError::Damaged(at) if *at == file), "{error}");
            assert_eq!(fs::read(&file).unwrap(), damaged);
        }
        fs::remove_file(&file).unwrap();
        let error = Identity::load_or_create(&path).unwrap_err();
        assert!(matches!(&error, IdentityError::Missing(at) if *at == file), "{error}");
        lanchat_certs::private_file::write(&file, &whole).unwrap();
    }
    assert!(Identity::load_or_create(&path).is_ok());
}

#[cfg(unix)]
#[test]
fn an_exposed_or_linked_key_is_refused() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity");
    Identity::load_or_create(&path).unwrap();
    let key = path.join("server.key");
    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let error = Identity::load_or_create(&path).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    let elsewhere = folder.path().join("elsewhere.key");
    fs::rename(&key, &elsewhere).unwrap();
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o600)).unwrap();
    symlink(&elsewhere, &key).unwrap();
    assert!(Identity::load_or_create(&path).is_err());
}

#[test]
fn debug_shows_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity");
    let identity = Identity::load_or_create(&path).unwrap();
    let pem = fs::read_to_string(path.join("server.key")).unwrap();
    let shown = format!("{identity:?}");
    assert!(pem.lines().all(|line| !shown.contains(line)), "{shown}");
}

/// Set in the child process of the test below: the folder where it makes its files.
#[cfg(unix)]
const CHILD: &str = "LANCHAT_TEST_UMASK_CHILD";

#[cfg(unix)]
#[test]
fn files_are_private_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt;

    if let Some(folder) = std::env::var_os(CHILD).map(std::path::PathBuf::from) {
        Identity::load_or_create(&folder.join("identity")).unwrap();
        Pins::load(folder.join("pins.json")).unwrap().insert(id(1), pin(1, "lab")).unwrap();
        return;
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for umask in ["000", "022", "077"] {
        let folder = tempfile::tempdir().unwrap();
        // The umask belongs to the process, so this test runs again in a process of its own.
        let status = std::process::Command::new("sh")
            .args(["-c", "umask \"$0\" && exec \"$@\"", umask])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "files_are_private_whatever_the_umask"])
            .env(CHILD, folder.path())
            .status()
            .unwrap();
        assert!(status.success());
        assert_eq!(mode(&folder.path().join("identity/server.key")), 0o600);
        assert_eq!(mode(&folder.path().join("identity/server.id")), 0o600);
        assert_eq!(mode(&folder.path().join("pins.json")), 0o600);
        assert_eq!(mode(&folder.path().join("identity")), 0o700);
    }
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
