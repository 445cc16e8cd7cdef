//! The import rules: which crate may depend on which, of ours and of others. A new dependency is a line here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use crate::source::{expect_none, root, rust_files};

/// A crate, the crates of ours that it may import, and those of others.
struct Rule(&'static str, &'static str, &'static str);

const RULES: [Rule; 15] = [
    Rule("lanchat-model", "", "serde thiserror unicode-normalization"),
    Rule("lanchat-protocol", "lanchat-model", "jiff serde serde_json thiserror"),
    Rule(
        "lanchat-mdns",
        "lanchat-model lanchat-protocol",
        "if-addrs simple-dns socket2 tokio tokio-util tracing",
    ),
    Rule(
        "lanchat-certs",
        "lanchat-model",
        "bip39 getrandom rcgen rustix rustls serde serde_json sha2 tempfile thiserror x509-parser",
    ),
    Rule(
        "lanchat-hub",
        "lanchat-model",
        "argon2 fail getrandom rustix sha2 slab thiserror thread-priority tokio tracing",
    ),
    Rule("lanchat-store", "lanchat-hub lanchat-model", "flume fs4 rusqlite thiserror tokio tracing"),
    Rule("lanchat-conformance", "lanchat-hub lanchat-model", "tokio"),
    Rule(
        "lanchat-listener",
        "lanchat-certs lanchat-hub lanchat-model",
        "bytes rustls socket2 thiserror tokio tokio-util tracing",
    ),
    Rule("lanchat-frames", "lanchat-hub lanchat-listener lanchat-model lanchat-protocol", ""),
    Rule(
        "lanchat-door-native",
        "lanchat-frames lanchat-hub lanchat-listener lanchat-model lanchat-protocol",
        "",
    ),
    Rule(
        "lanchat-server",
        "lanchat-certs lanchat-door-native lanchat-frames lanchat-hub lanchat-listener lanchat-mdns lanchat-model \
         lanchat-protocol lanchat-store",
        "anyhow clap etcetera hostname if-addrs rustix serde thiserror tokio tokio-util toml tracing \
         tracing-subscriber windows-service winresource",
    ),
    Rule(
        "lanchat-client",
        "lanchat-certs lanchat-mdns lanchat-model lanchat-protocol",
        "getrandom if-addrs serde serde_json socket2 thiserror tokio tokio-rustls tokio-util tracing \
         unicode-normalization unicode-security uuid",
    ),
    Rule(
        "lanchat",
        "lanchat-client lanchat-model lanchat-protocol lanchat-server",
        "anstyle-query clap etcetera hostname jiff rpassword rustix rustyline serde_json strsim terminal_size tokio tokio-util tracing \
         tracing-subscriber unicode-normalization unicode-script unicode-segmentation unicode-width winresource",
    ),
    Rule(
        "lanchat-xtask",
        "lanchat lanchat-server",
        "anyhow cargo_metadata clap clap_complete clap_mangen jiff",
    ),
    Rule(
        "lanchat-bench",
        "lanchat-certs lanchat-hub lanchat-model lanchat-store",
        "anyhow argon2 clap hdrhistogram indicatif jiff memchr mio nix rustix rustls serde_json sha2 socket2 tempfile \
         tokio",
    ),
];

/// Crates of ours that a crate's tests may import in addition: those that test what it must do, like others of its
/// kind.
const FOR_TESTS: &[(&str, &str)] =
    &[("lanchat-hub", "lanchat-conformance"), ("lanchat-store", "lanchat-conformance")];

/// Names that a folder must not even mention: the file system, the network and the wire, where the crate list cannot
/// tell.
const UNKNOWN_TO: &[(&str, &[&str])] = &[
    ("protocol/src/", &["std::fs", "std::net", "std::time::SystemTime", "std::thread"]),
    ("protocol/model/", &["std::fs", "std::net", "std::time::SystemTime", "std::thread"]),
    ("protocol/mdns/", &["std::fs", "std::thread"]),
    ("server/hub/src/", &["std::fs", "tokio::fs", "tokio::net", "std::net::Tcp", "std::net::Udp"]),
    ("server/doors/", &["std::fs", "tokio::fs", "tokio::net"]),
    ("client/core/", &["println!", "stdout()", "stdin()"]),
];

/// The only file of a folder that may name a crate or a trait of it.
const ONLY_IN: &[(&str, &str, &[&str])] = &[
    ("client/src/", "lanchat_server", &["client/src/host.rs"]),
    ("server/src/", "clap::", &["server/src/cli.rs", "server/src/main.rs"]),
    ("server/src/", "lanchat_mdns", &["server/src/advertise.rs"]),
    ("server/src/", "lanchat_door_native", &["server/src/doors.rs"]),
    ("server/src/", "lanchat_frames", &["server/src/doors.rs"]),
    ("server/src/", "lanchat_store", &["server/src/store.rs"]),
    // One place reports changes both to this server's sessions and to other servers.
    ("server/hub/src/", ".memberships_changed(", &["server/hub/src/announcer.rs"]),
    ("server/hub/src/", ".end_sessions(", &["server/hub/src/announcer.rs"]),
    ("server/hub/src/", ".wake_readers(", &["server/hub/src/announcer.rs"]),
    ("server/hub/src/", ".touch_all(", &["server/hub/src/announcer.rs", "server/hub/src/hub.rs"]),
    (
        "server/hub/src/",
        ".advance(",
        &["server/hub/src/announcer.rs", "server/hub/src/sabotage.rs", "server/hub/src/room/tests.rs"],
    ),
    ("client/src/", "clap::", &["client/src/cli.rs", "client/src/program.rs"]),
    ("client/core/src/", "lanchat_mdns", &["client/core/src/discover.rs"]),
    ("bench/src/", "clap::", &["bench/src/cli.rs", "bench/src/main.rs"]),
];

fn metadata() -> Metadata {
    let manifest = root().join("Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .other_options(["--offline".into()])
        .exec()
        .unwrap()
}

#[test]
fn every_crate_imports_only_what_its_place_allows() {
    let metadata = metadata();
    let rules = RULES.map(|Rule(name, own, others)| (name, format!("{own} {others}")));
    let rules = BTreeMap::from(rules);
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let mut broken = Vec::new();
    for package in metadata.packages.iter().filter(|package| package.name.as_str() != "lanchat-tests") {
        let Some(rule) = rules.get(package.name.as_str()) else {
            broken.push(format!("{} has no rule: add it to RULES", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let (name, is_ours) = (dependency.name.as_str(), ours.contains(dependency.name.as_str()));
            let allowed = rule.split(' ').any(|allowed| allowed == name);
            let is_for_tests = dependency.kind == DependencyKind::Development;
            let allowed = allowed || is_for_tests && FOR_TESTS.contains(&(package.name.as_str(), name));
            // Tests may use any crates of others; of ours, those that the crate itself may use, and those that they
            // test.
            if !allowed && (is_ours || !is_for_tests) {
                broken.push(format!("{} must not import {name}", package.name));
            }
        }
    }
    expect_none("import rules (see ARCHITECTURE.md):", &broken);
}

#[test]
fn places_name_only_what_they_may_know() {
    let mut broken = Vec::new();
    for file in rust_files() {
        let code = file.code();
        let unknown = UNKNOWN_TO.iter().filter(|(folder, _)| file.path.starts_with(folder));
        for word in unknown.flat_map(|(_, words)| words.iter()).filter(|word| code.contains(**word)) {
            if !file.path.contains("/tests/") {
                broken.push(format!("{} names {word}", file.path));
            }
        }
        let single =
            ONLY_IN.iter().filter(|(folder, word, _)| file.path.starts_with(folder) && code.contains(word));
        for (_, word, places) in single.filter(|(.., places)| !places.contains(&file.path.as_str())) {
            broken.push(format!("{} names {word}, which only {places:?} may", file.path));
        }
    }
    expect_none("knowledge in the wrong place:", &broken);
}

#[test]
fn no_build_goes_wrong_on_purpose_unless_it_is_asked_to() {
    let mut broken = Vec::new();
    for package in metadata().packages {
        let is_armed = |features: &[String]| features.iter().any(|feature| feature.contains("failpoints"));
        if package.features.get("default").is_some_and(|features| is_armed(features)) {
            broken.push(format!("{} has failpoints by default", package.name));
        }
        for dependency in &package.dependencies {
            let is_ours = dependency.name.starts_with("lanchat");
            if is_ours && is_armed(&dependency.features) || dependency.name == "fail" && !dependency.optional
            {
                broken.push(format!("{} brings failpoints along by {}", package.name, dependency.name));
            }
        }
    }
    expect_none("failpoints are for test builds, which ask for them:", &broken);
}

#[test]
fn every_crate_inherits_the_lints() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("unsafe_code = \"forbid\""), "the workspace must forbid unsafe code");
    let without = metadata().packages.into_iter().filter(|package| {
        !fs::read_to_string(&package.manifest_path).unwrap().contains("[lints]\nworkspace = true\n")
    });
    expect_none("add [lints] workspace = true to:", &without.map(|p| p.name.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_database_engine_is_linked_once_and_known_to_the_store_alone() {
    let users = RULES.iter().filter(|Rule(.., others)| others.contains("rusqlite"));
    assert_eq!(users.map(|Rule(name, ..)| *name).collect::<Vec<_>>(), ["lanchat-store"]);
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    assert_eq!(lock.matches("name = \"libsqlite3-sys\"").count(), 1);
}
