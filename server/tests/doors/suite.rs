//! The suite: login, join, post, replay, overflow, bad input and drain, independent of any door's wire protocol.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use lanchat_certs::CertificateSlot;
use lanchat_hub::Hub;
use lanchat_listener::Listener;
use lanchat_model::limits;
use tokio::net::TcpListener;

use crate::client::{Client, Link};
use crate::site::Site;

/// A connection in progress.
pub(crate) type Connecting<'a> = Pin<Box<dyn Future<Output = Box<dyn Link>> + Send + 'a>>;

/// A door under test.
pub(crate) trait Subject: Sync {
    /// Returns a listener with only this door.
    fn listener(&self, socket: TcpListener, slot: &Arc<CertificateSlot>, hub: Hub) -> Listener;
    /// Returns a connection to it.
    fn connect(&self, address: SocketAddr) -> Connecting<'_>;
    /// Returns how a client of it speaks.
    fn voice(&self) -> Box<dyn Voice>;
}

/// What a client of a door sends and receives.
pub(crate) trait Voice: Send {
    /// Makes an account.
    fn register(&mut self, name: &str) -> Vec<u8>;
    /// Logs in by password.
    fn log_in(&mut self, name: &str) -> Vec<u8>;
    /// Starts delivery: in one room after this seq, in all others from now on.
    fn follow(&mut self, cursor: Option<(&str, u64)>) -> Vec<u8>;
    /// Enters a room, without asking for older entries.
    fn join(&mut self, room: &str) -> Vec<u8>;
    /// Posts a message.
    fn post(&mut self, room: &str, text: &str) -> Vec<u8>;
    /// Returns a request longer than is allowed before a login.
    fn too_long(&self) -> Vec<u8>;
    /// Returns invalid requests.
    fn nonsense(&self) -> Vec<Vec<u8>>;
    /// Returns everything from the server that is complete by now.
    fn hear(&mut self, bytes: &[u8]) -> Vec<Heard>;
}

/// What a server sends, as far as it matters to the suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Greeting,
    Welcome,
    Following,
    Entered(String),
    /// An entry of a log; `text`, if it is a message.
    Entry {
        room: String,
        seq: u64,
        text: Option<String>,
    },
    /// A post is on disk.
    Stored {
        room: String,
        seq: u64,
    },
    Refused,
    Farewell,
    /// Something else.
    Aside,
}

pub(crate) async fn nothing_is_done_before_the_login(subject: &dyn Subject) {
    let site = Site::open(subject).await;
    let mut ana = Client::connect(subject, &site).await;
    ana.say(|voice| voice.post("lobby", "too early")).await;
    assert_eq!(ana.next().await, Some(Heard::Refused));
    ana.say(|voice| voice.log_in("ana")).await;
    assert_eq!(ana.next().await, Some(Heard::Refused), "nobody has this name");
    assert_eq!(site.hub.online(), 0);
    ana.say(|voice| voice.register("ana")).await;
    ana.until(Heard::Welcome).await;
    assert_eq!(site.hub.online(), 1);
    ana.say(|voice| voice.register("eve")).await;
    ana.until(Heard::Refused).await;
    site.close().await;
}

pub(crate) async fn a_room_is_entered_and_what_is_posted_is_stored_once_and_read_in_order(
    subject: &dyn Subject,
) {
    let site = Site::open(subject).await;
    let mut ana = Client::registered(subject, &site, "ana").await;
    let mut bob = Client::registered(subject, &site, "bob").await;
    for client in [&mut ana, &mut bob] {
        client.say(|voice| voice.join("attic")).await;
        client.until(Heard::Entered("attic".into())).await;
    }
    let texts: Vec<String> = (0..20).map(|number| format!("number {number}")).collect();
    // All of them in one piece: a client need not wait for answers.
    ana.say(|voice| texts.iter().flat_map(|text| voice.post("attic", text)).collect()).await;
    let stored = ana.stored(texts.len()).await;
    assert!(stored.is_sorted_by(|one, next| one + 1 == *next), "{stored:?}");

    let read = bob.entries("attic", texts.len()).await;
    let messages: Vec<_> = read.into_iter().filter_map(|(seq, text)| Some((seq, text?))).collect();
    assert_eq!(messages, stored.into_iter().zip(texts).collect::<Vec<_>>());
    site.close().await;
}

pub(crate) async fn who_comes_back_reads_on_from_its_cursor(subject: &dyn Subject) {
    let site = Site::open(subject).await;
    let mut ana = Client::registered(subject, &site, "ana").await;
    let mut bob = Client::registered(subject, &site, "bob").await;
    ana.say(|voice| voice.post("lobby", "before")).await;
    let cursor = ana.stored(1).await[0];
    bob.entries("lobby", 1).await;
    drop(bob);

    // More than a replay page, and more than the window of posts.
    let count = limits::REPLAY_PAGE_MAX + 2 * limits::UNACKED_PER_SESSION_MAX;
    let posts = |voice: &mut dyn Voice| -> Vec<u8> {
        (0..count).flat_map(|number| voice.post("lobby", &format!("number {number}"))).collect()
    };
    ana.say(posts).await;
    ana.stored(count).await;
    let mut bob = Client::back(subject, &site, "bob", ("lobby", cursor)).await;
    let read = bob.entries("lobby", count).await;
    let seqs: Vec<u64> = read.iter().map(|(seq, _)| *seq).collect();
    let last = cursor + seqs.len() as u64;
    assert_eq!(seqs, (cursor + 1..=last).collect::<Vec<_>>(), "no gap and no double");
    let texts = read.into_iter().filter_map(|(_, text)| text);
    assert!(texts.eq((0..count).map(|number| format!("number {number}"))));
    site.close().await;
}

