//! Sizes, names and words: what a reader of the source may rely on.

use crate::source::{File, expect_none, files, root, rust_files};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const MAIN_LINES_MAX: usize = 60;
const COMMENT_COLUMNS_MAX: usize = 130;

#[test]
fn every_source_file_says_what_it_is() {
    let silent = rust_files().into_iter().filter(|file| !file.text().starts_with("//! "));
    expect_none("begin these with a //! sentence:", &silent.map(|file| file.path).collect::<Vec<_>>());
}

#[test]
fn files_are_short_enough_to_read() {
    let long = rust_files().into_iter().filter_map(|file| {
        let limit = if file.path.ends_with("src/main.rs") { MAIN_LINES_MAX } else { FILE_LINES_MAX };
        let lines = file.text().lines().count();
        (lines > limit).then(|| format!("{}: {lines} lines, at most {limit}", file.path))
    });
    expect_none("split these:", &long.collect::<Vec<_>>());
}

/// Windows refuses to lock or to truncate a file that was opened for appending; wine does not.
#[test]
fn no_file_that_is_locked_or_cut_is_opened_to_append_to() {
    let both = rust_files().into_iter().filter(|file| {
        let text = file.text();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let has = |word: &str| code.contains(word);
        !file.path.starts_with("tests/") && has("append(true)") && (has("set_len(") || has("try_lock"))
    });
    expect_none("open these to write to:", &both.map(|file| file.path).collect::<Vec<_>>());
}

#[test]
fn comments_fit_a_screen() {
    let wide = rust_files().into_iter().flat_map(|file| {
        let lines = file.text().lines().enumerate();
        let comments = lines.filter(|(_, line)| line.trim_start().starts_with("//"));
        let wide = comments.filter(|(_, line)| line.chars().count() > COMMENT_COLUMNS_MAX);
        wide.map(|(at, _)| format!("{}:{}", file.path, at + 1)).collect::<Vec<_>>()
    });
    let wide: Vec<_> = wide.collect();
    expect_none(&format!("at most {COMMENT_COLUMNS_MAX} columns a comment:"), &wide);
}

/// Returns the name, first line and length of each function that has a body.
fn functions(code: &str) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let before = code[..at].chars().next_back();
        let rest = &code[at + 3..];
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let (Some(open), false) = (rest.find('{'), name.is_empty()) else { continue };
        // A declaration without a body ends before any brace; `[u8; 32]` in a signature does not.
        let declared = rest[..open].ends_with(";\n") || rest[..open].contains(";\n");
        if declared || before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let mut depth = 0_usize;
        let end = rest[open..].char_indices().find(|(_, c)| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let end = end.map_or(rest.len(), |(end, _)| open + end);
        found.push((name, code[..at].lines().count(), rest[..end].lines().count()));
    }
    found
}

#[test]
fn functions_fit_a_screen() {
    let long = rust_files().into_iter().flat_map(|file| {
        let long = functions(&file.code()).into_iter().filter(|(.., lines)| *lines > FUNCTION_LINES_MAX);
        long.map(move |(name, line, lines)| format!("{}:{line} {name}: {lines} lines", file.path))
            .collect::<Vec<_>>()
    });
    expect_none(&format!("at most {FUNCTION_LINES_MAX} lines a function:"), &long.collect::<Vec<_>>());
}

#[test]
fn the_function_counter_counts() {
    let code = "impl A {\n    fn one(x: [u8; 2]) -> u8 {\n        if x {\n        }\n    }\n    fn none(&self);\n    fn two() {}\n}\n";
    let found: Vec<_> = functions(code).into_iter().map(|(name, _, lines)| (name, lines)).collect();
    assert_eq!(found, [("one".to_owned(), 4), ("two".to_owned(), 1)]);
}

