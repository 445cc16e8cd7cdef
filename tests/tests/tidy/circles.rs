//! No circle of imports between the modules of a crate. The compiler keeps the crates in layers. This test does the
//! same for the modules of each crate, so that one can be read without those above it.
//!
//! A module and the modules inside it are one unit: a parent and its children may use each other. Tests do not count.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{File, expect_none, rust_files};

/// Names that lead to an item from the root of its crate, such as `room`, `Room`.
type Path = Vec<String>;
/// The code of the modules of one crate.
type Modules = BTreeMap<Path, String>;
/// What siblings use of each other: for each user, who is used and by which path.
type Uses = BTreeMap<String, BTreeMap<String, String>>;

/// Returns where the item that begins at `from` ends: after its block, or after its semicolon.
fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code[from..].char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && (c == '}' || c == ';') {
            return from + at + 1;
        }
    }
    code.len()
}

/// Returns the code without the items that are built for tests alone, and the names of the modules among those.
fn without_tests(code: &str) -> (String, Vec<String>) {
    let (mut kept, mut modules, mut at) = (String::new(), Vec::new(), 0);
    let first = |code: &str| ["#[cfg(test)]", "#[cfg(all(test"].iter().filter_map(|cfg| code.find(cfg)).min();
    while let Some(found) = first(&code[at..]) {
        kept.push_str(&code[at..at + found]);
        let item = at + found + code[at + found..].find(']').unwrap_or_default() + 1;
        at = item_end(code, item);
        let mut words = code[item..at].split([' ', ';', '\n']).skip_while(|word| *word != "mod");
        modules.extend(words.nth(1).map(str::to_owned));
    }
    kept.push_str(&code[at..]);
    (kept, modules)
}

/// Returns the modules of every crate, without those of tests.
fn crates(files: &[File]) -> BTreeMap<&str, Modules> {
    let mut crates: BTreeMap<&str, Modules> = BTreeMap::new();
    for file in files {
        let Some((folder, rest)) = file.path.split_once("/src/") else { continue };
        let mut path: Path = rest.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        path.pop_if(|last| ["lib", "main", "mod"].contains(&last.as_str()));
        crates.entry(folder).or_default().insert(path, file.code());
    }
    for modules in crates.values_mut() {
        let mut tests: BTreeSet<Path> = BTreeSet::new();
        for (path, code) in modules.iter_mut() {
            let (kept, names) = without_tests(code);
            *code = kept;
            tests.extend(names.into_iter().map(|name| [path.clone(), vec![name]].concat()));
        }
        modules.retain(|path, _| !tests.iter().any(|test| path.starts_with(test)));
    }
    crates
}

/// Returns the paths of a use tree, such as `a::{b, c::D}`.
fn paths_of(tree: &str) -> Vec<Path> {
    let names = |text: &str| {
        text.split("::").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
    };
    let Some((head, inner)) = tree.split_once('{') else {
        return vec![names(tree.split(" as ").next().unwrap_or_default())];
    };
    let (mut depth, mut branches) = (0_usize, vec![String::new()]);
    for c in inner.trim_end().trim_end_matches('}').chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match branches.last_mut() {
            Some(branch) if c != ',' || depth > 0 => branch.push(c),
            _ => branches.push(String::new()),
        }
    }
    let head: Path = names(head);
    let branches = branches.iter().filter(|branch| !branch.trim().is_empty());
    branches.flat_map(|branch| paths_of(branch)).map(|path| [head.clone(), path].concat()).collect()
}

/// Returns the paths that a module imports, and those from `crate`, `super` or `self` that stand in its code.
fn paths_in(code: &str) -> Vec<Path> {
    let mut paths = Vec::new();
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    for (at, _) in code.match_indices("use ").filter(|(at, _)| !code[..*at].ends_with(is_name)) {
        let end = code[at..].find(';').map_or(code.len(), |end| at + end);
        paths.extend(paths_of(&code[at + 4..end]));
    }
    for start in ["crate::", "super::", "self::"] {
        let begins = |at: usize| !code[..at].ends_with(|c| is_name(c) || c == ':');
        for (at, _) in code.match_indices(start).filter(|(at, _)| begins(*at)) {
            let end = code[at..].find(|c| !is_name(c) && c != ':').map_or(code.len(), |end| at + end);
            paths.extend(paths_of(&code[at..end]));
        }
    }
    paths
}

