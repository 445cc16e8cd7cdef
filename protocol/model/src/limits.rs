//! Every bound of the system, in one table. The unit comes last in the name; the reason stands beside it.

mod links;

use std::time::Duration;

pub use links::*;

// --- the wire -------------------------------------------------------------------------------------

/// A line before login, newline included. Enough for a login, too little to be worth sending in bulk.
pub const FRAME_BYTES_BEFORE_LOGIN_MAX: usize = 4 * 1024;
/// A line after login, newline included: the largest message even if every byte of it is escaped as `\u00XX`
/// would not fit, and need not; the largest message written plainly fits four times.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
/// A line from the server, newline included: a page of history or a list of rooms. A client may refuse more.
pub const SERVER_FRAME_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Objects and arrays inside each other. Our own frames need three.
pub const JSON_DEPTH_MAX: usize = 16;
/// Values in one frame. The longest list of a server has 160,000; a line of 2 MiB could have a million, which take 145 MiB.
pub const JSON_VALUES_MAX: usize = 262_144;
/// The `id` of a request.
pub const REQUEST_ID_BYTES_MAX: usize = 64;
/// A message body, in bytes of UTF-8: eight printed pages.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// Why somebody is away: one line of a terminal.
pub const AWAY_REASON_BYTES_MAX: usize = 200;
/// Cursors in one `attach`.
pub const CURSORS_MAX: usize = ROOMS_PER_ACCOUNT_MAX;

// --- names ----------------------------------------------------------------------------------------

/// An account or room name.
pub const NAME_CHARS_MAX: usize = 32;
/// A display name.
pub const DISPLAY_NAME_CHARS_MAX: usize = 40;
/// A server name: a DNS-SD instance label (RFC 6763 §4.1.1).
pub const SERVER_NAME_BYTES_MAX: usize = 63;
/// A sentence for people from a server: why something was refused, what holds now. A client cuts a longer one.
pub const SENTENCE_BYTES_MAX: usize = 1024;
/// Program and version of a server, in its greeting. A client cuts a longer one.
pub const SOFTWARE_BYTES_MAX: usize = 128;
/// Versions of the protocol in one greeting. A client reads no more of them.
pub const VERSIONS_MAX: usize = 16;
/// A device token, in printable ASCII characters: eight times 256 bits in base64, for formats to come. With this bound
/// the tokens of [`REMEMBERED_SERVERS_MAX`] servers fit [`PRIVATE_FILE_BYTES_MAX`].
pub const TOKEN_BYTES_MAX: usize = 512;
/// The epoch of a server's history, in printable ASCII characters.
pub const EPOCH_BYTES_MAX: usize = 64;
/// A time on the wire: RFC 3339 with a spare. A client cuts a longer one, and shows it as unknown.
pub const TIMESTAMP_BYTES_MAX: usize = 40;
/// The label that a device gives itself at login.
pub const DEVICE_LABEL_BYTES_MAX: usize = 64;
/// A new password. NIST SP 800-63B §5.1.1.2 asks for at least 8.
pub const PASSWORD_BYTES_MIN: usize = 8;
/// A password: long enough for a passphrase, short enough to hash under attack.
pub const PASSWORD_BYTES_MAX: usize = 256;

// --- rooms and the log ----------------------------------------------------------------------------

