//! Latest-value state, read by cursor. Presence and typing reach sessions this way.
//!
//! A log keeps every entry; this keeps the last value per key. A reader that was away for a thousand changes of one key
//! sees one. So a slow reader costs nothing, and misses only values that nobody needs any more.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use lanchat_model::limits;

/// A range of changes, by their versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The version that the reader has.
    pub(crate) after: u64,
    /// The version that it has afterwards, from which it asks next.
    pub(crate) next: u64,
    /// Whether nothing has changed after it.
    pub(crate) is_last: bool,
}

/// A map whose changes are numbered.
#[derive(Debug)]
pub(crate) struct Latest<K, V> {
    version: u64,
    values: HashMap<K, (u64, V)>,
    /// Keys by the version of their value, in which order a reader walks them.
    order: BTreeMap<u64, K>,
    capacity: usize,
}

impl<K: Clone + Eq + Hash, V> Latest<K, V> {
    /// Makes an empty map that holds at most `capacity` keys. When it is full, the key that changed longest ago goes.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { version: 0, values: HashMap::new(), order: BTreeMap::new(), capacity }
    }

    /// Returns the version of the last change. A reader that starts here sees later changes.
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

    /// Returns the value of `key`.
    pub(crate) fn value(&self, key: &K) -> Option<&V> {
        self.values.get(key).map(|(_, value)| value)
    }

    /// Returns the piece that begins after `version`. It ends at the last change, if there were not many. Otherwise it
    /// ends at a version that is the same for everybody, so that readers who began apart soon ask for the same pieces.
    pub(crate) fn piece(&self, version: u64) -> Piece {
        const MOST: u64 = limits::LATEST_PIECE_MAX as u64;
        let next = if self.version.saturating_sub(version) <= MOST {
            self.version
        } else {
            let first = self.order.range(version + 1..).next().map_or(self.version, |(first, _)| *first);
            first.next_multiple_of(MOST).min(self.version)
        };
        Piece { after: version, next, is_last: next == self.version }
    }

    /// Returns the content of a piece, in the order of the last change: at most `limits::LATEST_PIECE_MAX` keys.
    pub(crate) fn read(&self, piece: Piece) -> impl Iterator<Item = (&K, &V)> {
        let Piece { after, next, .. } = piece;
        self.order.range(after + 1..=next.max(after + 1)).filter_map(|(_, key)| Some((key, self.value(key)?)))
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
        assert_eq!(map.read(map.piece(seen)).collect::<Vec<_>>(), [(&"ana", &3), (&"bob", &4)]);
        assert_eq!(map.read(map.piece(map.version())).count(), 0);
    }

    #[test]
    fn a_reader_sees_everything_in_pieces() {
        for keys in [1, limits::LATEST_PIECE_MAX, limits::LATEST_PIECE_MAX + 1, 3 * limits::LATEST_PIECE_MAX]
        {
            let mut map = Latest::new(keys);
            (0..keys).for_each(|key| map.put(key, ()));
            let (mut seen, mut piece) = (Vec::new(), map.piece(0));
            loop {
                let read: Vec<_> = map.read(piece).map(|(key, ())| *key).collect();
                assert!((1..=limits::LATEST_PIECE_MAX).contains(&read.len()) && piece.next > piece.after);
                seen.extend(read);
                if piece.is_last {
                    break;
                }
                piece = map.piece(piece.next);
            }
            assert_eq!(seen, (0..keys).collect::<Vec<_>>());
            assert_eq!(piece.next, map.version());
        }
    }

    #[test]
    fn readers_who_began_apart_ask_for_the_same_from_the_second_piece_on() {
        let mut map = Latest::new(usize::MAX);
        (0..3 * limits::LATEST_PIECE_MAX).for_each(|key| map.put(key, ()));
        assert_eq!(map.piece(map.piece(3).next), map.piece(map.piece(77).next));
        assert_ne!(map.piece(3), map.piece(77));
    }

    #[test]
    fn the_map_is_bounded() {
        let mut map = Latest::new(2);
        for (value, key) in ["a", "b", "a", "c"].into_iter().enumerate() {
            map.put(key, value);
        }
        assert_eq!(map.read(map.piece(0)).map(|(key, _)| *key).collect::<Vec<_>>(), ["a", "c"]);
    }
}
