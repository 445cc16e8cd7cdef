//! The two programs under test. They are built once per test process, so that they match the sources.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Returns the terminal client.
pub fn lanchat() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("lanchat", "lanchat", None))
}

/// Returns the server.
pub fn lanchatd() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("lanchat-server", "lanchatd", None))
}

/// Returns the server as a test build that fails where it is told to. It is in a folder of its own, so that it is never
/// mistaken for the other one.
pub fn faulty_lanchatd() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("lanchat-server", "lanchatd", Some("failpoints")))
}

/// Builds a program next to this test, in the same profile. Cargo's own lock lets one build run at a time; the others
/// then have nothing to do.
fn build(package: &str, program: &str, feature: Option<&str>) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let directory = test.parent().and_then(Path::parent).expect("tests live in TARGET/PROFILE/deps");
    let target = directory.parent().expect("a profile has a folder of its own");
    let target = feature.map_or_else(|| target.to_owned(), |feature| target.join(feature));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", package, "--bin", program]);
    command.args(feature.map(|feature| format!("--features={feature}")));
    command.arg("--target-dir").arg(&target).current_dir(env!("CARGO_MANIFEST_DIR"));
    let profile = if directory.ends_with("release") { "release" } else { "debug" };
    if profile == "release" {
        command.arg("--release");
    }
    // Cargo's variables for this package would make build scripts believe that something has changed.
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(|p| name.starts_with(p))
        {
            command.env_remove(&key);
        }
    }
    let status = command.status().expect("cargo can be run");
    assert!(status.success(), "{program} does not build");
    target.join(profile).join(format!("{program}{}", std::env::consts::EXE_SUFFIX))
}