/// Group rooms that one account is in.
pub const GROUPS_PER_ACCOUNT_MAX: usize = 128;
/// Private chats of one account. Counted apart, because others can begin them: whoever is written to by very many
/// people can still join rooms.
pub const PRIVATE_CHATS_PER_ACCOUNT_MAX: usize = 896;
/// Rooms that one account is in. Bounds a session's cursors and its dirty set, and the cursors of all of them fit a frame.
pub const ROOMS_PER_ACCOUNT_MAX: usize = GROUPS_PER_ACCOUNT_MAX + PRIVATE_CHATS_PER_ACCOUNT_MAX;
/// Group rooms on a server that somebody is in: what one `rooms` answer can hold. Rooms that everybody has left do not
/// count; their names and last seqs stay.
pub const ROOMS_MAX: usize = 4096;
/// Group rooms with a new name that one account makes in [`ROOMS_MADE_WITHIN`]: enough to set a server up, and all that an
/// account can leave behind for good.
pub const ROOMS_MADE_PER_DAY_MAX: usize = 64;
/// The time in which rooms made are counted.
pub const ROOMS_MADE_WITHIN: Duration = Duration::from_secs(24 * 3600);
/// Names in one `members` answer; the count is always whole.
pub const MEMBERS_PAGE_MAX: usize = 1000;
/// Entries in one `history` answer. With long messages a page stops earlier, at [`PAGE_BYTES_MAX`].
pub const HISTORY_PAGE_MAX: usize = 200;
/// Entries that one read of the store returns to a session that is behind.
pub const REPLAY_PAGE_MAX: usize = 200;
/// The same in bytes, as [`PAGE_BYTES_MAX`] counts them: not much more than such a session is handed at a time. What is beyond it
/// would be read once more.
pub const REPLAY_PAGE_BYTES_MAX: usize = REPLAY_PAGE_MAX * ENTRY_OVERHEAD_BYTES_MAX + WRITE_BUFFER_BYTES_MAX;
/// Entries in one page as they are on the wire, escapes included: an eighth of [`SERVER_FRAME_BYTES_MAX`], because it is
/// what a peer that asks and does not read costs. A page has one entry in any case, and none is nearly as long.
pub const PAGE_BYTES_MAX: usize = 256 * 1024;
/// What an entry takes on the wire beside its body, at most: names, ids, punctuation.
pub const ENTRY_OVERHEAD_BYTES_MAX: usize = 256;
/// Lines shown on joining a room, unless the client asks for another number.
pub const JOIN_TAIL_DEFAULT: u64 = 50;
/// The largest tail that a client may ask for on joining.
pub const JOIN_TAIL_MAX: u64 = 1000;
/// Entries in a room's in-memory tail; a session that is further behind reads the store.
pub const RING_ENTRIES_MAX: usize = 1024;
/// Bodies in a room's in-memory tail, added up.
pub const RING_BYTES_MAX: usize = 1024 * 1024;
/// The same of all rooms together; encoded, they take about as much again. When full, the tails written longest ago go.
pub const RINGS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Entries that were committed together and are handed out as one piece, as bytes on the wire: about one TLS record
/// (RFC 8446 §5.1).
pub const RUN_BYTES_MAX: usize = 16 * 1024;
/// Forms in which a run, or news of presence, is kept as bytes: those of JSON, which both sides of a private chat see under
/// another name, and a few variants of other wires. When full, a further form is made for each recipient.
pub const WIRE_FORMS_MAX: usize = 6;

// --- queues ---------------------------------------------------------------------------------------

