//! The only writer of the logs: takes what waits, has it committed, and only then shows it to anyone.

use std::collections::HashMap;
use std::sync::Arc;

use lanchat_model::{AccountId, ClientId, RoomId, RoomRef, Seq, limits};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, yield_now};

use crate::announcer::Announcer;
use crate::backlog::{Backlog, Queued};
use crate::bus::Hint;
use crate::entry::Entry;
use crate::error::{Error, Refusal};
use crate::failpoint;
use crate::mailbox::{Mailbox, Outcome, Round};
use crate::port::{Appended, Draft, Moved, Store};
use crate::queue::{Queue, QueuePlace};
use crate::source::Source;
use crate::writing::Writing;

/// A draft on its way into a log, and who wants to know what became of it.
#[derive(Debug)]
struct Admission {
    draft: Draft,
    source: Source,
    asker: Asker,
}

#[derive(Debug)]
pub(crate) enum Asker {
    /// A session that posted and goes on.
    Author { mailbox: Arc<Mailbox>, room: RoomRef, round: Round, place: QueuePlace },
    /// A session that waits for its membership to change.
    Waiting(oneshot::Sender<Result<Appended, Error>>),
}

/// The way into the sequencer. When its inbox of `limits::SEQUENCER_INBOX_MAX` drafts is full, callers wait; posts already
/// when there is no place for them in the queue.
#[derive(Clone, Debug)]
pub(crate) struct Sequencer(Arc<WayIn>);

#[derive(Debug)]
struct WayIn {
    inbox: mpsc::Sender<Admission>,
    queue: Queue,
}

impl Sequencer {
    /// Starts the sequencer. It ends, with everything committed that was admitted, when the last handle is dropped.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        announcer: Announcer,
        writing: Arc<Writing>,
    ) -> (Self, JoinHandle<()>) {
        let (inbox, admissions) = mpsc::channel(limits::SEQUENCER_INBOX_MAX);
        (
            Self(Arc::new(WayIn { inbox, queue: Queue::new() })),
            tokio::spawn(run(store, announcer, writing, admissions)),
        )
    }

    /// Admits a post. Resolves when it has its place in the queue; what became of it is left in the mailbox.
    pub(crate) async fn post(
        &self,
        draft: Draft,
        source: &Source,
        mailbox: Arc<Mailbox>,
        room: RoomRef,
        round: Round,
    ) -> Result<(), Error> {
        let place = self.0.queue.place(&mailbox.of_account, draft.body.weight()).await?;
        // It may have waited long.
        if mailbox.is_over() {
            return Err(Refusal::BadToken.into());
        }
        let source = source.clone();
        let asker = Asker::Author { mailbox, room, round, place };
        self.admit(Admission { draft, source, asker }).await
    }

    /// Has a membership entry committed, in order with the posts.
    pub(crate) async fn append(&self, draft: Draft, source: &Source) -> Result<Appended, Error> {
        let (answer, answered) = oneshot::channel();
        let source = source.clone();
        self.admit(Admission { draft, source, asker: Asker::Waiting(answer) }).await?;
        answered.await.map_err(|gone| Error::fault(&gone))?
    }

    async fn admit(&self, admission: Admission) -> Result<(), Error> {
        self.0.inbox.send(admission).await.map_err(|_| Error::fault(&"the sequencer has stopped"))
    }
}

