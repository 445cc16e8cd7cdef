//! The sequencer, the only writer of the logs. It takes the drafts that wait, has them committed, and only then shows
//! them to anyone.

use std::collections::HashMap;
use std::sync::Arc;

use lanchat_model::{AccountId, RoomId, RoomRef, Seq, limits};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, yield_now};

use crate::announcer::Announcer;
use crate::backlog::{Backlog, Queued};
use crate::bus::Hint;
use crate::completion::Completion;
use crate::disk_space::DiskSpace;
use crate::entry::Entry;
use crate::error::Error;
use crate::failpoint;
use crate::mailbox::{Mailbox, Round};
use crate::port::{Appended, Draft, Moved, Store};
use crate::queue::Queue;
use crate::refusal::Refusal;
use crate::source::Source;

/// A draft on its way into a log, and who is told its outcome.
#[derive(Debug)]
struct Admission {
    draft: Draft,
    source: Source,
    completion: Completion,
}

/// The handle of the sequencer. When its inbox of `limits::SEQUENCER_INBOX_MAX` drafts is full, callers wait. A post
/// waits first for its slot in the queue.
#[derive(Clone, Debug)]
pub(crate) struct Sequencer(Arc<WayIn>);

#[derive(Debug)]
struct WayIn {
    inbox: mpsc::Sender<Admission>,
    queue: Queue,
}

impl Sequencer {
    /// Starts the sequencer. When the last handle is dropped, it commits everything that was admitted, and ends.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        announcer: Announcer,
        disk_space: Arc<DiskSpace>,
    ) -> (Self, JoinHandle<()>) {
        let (inbox, admissions) = mpsc::channel(limits::SEQUENCER_INBOX_MAX);
        (
            Self(Arc::new(WayIn { inbox, queue: Queue::new() })),
            tokio::spawn(run(store, announcer, disk_space, admissions)),
        )
    }

    /// Admits a post. Resolves when the post has its slot in the queue; its outcome is left in the mailbox.
    pub(crate) async fn post(
        &self,
        draft: Draft,
        source: &Source,
        mailbox: Arc<Mailbox>,
        room: RoomRef,
        round: Round,
    ) -> Result<(), Error> {
        let slot = self.0.queue.slot(&mailbox.of_account, draft.body.weight()).await?;
        // The session may have been logged out during a long wait.
        if mailbox.is_over() {
            return Err(Refusal::BadToken.into());
        }
        let source = source.clone();
        let completion = Completion::Author { mailbox, room, round, slot };
        self.admit(Admission { draft, source, completion }).await
    }

    /// Has a membership entry committed, in order with the posts.
    pub(crate) async fn append(&self, draft: Draft, source: &Source) -> Result<Appended, Error> {
        let (answer, answered) = oneshot::channel();
        let source = source.clone();
        self.admit(Admission { draft, source, completion: Completion::Waiting(answer) }).await?;
        answered.await.map_err(|gone| Error::fault(&gone))?
    }

    async fn admit(&self, admission: Admission) -> Result<(), Error> {
        self.0.inbox.send(admission).await.map_err(|_| Error::fault(&"the sequencer has stopped"))
    }
}

/// Commits batches until nothing more can come. The fsync that is under way is the batching window: what arrives
/// meanwhile is the next batch.
async fn run(
    store: Arc<dyn Store>,
    announcer: Announcer,
    disk_space: Arc<DiskSpace>,
    mut admissions: mpsc::Receiver<Admission>,
) {
    let mut backlog = Backlog::default();
    while take_in(&mut admissions, &mut backlog).await {
        let batch = without_failed(backlog.next_batch());
        if batch.is_empty() {
            continue;
        }
        let (drafts, completions): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|a| (a.draft, a.completion)).unzip();
        let ids: Vec<_> = drafts.iter().map(|draft| draft.client_id).collect();
        #[cfg(feature = "failpoints")]
        let completions = crate::sabotage::before_commit(&announcer.registry, &drafts, completions);
        let appended = store.append(drafts).await;
        disk_space.note(&appended);
        match appended {
            Ok(results) => {
                failpoint::crash("hub::before_fan_out");
                let woken = publish(&announcer, &results);
                for ((result, completion), client_id) in results.into_iter().zip(completions).zip(ids) {
                    failpoint::crash("hub::before_ack");
                    completion.answer(client_id, Ok(result));
                }
                // A session is woken once, however many of its rooms have new entries.
                let_go_first(woken.min(announcer.registry.count())).await;
            }
            Err(error) => {
                // The whole batch gets one fault number: there is one cause, and one line in the log.
                let error = Error::from(error);
                for (completion, client_id) in completions.into_iter().zip(ids) {
                    completion.answer(client_id, Err(error.clone()));
                }
            }
        }
    }
}

/// Takes everything that waits, so that the latest draft can be in the next batch; waits for the first draft if there
/// is none. Returns `false` if nothing is left and nothing more can come.
async fn take_in(admissions: &mut mpsc::Receiver<Admission>, backlog: &mut Backlog<Admission>) -> bool {
    if backlog.len() == 0 {
        return admissions.recv_many(backlog.end(), limits::SEQUENCER_INBOX_MAX).await > 0;
    }
    while backlog.len() < limits::SEQUENCER_INBOX_MAX
        && let Ok(next) = admissions.try_recv()
    {
        backlog.end().push(next);
    }
    true
}