pub(crate) async fn a_reader_that_stops_misses_nothing(subject: &dyn Subject) {
    let site = Site::open(subject).await;
    let mut ana = Client::registered(subject, &site, "ana").await;
    let mut bob = Client::registered(subject, &site, "bob").await;
    let long = "x".repeat(limits::MESSAGE_BYTES_MAX / 4);
    let count = 4 * limits::UNACKED_PER_SESSION_MAX;
    for number in 0..count {
        ana.say(|voice| voice.post("lobby", &format!("{number} {long}"))).await;
        ana.stored(1).await;
    }
    let read = bob.entries("lobby", count).await;
    let seqs: Vec<u64> = read.iter().map(|(seq, _)| *seq).collect();
    assert!(seqs.is_sorted_by(|one, next| one + 1 == *next), "{seqs:?}");
    let texts = read.into_iter().filter_map(|(_, text)| text);
    assert!(texts.eq((0..count).map(|number| format!("{number} {long}"))));
    site.close().await;
}

pub(crate) async fn too_much_in_one_piece_is_told_and_ends_the_connection(subject: &dyn Subject) {
    let site = Site::open(subject).await;
    let mut eve = Client::connect(subject, &site).await;
    eve.say(|voice| voice.too_long()).await;
    assert_eq!(eve.rest().await, [Heard::Refused]);
    Client::registered(subject, &site, "ana").await;
    site.close().await;
}

pub(crate) async fn bytes_may_come_one_by_one(subject: &dyn Subject) {
    let site = Site::open(subject).await;
    let mut ana = Client::connect(subject, &site).await;
    ana.spell(|voice| voice.register("ana")).await;
    ana.until(Heard::Welcome).await;
    ana.spell(|voice| voice.follow(None)).await;
    ana.until(Heard::Following).await;
    ana.spell(|voice| voice.post("lobby", "a — b")).await;
    let read = ana.entries("lobby", 1).await;
    assert_eq!(read.last().and_then(|(_, text)| text.as_deref()), Some("a — b"));
    site.close().await;
}

pub(crate) async fn nonsense_harms_nobody_else(subject: &dyn Subject) {
    let site = Site::open(subject).await;
    let mut ana = Client::registered(subject, &site, "ana").await;
    let told = subject.voice().nonsense();
    assert!(!told.is_empty());
    for bytes in told {
        let mut eve = Client::connect(subject, &site).await;
        eve.write(&bytes).await;
        assert_eq!(eve.next().await, Some(Heard::Refused), "{}", String::from_utf8_lossy(&bytes));
    }
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    for length in 1..64 {
        let mut byte = || {
            // Xorshift: the same noise each time.
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise.to_le_bytes()[3]
        };
        let bytes: Vec<u8> = (0..length * 16).map(|_| byte()).collect();
        let mut eve = Client::connect(subject, &site).await;
        eve.write(&bytes).await;
        eve.hang_up().await;
        // The end must come.
        eve.rest().await;
    }
    ana.say(|voice| voice.post("lobby", "undisturbed")).await;
    ana.stored(1).await;
    assert_eq!(site.hub.online(), 1);
    site.close().await;
}

pub(crate) async fn a_drain_answers_what_was_taken_and_says_farewell(subject: &dyn Subject) {
    let site = Site::open(subject).await;
    let mut ana = Client::registered(subject, &site, "ana").await;
    let mut idle = Client::registered(subject, &site, "bob").await;
    let mut stranger = Client::connect(subject, &site).await;
    let count = limits::UNACKED_PER_SESSION_MAX;
    let posts = |voice: &mut dyn Voice| -> Vec<u8> {
        (0..count).flat_map(|number| voice.post("lobby", &number.to_string())).collect()
    };
    ana.say(posts).await;
    let first = ana.stored(1).await[0];
    site.shutdown.cancel();
    let rest = ana.rest().await;
    assert_eq!(rest.last(), Some(&Heard::Farewell), "{rest:?}");
    let stored = rest.iter().filter_map(|heard| match heard {
        Heard::Stored { seq, .. } => Some(*seq),
        _ => None,
    });
    let stored: Vec<u64> = [first].into_iter().chain(stored).collect();
    assert!(stored.is_sorted_by(|one, next| one + 1 == *next), "{stored:?}");
    assert_eq!(idle.rest().await.last(), Some(&Heard::Farewell));
    assert_eq!(stranger.rest().await, [Heard::Farewell]);
    site.close().await;
}
