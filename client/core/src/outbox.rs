//! Unsettled posts: kept in order, with their ids, until the server has answered each.

use std::collections::VecDeque;
use std::fmt;

use lanchat_model::ClientId;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// A message on its way.
pub(crate) struct Post {
    pub(crate) id: ClientId,
    pub(crate) room: String,
    /// The frame, with its newline: every resend has the same bytes.
    pub(crate) line: Vec<u8>,
    /// Its place in the outbox, released when it is settled. Bounds the queue to `limits::OUTBOX_MAX`.
    #[expect(dead_code, reason = "held for its drop")]
    pub(crate) place: OwnedSemaphorePermit,
    /// Whether the server may have it.
    pub(crate) was_sent: bool,
}

impl fmt::Debug for Post {
    /// Leaves out the line: message bodies do not reach logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").field("id", &self.id).field("room", &self.room).finish_non_exhaustive()
    }
}

/// The queue of posts. The first ones are on the wire; the others wait.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    posts: VecDeque<Post>,
    /// How many of the first posts are on the wire.
    on_wire: usize,
    /// How many posts after them came back, and wait for `held`.
    deferred: usize,
    /// Nothing is written before this time.
    held: Option<Instant>,
    /// How many of the first posts are on disk. Only these may be sent.
    kept: usize,
    /// Posts settled since this was last taken. At most a window, the posts that can be settled between two writes to
    /// disk.
    settled: Vec<ClientId>,
}

impl Outbox {
    /// Appends a post.
    pub(crate) fn push(&mut self, post: Post) {
        self.posts.push_back(post);
    }

    /// Returns the next post to write, if fewer than `window` are on the wire.
    pub(crate) fn next(&mut self, window: usize) -> Option<&Post> {
        if self.on_wire >= window.min(self.kept) || self.held.is_some() {
            return None;
        }
        let post = self.posts.get_mut(self.on_wire)?;
        post.was_sent = true;
        self.on_wire += 1;
        Some(post)
    }

    /// Takes out the post that the server answered. Returns `None` if it is settled already or not ours.
    pub(crate) fn settle(&mut self, id: ClientId) -> Option<Post> {
        // Answers mostly come in order, so the search ends at once.
        let at = self.posts.iter().take(self.on_wire).position(|post| post.id == id)?;
        self.on_wire -= 1;
        self.kept = self.kept.saturating_sub(1);
        self.settled.push(id);
        self.posts.remove(at)
    }

    /// Puts back the post that the server could not accept, after those on the wire and before those that wait, and
    /// holds all that wait until `until`. Returns its room, or `None` if it is settled already or not ours.
    pub(crate) fn defer(&mut self, id: ClientId, until: Instant) -> Option<String> {
        let mut post = self.settle(id)?;
        post.was_sent = false;
        // The post is not settled after all, and is still on disk.
        self.settled.pop();
        self.kept += 1;
        let room = post.room.clone();
        // Posts that come back keep their order.
        self.posts.insert(self.on_wire + self.deferred, post);
        self.deferred += 1;
        self.held = Some(until);
        Some(room)
    }

    /// Returns the number and the lines of the posts that are not on disk: up to about `bytes`, but at least one post
    /// if there is one.
    pub(crate) fn unkept(&self, bytes: usize) -> (usize, Vec<u8>) {
        let (mut count, mut lines) = (0, Vec::new());
        for post in self.posts.iter().skip(self.kept) {
            if lines.len() >= bytes {
                break;
            }
            lines.extend_from_slice(&post.line);
            count += 1;
        }
        (count, lines)
    }

    /// Notes that `count` more posts are on disk.
    pub(crate) fn keep(&mut self, count: usize) {
        self.kept = self.kept.saturating_add(count).min(self.posts.len());
    }

    /// Returns the lines of the posts that are on disk.
    pub(crate) fn kept_lines(&self) -> Vec<u8> {
        self.posts.iter().take(self.kept).flat_map(|post| post.line.iter().copied()).collect()
    }

