//! Bounds of the client.

use super::*;

/// Posts that the client keeps until they are acknowledged. When full, input is not taken.
pub const OUTBOX_MAX: usize = 10_000;
/// Bytes of posts in one write to the outbox on disk; the rest go into the next write.
pub const OUTBOX_BATCH_BYTES_MAX: usize = 1024 * 1024;
/// An outbox file that is larger than this, and mostly settled, is rewritten.
pub const OUTBOX_FILE_SLACK_BYTES: u64 = 8 * 1024 * 1024;
/// An outbox file: all posts that it may hold, twice, since it is rewritten once it is mostly settled. A larger file is
/// not ours, and is not read.
pub const OUTBOX_FILE_BYTES_MAX: u64 = 2 * (OUTBOX_MAX * FRAME_BYTES_MAX) as u64 + OUTBOX_FILE_SLACK_BYTES;
/// Outbox files that are looked at, of running programs and of killed ones. The rest wait their turn.
pub const OUTBOX_FILES_MAX: usize = 256;
/// Events between the client library and its user. When full, the socket is left unread.
pub const CLIENT_EVENTS_MAX: usize = 1024;
/// How long events may be handled in a row before a key press gets its turn: some take long to show.
pub const CLIENT_EVENTS_TURN: Duration = Duration::from_millis(50);
/// Bytes of frames between the client library and its user. When full, the socket is left unread.
pub const CLIENT_EVENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Requests of one client that wait for their answers. When full, the next request waits.
pub const CLIENT_REQUESTS_MAX: usize = 64;
/// How long a request waits for its answer, a reconnect in between included.
pub const REQUEST_MAX: Duration = Duration::from_secs(30);
/// How many times a login is tried while the server is busy with others.
pub const LOGIN_TRIES_MAX: u32 = 10;
/// If a server makes a login wait longer than this between two tries, it has another reason, which the user is told.
pub const LOGIN_AGAIN_MAX: Duration = HASH_AGAIN_AFTER;
/// How long `bye` waits for `goodbye` before the client closes without it.
pub const CLOSE_MAX: Duration = Duration::from_secs(2);
/// A server that is silent for two and a half times its promised maximum counts as gone, but never sooner than this,
/// whatever it promised.
pub const SILENCE_MIN: Duration = Duration::from_secs(10);
/// The longest silence that a client tolerates, whatever the server promised.
pub const SILENCE_MAX: Duration = Duration::from_secs(600);
/// After a fault of the server, such as a full disk, a post is sent again after this long.
pub const RESEND_AFTER: Duration = Duration::from_secs(5);
/// While its disk is full, a server checks this often whether there is space again: as often as clients resend.
pub const WRITE_PROBE: Duration = RESEND_AFTER;
/// How long a login by token waits for another program that logs in with the same home.
pub const TOKEN_LOCK_MAX: Duration = Duration::from_secs(10);
/// Read marks of one room are sent at most this often, and only the latest one.
pub const MARK_EVERY: Duration = Duration::from_secs(1);
/// Addresses that are tried for one server. When full, the rest are ignored: an advert may claim any number.
pub const CANDIDATES_MAX: usize = 32;
/// The time between the starts of two attempts to connect in one race: local links answer faster than this.
pub const CANDIDATE_STAGGER: Duration = Duration::from_millis(50);
/// Once an address has shown a wrong key, how long the others may still prove the right one.
pub const CANDIDATE_GRACE: Duration = Duration::from_secs(2);
/// Servers that a client remembers. When full, the least recently used one is forgotten; its pin stays.
pub const REMEMBERED_SERVERS_MAX: usize = 256;
/// Addresses remembered per server because it was reached there, the most recent first. When full, the oldest is
/// dropped.
pub const REMEMBERED_ADDRESSES_MAX: usize = 8;
/// Names and addresses remembered per server because a person typed them. They are kept apart from
/// [`REMEMBERED_ADDRESSES_MAX`], so that an advert cannot displace one. When full, the oldest address is dropped, or
/// the oldest name if all are names.
pub const REMEMBERED_TYPED_MAX: usize = 12;
/// A remembered address: a DNS name (RFC 1035 §2.3.4) and a port. A longer one is not remembered.
pub const REMEMBERED_ADDRESS_BYTES_MAX: usize = 262;
/// The delay before the first attempt to reconnect is up to this; it doubles with every failure.
pub const RECONNECT_DELAY_MIN: Duration = Duration::from_secs(1);
/// The longest wait before the next attempt to reach a crowded server, which may have a place at any time.
pub const CROWDED_DELAY_MAX: Duration = Duration::from_secs(4);
/// How long a starting program tries to reach a known server that is crowded.
pub const CROWDED_MAX: Duration = Duration::from_secs(300);
/// The same at an address where no server is known: most likely there is none.
pub const CROWDED_STRANGER_MAX: Duration = Duration::from_secs(10);
/// The longest wait that a client lets a server ask of it.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// A connection that lasted this long counts as stable: after its loss, the first retry is immediate again.
pub const LINK_STABLE: Duration = Duration::from_secs(5);
/// Rows that wait for a terminal or a pipe to take them. When full, the client stops reading events.
pub const OUTPUT_ROWS_MAX: usize = 4096;
/// Rows of one page of older lines on a terminal. If its messages have more, the long ones are shortened.
pub const PAGE_ROWS_MAX: usize = 400;
/// Bytes of rows that wait for a terminal or a pipe to take them: a row may be as long as a line from a server. When
/// full, the client stops reading events.
pub const OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Shown lines that the client keeps, for all rooms together, so that a line can be referred to by its number: some
/// pages of history. When full, the line shown first is dropped; if it is needed again, the server is asked for it.
pub const TIMELINE_LINES_MAX: usize = 5 * HISTORY_PAGE_MAX;
/// The same in bytes, texts included: a hundred of the longest messages.
pub const TIMELINE_BYTES_MAX: usize = 100 * MESSAGE_BYTES_MAX;
/// How long unread lines at a login wait for the read lines that are shown before them: a slow server must not look
/// like one that has nothing new.
pub const UNREAD_HELD_MAX: Duration = Duration::from_secs(5);
/// Typed lines that wait for those before them. When full, the editor, or the pipe, waits.
pub const INPUT_LINES_MAX: usize = 64;
/// A password file: the longest password, a byte order mark, and the end of a line. A longer file is refused.
pub const PASSWORD_FILE_BYTES_MAX: usize = PASSWORD_BYTES_MAX + 5;
/// A line from a pipe: the largest message, and a command before it. A longer line is refused.
pub const INPUT_LINE_BYTES_MAX: usize = MESSAGE_BYTES_MAX + 128;
/// Lines in the input history. When full, the oldest is dropped.
pub const INPUT_HISTORY_MAX: usize = 1000;
/// The input history file: twice as many of the longest lines. Of a longer file, only the end is read.
pub const INPUT_HISTORY_BYTES_MAX: u64 = 2 * INPUT_HISTORY_MAX as u64 * INPUT_LINE_BYTES_MAX as u64;
/// One's own message is shown as waiting if it is not acknowledged after this long.
pub const ACK_PATIENCE: Duration = Duration::from_secs(1);
/// How long a client that leaves waits for its sent messages to be acknowledged.
pub const LEAVE_MAX: Duration = Duration::from_secs(5);
/// How long discovery looks before it reports "none".
pub const DISCOVER_WINDOW: Duration = Duration::from_secs(3);
/// How long discovery waits for other servers on the network once the first has answered.
pub const DISCOVER_GRACE: Duration = Duration::from_millis(800);
/// How long the addresses of an advert are collected before it is reported: they come one by one, and the first may be
/// dead.
pub const DISCOVER_SETTLE: Duration = Duration::from_millis(150);
/// Servers kept from one search. When full, the one found first is forgotten, and is reported again if it is heard
/// again.
pub const DISCOVERED_MAX: usize = 256;
/// Addresses that one search asks at a time to identify themselves. When full, the others wait: an advert may name any
/// number, and what they are is unknown until they answer.
pub const PROBES_MAX: usize = 20;
/// Probes that are reserved for remembered servers.
pub const PROBES_REMEMBERED_MAX: usize = 4;
/// Probes that are reserved for addresses that an advert came from. The rest are for other addresses that adverts name.
pub const PROBES_OWN_MAX: usize = 4;
/// How long an address has to answer while others wait for its place. After that, the address asked first makes room: a
/// local server answers faster, and a silent address must not keep others waiting.
pub const PROBE_TURN: Duration = Duration::from_millis(500);
/// Turns of one address, each twice as long as the one before: a crowded server, or one behind a bad radio link, may
/// greet late. After the last turn it is not asked again.
pub const PROBE_TURNS_MAX: u32 = 2;
/// How long an address has to answer in any case.
pub const PROBE_MAX: Duration = DISCOVER_WINDOW;
/// Addresses named by adverts that one search asks in all, as many that adverts came from, and as many of remembered
/// servers. When full, the rest are ignored.
pub const PROBED_ADDRESSES_MAX: usize = 4096;
/// How long a search continues past its window while adverts wait to be looked at: nearly a second per 32 of them.
pub const SEARCH_MAX: Duration = Duration::from_secs(15);
/// Servers shown in a list to choose from, known ones first. When full, the rest are only counted.
pub const SERVERS_LISTED_MAX: usize = 20;
/// Attempts that end without an answer before the server is looked for at other addresses too.
pub const CROWDED_BEFORE_SEARCH: u32 = 4;
/// Addresses of other servers that are reported while the server is lost. When full, the rest are ignored.
pub const OTHER_SERVERS_TOLD_MAX: usize = 3;
/// From the first attempt to connect until the last candidate is given up.
pub const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Connections on which a server breaks the protocol, each within [`BREACH_FORGOTTEN`] of the one before, until it is
/// given up: such a fault does not go away by itself, and a script would otherwise run for ever.
pub const BREACHES_MAX: u32 = 6;
/// A breach of the protocol no longer counts after this long.
pub const BREACH_FORGOTTEN: Duration = Duration::from_secs(600);
/// The longest wait between attempts to reconnect.
pub const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(30);
