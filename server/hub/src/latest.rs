//! Latest-value state, read by cursor: how presence and typing reach sessions.
//!
//! A log keeps every entry; this keeps the last value per key. A reader that was away for a thousand changes of one key
//! sees one. So a slow reader costs nothing, and what it missed is what nobody needs any more.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// A map whose changes are numbered.
#[derive(Debug)]
pub(crate) struct Latest<K, V> {
    version: u64,
    values: HashMap<K, (u64, V)>,
    /// Keys by the version of their value: what a reader walks.
    order: BTreeMap<u64, K>,
    capacity: usize,
}

impl<K: Clone + Eq + Hash, V> Latest<K, V> {
    /// An empty map that holds at most `capacity` keys. When full, the key that changed longest ago goes.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { version: 0, values: HashMap::new(), order: BTreeMap::new(), capacity }
    }

    /// The version of the last change. A reader that starts here sees what comes.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Replaces the value of `key`.
    pub(crate) fn put(&mut self, key: K, value: V) {
        self.version += 1;
        if let Some((before, _)) = self.values.insert(key.clone(), (self.version, value)) {
            self.order.remove(&before);
        }
        self.order.insert(self.version, key);
        if self.order.len() > self.capacity
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.values.remove(&oldest);
        }
    }

    /// The value of `key`.
    pub(crate) fn value(&self, key: &K) -> Option<&V> {
        self.values.get(key).map(|(_, value)| value)
    }

    /// Keys that changed after `version`, in the order of their last change.
    pub(crate) fn since(&self, version: u64) -> impl Iterator<Item = (&K, &V)> {
        self.order.range(version + 1..).filter_map(|(_, key)| Some((key, self.value(key)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_the_last_value_of_what_changed() {
        let mut map = Latest::new(8);
        map.put("ana", 1);
        let seen = map.version();
        map.put("bob", 2);
        map.put("ana", 3);
        map.put("bob", 4);
        assert_eq!(map.since(seen).collect::<Vec<_>>(), [(&"ana", &3), (&"bob", &4)]);
        assert_eq!(map.since(map.version()).count(), 0);
    }

    #[test]
    fn the_map_is_bounded() {
        let mut map = Latest::new(2);
        for (value, key) in ["a", "b", "a", "c"].into_iter().enumerate() {
            map.put(key, value);
        }
        assert_eq!(map.since(0).map(|(key, _)| *key).collect::<Vec<_>>(), ["a", "c"]);
    }
}
