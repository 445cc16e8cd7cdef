//! Keeps the outbox on disk: a post is written there before it is sent, as long as the disk can be written.
//!
//! One blocking task at a time writes; posts that arrive meanwhile form the next batch.

use std::path::PathBuf;
use std::sync::Arc;

use lanchat_model::{ClientId, limits};
use lanchat_protocol::{ClientFrame, Send, encode};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinHandle, spawn_blocking};

use super::Driver;
use crate::error::HomeError;
use crate::event::{Event, Unsent};
use crate::outbox::{Outbox, Post};
use crate::spool::{Leftovers, Owner, Spool};

/// The result of a blocking task.
type Written = Result<Spool, HomeError>;

/// The state of writing the outbox down.
#[derive(Debug, Default)]
pub(super) enum Keeper {
    /// Nobody writes: there is no session, or the disk refused. Posts are sent without being kept.
    #[default]
    Nobody,
    /// Nothing is being written. The file is made when it is needed.
    Idle(OutboxFolder, Option<Spool>),
    /// A task is writing this many posts.
    Busy(OutboxFolder, usize, JoinHandle<Written>),
}

/// Where the file is, and whose posts are in it.
#[derive(Clone, Debug)]
pub(super) struct OutboxFolder {
    folder: PathBuf,
    owner: Owner,
}

impl Keeper {
    /// Waits until the running task is done. Cancel safe.
    pub(super) async fn done(&mut self) -> Written {
        match self {
            Self::Busy(place, _, task) => {
                let died = |error| HomeError::Io {
                    action: "write",
                    path: place.folder.clone(),
                    source: std::io::Error::other(error),
                };
                task.await.unwrap_or_else(|error| Err(died(error)))
            }
            _ => std::future::pending().await,
        }
    }

    /// Starts to write down the posts that are not on disk yet, unless a task is running.
    fn write(self, outbox: &mut Outbox) -> Self {
        let Self::Idle(place, spool) = self else { return self };
        let (count, posts) = outbox.unkept(limits::OUTBOX_BATCH_BYTES_MAX);
        let settled = outbox.take_settled();
        if count == 0 && (settled.is_empty() || spool.is_none()) {
            return Self::Idle(place, spool);
        }
        let is_empty = outbox.is_empty();
        let live = match &spool {
            // The file holds mostly settled posts by now: begin a new one with those that are left.
            Some(spool) if spool.bytes > limits::OUTBOX_FILE_SLACK_BYTES => Some(outbox.kept_lines()),
            _ => None,
        };
        let OutboxFolder { folder, owner } = place.clone();
        let task = spawn_blocking(move || match spool {
            Some(mut spool) if is_empty => spool.clear().map(|()| spool),
            Some(old) if live.as_ref().is_some_and(|live| old.bytes > 2 * live.len() as u64) => {
                let lines = [live.unwrap_or_default(), posts].concat();
                let new = Spool::create_with(&folder, &owner, &lines)?;
                old.remove();
                Ok(new)
            }
            Some(mut spool) => spool.append(&posts, &settled).map(|()| spool),
            None => Spool::create_with(&folder, &owner, &posts),
        });
        Self::Busy(place, count, task)
    }
}

