//! What a user may have meant by an unknown name: the nearest of the existing names.

/// Returns the candidate that `typed` may be a typing error for: at most two letters differ, are missing, doubled or
/// swapped, and fewer than the word has. Returns `None` if there is none, or if `typed` is a candidate itself.
pub(crate) fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LETTERS_MAX: usize = 2;
    let typed = typed.to_lowercase();
    let length = typed.chars().count();
    let most = LETTERS_MAX.min(length.saturating_sub(1) / 2).max(1);
    let mut best = None;
    for candidate in candidates {
        // A candidate whose length differs by more than the allowed letters need not be compared: a list may be long.
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

/// Returns the shortest candidate that starts with `typed`, if there is one.
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
