//! Documents and data that name files: what they name exists.

use std::collections::BTreeSet;
use std::fs;

use crate::source::{expect_none, files, root, rust_files};

/// Words with a slash that are not paths.
const NO_PATHS: [&str; 3] = ["lanchat/1", "http/1.1", "application/octet-stream"];
/// Folders whose files docs/files.md leaves out: they do not belong to the programs.
const UNLISTED: [&str; 5] = ["bench/", "fuzz/", "server/conformance/", "tests/", "xtask/"];

/// Returns text in backquotes that looks like a path of this repository, perhaps with `::test_name` after it.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|word| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_./-:".contains(c);
        let starts = word.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.');
        starts
            && word.contains('/')
            && word.chars().all(plain)
            && !word.contains("//")
            && !NO_PATHS.contains(word)
    })
}

/// Returns why a path that a document names is wrong, if it is.
fn wrong(path: &str) -> Option<&'static str> {
    let (file, test) = path.split_once("::").map_or((path, None), |(file, test)| (file, Some(test)));
    let file = root().join(file);
    match test {
        _ if !file.exists() => Some("does not exist"),
        Some(test) if !fs::read_to_string(&file).is_ok_and(|text| text.contains(&format!("fn {test}("))) => {
            Some("has no such function")
        }
        _ => None,
    }
}

#[test]
fn every_path_that_a_document_names_exists() {
    let documents =
        ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "docs/delivery.md", "docs/threat-model.md"];
    let mut broken = Vec::new();
    for document in documents {
        let text = fs::read_to_string(root().join(document)).unwrap_or_else(|e| panic!("{document}: {e}"));
        assert!(text.len() > 200, "{document} says nothing");
        broken.extend(
            paths(&text).filter_map(|path| wrong(path).map(|why| format!("{document}: {path} {why}"))),
        );
    }
    expect_none("correct the document, or the tree:", &broken);
}

/// Returns whether docs/files.md must name a file: it belongs to a program, and is neither a test nor a crate's or
/// folder's root.
fn must_be_listed(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or_default();
    let stem = name.trim_end_matches(".rs");
    let is_test =
        stem == "tests" || stem.ends_with("_tests") || folder.split('/').any(|part| part == "tests");
    path.contains("/src/")
        && !UNLISTED.iter().any(|outside| path.starts_with(outside))
        && !is_test
        && !["lib", "main", "mod"].contains(&stem)
}

#[test]
fn every_source_file_of_the_programs_is_in_the_list_of_files() {
    let text = fs::read_to_string(root().join("docs/files.md")).unwrap();
    let (mut folder, mut named, mut wrong) = ("", BTreeSet::new(), Vec::new());
    for line in text.lines() {
        folder = line.strip_prefix("## ").unwrap_or(folder);
        // A row begins with a path from the folder in the heading.
        let Some((path, _)) = line.strip_prefix("| `").and_then(|row| row.split_once("` |")) else {
            continue;
        };
        let path = format!("{folder}/{path}");
        wrong.extend((!root().join(&path).is_file()).then(|| format!("{path} does not exist")));
        wrong.extend(named.contains(&path).then(|| format!("{path} has two rows")));
        named.insert(path);
    }
    let sources = rust_files().into_iter().map(|file| file.path).filter(|path| must_be_listed(path));
    let sources: Vec<String> = sources.collect();
    assert!(sources.len() > 200, "the sources were not found");
    let missing = sources.into_iter().filter(|path| !named.contains(path));
    wrong.extend(missing.map(|path| format!("{path} has no row")));
    expect_none("correct docs/files.md:", &wrong);
}

#[test]
fn every_test_that_guards_an_invariant_exists() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let named = text.split("](").skip(1).filter_map(|rest| {
        let (path, rest) = rest.split_once(".rs) `")?;
        Some((format!("{path}.rs"), rest.split('`').next()?))
    });
    let named: Vec<_> = named.filter(|(path, _)| !path.contains(')')).collect();
    assert!(!named.is_empty(), "no invariant names its test");
    let gone = named.into_iter().filter_map(|(path, test)| {
        let source = fs::read_to_string(root().join(&path)).unwrap_or_default();
        (!source.contains(&format!("fn {test}("))).then(|| format!("{path} has no {test}"))
    });
    expect_none("invariants without their guard:", &gone.collect::<Vec<_>>());
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut broken = Vec::new();
    for file in files().into_iter().filter(|file| file.path.ends_with(".md")) {
        let folder = root().join(&file.path).parent().unwrap().to_owned();
        for target in file.text().split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !target.contains("://") && !folder.join(path).exists() {
                broken.push(format!("{}: {target}", file.path));
            }
        }
    }
    expect_none("links that lead nowhere:", &broken);
}

#[test]
fn the_migrations_on_disk_are_those_that_the_store_runs() {
    let runner = fs::read_to_string(root().join("server/store/src/migrate.rs")).unwrap();
    let listed: BTreeSet<String> = runner
        .split("migrations/")
        .skip(1)
        .filter_map(|rest| rest.split_once(".sql"))
        .map(|(name, _)| format!("{name}.sql"))
        .filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c)))
        .collect();
    let on_disk: BTreeSet<String> = fs::read_dir(root().join("migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".sql"))
        .collect();
    assert!(!on_disk.is_empty());
    assert_eq!(listed, on_disk);
}

#[test]
fn every_setting_is_documented_with_its_flag_its_variable_and_its_key() {
    let source = fs::read_to_string(root().join("server/src/config/key.rs")).unwrap();
    let manual = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let (mut seen, mut broken) = (0, Vec::new());
    for line in source.lines().filter(|line| line.contains("\"LANCHAT_")) {
        let names: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        let [key, variable, flag] = names[..] else { continue };
        let told = manual.lines().any(|row| {
            row.starts_with(&format!("| `{flag}"))
                && row.contains(&format!("| `{variable}` |"))
                && row.contains(&format!("| `{key}` |"))
        });
        seen += 1;
        broken.extend((!told).then(|| format!("{flag}, {variable}, {key}")));
    }
    assert!(seen >= 7, "the settings were not found");
    expect_none("tell them in docs/operations.md:", &broken);
}

#[test]
fn every_decision_has_a_number_of_its_own_and_says_its_state() {
    let mut numbers = BTreeSet::new();
    let mut broken = Vec::new();
    for file in files().into_iter().filter(|file| file.path.starts_with("docs/adr/0")) {
        let number = file.path.trim_start_matches("docs/adr/").chars().take(4).collect::<String>();
        let complete = ["## Context", "## Decision", "## Consequences", "State: "];
        if !numbers.insert(number) || !complete.iter().all(|part| file.text().contains(part)) {
            broken.push(file.path);
        }
    }
    assert!(!numbers.is_empty());
    expect_none("number each decision once, with context, decision, consequences and state:", &broken);
}
