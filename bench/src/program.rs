//! The server's program, built from these sources in release.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The package and its program.
const PACKAGE: &str = "lanchat-server";
const PROGRAM: &str = "lanchatd";

/// Builds `lanchatd` as it is shipped and tells where it is.
///
/// # Errors
/// When it does not build.
pub fn build_server() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(cargo)
        .args(["build", "--release", "--package", PACKAGE, "--bin", PROGRAM, "--message-format=json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be run: name a built server with --server PATH")?;
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
