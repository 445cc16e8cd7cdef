//! What the sequencer must never do, for the tests that prove that it would be noticed. In test builds alone.

use std::collections::HashMap;
use std::sync::Arc;

use lanchat_model::{RoomId, Seq, Timestamp};
use tokio::sync::oneshot;

use crate::entry::{Body, Entry};
use crate::failpoint;
use crate::port::{Appended, Draft, Moved};
use crate::registry::Registry;
use crate::sequencer::Asker;

/// Acknowledges or shows messages that nobody has stored yet, if told so. Gives back who is still to be answered.
pub(crate) fn before_commit(registry: &Registry, drafts: &[Draft], askers: Vec<Asker>) -> Vec<Asker> {
    let (ack, fan_out) =
        (failpoint::on("hub::ack_before_commit"), failpoint::on("hub::fan_out_before_commit"));
    if !ack && !fan_out {
        return askers;
    }
    let mut heads = HashMap::new();
    let foretold = |(draft, asker): (&Draft, Asker)| {
        let Some(entry) = foretell(registry, &mut heads, draft) else { return asker };
        if let Some(room) = registry.room(draft.room).filter(|_| fan_out) {
            room.advance(&[Arc::clone(&entry)]);
        }
        if !ack || matches!(asker, Asker::Waiting(_)) {
            return asker;
        }
        asker.answer(draft.client_id, Ok(Appended::Fresh { entry, moved: Moved::Head }));
        // The author has an answer; the right one, later, reaches nobody.
        Asker::Waiting(oneshot::channel().0)
    };
    drafts.iter().zip(askers).map(foretold).collect()
}

/// The entry that a draft is going to be, unless something happens.
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
