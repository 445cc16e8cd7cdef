//! The log of a room as the server has it at the end: read backwards by `history`, a path that delivery does not share.

use serde_json::json;

use super::client::entry_of;
use super::record::Entry;
use crate::TestPeer;

/// Returns all entries of a room that `peer` is in, oldest first.
///
/// # Panics
/// When the server refuses, or a page does not move.
pub(super) fn dump(peer: &mut TestPeer, room: &str) -> Vec<Entry> {
    let mut newest_first = Vec::new();
    let mut request = json!({"type": "history", "room": room, "limit": 200});
    loop {
        let page = peer.request(request.clone());
        assert_eq!(page["type"], "history", "{page}");
        let entries = page["entries"].as_array().expect("a page has entries");
        newest_first.extend(entries.iter().rev().filter_map(entry_of));
        if page["more"] != true {
            newest_first.reverse();
            return newest_first;
        }
        let oldest = entries.first().map(|entry| entry["seq"].clone());
        assert_ne!(oldest.as_ref(), request.get("before"), "a page that does not move");
        request["before"] = oldest.expect("a page with older ones is not empty");
    }
}
