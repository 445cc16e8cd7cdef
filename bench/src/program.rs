//! The server's program, built from these sources in release.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The package and its program.
const PACKAGE: &str = "lanchat-server";
const PROGRAM: &str = "lanchatd";

/// What cargo tells a program about its own package. A nested build would mistake it for its own and start over.
const OWN_VARIABLES: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];

/// How a program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// As it is shipped.
    Release,
    /// As it is tested.
    Debug,
}

/// Builds `lanchatd` from these sources and returns its path.
///
/// # Errors
/// When it does not build.
pub fn build_server(profile: Profile) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.args(["build", "--package", PACKAGE, "--bin", PROGRAM, "--message-format=json"]);
    command.args((profile == Profile::Release).then_some("--release"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit());
    for (key, _) in std::env::vars_os() {
        if OWN_VARIABLES.iter().any(|own| key.to_string_lossy().starts_with(own)) {
            command.env_remove(&key);
        }
    }
    let output = command.output().context("cargo cannot be run: name a built server with --server PATH")?;
    ensure!(output.status.success(), "the server does not build: see above");
    for line in output.stdout.split(|byte| *byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<Value>(line) else { continue };
        if message.pointer("/target/name").and_then(Value::as_str) == Some(PROGRAM)
            && let Some(path) = message.get("executable").and_then(Value::as_str)
        {
            return Ok(PathBuf::from(path));
        }
    }
    bail!("cargo does not say where it put {PROGRAM}: name it with --server PATH")
}