/// Answers the posts after a failed one, which are not stored; returns all others.
fn without_failed(mut batch: Vec<Admission>) -> Vec<Admission> {
    // There are hardly ever any.
    for Admission { draft, completion, .. } in
        batch.extract_if(.., |admission| admission.completion.failure().is_some())
    {
        if let Some(error) = completion.failure() {
            completion.answer(draft.client_id, Err(error));
        }
    }
    batch
}

impl Queued for Admission {
    fn author(&self) -> AccountId {
        self.draft.author
    }

    fn source(&self) -> Source {
        self.source.clone()
    }

    fn weight(&self) -> usize {
        self.draft.body.weight()
    }
}

/// Lets the woken readers run first. Drafts that arrive meanwhile are in one next batch, instead of in many small ones,
/// each of which would wake everybody again. The wait is bounded, so a reader with a slow peer does not hold it up.
async fn let_go_first(woken: usize) {
    for _ in 0..=woken / limits::READERS_PER_TURN {
        yield_now().await;
    }
}

/// Shows committed entries to the sessions, and wakes each room's readers once, however many of the entries are theirs.
/// A new member can read them; a former member cannot. Returns how many readers were woken.
///
/// The store has said what moved, so the entries' bodies do not matter.
fn publish(announcer: &Announcer, batch: &[Appended]) -> usize {
    // Both are bounded by the batch.
    let mut rooms: HashMap<RoomId, Vec<Arc<Entry>>> = HashMap::new();
    let mut changed: Vec<(RoomId, Seq)> = Vec::new();
    for result in batch {
        let (entry, moved) = match result {
            Appended::Fresh { entry, moved } => (entry, *moved),
            Appended::Again(_) | Appended::Unchanged | Appended::Refused(_) => continue,
        };
        match moved {
            Moved::Head => {}
            Moved::Entered(account) => announcer.announce(&Hint::Memberships { account }),
            Moved::Left(account) => announcer.left(entry.room, account),
            Moved::Changed(target) => changed.push((entry.room, target)),
        }
        rooms.entry(entry.room).or_default().push(Arc::clone(entry));
    }
    let woken = rooms.iter().map(|(room, entries)| announcer.grew(*room, entries)).sum();
    // After the advance, because a target may be in the same batch, and before any ack.
    changed.into_iter().for_each(|(room, target)| announcer.changed(room, target));
    woken
}

#[cfg(test)]
mod tests {
    use lanchat_model::{AccountName, ClientId, DeviceId, Timestamp};

    use super::*;
    use crate::bus::LocalBus;
    use crate::entry::{Body, Subject};
    use crate::mailbox::Waiting;
    use crate::registry::Registry;

    fn publish_in(registry: &Arc<Registry>, batch: &[Appended]) -> usize {
        publish(&Announcer::new(Arc::clone(registry), Arc::new(LocalBus)), batch)
    }

    /// Makes an entry by the first account about the second.
    fn entry() -> Arc<Entry> {
        let names = ["ana", "bob"].map(|name| name.parse::<AccountName>().unwrap());
        let [author_name, name] = names;
        Arc::new(Entry {
            room: RoomId(1),
            seq: Seq::ZERO.next(),
            client_id: ClientId::from_bytes([0; 16]),
            author: AccountId(1),
            author_name,
            at: Timestamp(0),
            body: Body::Left(Subject { account: AccountId(2), name }),
        })
    }

    #[test]
    fn who_is_taken_out_by_somebody_else_is_told_and_reads_no_more() {
        let registry = Arc::new(Registry::default());
        let readers = [1, 2].map(|account| {
            let slot = registry.reserve(10).unwrap();
            let (session, mailbox) = registry.enter(AccountId(account), DeviceId(account), 1, slot).unwrap();
            let (room, key) = registry.attach(session, AccountId(account), &mailbox, RoomId(1), Seq::ZERO);
            (session, mailbox, room, key)
        });
        publish_in(&registry, &[Appended::Fresh { entry: entry(), moved: Moved::Left(AccountId(2)) }]);
        let told = readers.each_ref().map(|(session, mailbox, room, key)| {
            let mut waiting = Waiting::default();
            mailbox.swap(&mut waiting);
            (waiting.memberships_changed, waiting.dirty.len(), room.is_read_by(*session, *key))
        });
        assert_eq!(told, [(false, 1, true), (true, 0, false)], "the author goes on reading");
    }

    #[test]
    fn what_did_not_happen_wakes_nobody() {
        let registry = Arc::new(Registry::default());
        let slot = registry.reserve(10).unwrap();
        let (session, mailbox) = registry.enter(AccountId(2), DeviceId(2), 1, slot).unwrap();
        registry.attach(session, AccountId(2), &mailbox, RoomId(1), Seq::ZERO);
        let refused = Appended::Refused(Refusal::Forbidden);
        assert_eq!(publish_in(&registry, &[refused, Appended::Unchanged, Appended::Again(entry())]), 0);
    }
}
