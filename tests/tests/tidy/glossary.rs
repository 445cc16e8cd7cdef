//! One word, one thing: a word of the glossary in ARCHITECTURE.md names one type of the programs, and what a crate says
//! in its `lib.rs` about where things are is true.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::source::{expect_none, root, rust_files};

/// Words that once named several things at a time, apart from those of the glossary.
const ALSO: [&str; 4] = ["Answer", "Command", "Place", "Spool"];
/// The two vocabularies: a frame on the wire, and what the hub makes of it.
const VOCABULARIES: [&str; 2] = ["protocol/src/", "server/hub/src/"];
/// Folders that do not belong to the programs.
const OUTSIDE: [&str; 5] = ["bench/", "fuzz/", "server/conformance/", "tests/", "xtask/"];

/// Returns the words of the glossary.
fn glossary() -> Vec<String> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let table = text.split("## Glossary").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let words = rows.filter(|row| *row != "word").flat_map(|row| row.split(", ")).map(str::to_owned);
    words.collect()
}

/// Returns the type name for a word: `wire form` is `WireForm`.
fn type_name(word: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    word.split([' ', '-']).map(capital).collect()
}

/// Returns the types that code defines. A trait's associated types do not count.
fn types(code: &str) -> impl Iterator<Item = &str> {
    code.lines().filter_map(|line| {
        let item = line.trim_start();
        let item = item
            .strip_prefix("pub(")
            .map_or(item, |rest| rest.split_once(") ").map_or(rest, |(_, item)| item));
        let item = item.strip_prefix("pub ").unwrap_or(item);
        let kinds = ["struct ", "enum ", "trait "];
        let name = kinds.iter().find_map(|kind| item.strip_prefix(kind));
        let name = name.or_else(|| item.strip_prefix("type ").filter(|_| !line.starts_with(' ')));
        name.map(|name| name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default())
    })
}

#[test]
fn the_glossary_has_each_word_once() {
    let words = glossary();
    assert!(words.len() > 30, "the glossary was not found");
    let unique: BTreeSet<&String> = words.iter().collect();
    assert_eq!(unique.len(), words.len(), "{words:?}");
}

#[test]
fn a_word_of_the_glossary_names_one_type() {
    let names: BTreeSet<String> =
        glossary().iter().map(|word| type_name(word)).chain(ALSO.map(str::to_owned)).collect();
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in rust_files() {
        let is_program =
            file.path.contains("/src/") && !OUTSIDE.iter().any(|folder| file.path.starts_with(folder));
        if !is_program || file.path.ends_with("tests.rs") {
            continue;
        }
        for name in types(&file.code()).filter(|name| names.contains(*name)) {
            places.entry(name.to_owned()).or_default().push(file.path.clone());
        }
    }
    let is_of_both = |paths: &[String]| {
        paths.len() == 2
            && VOCABULARIES.iter().all(|folder| paths.iter().any(|path| path.starts_with(folder)))
    };
    let several = places.into_iter().filter(|(_, paths)| paths.len() > 1 && !is_of_both(paths));
    let findings: Vec<String> =
        several.map(|(name, paths)| format!("{name}: {}", paths.join(", "))).collect();
    expect_none("give all but one of them a name of its own:", &findings);
}

#[test]
fn a_crate_root_only_says_where_things_are() {
    let mut findings = Vec::new();
    for file in rust_files().iter().filter(|file| file.path.ends_with("/src/lib.rs")) {
        if OUTSIDE.iter().any(|folder| file.path.starts_with(folder)) {
            continue;
        }
        let code = file.code();
        let items =
            code.split_inclusive([';', '}']).map(str::trim).filter(|item| !item.is_empty() && *item != ";");
        // A list of names in braces ends with a semicolon of its own.
        for item in items.filter(|item| !item.starts_with("pub use ")) {
            let item = item.rsplit(']').next().unwrap_or(item).trim();
            if !item.is_empty() && !item.starts_with("mod ") && !item.starts_with("pub mod ") {
                findings.push(format!("{}: {item}", file.path));
            }
        }
    }
    expect_none("move it to a file that says in its name what it holds:", &findings);
}