/// Posts of one session that are not acknowledged yet. When full the socket is left unread: TCP pushes back on
/// that sender alone.
pub const UNACKED_PER_SESSION_MAX: usize = 32;
/// Once a post has failed, for how long those behind it fail too, unless it comes again itself: what its author sent without
/// knowing must not overtake it. More than a line and its answer take on a LAN.
pub const POSTS_HELD_MAX: Duration = Duration::from_secs(1);
/// Sessions of one account at once: devices, windows and programs of a person. Beyond it: `busy`.
pub const SESSIONS_PER_ACCOUNT_MAX: usize = 32;
/// Sessions of one account beyond which a login by token is `busy`. The rest is for its password: whoever holds a stolen
/// token cannot keep the owner from coming in to change the password, which ends all others.
pub const SESSIONS_BY_TOKEN_MAX: usize = SESSIONS_PER_ACCOUNT_MAX - 4;
/// What an answer with a list in it may hold in memory until its last piece is in the write buffer: a page, or a list of
/// rooms.
pub const ANSWER_BYTES_MAX: usize = 384 * 1024;
/// All such answers of a server, added up. When used up, whoever asks next waits: its own connection is left unread.
pub const ANSWERS_BYTES_MAX: usize = 64 * ANSWER_BYTES_MAX;
/// Such answers of one account at once, so that a few accounts cannot use up all. When used up, its next request waits.
pub const ANSWERS_PER_ACCOUNT_MAX: usize = 4;
/// How long an answer may take to leave while others wait for its place. Then its connection is closed; it resumes by
/// cursor.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// `attach` on one connection that are served at once. One is enough; after that it waits.
pub const ATTACHES_FREE: u32 = 4;
/// After that, one more so often: it reads all rooms of the account.
pub const ATTACH_EVERY: Duration = Duration::from_secs(1);
/// How long an `attach`, `join`, `rooms` or `members`, and an `away` or a `back`, waits for others of its account, one of
/// which is served at a time, before it is told `busy`.
pub const READING_WAIT_MAX: Duration = Duration::from_secs(20);
/// How long a request waits for its place before it is told `busy`.
pub const ANSWER_WAIT_MAX: Duration = Duration::from_secs(20);
/// What drafts that wait to be on disk may hold in memory beyond what each account has of its own ([`QUEUE_BYTES_OWN_MAX`]), all
/// accounts together. When used up, whoever has more under way waits, and its connection is left unread.
pub const QUEUE_BYTES_MAX: usize = 16 * BATCH_BYTES_ALONE_MAX;
/// What the drafts of one account may hold there in any case: one of the longest messages, or some short ones. So whoever says
/// a line now and then waits behind nobody.
pub const QUEUE_BYTES_OWN_MAX: usize = MESSAGE_BYTES_MAX;
/// What a draft counts there at least: what is kept beside its text.
pub const QUEUE_BYTES_PER_DRAFT_MIN: usize = 1024;
/// Drafts that wait for the sequencer, and as many again that it has taken in and not yet committed: what as many sessions as
/// there are by default may hand in by [`QUEUE_BYTES_OWN_MAX`]. When full, `submit` waits.
pub const SEQUENCER_INBOX_MAX: usize = CLIENTS_DEFAULT * QUEUE_BYTES_OWN_MAX / QUEUE_BYTES_PER_DRAFT_MIN;
/// Posts of one account that wait to be on disk, of all its sessions: eight full windows. When full, its next post waits,
/// and its connection is left unread.
pub const POSTS_PER_ACCOUNT_MAX: usize = 8 * UNACKED_PER_SESSION_MAX;
/// Drafts of one account in one transaction, so that nobody else waits for many of them: two full windows. A single
/// session never has more.
pub const BATCH_DRAFTS_PER_ACCOUNT_MAX: usize = 2 * UNACKED_PER_SESSION_MAX;
/// Bytes of a transaction that is all of one account, with nobody else waiting: one full window of the longest messages.
pub const BATCH_BYTES_ALONE_MAX: usize = UNACKED_PER_SESSION_MAX * MESSAGE_BYTES_MAX;
/// Drafts in one transaction: bounds the memory of a batch and the time that a shutdown waits for it.
pub const BATCH_DRAFTS_MAX: usize = 1024;
/// The same when more wait than that, or somebody has more than a window waiting: each draft is a page of its own that changes,
/// and whoever comes waits for the batch under way and its own.
pub const BATCH_DRAFTS_IN_TURN_MAX: usize = 128;
/// The same in bytes when several accounts wait, so that nobody waits long for the longest messages of others.
pub const BATCH_BYTES_MAX: usize = BATCH_BYTES_ALONE_MAX / 4;
/// Readers that get their turn each time the sequencer steps back for those it woke. The runtime polls about 60 tasks
/// before it comes back to one that stepped back; more than it does would wake the sequencer in between, and cut the next
/// batch short.
pub const READERS_PER_TURN: usize = 48;
/// Requests of one connection before it lets others go first: twice the window of posts, so that a post seldom waits for
/// it. A full write buffer ends its turn too.
pub const REQUESTS_PER_TURN: u32 = 2 * UNACKED_PER_SESSION_MAX as u32;
/// Bytes of one connection before it lets others go first: one line of the longest.
pub const READ_BYTES_PER_TURN: usize = FRAME_BYTES_MAX;
/// What a byte of TLS that brings no text counts in that. A record has 22 of them, an update of keys 27: to decrypt one byte
/// costs as much as 256, and there is no end to records that bring nothing.
pub const TLS_BYTE_COST: usize = 12;
/// Jobs that wait for the store's writer thread. When full, the caller waits.
pub const WRITER_INBOX_MAX: usize = 1024;
/// How long the store's writer holds back what nobody waits for, so that it is in the commit of something else.
pub const COMPANY_WAIT_MAX: Duration = Duration::from_millis(20);
/// Jobs that the store's writer puts into one transaction: a queue that never runs dry must not keep it open.
pub const WRITER_BATCH_MAX: usize = 256;
/// Jobs that wait for the store's readers. When full, the caller waits.
pub const READER_INBOX_MAX: usize = 256;
/// Read-only connections of the store.
pub const READERS_MAX: usize = 2;
/// Space that is kept for letting people in and telling them, while messages are not taken any more: enough for the journal
/// to grow to where it stays.
pub const DISK_MARGIN_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The same on a small disk: one part in so many.
pub const DISK_MARGIN_SHARE: u64 = 100;
/// Bytes that are encoded before one write to a socket; more waits in the log, as a cursor.
pub const WRITE_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// What connections hold, all together, because their peers do not take it or have sent half a line. When it is more, whoever
/// has held longest is let go, if that is [`STALLED_TIME_MIN`].
pub const STALLED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A connection that makes progress, be it slowly, begins anew with each step.
pub const STALLED_TIME_MIN: Duration = Duration::from_secs(2);
/// Beyond this also those go that have held for a shorter time. A crowd behind a slow link fits: what the kernel takes for each
/// of them is not counted.
pub const STALLED_BYTES_HARD_MAX: usize = STALLED_BYTES_MAX / 2 * 3;
/// What a connection holds of that and nobody counts.
pub const STALLED_BYTES_MIN: usize = 4 * 1024;
/// Without a byte of progress in this time a write is given up, and the connection closed. It resumes by cursor.
pub const WRITE_STALL_MAX: Duration = Duration::from_secs(60);
/// Password hashes at work, at most, whatever the number of cores: each takes 19 MiB, and so does a change of a password
/// beside them. All of them are less than a flood may make a server grow by, 64 MiB.
pub const HASH_PERMITS_MAX: usize = 2;
/// Logins that wait for a hash, in each lane (those who logged in from there before, and all others). When full the
/// network that has the most waiting loses one, of the source that asked most lately: `busy`.
pub const HASH_QUEUE_MAX: usize = 64;
/// What one source asks of the hasher lately, as it is counted. When full the source stands with all those that ask for too
/// much.
pub const HASH_ASKED_MAX: u32 = 256;
/// One of these is forgotten so often. In this time a server hashes for as many sources as hosts of a LAN have addresses at
/// a time: so whoever uses one after the other has asked before, and stands behind whoever has not.
pub const HASH_ASKED_EVERY: Duration = Duration::from_secs(60);
/// After which somebody who was told `busy` by the hasher is to come again, in whole seconds.
pub const HASH_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Whoever comes again later than this has not waited, but begun anew: so a flood can keep only so many places that go ahead
/// as it makes attempts in this time.
pub const HASH_AGAIN_WITHIN: Duration = Duration::from_millis(3500);
/// Changes of passwords at work, beside the logins: one is enough, since nobody waits for many.
pub const PASSWD_PERMITS: usize = 1;
/// How long a login waits for a hash before it is told `busy`.
pub const HASH_WAIT_MAX: Duration = Duration::from_secs(5);
/// Changes of presence kept for sessions that have not read them: one per account, latest value.
pub const PRESENCE_ACCOUNTS_MAX: usize = 65_536;
/// Changes of presence, and as many typing marks, that a session is handed at a time; the others stay where they are kept.
pub const LATEST_PIECE_MAX: usize = 256;
/// Such pieces that are kept as they were encoded: those who come in a crowd read one after the other, each at its own place.
pub const LATEST_READ_MAX: usize = 4;
/// Bytes of one connection that the kernel takes without having sent them: a peer that reads nothing costs little there.
pub const SEND_UNSENT_MAX: u32 = 131_072;
/// Typing marks kept: one per room and account, latest value. When full the oldest goes.
pub const TYPING_MARKS_MAX: usize = 4096;

