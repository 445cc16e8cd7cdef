//! The closed lists of the hub are matched exhaustively, so that the compiler finds each place that has to handle a new
//! kind of entry, event, answer or refusal, and never takes it for another one.

use crate::source::{File, expect_none, rust_files};

/// The lists. A pattern of one of them comes after its name.
const LISTS: [&str; 6] = ["Appended::", "Body::", "Event::", "Moved::", "Refusal::", "Reply::"];
/// The crates that read and keep what the lists name: the hub, its stores, its doors and what drives them.
const READERS: [&str; 5] =
    ["server/conformance/", "server/doors/", "server/hub/", "server/listener/", "server/store"];
/// Where `Self` is one of them.
const OWN_FILES: [&str; 3] =
    ["server/hub/src/command.rs", "server/hub/src/entry.rs", "server/hub/src/event.rs"];
/// Questions that a new kind of body would answer with `false`.
const QUESTIONS: [&str; 6] = ["matches!(", "if let ", "while let ", "let Body::", "== Body::", "!= Body::"];

fn is_reader(file: &File) -> bool {
    READERS.iter().any(|folder| file.path.starts_with(folder)) && file.path.contains("/src/")
}

/// Returns the position of the bracket that closes the one at `open`.
fn closed(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return open + at;
        }
    }
    code.len()
}

/// Returns the position of the first `wanted` outside brackets.
fn outside(code: &str, wanted: &str) -> Option<usize> {
    let mut at = 0;
    while at < code.len() {
        if code[at..].starts_with(wanted) {
            return Some(at);
        }
        let c = code[at..].chars().next()?;
        at = if matches!(c, '{' | '(' | '[') { closed(code, at) } else { at };
        at += code[at..].chars().next().map_or(1, char::len_utf8);
    }
    None
}

/// Returns the patterns of the arms of a `match`, given the text between its braces.
fn patterns(mut arms: &str) -> Vec<&str> {
    let mut found = Vec::new();
    while let Some(arrow) = outside(arms, "=>") {
        found.push(arms[..arrow].trim());
        let value = arms[arrow + 2..].trim_start();
        let block = if value.starts_with('{') { closed(value, 0) + 1 } else { 0 };
        let rest = value.get(block..).unwrap_or_default();
        let goes_on = rest.trim_start().starts_with(['.', '?']);
        arms = if block > 0 && !goes_on {
            rest.trim_start().trim_start_matches(',')
        } else {
            outside(rest, ",").map_or("", |comma| &rest[comma + 1..])
        };
    }
    found
}

/// Returns whether a pattern matches everything that is left: `_`, a name, or one of them inside `Ok` or `Some`.
fn takes_the_rest(pattern: &str) -> bool {
    let bare = pattern.split(" if ").next().unwrap_or_default().trim().trim_start_matches(['&', '|']).trim();
    let inner = ["Ok(", "Some("].iter().find_map(|wrapper| bare.strip_prefix(wrapper)?.strip_suffix(')'));
    let name = inner.unwrap_or(bare).trim();
    !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Returns the line of each `match` over one of `lists` that has an arm for the rest.
fn open_matches(code: &str, lists: &[&str]) -> Vec<usize> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("match ") {
        let is_word = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let Some(open) = outside(&code[at..], "{").map(|open| at + open).filter(|_| is_word) else {
            continue;
        };
        let patterns = patterns(&code[open + 1..closed(code, open)]);
        let is_over = |pattern: &&str| lists.iter().any(|list| pattern.contains(list));
        if patterns.iter().any(is_over) && patterns.iter().any(|pattern| takes_the_rest(pattern)) {
            found.push(code[..at].lines().count());
        }
    }
    found
}

#[test]
fn closed_lists_are_matched_whole() {
    let (mut broken, mut seen) = (Vec::new(), 0);
    for file in rust_files().into_iter().filter(is_reader) {
        let code = file.code();
        seen += LISTS.iter().map(|list| code.matches(list).count()).sum::<usize>();
        let mut lists = LISTS.to_vec();
        if OWN_FILES.contains(&file.path.as_str()) {
            lists.push("Self::");
        }
        broken.extend(open_matches(&code, &lists).iter().map(|line| format!("{}:{line}", file.path)));
    }
    assert!(seen > 50, "the lists have other names now: {seen}");
    expect_none("name each kind; a new one has to be found here:", &broken);
}

#[test]
fn nobody_asks_for_one_kind_of_body() {
    let mut broken = Vec::new();
    for file in rust_files().into_iter().filter(is_reader) {
        for (at, line) in file.code().lines().enumerate() {
            let asks = line.contains("Body::") && QUESTIONS.iter().any(|question| line.contains(question));
            if asks {
                broken.push(format!("{}:{}: {}", file.path, at + 1, line.trim()));
            }
        }
    }
    expect_none("match all kinds of body instead:", &broken);
}

#[test]
fn a_match_with_an_arm_for_the_rest_is_found() {
    let open = [
        "match entry.body { Body::Message { .. } => 1, _ => 2 }",
        "match event { Event::Room(state) => { state.room != *view } other => true, }",
        "match reply { Reply::Done => say(match x { 1 => 2, y => 3 }), Reply::Silent => {}.into(), rest if ok => {} }",
        "match f(|x| { x }) { Ok(Appended::Again(_)) => a, Ok(_) => b, Err(_) => c }",
        "match what { None => 0, Some(Refusal::Busy(_) | Refusal::Forbidden) => 1, Some(why) => 2 }",
    ];
    for code in open {
        assert_eq!(open_matches(code, &LISTS).len(), 1, "{code}");
    }
    let whole = [
        "match entry.body { Body::Message { .. } => 1, Body::Joined(_) | Body::Left(_) => 2 }",
        "match wait { 0 => Event::Room(state), _ => Event::Run { room, run } }",
        "match result { Ok(Appended::Again(entry)) => { entry } Err(error) => error, }",
        "rematch { Body::Joined(_) => 1, _ => 2 }",
    ];
    for code in whole {
        assert_eq!(open_matches(code, &LISTS), [0; 0], "{code}");
    }
}
