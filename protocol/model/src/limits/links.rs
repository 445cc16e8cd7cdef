//! The part of the table about what surrounds a conversation: links, networks, the servers on a network, and slow
//! readers of a program's output.

use std::time::Duration;

// --- a link that may be lost ----------------------------------------------------------------------

/// How long a client waits for a sign of life after a request that is answered at once. Then it sends `ping`, and waits
/// for [`LINK_PROBE_MAX`].
pub const LINK_ANSWER_MAX: Duration = Duration::from_secs(4);
/// How long a server has to answer a `ping` that asks whether the link is alive: twice what the worst radio link takes.
/// With [`LINK_ANSWER_MAX`], a lost link is noticed within 15 s of the next line typed.
pub const LINK_PROBE_MAX: Duration = Duration::from_secs(8);
/// Silence after which a key press makes the client check whether the link is alive.
pub const LINK_QUIET: Duration = Duration::from_secs(5);
/// How long sent data may remain unacknowledged by the server's computer, where the system reports that
/// (TCP_USER_TIMEOUT, RFC 5482). A server may take longer to answer; its system does not.
pub const LINK_UNRECEIVED_MAX: Duration = Duration::from_secs(15);
/// How often a client checks whether this computer's addresses have changed, or whether it was asleep: both are reasons
/// to check whether the link is alive. The check is local; nothing is sent for it.
pub const NETWORK_LOOK_EVERY: Duration = Duration::from_secs(3);
/// How often, at most, an attempt to reconnect is made early because somebody types or the network has changed.
pub const RECONNECT_HASTE_EVERY: Duration = Duration::from_secs(5);

// --- looking for servers --------------------------------------------------------------------------

/// The first pause between two searches for servers while the user is asked what to do without one. Doubles with each.
pub const LOOK_AGAIN_MIN: Duration = Duration::from_secs(1);
/// The longest such pause: a server that starts is noticed within it. Also how often, at most, a hosting program looks
/// for other hosts.
pub const LOOK_AGAIN_MAX: Duration = Duration::from_secs(15);
/// Other servers that a hosting user is told about. When full, the rest are not reported: `/servers` lists them.
pub const HOSTS_TOLD_MAX: usize = 8;
/// How long one search of a hosting program for other hosts lasts. Then a new search begins.
pub const HOSTS_WINDOW: Duration = Duration::from_secs(24 * 3600);
/// Sentences from the server in this process that wait to be shown. When full, the next one waits.
pub const NEWS_MAX: usize = 4;

// --- readers that are slow ------------------------------------------------------------------------

/// Lines that wait for a slow or stopped reader of the log. When full, further lines are left out, and counted: nothing
/// else waits for the log.
pub const LOG_QUEUE_LINES_MAX: usize = 1024;
/// How long a program that exits waits for the reader of its log, or of its error messages.
pub const LOG_FLUSH_MAX: Duration = Duration::from_secs(1);
/// Rows outside the conversation that wait for a slow or stopped reader of standard error. When full, further rows are
/// left out: lines to be sent do not wait for them.
pub const ASIDE_ROWS_MAX: usize = 1024;
