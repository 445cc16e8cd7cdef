//! What the handles of a client share with its driver: commands on their way, and state.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use lanchat_certs::Fingerprint;
use lanchat_model::{Seq, ServerId, limits};
use lanchat_protocol::{ClientFrame, MarkTyping};
use tokio::sync::{Notify, Semaphore, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::attach::AttachPolicy;
use crate::connection::Trusted;
use crate::home::{Home, TokenLock};
use crate::outbox::Post;
use crate::requests::{LoggedIn, RequestResult};
use crate::servers::Login;

/// What a handle asks of the driver.
pub(crate) enum Order {
    /// Register this account, or log in to it by password.
    LogIn { frame: ClientFrame, account: String, reply: oneshot::Sender<LoggedIn> },
    /// Log in by the token that is kept.
    Resume { login: (Login, TokenLock), reply: oneshot::Sender<LoggedIn> },
    /// Start delivery.
    Attach { policy: AttachPolicy, reply: oneshot::Sender<RequestResult> },
    /// Anything else that has an answer.
    Request { frame: ClientFrame, reply: oneshot::Sender<RequestResult> },
    /// A message for the outbox.
    Post(Post),
    /// A typing signal.
    Typing(MarkTyping),
}

/// The state that handles and driver share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// One permit for each place in the outbox; a post holds its permit until it is settled.
    pub(crate) places: Arc<Semaphore>,
    /// Posts refused so far.
    pub(crate) refused: AtomicU64,
    /// Whether there is a session, connected or not.
    pub(crate) logged_in: AtomicBool,
    /// The last entry seen per room, not sent yet.
    pub(crate) seen: Mutex<BTreeMap<String, Seq>>,
    /// Notified when `seen` has something to send.
    pub(crate) seen_changed: Notify,
    /// Events reported so far, and how many of them have reached the user's queue; `u64::MAX` once no more will.
    pub(crate) told: AtomicU64,
    pub(crate) delivered: watch::Sender<u64>,
    /// Cancelled when the client is to be closed.
    pub(crate) closing: CancellationToken,
    /// Cancelled once the client accepts nothing more and its unsent posts are on disk.
    pub(crate) ended: CancellationToken,
    /// Where the token is kept, and the server id it is kept under.
    pub(crate) home: Home,
    pub(crate) server_id: ServerId,
    /// The key that it holds.
    pub(crate) fingerprint: Fingerprint,
    /// The name of this device.
    pub(crate) device: Option<String>,
    /// The server's bounds for one frame and one message.
    pub(crate) frame_bytes: usize,
    pub(crate) message_bytes: usize,
    /// The number of the next request.
    next_request: AtomicU64,
}

impl Shared {
    /// Returns the state at the start of a client of `trusted`.
    pub(crate) fn new(trusted: &Trusted, home: Home, device: Option<&str>) -> Self {
        let bounds = &trusted.hello().limits;
        let at_most = |theirs: u64, ours: usize| usize::try_from(theirs).unwrap_or(ours).min(ours);
        Self {
            places: Arc::new(Semaphore::new(limits::OUTBOX_MAX)),
            refused: AtomicU64::new(0),
            logged_in: AtomicBool::new(false),
            seen: Mutex::default(),
            seen_changed: Notify::new(),
            told: AtomicU64::new(0),
            delivered: watch::Sender::new(0),
            closing: CancellationToken::new(),
            ended: CancellationToken::new(),
            home,
            server_id: trusted.server_id(),
            fingerprint: trusted.fingerprint(),
            device: device.map(label),
            frame_bytes: at_most(bounds.frame_bytes, limits::FRAME_BYTES_MAX),
            message_bytes: at_most(bounds.message_bytes, limits::MESSAGE_BYTES_MAX),
            next_request: AtomicU64::new(1),
        }
    }

    /// Returns a request id that this client has not used before.
    pub(crate) fn request_id(&self) -> String {
        self.request_number().to_string()
    }

    /// Waits until the events reported so far are in the user's queue.
    pub(crate) async fn delivered(&self) {
        let told = self.told.load(Ordering::Relaxed);
        // It cannot fail: an error would mean that there is no sender, and we hold the sender.
        let _ = self.delivered.subscribe().wait_for(|delivered| *delivered >= told).await;
    }

    /// Waits until the reason why the client stopped was reported, so that nobody learns of the stop before its reason.
    pub(crate) async fn stopped(&self) {
        let mut delivered = self.delivered.subscribe();
        let told = delivered.wait_for(|delivered| *delivered == u64::MAX);
        // A user that does not read events does not want the reason.
        let _ = tokio::time::timeout(limits::CLOSE_MAX, told).await;
    }

    /// Returns the number for the next request id.
    pub(crate) fn request_number(&self) -> u64 {
        self.next_request.fetch_add(1, Ordering::Relaxed)
    }
}

/// Returns a device's name, cut to what fits.
fn label(text: &str) -> String {
    text[..text.floor_char_boundary(limits::DEVICE_LABEL_BYTES_MAX)].to_owned()
}