// --- connections ----------------------------------------------------------------------------------

/// Connections that have not logged in: more than one host has addresses at a time, at up to 40 KiB each. When full the
/// oldest goes, of the source that holds most.
pub const CONNECTIONS_BEFORE_LOGIN_MAX: usize = 1024;
/// The same from one IPv6 /64, IPv4 /16 or link, in which one host can have very many addresses: a quarter is left for the
/// others. When full one of them goes.
pub const CONNECTIONS_BEFORE_LOGIN_PER_NETWORK_MAX: usize = 768;
/// Accounts of which it is known where they logged in from: their owners are not slowed there by the guesses of others, and
/// places are kept for these sources in front of the login. When full the one that did not log in for the longest time is
/// forgotten.
pub const KNOWN_ACCOUNTS_MAX: usize = 4096;
/// Sources of one account that are known: a few devices, with several addresses each. When full the one that was not used
/// for the longest time is forgotten.
pub const KNOWN_SOURCES_PER_ACCOUNT_MAX: usize = 8;
/// Accounts of one source that are known: the people who share a computer. When full the others are not known there.
pub const KNOWN_ACCOUNTS_PER_SOURCE_MAX: u32 = 32;
/// Connections before login in kept places: the others keep three quarters. When full, the source that has most of them
/// gives one to a known source that has fewer.
pub const KEPT_PLACES_MAX: usize = 256;
/// The same of one source: the programs of one person that come back at once.
pub const KEPT_PLACES_PER_SOURCE_MAX: usize = 4;
/// TLS handshakes that are worked on at a time, whatever the number of cores; on a small machine half of the cores. The
/// others wait, and the sources get their turns one after the other.
pub const HANDSHAKES_AT_WORK_MAX: usize = 4;
/// Bytes of a peer that has not finished its TLS handshake: its records, the last of which may carry its first requests.
pub const HANDSHAKE_BYTES_MAX: usize = 20 * 1024;
/// Closed connections without a session that are kept for what their peers still send ([`LINGER_MAX`]). When full they are
/// not kept.
pub const LINGERING_MAX: usize = 64;
/// Sessions on a server, unless `max_clients` says otherwise. Beyond it: `server_full`.
pub const CLIENTS_DEFAULT: usize = 4096;
/// From accept to the end of the TLS handshake.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// From accept to a login, passwords typed by a person included.
pub const LOGIN_MAX: Duration = Duration::from_secs(120);
/// Requests of one connection, whatever they are, before it has a session: more than a person types in [`LOGIN_MAX`]. Then
/// it is closed, so that whoever wants more work of the server without an account pays for a handshake, in turns by source.
pub const REQUESTS_BEFORE_LOGIN_MAX: u32 = 64;
/// The same in bytes, blank lines and all, counted as [`READ_BYTES_PER_TURN`] is.
pub const BYTES_BEFORE_LOGIN_MAX: usize = REQUESTS_BEFORE_LOGIN_MAX as usize * FRAME_BYTES_BEFORE_LOGIN_MAX;
/// A server that has sent nothing for this long sends `ping`. A client that hears nothing for 2.5 times as long takes the
/// link for dead; a server leaves that to TCP (keep-alive, [`WRITE_STALL_MAX`]).
pub const KEEPALIVE: Duration = Duration::from_secs(30);
/// How long a closed connection is kept for what its peer still sends: enough to read why it was closed.
pub const LINGER_MAX: Duration = Duration::from_secs(1);
/// Sessions that a server that stops asks back in one second: each costs its next start a handshake and a commit.
pub const RETURNS_PER_SECOND: usize = 400;
/// From the signal to the exit of a server.
pub const DRAIN_MAX: Duration = Duration::from_secs(4);
/// Attempts at one account that may fail from one source before it is slowed.
pub const LOGIN_FAILURES_FREE: u32 = 5;
/// The longest wait between attempts for one account from one source.
pub const LOGIN_DELAY_MAX: Duration = Duration::from_secs(60);
/// Failed attempts at one account, at once, from all sources that failed there before and never logged in to it.
pub const LOGIN_ACCOUNT_BURST: u32 = 20;
/// After that, one more so often: 60 guesses an hour, from however many sources.
pub const LOGIN_ACCOUNT_EVERY: Duration = Duration::from_secs(60);
/// Failed attempts at one account, at once, from sources that never tried it before: apart, so that its owner on a new
/// device does not stand behind those that guess.
pub const LOGIN_FRESH_BURST: u32 = 20;
/// After that, one more so often: whoever has very many addresses gains one guess by each.
pub const LOGIN_FRESH_EVERY: Duration = Duration::from_secs(5);
/// Failed attempts from one source, at once, at whichever accounts it never logged in to.
pub const LOGIN_SOURCE_BURST: u32 = 30;
/// After that, one more so often: ten a minute.
pub const LOGIN_SOURCE_EVERY: Duration = Duration::from_secs(6);
/// How long it is remembered that a source has shown a token that opened no session: its next ones are looked up before
/// anything is written for them.
pub const BAD_TOKEN_SHOWN: Duration = Duration::from_secs(60);
/// Sources, accounts, and pairs of them, whose attempts are remembered. When full an eighth of them goes: those that would be
/// as good as new first.
pub const LOGIN_SOURCES_MAX: usize = 4096;
/// A device that has not been seen for this long must log in by password.
pub const DEVICE_IDLE_MAX: Duration = Duration::from_secs(180 * 24 * 3600);
/// For how long a server runs until the copy of the database goes that an upgrade kept: it holds what was deleted since.
pub const COPY_KEPT_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Devices of one account. The least recently used goes.
pub const DEVICES_PER_ACCOUNT_MAX: usize = 16;

