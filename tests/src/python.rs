//! Finds Python, for witnesses that do not share code with us.

use std::path::PathBuf;
use std::process::Command;

/// Returns a Python 3 interpreter, or `None`, with a line that says so, if there is none.
pub fn interpreter() -> Option<PathBuf> {
    let asked = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
    let path = asked.ok().filter(|output| output.status.success());
    let path = path.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    if path.is_none() {
        crate::skipped("python3 is not installed");
    }
    path
}