/// Returns where `words` occur in the code of files for which `applies` holds.
fn uses(words: &[&str], applies: impl Fn(&File) -> bool) -> Vec<String> {
    let files = rust_files().into_iter().filter(applies);
    files
        .flat_map(|file| {
            let code = file.code();
            let lines = code.lines().enumerate();
            let hits = lines.filter(|(_, line)| words.iter().any(|word| line.contains(word)));
            hits.map(|(at, line)| format!("{}:{}: {}", file.path, at + 1, line.trim())).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn every_queue_has_a_bound() {
    expect_none(
        "give these a bound from model::limits:",
        &uses(&["unbounded_channel", "unbounded("], |_| true),
    );
}

#[test]
fn names_say_something() {
    let vague = ["utils", "util", "common", "helpers", "misc", "manager"];
    let named = files().into_iter().map(|file| file.path).filter(|path| {
        path.split('/').any(|part| vague.contains(&part.split('.').next().unwrap_or_default()))
    });
    expect_none("name these after what they hold:", &named.collect::<Vec<_>>());
    expect_none("a getter has the name of what it gives:", &uses(&["fn get_"], |_| true));
}

/// Rooms from the server are parsed where they come in: only typed text is recognised by its first character.
#[test]
fn the_client_tells_a_private_chat_by_its_type() {
    let typed = ["client/src/command/room.rs", "client/src/repl/completion.rs"];
    let client = rust_files()
        .into_iter()
        .filter(|file| file.path.starts_with("client/") && !typed.contains(&file.path.as_str()));
    let found = client.filter(|file| file.text().contains("starts_with('@')"));
    let found: Vec<_> = found.map(|file| file.path).collect();
    expect_none("ask RoomRef whether it is private:", &found);
}

#[test]
fn lib_files_hold_docs_and_modules_only() {
    let words = ["fn ", "struct ", "enum ", "impl ", "trait ", "const ", "static "];
    let found = uses(&words, |file| file.path.ends_with("src/lib.rs"));
    expect_none("move these into a module:", &found);
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["HA", "CK"]].map(|halves| halves.concat());
    let found = files().into_iter().flat_map(|file| {
        let lines = file.text().lines().enumerate();
        let words = |line: &str| {
            let mut words = line.split(|c: char| !c.is_alphanumeric());
            words.any(|word| marks.iter().any(|mark| mark == word))
        };
        let hits = lines.filter(|(_, line)| words(line)).map(|(at, _)| format!("{}:{}", file.path, at + 1));
        hits.collect::<Vec<_>>()
    });
    expect_none("do it, or make an issue of it:", &found.collect::<Vec<_>>());
    expect_none("finish these:", &uses(&["todo!", "unimplemented!", "dbg!"], |_| true));
}

#[test]
fn handshake_signatures_are_always_verified() {
    let claimed = uses(&["HandshakeSignatureValid::assertion"], |_| true);
    expect_none("ask the provider to verify, a copied certificate passes otherwise:", &claimed);
    let verifier = root().join("certs/src/verifier.rs");
    let verifier = std::fs::read_to_string(verifier).unwrap();
    let code: String = verifier.split_whitespace().collect();
    let asked = code.matches("verify_tls13_signature(").count();
    assert!(asked >= 2, "certs/src/verifier.rs must hand TLS 1.3 signatures to rustls, found {asked}");
}

#[test]
fn no_key_or_certificate_is_in_the_repository() {
    let armour = "-----BEGIN ";
    let found = files().into_iter().filter(|file| {
        let text = String::from_utf8_lossy(&file.bytes);
        text.lines().any(|line| line.starts_with(armour))
    });
    expect_none("make keys in the test that needs them:", &found.map(|file| file.path).collect::<Vec<_>>());
}

#[test]
fn tests_wait_for_events_and_not_for_time() {
    let sleepy = uses(&["time::sleep(", "thread::sleep("], |file| file.path.starts_with("tests/tests/"));
    expect_none("wait for what must happen, with a deadline:", &sleepy);
}