// --- identity and trust ---------------------------------------------------------------------------

/// Pinned servers in one home. When full, a new server is refused until one is forgotten.
pub const PINS_MAX: usize = 1024;
/// A private file (key, pins, tokens). More is damage: pins of [`PINS_MAX`] servers are a quarter of it.
pub const PRIVATE_FILE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Names and addresses in a certificate. Clients check the key, not these, so that the rest may be left out.
pub const CERTIFICATE_NAMES_MAX: usize = 64;

// --- the advert -----------------------------------------------------------------------------------

/// How often the addresses of the host are looked at: how long a new one is missing from the certificate.
pub const ADDRESSES_EVERY: Duration = Duration::from_secs(5);
/// How long a server that stops waits for its advert to be withdrawn.
pub const WITHDRAW_MAX: Duration = Duration::from_secs(1);
/// The number after a server name that others on the network have too. When reached, the name stays contested: as many
/// conflicts as this are somebody who wants them (RFC 6762 §8.1).
pub const NAME_SUFFIX_MAX: u32 = 15;
/// How long others may keep a name from being announced: then it is kept whoever else has it, so that whoever looks around
/// finds the server. Time for [`NAME_SUFFIX_MAX`] honest conflicts, each of which is told within 0.25 s.
pub const NAME_CONTESTED_MAX: Duration = Duration::from_secs(3);
/// A name that was not contested for this long has [`NAME_CONTESTED_MAX`] anew.
pub const NAME_CONTEST_ENDS: Duration = Duration::from_secs(10);
/// A multicast DNS message that is read: what one frame of Ethernet carries. RFC 6762 §17 allows 9000 bytes, of which a few
/// hundred in a second, full of names that point to names, keep a core busy. What is longer is not read; since it may have
/// been a question, the server is announced.
pub const MDNS_PACKET_BYTES_MAX: usize = 1472;
/// The buffer that a message is received into: any datagram fits. One that did not would be an error on Windows, behind which
/// a socket rests.
pub const MDNS_DATAGRAM_BYTES_MAX: usize = 65_535;
/// Questions that are repeated in an answer to a sender who asks from a port of its own (RFC 6762 §6.7). When full the rest
/// is answered and not repeated.
pub const MDNS_QUESTIONS_MAX: usize = 8;
/// Interfaces that multicast DNS is spoken on. When full, the rest is left out.
pub const MDNS_INTERFACES_MAX: usize = 32;
/// Addresses of one host on one interface, said or heard. When full, the rest is left out.
pub const MDNS_ADDRESSES_MAX: usize = 32;
/// Servers that are read out of one message. When full, the rest is ignored.
pub const MDNS_INSTANCES_MAX: usize = 64;
/// Adverts that were heard and wait to be looked at. When full the sockets are left unread.
pub const MDNS_ADVERTS_MAX: usize = 64;
/// Questions that are looked at in a second, on one interface. More than any network asks; when full, the server is
/// announced once a second instead.
pub const MDNS_QUERIES_PER_SECOND: u32 = 2000;
/// Responses that are looked at in a second, on one interface: only one that contests our name matters. When full, as
/// for questions.
pub const MDNS_RESPONSES_PER_SECOND: u32 = 500;
/// Answers to one host alone in a second, on one interface: an address is easily forged, and who it belongs to must not
/// be flooded by us. When full, only all hosts are answered.
pub const MDNS_REPLIES_PER_SECOND: u32 = 100;

