//! Latest-value state, read by cursor: how presence and typing reach sessions.
//!
//! A log keeps every entry; this keeps the last value per key. A reader that was away for a thousand changes of one key
//! sees one. So a slow reader costs nothing, and what it missed is what nobody needs any more.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use lanchat_model::limits;

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

    /// The first `limits::LATEST_PIECE_MAX` keys that changed after `version`, in the order of their last change, and the
    /// version to ask for next: that of the last of them, or [`Latest::version`] if there are no more.
    pub(crate) fn since(&self, version: u64) -> (impl Iterator<Item = (&K, &V)>, u64) {
        let most = limits::LATEST_PIECE_MAX;
        let mut behind = self.order.range(version + 1..).map(|(version, _)| *version).skip(most - 1);
        let next = match (behind.next(), behind.next()) {
            (Some(last), Some(_)) => last,
            _ => self.version,
        };
        let piece = self.order.range(version + 1..).take(most);
        (piece.filter_map(|(_, key)| Some((key, self.value(key)?))), next)
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
        assert_eq!(map.since(seen).0.collect::<Vec<_>>(), [(&"ana", &3), (&"bob", &4)]);
        assert_eq!(map.since(map.version()).0.count(), 0);
    }

    #[test]
    fn a_reader_sees_everything_in_pieces() {
        for keys in [1, limits::LATEST_PIECE_MAX, limits::LATEST_PIECE_MAX + 1, 3 * limits::LATEST_PIECE_MAX]
        {
            let mut map = Latest::new(keys);
            (0..keys).for_each(|key| map.put(key, ()));
            let (mut seen, mut version) = (Vec::new(), 0);
            while version < map.version() {
                let (piece, next) = map.since(version);
                let piece: Vec<_> = piece.map(|(key, ())| *key).collect();
                assert!(piece.len() <= limits::LATEST_PIECE_MAX && next > version);
                seen.extend(piece);
                version = next;
            }
            assert_eq!(seen, (0..keys).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_map_is_bounded() {
        let mut map = Latest::new(2);
        for (value, key) in ["a", "b", "a", "c"].into_iter().enumerate() {
            map.put(key, value);
        }
        assert_eq!(map.since(0).0.map(|(key, _)| *key).collect::<Vec<_>>(), ["a", "c"]);
    }
}
