//! A client for any door: it expresses the suite's requests in the door's wire protocol, and reports what it receives.

use std::collections::VecDeque;
use std::time::Duration;

use lanchat_model::limits;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::site::Site;
use crate::suite::{Heard, Subject, Voice};

/// How long a test waits for something that must happen.
const DEADLINE: Duration = limits::RECONNECT_DELAY_MAX.saturating_mul(3);

/// A connection, encrypted or not.
pub(crate) trait Link: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Link for T {}

/// One connection to a server.
pub(crate) struct Client {
    link: Box<dyn Link>,
    voice: Box<dyn Voice>,
    heard: VecDeque<Heard>,
}

impl Client {
    /// Connects; the server speaks first.
    pub(crate) async fn connect(subject: &dyn Subject, site: &Site) -> Self {
        let link = subject.connect(site.address).await;
        let mut client = Self { link, voice: subject.voice(), heard: VecDeque::new() };
        assert_eq!(client.next().await, Some(Heard::Greeting));
        client
    }

    /// Connects, makes an account, and has everything delivered from now on.
    pub(crate) async fn registered(subject: &dyn Subject, site: &Site, name: &str) -> Self {
        let mut client = Self::connect(subject, site).await;
        client.say(|voice| voice.register(name)).await;
        client.until(Heard::Welcome).await;
        client.say(|voice| voice.follow(None)).await;
        client.until(Heard::Following).await;
        client
    }

    /// Connects, logs in, and resumes after `seq` of a room.
    pub(crate) async fn back(subject: &dyn Subject, site: &Site, name: &str, cursor: (&str, u64)) -> Self {
        let mut client = Self::connect(subject, site).await;
        client.say(|voice| voice.log_in(name)).await;
        client.until(Heard::Welcome).await;
        client.say(|voice| voice.follow(Some(cursor))).await;
        client.until(Heard::Following).await;
        client
    }

    /// Sends something, whole and at once.
    pub(crate) async fn say(&mut self, words: impl FnOnce(&mut dyn Voice) -> Vec<u8>) {
        let bytes = words(&mut *self.voice);
        self.write(&bytes).await;
    }

    /// Sends something, byte by byte.
    pub(crate) async fn spell(&mut self, words: impl FnOnce(&mut dyn Voice) -> Vec<u8>) {
        for byte in words(&mut *self.voice) {
            self.write(&[byte]).await;
        }
    }

    /// Writes these bytes. A server that has closed does not receive them.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let written = async {
            self.link.write_all(bytes).await?;
            self.link.flush().await
        };
        // The result is seen when reading.
        let _ = timeout(DEADLINE, written).await.expect("the server takes what is said");
    }

    /// Closes the sending side.
    pub(crate) async fn hang_up(&mut self) {
        // A server that has closed need not be told.
        let _ = timeout(DEADLINE, self.link.shutdown()).await.expect("the server takes an end");
    }

    /// Returns what comes next. `None`: the server has closed.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Some(heard);
            }
            let mut piece = [0; 16 * 1024];
            let read =
                timeout(DEADLINE, self.link.read(&mut piece)).await.expect("the server says something");
            let count = read.unwrap_or(0);
            if count == 0 {
                return None;
            }
            self.heard.extend(self.voice.hear(&piece[..count]));
        }
    }

    /// Reads until this arrives.
    pub(crate) async fn until(&mut self, wanted: Heard) {
        loop {
            let heard = self.next().await;
            let heard = heard.unwrap_or_else(|| panic!("the server closed before {wanted:?}"));
            if heard == wanted {
                return;
            }
        }
    }

    /// Returns the seqs under which the next `count` posts were stored.
    pub(crate) async fn stored(&mut self, count: usize) -> Vec<u64> {
        let mut seqs = Vec::new();
        while seqs.len() < count {
            let heard = self.next().await.expect("posts are answered");
            assert_ne!(heard, Heard::Refused);
            seqs.extend(match heard {
                Heard::Stored { seq, .. } => Some(seq),
                _ => None,
            });
        }
        seqs
    }

    /// Returns the entries of a room until `count` messages are among them: seqs, and texts of messages.
    pub(crate) async fn entries(&mut self, room: &str, count: usize) -> Vec<(u64, Option<String>)> {
        let mut entries: Vec<(u64, Option<String>)> = Vec::new();
        while entries.iter().filter(|(_, text)| text.is_some()).count() < count {
            let heard = self.next().await.expect("entries are delivered");
            entries.extend(match heard {
                Heard::Entry { room: of, seq, text } if of == room => Some((seq, text)),
                _ => None,
            });
        }
        entries
    }

    /// Returns everything that is left to read.
    pub(crate) async fn rest(&mut self) -> Vec<Heard> {
        let mut rest = Vec::new();
        while let Some(heard) = self.next().await {
            rest.push(heard);
        }
        rest
    }
}
