//! The build script of both programs: for Windows it puts icon, version and manifest into the program, for other systems
//! it does nothing.

use std::env;
use std::path::PathBuf;
use std::process::exit;

use winresource::WindowsResource;

/// Text is UTF-8, paths may be longer than 260 characters, and no more rights are asked for than the user has.
const MANIFEST: &str = include_str!("manifest.xml");

fn main() {
    let package = env::var("CARGO_PKG_NAME").unwrap_or_default();
    let (program, description) = match package.as_str() {
        "lanchat-server" => ("lanchatd", "lanchat server"),
        _ => ("lanchat", "lanchat"),
    };
    let folder =
        env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default().join("../packaging/windows");
    let icon = folder.join("icon/lanchat.ico");
    println!("cargo::rerun-if-changed={}", folder.join("build.rs").display());
    println!("cargo::rerun-if-changed={}", icon.display());
    if env::var_os("CARGO_CFG_WINDOWS").is_none() {
        return;
    }
    let embedded = WindowsResource::new()
        .set_icon(&icon.display().to_string())
        .set_manifest(MANIFEST)
        .set("ProductName", "lanchat")
        .set("FileDescription", description)
        .set("OriginalFilename", &format!("{program}.exe"))
        .set("LegalCopyright", "MIT or Apache-2.0")
        .compile_for(program);
    if let Err(error) = embedded {
        println!(
            "cargo::error=icon and version of {program}.exe cannot be made ({error}): install binutils for MinGW, on \
             Debian binutils-mingw-w64-x86-64, which has x86_64-w64-mingw32-windres"
        );
        exit(1);
    }
}
