//! What somebody may have meant by a name that nothing has: of the names that there are, the one that is nearest.

/// The candidate that a hand may have missed when it typed `typed`: at most two letters are other, missing, doubled or
/// swapped, and fewer than the word has. `None`: there is none, or `typed` is one itself.
pub(crate) fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LETTERS_MAX: usize = 2;
    let typed = typed.to_lowercase();
    let length = typed.chars().count();
    let most = LETTERS_MAX.min(length.saturating_sub(1) / 2).max(1);
    let mut best = None;
    for candidate in candidates {
        // What differs more in length than it may in letters need not be looked at: a list may be long.
        if candidate.chars().count().abs_diff(length) > most {
            continue;
        }
        let distance = strsim::damerau_levenshtein(&typed, candidate);
        if distance == 0 {
            return None;
        }
        if distance <= most && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.filter(|(distance, _)| *distance < length).map(|(_, candidate)| candidate)
}

/// The candidate that was begun: of those that start with `typed`, the shortest. `None`: there is none.
pub(crate) fn begun<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LETTERS_MIN: usize = 2;
    let typed = typed.to_lowercase();
    let is_begun = |candidate: &&str| candidate.len() > typed.len() && candidate.starts_with(&typed);
    let candidates = candidates.into_iter().filter(is_begun);
    candidates.min_by_key(|candidate| candidate.len()).filter(|_| typed.chars().count() >= LETTERS_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_understood() {
        let names = ["lobby", "garden", "gardeners", "dev"];
        assert_eq!(begun("gar", names), Some("garden"));
        for typed in ["g", "garden-x", "dev", ""] {
            assert_eq!(begun(typed, names), None, "{typed}");
        }
    }

    #[test]
    fn a_slip_of_the_hand_is_understood() {
        let names = ["lobby", "dev", "garden", "carol", "al"];
        for (typed, meant) in
            [("lobyy", "lobby"), ("Lobb", "lobby"), ("dve", "dev"), ("gardne", "garden"), ("carlo", "carol")]
        {
            assert_eq!(nearest(typed, names), Some(meant), "{typed}");
        }
        for typed in ["lobby", "kitchen", "x", "", "de vries", "ops"] {
            assert_eq!(nearest(typed, names), None, "{typed}");
        }
    }
}
