//! The licences of third-party code in the programs. Most of them must be passed on with every copy.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use anyhow::Context;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

/// The packages whose programs are shipped.
const SHIPPED: [&str; 2] = ["lanchat", "lanchat-server"];
/// How the names of licence files begin, in capitals.
const FILE_NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];

const HEAD: &str = "\
The programs of lanchat contain the work of others: the standard library of Rust (MIT or Apache-2.0,
https://www.rust-lang.org), SQLite (public domain, https://sqlite.org), and the packages below; static programs also
musl (MIT, https://musl.libc.org) and LLVM's libunwind (Apache-2.0 with LLVM exception, https://llvm.org). A package
that offers a choice of licences is used under the terms of any one of them.
";

/// Returns all third-party packages in the programs, built for the platform `target`, with their licences. The result
/// depends only on the lock file.
///
/// # Errors
/// When cargo does not know the dependencies, or a licence file cannot be read.
pub(crate) fn of(target: &str) -> anyhow::Result<String> {
    let options = ["--locked".to_owned(), "--filter-platform".to_owned(), target.to_owned()];
    let metadata =
        MetadataCommand::new().other_options(options).exec().context("cannot read the dependencies")?;
    let mut packages = linked(&metadata)?;
    packages.sort_by_key(|package| (package.name.to_string(), package.version.clone()));
    let mut text = format!("{HEAD}\n");
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages {
        let name = format!("{} {}", package.name, package.version);
        let terms = package.license.as_deref().unwrap_or("see its file");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}: {terms}");
        for licence in files(package)? {
            users.entry(licence).or_default().push(name.clone());
        }
    }
    let mut texts: Vec<_> = users.into_iter().collect();
    texts.sort_by(|(text, a), (other_text, b)| a.cmp(b).then_with(|| text.cmp(other_text)));
    for (licence, users) in texts {
        let _ = write!(text, "\n{}\n{}:\n\n{licence}\n", "-".repeat(80), users.join(", "));
    }
    Ok(text)
}

/// Returns the third-party packages that are linked into the programs.
fn linked(metadata: &Metadata) -> anyhow::Result<Vec<&Package>> {
    let resolve = metadata.resolve.as_ref().context("cargo resolved no dependencies")?;
    let shipped = |package: &&Package| SHIPPED.contains(&package.name.as_str());
    let mut waiting: Vec<&PackageId> =
        metadata.workspace_packages().into_iter().filter(shipped).map(|package| &package.id).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if !seen.insert(id) {
            continue;
        }
        let node =
            resolve.nodes.iter().find(|node| node.id == *id).context("a dependency is not resolved")?;
        let is_linked = |kinds: &[cargo_metadata::DepKindInfo]| {
            kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
        };
        waiting.extend(node.deps.iter().filter(|dep| is_linked(&dep.dep_kinds)).map(|dep| &dep.pkg));
    }
    Ok(metadata
        .packages
        .iter()
        .filter(|package| seen.contains(&package.id) && package.source.is_some())
        .collect())
}

/// Returns the licence texts in a package.
fn files(package: &Package) -> anyhow::Result<Vec<String>> {
    let folder = package.manifest_path.parent().context("a manifest lies in a folder")?;
    let mut paths = Vec::new();
    for entry in folder.read_dir_utf8().with_context(|| format!("cannot read {folder}"))? {
        let entry = entry?;
        let name = entry.file_name().to_uppercase();
        if FILE_NAMES.iter().any(|known| name.starts_with(known)) && entry.file_type()?.is_file() {
            paths.push(entry.into_path());
        }
    }
    paths.sort();
    let read = |path| -> anyhow::Result<String> {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {path}"))?;
        Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n").trim_end().to_owned())
    };
    paths.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_is_named_with_its_licence_and_what_is_not_is_not() {
        let text = of("x86_64-unknown-linux-gnu").unwrap();
        for part in ["rusqlite ", "ring ", "rustls ", "\nclap 4", "Permission is hereby granted"] {
            assert!(text.contains(part), "{part}");
        }
        for part in ["\nlanchat", "\nproptest ", "\ncc ", "\nclap_mangen ", "\nwindows-sys "] {
            assert!(!text.contains(part), "{part}");
        }
        assert_eq!(text, of("x86_64-unknown-linux-gnu").unwrap());
    }
}