impl Driver {
    /// Begins to keep the posts of an account, and takes over those that earlier programs left.
    pub(super) async fn begin_keeping(&mut self, account: &str) {
        let owner = Owner::new(self.server_id, self.fingerprint, account);
        let place = OutboxFolder { folder: self.home.outbox(), owner };
        // Takes all free places, so that each post that is taken over has its own.
        let free = Arc::clone(&self.shared.places);
        let free = u32::try_from(free.available_permits())
            .ok()
            .and_then(|all| free.try_acquire_many_owned(all).ok());
        let (there, most) = (place.clone(), free.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        let adopted = self.home.blocking(move |_| {
            let OutboxFolder { folder, owner } = there;
            let mut leftovers = Leftovers::adopt(&folder, &owner, most)?;
            if leftovers.posts.is_empty() {
                leftovers.settle();
                return Ok((Ok(None), Vec::new()));
            }
            let lines = leftovers.posts.values().flat_map(line).collect::<Vec<u8>>();
            let posts: Vec<_> = std::mem::take(&mut leftovers.posts).into_iter().collect();
            Ok(match Spool::create_with(&folder, &owner, &lines) {
                Ok(spool) => {
                    leftovers.settle();
                    (Ok(Some(spool)), posts)
                }
                Err(error) => (Err((error, leftovers)), posts),
            })
        });
        match adopted.await {
            Ok((Ok(spool), posts)) => {
                self.keeper = Keeper::Idle(place, spool);
                self.send_again(posts, free);
            }
            // The files stay where they are, under their locks, and their posts are sent all the same.
            Ok((Err((error, leftovers)), posts)) => {
                self.leftovers = Some(leftovers);
                self.without_keeping(&error);
                self.send_again(posts, free);
            }
            Err(error) => self.without_keeping(&error),
        }
    }

    /// Puts posts that are on disk into the outbox and reports them.
    fn send_again(&mut self, posts: Vec<(ClientId, Send)>, mut free: Option<OwnedSemaphorePermit>) {
        let mut unsent = Vec::new();
        for (id, post) in posts {
            // At most as many posts were taken over as there are places.
            let Some(place) = free.as_mut().and_then(|free| free.split(1)) else { break };
            self.outbox.push(Post { id, room: post.room.clone(), line: line(&post), place, was_sent: true });
            unsent.push(Unsent { id, room: post.room, message: post.message });
        }
        self.outbox.keep(unsent.len());
        if !unsent.is_empty() {
            self.tell(Event::SentAgain { posts: unsent });
        }
    }

    /// Starts to write down what is not on disk yet.
    pub(super) fn keep(&mut self) {
        self.keeper = std::mem::take(&mut self.keeper).write(&mut self.outbox);
        if matches!(self.keeper, Keeper::Nobody) {
            self.outbox.keep(usize::MAX);
            drop(self.outbox.take_settled());
        }
        if self.outbox.is_empty()
            && let Some(leftovers) = self.leftovers.take()
        {
            self.removal = Some(spawn_blocking(move || leftovers.settle()));
        }
    }

    /// Handles the end of a task.
    pub(super) fn kept(&mut self, written: Written) {
        let Keeper::Busy(place, count, _) = std::mem::take(&mut self.keeper) else { return };
        match written {
            Ok(spool) => {
                self.outbox.keep(count);
                self.keeper = Keeper::Idle(place, Some(spool));
            }
            Err(error) => self.without_keeping(&error),
        }
    }

    /// Goes on without keeping posts. Chatting without a disk is better than not chatting, but the user must know.
    fn without_keeping(&mut self, error: &HomeError) {
        self.keeper = Keeper::Nobody;
        self.tell(Event::NotKept { reason: error.to_string() });
    }

    /// Stops keeping posts. What is still in the outbox is left to the next program; an empty outbox leaves no file.
    pub(super) async fn end_keeping(&mut self) {
        loop {
            self.keep();
            if !matches!(self.keeper, Keeper::Busy(..)) {
                break;
            }
            let written = self.keeper.done().await;
            self.kept(written);
        }
        if let Keeper::Idle(_, Some(spool)) = std::mem::take(&mut self.keeper)
            && self.outbox.is_empty()
        {
            // If the removal fails, an empty orphan stays.
            let _ = spawn_blocking(move || spool.remove()).await;
        }
        if let Some(removal) = self.removal.take() {
            // A file that is not removed is sent again next time; the server still keeps one copy of each post.
            let _ = removal.await;
        }
    }
}

fn line(post: &Send) -> Vec<u8> {
    let mut line = Vec::new();
    encode(&ClientFrame::from(post.clone()), &mut line);
    line
}