/// The fsync that is under way is the batching window: what arrives meanwhile is the next batch.
async fn run(
    store: Arc<dyn Store>,
    announcer: Announcer,
    writing: Arc<Writing>,
    mut admissions: mpsc::Receiver<Admission>,
) {
    let mut backlog = Backlog::default();
    while take_in(&mut admissions, &mut backlog).await {
        let batch = without_failed(backlog.next_batch());
        if batch.is_empty() {
            continue;
        }
        let (drafts, askers): (Vec<_>, Vec<_>) = batch.into_iter().map(|a| (a.draft, a.asker)).unzip();
        let ids: Vec<_> = drafts.iter().map(|draft| draft.client_id).collect();
        #[cfg(feature = "failpoints")]
        let askers = crate::wrong::before_commit(&announcer.registry, &drafts, askers);
        let appended = store.append(drafts).await;
        writing.note(&appended);
        match appended {
            Ok(results) => {
                failpoint::crash("hub::before_fan_out");
                let woken = publish(&announcer, &results);
                for ((result, asker), client_id) in results.into_iter().zip(askers).zip(ids) {
                    failpoint::crash("hub::before_ack");
                    asker.answer(client_id, Ok(result));
                }
                // A session is woken once, however many of its rooms have something.
                let_go_first(woken.min(announcer.registry.count())).await;
            }
            Err(error) => {
                // One fault id for the whole batch: one cause, one line in the log.
                let error = Error::from(error);
                for (asker, client_id) in askers.into_iter().zip(ids) {
                    asker.answer(client_id, Err(error.clone()));
                }
            }
        }
    }
}

/// Takes in all that waits, so that whoever came last is in the next batch; waits for the first if there is nothing.
/// `false`: nothing more is to come, and nothing is left.
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

/// Answers the posts behind one that has failed, which are not stored; gives back all others.
fn without_failed(mut batch: Vec<Admission>) -> Vec<Admission> {
    // Hardly ever has any.
    for Admission { draft, asker, .. } in
        batch.extract_if(.., |admission| admission.asker.failure().is_some())
    {
        if let Some(error) = asker.failure() {
            asker.answer(draft.client_id, Err(error));
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

/// Lets the readers that were woken go first. What is handed in meanwhile is in the next batch, instead of in many small
/// ones, each of which would wake everybody again. Bounded: a reader whose peer is slow is not waited for.
async fn let_go_first(woken: usize) {
    for _ in 0..=woken / limits::READERS_PER_TURN {
        yield_now().await;
    }
}

/// Shows what was committed to the sessions, and wakes each room's readers once, however much of the batch is theirs.
/// Who became a member reads it, who ceased to be one does not. How many readers were woken.
///
/// The store has said what moved: no entry is looked into.
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
    // Behind the advance, because a target may be of the same batch, and before any ack.
    changed.into_iter().for_each(|(room, target)| announcer.changed(room, target));
    woken
}

impl Asker {
    /// What a post is answered by when one before it has failed.
    fn failure(&self) -> Option<Error> {
        match self {
            Self::Author { mailbox, round, .. } => mailbox.failure(*round),
            Self::Waiting(_) => None,
        }
    }

    pub(crate) fn answer(self, client_id: ClientId, result: Result<Appended, Error>) {
        match self {
            Self::Author { mailbox, room, round, place } => {
                drop(place);
                if let Err(error) = &result {
                    mailbox.fail(round, client_id, error);
                }
                let result = result.and_then(|appended| appended.into_entry().map_err(Error::from));
                mailbox.leave(|waiting| waiting.outcomes.push_back(Outcome { room, client_id, result }));
            }
            // A session that is gone needs no answer; the commit stands.
            Self::Waiting(answer) => drop(answer.send(result)),
        }
    }
}

#[cfg(test)]
mod tests {
    use lanchat_model::{AccountName, DeviceId, Timestamp};

    use super::*;
    use crate::bus::LocalBus;
    use crate::entry::{Body, Subject};
    use crate::mailbox::Waiting;
    use crate::registry::Registry;

    fn publish_in(registry: &Arc<Registry>, batch: &[Appended]) -> usize {
        publish(&Announcer::new(Arc::clone(registry), Arc::new(LocalBus)), batch)
    }

    /// An entry of the first account about the second one.
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
            let place = registry.reserve(10).unwrap();
            let (session, mailbox) = registry.enter(AccountId(account), DeviceId(account), 1, place).unwrap();
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
        let place = registry.reserve(10).unwrap();
        let (session, mailbox) = registry.enter(AccountId(2), DeviceId(2), 1, place).unwrap();
        registry.attach(session, AccountId(2), &mailbox, RoomId(1), Seq::ZERO);
        let refused = Appended::Refused(Refusal::Forbidden);
        assert_eq!(publish_in(&registry, &[refused, Appended::Unchanged, Appended::Again(entry())]), 0);
    }
}
