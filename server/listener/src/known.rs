//! Sources that somebody has logged in from: for them places are kept in front of the login.

use std::collections::{BTreeMap, HashMap};

use lanchat_hub::Source;
use lanchat_model::limits;

/// The last `limits::KNOWN_SOURCES_MAX` of them; the one that was not used for the longest time is forgotten first.
#[derive(Debug, Default)]
pub(crate) struct KnownSources {
    next: u64,
    by_use: BTreeMap<u64, Source>,
    used: HashMap<Source, u64>,
}

impl KnownSources {
    /// Somebody has just logged in from there.
    pub(crate) fn note(&mut self, source: &Source) {
        self.next += 1;
        if let Some(before) = self.used.insert(source.clone(), self.next) {
            self.by_use.remove(&before);
        }
        self.by_use.insert(self.next, source.clone());
        if self.used.len() > limits::KNOWN_SOURCES_MAX
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.used.remove(&oldest);
        }
    }

    pub(crate) fn contains(&self, source: &Source) -> bool {
        self.used.contains_key(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sources_that_were_used_last_are_known() {
        let mut known = KnownSources::default();
        let source = |number: usize| Source(number.to_string());
        (0..limits::KNOWN_SOURCES_MAX).for_each(|number| known.note(&source(number)));
        known.note(&source(0));
        known.note(&source(limits::KNOWN_SOURCES_MAX));
        assert!(known.contains(&source(0)) && known.contains(&source(limits::KNOWN_SOURCES_MAX)));
        assert!(!known.contains(&source(1)));
        assert_eq!(
            (known.used.len(), known.by_use.len()),
            (limits::KNOWN_SOURCES_MAX, limits::KNOWN_SOURCES_MAX)
        );
    }
}