// --- presence and typing --------------------------------------------------------------------------

/// A connection that is lost and back within this time is not announced.
pub const FLAP: Duration = Duration::from_secs(15);
/// An account whose presence has not changed for this long has its next visit, and its next going away and coming back,
/// told at once. What it changes sooner is told only once it lasts. Doubles with every visit shorter than [`FLAP`].
pub const PRESENCE_CALM_MIN: Duration = Duration::from_secs(60);
/// The longest such calm: after it nothing is held against an account.
pub const PRESENCE_CALM_MAX: Duration = Duration::from_secs(3600);
/// How long somebody who comes in between must stay to be told of: longer than a program that says one line and leaves.
/// Every other change in between must last for [`FLAP`].
pub const ARRIVAL_LASTS: Duration = Duration::from_secs(3);
/// Accounts of which it is known what they changed lately, and as many again that came and have changed nothing since. When
/// full, the one that changed longest ago is told as it is, and forgotten; of those that only came, all.
pub const PRESENCE_LATELY_MAX: usize = 4096;
/// Changes of presence that follow each other faster than this, for each session that is told, are told together.
pub const PRESENCE_PER_SESSION: Duration = Duration::from_micros(50);
/// The longest that a change of presence waits for others to be told with it, however many sessions there are.
pub const PRESENCE_WAIT_MAX: Duration = Duration::from_millis(100);
/// Typing is shown for this long after the last mark.
pub const TYPING_SHOWN: Duration = Duration::from_secs(6);
/// A client marks typing at most this often.
pub const TYPING_EVERY: Duration = Duration::from_secs(3);
/// Rooms in which an account is marked as typing within a second; marks beyond that are passed over. A person types in one.
pub const TYPING_ROOMS_MAX: usize = 2;

// --- the server's log -----------------------------------------------------------------------------

/// A log file of a server that runs without a terminal, as a service of Windows does. When full it is put aside in the
/// place of the one before.
pub const LOG_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The time in which lines are counted that others cause.
pub const LOG_WINDOW: Duration = Duration::from_secs(60);
/// Lines of one kind that one source, or one account, causes in that time. Those beyond are left out, and counted.
pub const LOG_LINES_PER_SOURCE_MAX: u32 = 10;
/// The same of all sources: a day of it is 40 MB. The first warning of one kind about an account is written all the same.
pub const LOG_LINES_PER_KIND_MAX: u32 = 200;
/// Lines of all kinds and sources in that time, warnings not included.
pub const LOG_LINES_MAX: u32 = 600;
/// Sources that are counted by themselves, and accounts that are in warnings. When full, the others are counted by kind.
pub const LOG_SOURCES_MAX: usize = 1024;

mod client;

pub use client::*;

#[cfg(test)]
mod tests;
