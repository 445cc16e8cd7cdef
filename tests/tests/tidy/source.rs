//! The files of the repository, and Rust source with its comments and literals blanked.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders without handwritten files.
const SKIPPED: [&str; 5] = [".git", "target", "corpus", "seeds", "artifacts"];

/// A file, by its path from the root of the repository.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
}

impl File {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Returns the source with comments, strings and characters blanked; lines stay lines.
    pub(crate) fn code(&self) -> String {
        blank(self.text())
    }
}

/// Returns the root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Returns every file of the repository, without build products.
pub(crate) fn files() -> Vec<File> {
    let root = root();
    let (mut folders, mut found) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                // A file may vanish meanwhile: an editor's, or a test's.
                if let Ok(bytes) = fs::read(&path) {
                    found.push(File { path: name, bytes });
                }
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Returns the Rust files of the repository.
pub(crate) fn rust_files() -> Vec<File> {
    let found: Vec<File> = files().into_iter().filter(File::is_rust).collect();
    assert!(found.len() > 30, "the sources were not found");
    found
}

/// Fails with one line per finding.
pub(crate) fn expect_none(what: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{what}\n  {}\n", findings.join("\n  "));
}

/// Returns how many bytes the literal or comment at the start of `rest` has; 0 if there is none.
fn literal(rest: &str) -> usize {
    let line = || rest.find('\n').unwrap_or(rest.len());
    if rest.starts_with("//") {
        return line();
    }
    if rest.starts_with("/*") {
        return rest.find("*/").map_or(rest.len(), |end| end + 2);
    }
    if let Some(raw) = rest.strip_prefix('r').or_else(|| rest.strip_prefix("br"))
        && let hashes = raw.len() - raw.trim_start_matches('#').len()
        && raw[hashes..].starts_with('"')
    {
        let (opened, close) = (rest.len() - raw.len() + hashes + 1, format!("\"{}", "#".repeat(hashes)));
        return rest[opened..].find(&close).map_or(rest.len(), |end| opened + end + close.len());
    }
    match rest.as_bytes() {
        [b'"', ..] => quoted(rest, '"'),
        [b'\'', b'\\', ..] => quoted(rest, '\''),
        // This is a character, not a lifetime: a quote comes after exactly one character.
        [b'\'', ..] => {
            let end = rest.char_indices().nth(2);
            end.filter(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1)
        }
        _ => 0,
    }
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn blank(source: &str) -> String {
    let (mut code, mut at) = (String::with_capacity(source.len()), 0);
    let mut in_word = false;
    while let Some(c) = source[at..].chars().next() {
        // The r of a word does not start a raw string.
        let length = if in_word && (c == 'r' || c == 'b') { 0 } else { literal(&source[at..]) };
        if length == 0 {
            code.push(c);
            at += c.len_utf8();
            in_word = c.is_alphanumeric() || c == '_';
        } else {
            code.extend(source[at..at + length].chars().map(|c| if c == '\n' { c } else { ' ' }));
            at += length;
            in_word = false;
        }
    }
    code
}

#[test]
fn what_is_said_is_not_code() {
    let code = blank("let a = 'x'; let b: &'a str = \"fn {\"; // fn {\nr#\"}\"# '\\'' b\"}\" for_r\"{\"");
    assert!(!code.contains('}') && !code.contains("fn"), "{code}");
    assert!(code.contains("let b: &'a str =") && code.contains("for_r"), "{code}");
    assert_eq!(code.lines().count(), 2);
}
