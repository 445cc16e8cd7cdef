//! Bounds of the client.

use super::*;

/// Posts that the client keeps until they are acknowledged. When full, input waits.
pub const OUTBOX_MAX: usize = 10_000;
/// Posts that one write to the outbox on disk holds, in bytes; the others are the next write.
pub const OUTBOX_BATCH_BYTES_MAX: usize = 1024 * 1024;
/// An outbox on disk that is larger, and mostly settled, is begun anew.
pub const OUTBOX_FILE_SLACK_BYTES: u64 = 8 * 1024 * 1024;
/// An outbox on disk: all posts that there can be, twice, since it is begun anew when it is mostly settled. A larger file is
/// none of ours, and is not read.
pub const OUTBOX_FILE_BYTES_MAX: u64 = 2 * (OUTBOX_MAX * FRAME_BYTES_MAX) as u64 + OUTBOX_FILE_SLACK_BYTES;
/// Outboxes on disk that are looked at: of programs that run, and of those that were killed. The rest waits its turn.
pub const OUTBOX_FILES_MAX: usize = 256;
/// Events between the client library and its user. When full the socket is left unread.
pub const CLIENT_EVENTS_MAX: usize = 1024;
/// The time that events in a row take before a key has its turn: some take long to show.
pub const CLIENT_EVENTS_TURN: Duration = Duration::from_millis(50);
/// Bytes of frames between the client library and its user. When full the socket is left unread.
pub const CLIENT_EVENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Requests of one client that wait for their answers. When full, the next request waits.
pub const CLIENT_REQUESTS_MAX: usize = 64;
/// How long a request waits for its answer, a reconnect in between included.
pub const REQUEST_MAX: Duration = Duration::from_secs(30);
/// How often a login is asked for while the server has too many to look at.
pub const LOGIN_TRIES_MAX: u32 = 10;
/// A server that has a login wait longer than this between two tries has another reason, which the user is told.
pub const LOGIN_AGAIN_MAX: Duration = HASH_AGAIN_AFTER;
/// How long `bye` waits for `goodbye` before the client closes without it.
pub const CLOSE_MAX: Duration = Duration::from_secs(2);
/// A server that was silent for two and a half times as long as it promised to be at most is gone; but never sooner
/// than this, whatever it promised.
pub const SILENCE_MIN: Duration = Duration::from_secs(10);
/// The longest silence that a client takes for life, whatever the server promised.
pub const SILENCE_MAX: Duration = Duration::from_secs(600);
/// After a fault of the server, such as a full disk, a post is sent again after this long.
pub const RESEND_AFTER: Duration = Duration::from_secs(5);
/// While its disk is full, a server looks this often whether there is space again: as often as clients resend.
pub const WRITE_PROBE: Duration = RESEND_AFTER;
/// How long a login by token waits for another program that is doing the same with the same home.
pub const TOKEN_LOCK_MAX: Duration = Duration::from_secs(10);
/// Read marks of one room are sent at most this often, the latest one only.
pub const MARK_EVERY: Duration = Duration::from_secs(1);
/// Addresses that are tried for one server. When full the rest is ignored: an advert may claim any number.
pub const CANDIDATES_MAX: usize = 32;
/// Between the starts of two attempts to connect in one race: local links answer faster than this.
pub const CANDIDATE_STAGGER: Duration = Duration::from_millis(50);
/// Once an address has shown a wrong key, how long the others may still prove the right one.
pub const CANDIDATE_GRACE: Duration = Duration::from_secs(2);
/// Servers that a client remembers. When full the one used least recently goes; its pin stays.
pub const REMEMBERED_SERVERS_MAX: usize = 256;
/// Addresses remembered per server because it was reached there, the last good one first. When full the oldest goes.
pub const REMEMBERED_ADDRESSES_MAX: usize = 8;
/// Names and addresses remembered per server because a person typed them, apart from those, so that no advert pushes one
/// out. When full the oldest address goes for the new one, or the oldest name if all are names.
pub const REMEMBERED_TYPED_MAX: usize = 12;
/// A remembered address: a DNS name (RFC 1035 §2.3.4) and a port. A longer one is not remembered.
pub const REMEMBERED_ADDRESS_BYTES_MAX: usize = 262;
/// The delay before the first attempt to reconnect is up to this; it doubles with every failure.
pub const RECONNECT_DELAY_MIN: Duration = Duration::from_secs(1);
/// The longest wait before another attempt to reach a crowded server, which may have a place at any time.
pub const CROWDED_DELAY_MAX: Duration = Duration::from_secs(4);
/// How long a program that starts tries to reach a server that it knows and that is crowded.
pub const CROWDED_MAX: Duration = Duration::from_secs(300);
/// The same where no server is known to be: most likely none is.
pub const CROWDED_STRANGER_MAX: Duration = Duration::from_secs(10);
/// The longest wait that a client lets a server ask of it.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// A connection that lasted this long was a good one: the next loss is retried at once again.
pub const LINK_STABLE: Duration = Duration::from_secs(5);
/// Rows that wait for a terminal or a pipe to take them. When full the client reads no more events.
pub const OUTPUT_ROWS_MAX: usize = 4096;
/// Rows of one page of older lines on a terminal. If its messages have more, the long ones are folded.
pub const PAGE_ROWS_MAX: usize = 400;
/// Bytes of rows that wait for a terminal or a pipe to take them: a row may be as long as a line from a server. When full
/// the client reads no more events.
pub const OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Lines that the client keeps of what it has shown, of all rooms together, so that one can be named by its number: some
/// pages of history. When full the one that was shown first goes, and the server is asked for it.
pub const TIMELINE_LINES_MAX: usize = 5 * HISTORY_PAGE_MAX;
/// The same in bytes, texts included: a hundred of the longest messages.
pub const TIMELINE_BYTES_MAX: usize = 100 * MESSAGE_BYTES_MAX;
/// How long what is unread at a login waits for the lines that were read before, to be shown behind them: a slow server
/// must not look like one that has nothing new.
pub const UNREAD_HELD_MAX: Duration = Duration::from_secs(5);
/// Lines that were typed and wait for those before them. When full the editor, or the pipe, waits.
pub const INPUT_LINES_MAX: usize = 64;
/// A file with a password: the longest one, a byte order mark, and the end of a line. A longer one is refused.
pub const PASSWORD_FILE_BYTES_MAX: usize = PASSWORD_BYTES_MAX + 5;
/// A line from a pipe: the largest message, and a command before it. A longer one is refused.
pub const INPUT_LINE_BYTES_MAX: usize = MESSAGE_BYTES_MAX + 128;
/// Lines in the input history. When full the oldest goes.
pub const INPUT_HISTORY_MAX: usize = 1000;
/// The file of the input history: twice as many of the longest lines. Of a longer one the end is read.
pub const INPUT_HISTORY_BYTES_MAX: u64 = 2 * INPUT_HISTORY_MAX as u64 * INPUT_LINE_BYTES_MAX as u64;
/// An own message that is not acknowledged after this long is said to wait.
pub const ACK_PATIENCE: Duration = Duration::from_secs(1);
/// How long a client that leaves waits for what it has sent.
pub const LEAVE_MAX: Duration = Duration::from_secs(5);
/// How long discovery looks before it says "none".
pub const DISCOVER_WINDOW: Duration = Duration::from_secs(3);
/// How long the other servers of a network are waited for once the first has answered.
pub const DISCOVER_GRACE: Duration = Duration::from_millis(800);
/// How long an advert may grow before it is told: its addresses come one by one, and the first may be a dead one.
pub const DISCOVER_SETTLE: Duration = Duration::from_millis(150);
/// Servers kept of one look around. When full the one found first is forgotten, and is news again if it is heard again.
pub const DISCOVERED_MAX: usize = 256;
/// Addresses that one search asks at the same time who they are. When full the others wait: an advert may name any
/// number, and what they are is not known before they answer.
pub const PROBES_MAX: usize = 20;
/// Those of the probes that are for remembered servers, and those alone.
pub const PROBES_REMEMBERED_MAX: usize = 4;
/// Those of the probes that are for addresses that an advert itself came from. The rest is for what else adverts name.
pub const PROBES_OWN_MAX: usize = 4;
/// How long an address has to answer while others wait for its place. When it is over, the one that was asked first
/// makes room: a local server answers faster, and an address that says nothing keeps nobody waiting.
pub const PROBE_TURN: Duration = Duration::from_millis(500);
/// Turns of one address, each twice as long as the one before: a crowded server, or one at the end of a bad radio link,
/// may greet late. After the last it is not asked again.
pub const PROBE_TURNS_MAX: u32 = 2;
/// How long an address has to answer in any case.
pub const PROBE_MAX: Duration = DISCOVER_WINDOW;
/// Addresses that one search asks in its life for adverts, as many where adverts came from, and as many for remembered
/// servers. When full the rest is ignored.
pub const PROBED_ADDRESSES_MAX: usize = 4096;
/// How long a search goes on beyond its window while adverts wait to be looked at: nearly a second for each 32 of them.
pub const SEARCH_MAX: Duration = Duration::from_secs(15);
/// Servers shown in a list to choose from, those that are known first. When full the rest is counted.
pub const SERVERS_LISTED_MAX: usize = 20;
/// Attempts that end without a word before a server is looked for at other addresses too.
pub const CROWDED_BEFORE_SEARCH: u32 = 4;
/// Addresses of other servers that are told while one is lost. When full the rest is ignored.
pub const OTHER_SERVERS_TOLD_MAX: usize = 3;
/// From the first connect to the last candidate given up.
pub const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Connections on which a server breaks the protocol, each within [`BREACH_FORGOTTEN`] of the one before, until it is given
/// up: what comes back so often does not go away, and a script would be kept going for ever.
pub const BREACHES_MAX: u32 = 6;
/// A breach of the protocol that is so long ago counts no more.
pub const BREACH_FORGOTTEN: Duration = Duration::from_secs(600);
/// The longest wait between attempts to reconnect.
pub const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(30);
