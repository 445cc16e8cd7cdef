//! Does what the sequencer must never do, for tests that prove that it would be noticed. Only in test builds.

use std::collections::HashMap;
use std::sync::Arc;

use lanchat_model::{RoomId, Seq, Timestamp};
use tokio::sync::oneshot;

use crate::completion::Completion;
use crate::entry::{Body, Entry};
use crate::failpoint;
use crate::port::{Appended, Draft, Moved};
use crate::registry::Registry;

/// Acknowledges or shows messages before they are stored, if told to. Returns the completions that are still to be
/// answered.
pub(crate) fn before_commit(
    registry: &Registry,
    drafts: &[Draft],
    completions: Vec<Completion>,
) -> Vec<Completion> {
    let (ack, fan_out) =
        (failpoint::on("hub::ack_before_commit"), failpoint::on("hub::fan_out_before_commit"));
    if !ack && !fan_out {
        return completions;
    }
    let mut heads = HashMap::new();
    let foretold = |(draft, completion): (&Draft, Completion)| {
        let Some(entry) = foretell(registry, &mut heads, draft) else { return completion };
        if let Some(room) = registry.room(draft.room).filter(|_| fan_out) {
            room.advance(&[Arc::clone(&entry)]);
        }
        if !ack || matches!(completion, Completion::Waiting(_)) {
            return completion;
        }
        completion.answer(draft.client_id, Ok(Appended::Fresh { entry, moved: Moved::Head }));
        // The author has an answer; the later, right one reaches nobody.
        Completion::Waiting(oneshot::channel().0)
    };
    drafts.iter().zip(completions).map(foretold).collect()
}

/// Returns the entry that a draft will become, if nothing intervenes.
fn foretell(registry: &Registry, heads: &mut HashMap<RoomId, Seq>, draft: &Draft) -> Option<Arc<Entry>> {
    match draft.body {
        Body::Message { .. } => {}
        Body::Joined(_) | Body::Left(_) => return None,
    }
    let room = registry.room(draft.room)?;
    let head = heads.entry(draft.room).or_insert_with(|| room.head());
    *head = head.next();
    Some(Arc::new(Entry {
        room: draft.room,
        seq: *head,
        client_id: draft.client_id,
        author: draft.author,
        author_name: draft.author_name.clone(),
        at: Timestamp(0),
        body: draft.body.clone(),
    }))
}