    /// Takes the ids of the posts settled since the last call.
    pub(crate) fn take_settled(&mut self) -> Vec<ClientId> {
        std::mem::take(&mut self.settled)
    }

    /// Returns how many posts are on the wire.
    pub(crate) fn on_wire(&self) -> usize {
        self.on_wire
    }

    /// Returns whether nothing is left to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.posts.is_empty()
    }

    /// Returns until when posts are held.
    pub(crate) fn held(&self) -> Option<Instant> {
        self.held
    }

    /// Stops holding posts.
    pub(crate) fn release(&mut self) {
        self.held = None;
        self.deferred = 0;
    }

    /// Queues all unsettled posts to be written again after a lost connection, in the same order.
    pub(crate) fn rewind(&mut self) {
        self.on_wire = 0;
        self.release();
    }

    /// Takes out all posts, which will not be sent.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Post> {
        self.rewind();
        self.kept = 0;
        self.settled.clear();
        self.posts.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    fn post(n: u8, places: &Arc<Semaphore>) -> Post {
        let place = Arc::clone(places).try_acquire_owned().unwrap();
        Post {
            id: ClientId::from_bytes([n; 16]),
            room: "lobby".into(),
            line: vec![n],
            place,
            was_sent: false,
        }
    }

    #[test]
    fn posts_that_come_back_keep_their_order_and_hold_the_others() {
        let places = Arc::new(Semaphore::new(5));
        let mut outbox = Outbox::default();
        (1..=5).for_each(|n| outbox.push(post(n, &places)));
        outbox.keep(5);
        assert_eq!(written(&mut outbox, 3), [1, 2, 3]);
        for n in [1, 2] {
            assert_eq!(outbox.defer(ClientId::from_bytes([n; 16]), Instant::now()).as_deref(), Some("lobby"));
        }
        assert!(written(&mut outbox, 3).is_empty());
        assert!(outbox.settle(ClientId::from_bytes([3; 16])).is_some());
        outbox.release();
        assert_eq!(written(&mut outbox, 3), [1, 2, 4]);
    }

    #[test]
    fn only_what_is_on_disk_is_written() {
        let places = Arc::new(Semaphore::new(5));
        let mut outbox = Outbox::default();
        (1..=4).for_each(|n| outbox.push(post(n, &places)));
        assert!(written(&mut outbox, 9).is_empty());
        assert_eq!(outbox.unkept(2), (2, vec![1, 2]));
        outbox.keep(2);
        assert_eq!(written(&mut outbox, 9), [1, 2]);
        outbox.defer(ClientId::from_bytes([1; 16]), Instant::now());
        outbox.settle(ClientId::from_bytes([2; 16]));
        assert_eq!(outbox.take_settled(), [ClientId::from_bytes([2; 16])]);
        assert_eq!((outbox.kept_lines(), outbox.unkept(9)), (vec![1], (2, vec![3, 4])));
    }

    fn written(outbox: &mut Outbox, window: usize) -> Vec<u8> {
        std::iter::from_fn(|| outbox.next(window).map(|post| post.line[0])).collect()
    }

    #[test]
    fn posts_are_written_in_order_within_the_window_and_again_after_a_loss() {
        let places = Arc::new(Semaphore::new(5));
        let mut outbox = Outbox::default();
        (1..=5).for_each(|n| outbox.push(post(n, &places)));
        outbox.keep(5);
        assert_eq!(written(&mut outbox, 2), [1, 2]);
        assert!(outbox.settle(ClientId::from_bytes([4; 16])).is_none(), "not sent yet");
        assert_eq!(outbox.settle(ClientId::from_bytes([2; 16])).unwrap().line, [2]);
        assert_eq!(places.available_permits(), 1);
        assert_eq!(written(&mut outbox, 2), [3]);
        outbox.rewind();
        assert_eq!(written(&mut outbox, 9), [1, 3, 4, 5]);
        assert_eq!(outbox.drain().count(), 4);
        assert_eq!(places.available_permits(), 5);
    }
}
