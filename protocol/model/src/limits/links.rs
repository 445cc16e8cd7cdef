//! The part of the table about what comes and goes beside the conversation: links, networks, servers of a network, and those
//! who read what a program says.

use std::time::Duration;

// --- a link that may be lost ----------------------------------------------------------------------

/// How long a client waits for a sign of life after it has asked for something that is answered at once. Then it sends
/// `ping`, and waits for [`LINK_PROBE_MAX`].
pub const LINK_ANSWER_MAX: Duration = Duration::from_secs(4);
/// How long a server has to answer a `ping` that asks whether the link is alive: twice what the worst radio link takes.
/// With [`LINK_ANSWER_MAX`] a link that is lost is noticed within 15 s of the next thing that is typed.
pub const LINK_PROBE_MAX: Duration = Duration::from_secs(8);
/// Silence after which somebody who begins to type is a reason to ask whether the link is alive.
pub const LINK_QUIET: Duration = Duration::from_secs(5);
/// How long what a client has sent may go without being received by the computer of the server, where the system tells
/// (TCP_USER_TIMEOUT, RFC 5482). A server may take longer to answer; its system does not.
pub const LINK_UNRECEIVED_MAX: Duration = Duration::from_secs(15);
/// How often a client looks whether this computer has other addresses than before, or was asleep: both are reasons to ask
/// whether the link is alive. A look at this computer alone; nothing is sent for it.
pub const NETWORK_LOOK_EVERY: Duration = Duration::from_secs(3);
/// An attempt to reconnect is made before its time at most this often, because somebody types or the network has changed.
pub const RECONNECT_HASTE_EVERY: Duration = Duration::from_secs(5);

// --- looking for servers --------------------------------------------------------------------------

/// Between two looks for servers while somebody is asked what to do without one, the first time; doubles with each.
pub const LOOK_AGAIN_MIN: Duration = Duration::from_secs(1);
/// The longest such pause: a server that comes up is noticed within it. Also how often, at most, whoever hosts looks who
/// else hosts.
pub const LOOK_AGAIN_MAX: Duration = Duration::from_secs(15);
/// Other servers that whoever hosts is told of. When full, the rest is not told: `/servers` lists them.
pub const HOSTS_TOLD_MAX: usize = 8;
/// How long whoever hosts looks for others that do. Then it is looked anew.
pub const HOSTS_WINDOW: Duration = Duration::from_secs(24 * 3600);
/// Sentences from the server in this process that wait to be shown. When full, the next one waits.
pub const NEWS_MAX: usize = 4;

// --- readers that are slow ------------------------------------------------------------------------

/// Lines that wait for a reader of the log that is slow, or stopped. When full, further lines are left out, and counted:
/// nothing else waits for the log.
pub const LOG_QUEUE_LINES_MAX: usize = 1024;
/// How long a program that ends waits for the reader of its log, or of its complaints.
pub const LOG_FLUSH_MAX: Duration = Duration::from_secs(1);
/// Rows beside the conversation that wait for a reader of the standard error output that is slow, or stopped. When full,
/// further ones are left out: no line that is sent waits for them.
pub const ASIDE_ROWS_MAX: usize = 1024;
