//! The promise of `docs/PROTOCOL.md` about refusals: which codes can answer which request. Every refusal in a test is
//! checked against it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

const PAGE: &str = include_str!("../../docs/PROTOCOL.md");

/// Codes by the type of the request; under "" those that can answer any request.
static CODES: LazyLock<BTreeMap<&str, BTreeSet<&str>>> = LazyLock::new(|| {
    let mut codes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for section in PAGE.split("\n### `").skip(1) {
        let section = section.split("\n## ").next().unwrap_or_default();
        let Some((kind, text)) = section.split_once("` (client)\n") else { continue };
        let lists = text.split("Errors:").skip(1).flat_map(|list| quoted(paragraph(list)));
        codes.entry(kind).or_default().extend(lists);
    }
    let (_, any) = PAGE.split_once("Besides the errors that each request names above").expect("§9 says it");
    codes.insert("", quoted(paragraph(any)).collect());
    codes
});

fn paragraph(text: &str) -> &str {
    text.split("\n\n").next().unwrap_or_default()
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns whether the page says that a request of this type can be answered by this code.
pub(crate) fn can_be_answered(kind: &str, code: &str) -> bool {
    [kind, ""].iter().any(|list| CODES.get(list).is_some_and(|codes| codes.contains(code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_found_in_the_page() {
        // Nineteen requests, and the codes that can answer any of them.
        assert_eq!(CODES.len(), 20, "{:?}", CODES.keys());
        assert!(can_be_answered("passwd", "slow_down") && can_be_answered("ping", "bad_id"));
        assert!(!can_be_answered("mark", "slow_down") && !can_be_answered("unheard-of", "no_such_room"));
    }
}