/// Returns a path from the root of the crate. `None`: it leads out of the crate.
fn from_root(modules: &Modules, module: &Path, path: &[String]) -> Option<Path> {
    let (first, rest) = path.split_first()?;
    let parent = || module.split_last().map(|(_, parent)| parent.to_vec());
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([module.as_slice(), rest].concat()),
        "super" if rest.first().is_some_and(|next| next == "super") => from_root(modules, &parent()?, rest),
        "super" => Some([parent()?.as_slice(), rest].concat()),
        _ => {
            let child = [module.as_slice(), path].concat();
            modules.contains_key(&child[..=module.len()]).then_some(child)
        }
    }
}

/// Returns the module that an item is in: it may be named by where it is exported to.
fn home_of(modules: &Modules, exports: &BTreeMap<Path, Path>, item: Path) -> Path {
    let mut item = item;
    // An export refers to another one at most a few times.
    for _ in 0..5 {
        let module =
            (0..=item.len()).rev().map(|length| &item[..length]).find(|path| modules.contains_key(*path));
        let length = module.map_or(0, <[String]>::len);
        match item.get(..=length).and_then(|name| exports.get(name)) {
            Some(origin) if *origin != item => item = [origin.as_slice(), &item[length + 1..]].concat(),
            _ => return item[..length].to_vec(),
        }
    }
    item
}

/// Returns what siblings use of each other, by the module that declares them.
fn uses(modules: &Modules) -> BTreeMap<Path, Uses> {
    let imports = |(module, code): (&Path, &String)| {
        let paths = paths_in(code).into_iter().filter_map(|path| from_root(modules, module, &path));
        paths.map(|path| (module.clone(), path)).collect::<Vec<_>>()
    };
    let imports: Vec<(Path, Path)> = modules.iter().flat_map(imports).collect();
    let named = |(module, path): &(Path, Path)| Some([module.as_slice(), path.last_chunk::<1>()?].concat());
    let exports = imports.iter().filter_map(|import| Some((named(import)?, import.1.clone()))).collect();
    let mut levels: BTreeMap<Path, Uses> = BTreeMap::new();
    for (user, path) in imports {
        let used = home_of(modules, &exports, path.clone());
        let shared = user.iter().zip(&used).take_while(|(one, other)| one == other).count();
        if let (Some(sibling), Some(used)) = (user.get(shared), used.get(shared)) {
            let level = levels.entry(user[..shared].to_vec()).or_default();
            level.entry(sibling.clone()).or_default().insert(used.clone(), path.join("::"));
        }
    }
    levels
}

/// Returns the way from `from` back to itself, as what each uses of the next.
fn circle(uses: &Uses, from: &str) -> Option<String> {
    let mut ways = vec![(from, Vec::new())];
    let mut seen = BTreeSet::new();
    while let Some((at, way)) = ways.pop() {
        for (used, path) in uses.get(at).into_iter().flatten() {
            let way = [way.as_slice(), &[format!("{at} uses {path}")]].concat();
            if used == from {
                return Some(way.join(", "));
            }
            if seen.insert(used) {
                ways.push((used, way));
            }
        }
    }
    None
}

fn circles(folder: &str, modules: &Modules) -> Vec<String> {
    let mut found = Vec::new();
    for (_, uses) in uses(modules) {
        found.extend(
            uses.keys().filter_map(|module| circle(&uses, module)).map(|way| format!("{folder}: {way}")),
        );
    }
    found
}

#[test]
fn no_module_uses_one_that_uses_it() {
    let files = rust_files();
    let found: Vec<String> =
        crates(&files).iter().flat_map(|(folder, modules)| circles(folder, modules)).collect();
    expect_none("move what both need below both of them:", &found);
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    let file = |path: &str, text: &str| File { path: format!("a/src/{path}"), bytes: text.into() };
    let found =
        |files: &[File]| crates(files).into_values().flat_map(|modules| circles("a", &modules)).count();
    let lib = || file("lib.rs", "mod one;\nmod two;\npub use two::Two;");
    let one = |text: &str| file("one.rs", text);
    let two = |text: &str| file("two.rs", text);
    assert_eq!(found(&[lib(), one("use crate::two::Two;"), two("pub struct Two;")]), 0);
    for text in [
        "use crate::one::One;",
        "use crate::{one::One};",
        "use super::one::{self, One};",
        "fn f() { crate::one::f() }",
    ] {
        assert_eq!(found(&[lib(), one("use crate::Two;"), two(text)]), 2, "{text}");
    }
    let in_tests = "#[cfg(test)]\nmod tests {\n use crate::one::One;\n fn f() {}\n}";
    assert_eq!(found(&[lib(), one("use crate::two::Two;"), two(in_tests)]), 0, "tests do not count");
    let child = file("two/child.rs", "use super::Two;\nuse crate::one::One;");
    assert_eq!(
        found(&[lib(), one("use crate::two::Two;"), two("mod child;\nuse child::f;"), child]),
        2,
        "a child counts"
    );
}
