//! Every bound of the system, in one table. Each name ends with the unit; each comment gives the reason.

mod links;

use std::time::Duration;

pub use links::*;

// --- the wire -------------------------------------------------------------------------------------

/// A line before login, newline included. Enough for a login, too little to be worth sending in bulk.
pub const FRAME_BYTES_BEFORE_LOGIN_MAX: usize = 4 * 1024;
/// A line after login, newline included: it holds the largest message four times over, if written plainly. The largest
/// message with every byte escaped as `\u00XX` would not fit, and need not.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
/// A line from the server, newline included: a page of history or a list of rooms. A client may refuse more.
pub const SERVER_FRAME_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Nesting depth of objects and arrays. Our own frames need three.
pub const JSON_DEPTH_MAX: usize = 16;
/// Values in one frame. A server's longest list has 160,000; a line of 2 MiB could have a million, which would take 145
/// MiB.
pub const JSON_VALUES_MAX: usize = 262_144;
/// The `id` of a request.
pub const REQUEST_ID_BYTES_MAX: usize = 64;
/// A message body, in bytes of UTF-8: eight printed pages.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// The reason for being away: one line of a terminal.
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
/// A sentence for people from a server: why something was refused, or a notice. A client truncates a longer one.
pub const SENTENCE_BYTES_MAX: usize = 1024;
/// Program and version of a server, in its greeting. A client truncates a longer one.
pub const SOFTWARE_BYTES_MAX: usize = 128;
/// Protocol versions in one greeting. A client ignores the rest.
pub const VERSIONS_MAX: usize = 16;
/// A device token, in printable ASCII characters: eight times 256 bits in base64, to leave room for future formats.
/// With this bound the tokens of [`REMEMBERED_SERVERS_MAX`] servers fit [`PRIVATE_FILE_BYTES_MAX`].
pub const TOKEN_BYTES_MAX: usize = 512;
/// The epoch of a server's history, in printable ASCII characters.
pub const EPOCH_BYTES_MAX: usize = 64;
/// A time on the wire: RFC 3339 with some slack. A client truncates a longer one, and shows it as unknown.
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
/// Private chats of one account. Counted separately, because others can begin them: somebody who gets messages from
/// very many people can still join rooms.
pub const PRIVATE_CHATS_PER_ACCOUNT_MAX: usize = 896;
/// Rooms that one account is in. Bounds a session's cursors and its dirty set. A frame holds cursors for all of them.
pub const ROOMS_PER_ACCOUNT_MAX: usize = GROUPS_PER_ACCOUNT_MAX + PRIVATE_CHATS_PER_ACCOUNT_MAX;
/// Group rooms with members on a server: as many as one `rooms` answer can hold. Rooms that everybody has left do not
/// count; their names and last seqs stay.
pub const ROOMS_MAX: usize = 4096;
/// Group rooms with a new name that one account may make in [`ROOMS_MADE_WITHIN`]: enough to set a server up. Their
/// names stay for good, so this bounds what an account can leave behind.
pub const ROOMS_MADE_PER_DAY_MAX: usize = 64;
/// The time over which new rooms are counted.
pub const ROOMS_MADE_WITHIN: Duration = Duration::from_secs(24 * 3600);
/// Names in one `members` answer; the total is always exact.
pub const MEMBERS_PAGE_MAX: usize = 1000;
/// Entries in one `history` answer. With long messages a page stops earlier, at [`PAGE_BYTES_MAX`].
pub const HISTORY_PAGE_MAX: usize = 200;
/// Entries that one read of the store returns to a session that has fallen behind.
pub const REPLAY_PAGE_MAX: usize = 200;
/// The same in bytes, as [`PAGE_BYTES_MAX`] counts them: not much more than such a session is handed at a time.
/// Anything beyond that would be read a second time.
pub const REPLAY_PAGE_BYTES_MAX: usize = REPLAY_PAGE_MAX * ENTRY_OVERHEAD_BYTES_MAX + WRITE_BUFFER_BYTES_MAX;
/// Entries of one page in bytes on the wire, escapes included: an eighth of [`SERVER_FRAME_BYTES_MAX`], because a peer
/// that asks and does not read costs this much. A page always has at least one entry, and no entry is nearly as long.
pub const PAGE_BYTES_MAX: usize = 256 * 1024;
/// What an entry takes on the wire besides its body, at most: names, ids, punctuation.
pub const ENTRY_OVERHEAD_BYTES_MAX: usize = 256;
/// Lines shown on joining a room, unless the client asks for another number.
pub const JOIN_TAIL_DEFAULT: u64 = 50;
/// The largest tail that a client may ask for on joining.
pub const JOIN_TAIL_MAX: u64 = 1000;
/// Entries in a room's in-memory tail; a session that has fallen further behind reads the store.
pub const RING_ENTRIES_MAX: usize = 1024;
/// Total bytes of the bodies in a room's in-memory tail.
pub const RING_BYTES_MAX: usize = 1024 * 1024;
/// The same for all rooms together; in encoded form they take about as much again. When full, the tails written longest
/// ago are dropped.
pub const RINGS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A run: entries that were committed together and are handed out in one piece, in bytes on the wire. About one TLS
/// record (RFC 8446 §5.1).
pub const RUN_BYTES_MAX: usize = 16 * 1024;
/// Wire forms of a run, or of presence news, that are kept as bytes: those of JSON, in which each side of a private
/// chat sees another name, and a few variants of other wires. When full, further forms are made anew for each
/// recipient.
pub const WIRE_FORMS_MAX: usize = 6;

// --- queues ---------------------------------------------------------------------------------------

/// Posts of one session that are not acknowledged yet. When full, the socket is left unread: TCP back-pressure stops
/// that sender alone.
pub const UNACKED_PER_SESSION_MAX: usize = 32;
/// How long later posts of a session fail after one has failed, unless that one is resent: posts sent before its author
/// knew of the failure must not overtake it. Longer than a line and its answer take on a LAN.
pub const POSTS_HELD_MAX: Duration = Duration::from_secs(1);
/// Sessions of one account at once: a person's devices, windows and programs. Beyond it: `busy`.
pub const SESSIONS_PER_ACCOUNT_MAX: usize = 32;
/// Sessions of one account beyond which a login by token is `busy`. The rest is for logins by password: the holder of a
/// stolen token cannot keep the owner from logging in to change the password, which ends all other sessions.
pub const SESSIONS_BY_TOKEN_MAX: usize = SESSIONS_PER_ACCOUNT_MAX - 4;
/// What an answer with a list may hold in memory until its last piece is in the write buffer: a page, or a list of
/// rooms.
pub const ANSWER_BYTES_MAX: usize = 384 * 1024;
/// All such answers of a server together. When used up, the next client to ask waits: its own connection is left
/// unread.
pub const ANSWERS_BYTES_MAX: usize = 64 * ANSWER_BYTES_MAX;
/// Such answers of one account at once, so that a few accounts cannot use up all. When used up, its next request waits.
pub const ANSWERS_PER_ACCOUNT_MAX: usize = 4;
/// How long an answer may take to be sent while others wait for its place. Then its connection is closed; the client
/// resumes by cursor.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// `attach` requests on one connection that are served without delay. One is enough; further ones wait.
pub const ATTACHES_FREE: u32 = 4;
/// The interval between further ones: each reads all rooms of the account.
pub const ATTACH_EVERY: Duration = Duration::from_secs(1);
/// How long an `attach`, `join`, `rooms`, `members`, `away` or `back` waits for others of its account before it is
/// answered `busy`. They are served one at a time.
pub const READING_WAIT_MAX: Duration = Duration::from_secs(20);
/// How long a request waits for its place before it is answered `busy`.
pub const ANSWER_WAIT_MAX: Duration = Duration::from_secs(20);
/// Memory for drafts that are not on disk yet, beyond each account's own share ([`QUEUE_BYTES_OWN_MAX`]), for all
/// accounts together. When used up, an account over its share waits, and its connection is left unread.
pub const QUEUE_BYTES_MAX: usize = 16 * BATCH_BYTES_ALONE_MAX;
/// The share that the drafts of one account may always hold: one of the longest messages, or some short ones. So an
/// account that posts a line now and then never waits behind others.
pub const QUEUE_BYTES_OWN_MAX: usize = MESSAGE_BYTES_MAX;
/// The least that a draft counts there: what is kept besides its text.
pub const QUEUE_BYTES_PER_DRAFT_MIN: usize = 1024;
/// Drafts that wait for the sequencer, and as many again that it has taken in but not yet committed: as many as the
/// default number of sessions may hand in within [`QUEUE_BYTES_OWN_MAX`]. When full, `submit` waits.
pub const SEQUENCER_INBOX_MAX: usize = CLIENTS_DEFAULT * QUEUE_BYTES_OWN_MAX / QUEUE_BYTES_PER_DRAFT_MIN;
/// Posts of one account, from all its sessions, that wait to be on disk: eight full windows. When full, its next post
/// waits, and its connection is left unread.
pub const POSTS_PER_ACCOUNT_MAX: usize = 8 * UNACKED_PER_SESSION_MAX;
/// Drafts of one account in one transaction: two full windows, so that others do not wait for many of them. A single
/// session never has more.
pub const BATCH_DRAFTS_PER_ACCOUNT_MAX: usize = 2 * UNACKED_PER_SESSION_MAX;
/// Bytes of a transaction of one account while nobody else waits: one full window of the longest messages.
pub const BATCH_BYTES_ALONE_MAX: usize = UNACKED_PER_SESSION_MAX * MESSAGE_BYTES_MAX;
/// Drafts in one transaction. Bounds the memory of a batch, and how long a shutdown waits for it.
pub const BATCH_DRAFTS_MAX: usize = 1024;
/// The same when more drafts wait than that, or an account has more than a window waiting: each draft changes a page of
/// its own, and a new post waits for the batch in progress and its own.
pub const BATCH_DRAFTS_IN_TURN_MAX: usize = 128;
/// The same in bytes when several accounts wait, so that nobody waits long for the long messages of others.
pub const BATCH_BYTES_MAX: usize = BATCH_BYTES_ALONE_MAX / 4;
/// Readers that run each time the sequencer yields to those it woke. The runtime polls about 60 tasks before it returns
/// to a task that yielded. With more readers than that, the sequencer would run in between, and its next batch would be
/// cut short.
pub const READERS_PER_TURN: usize = 48;
/// Requests of one connection before it yields to others: twice the window of posts, so that posts seldom wait for
/// this. A full write buffer ends its turn too.
pub const REQUESTS_PER_TURN: u32 = 2 * UNACKED_PER_SESSION_MAX as u32;
/// Bytes of one connection before it yields to others: one line of the greatest length.
pub const READ_BYTES_PER_TURN: usize = FRAME_BYTES_MAX;
/// The weight there of a TLS byte that carries no text. A record has 22 such bytes, a key update 27. Decrypting one
/// byte costs as much as decrypting 256, and a peer can send empty records without end.
pub const TLS_BYTE_COST: usize = 12;
/// Jobs that wait for the store's writer thread. When full, the caller waits.
pub const WRITER_INBOX_MAX: usize = 1024;
/// How long the store's writer delays jobs that nobody waits for, so that they share the commit of another one.
pub const COMPANY_WAIT_MAX: Duration = Duration::from_millis(20);
/// Jobs that the store's writer puts into one transaction: a queue that never runs dry must not keep it open.
pub const WRITER_BATCH_MAX: usize = 256;
/// Jobs that wait for the store's readers. When full, the caller waits.
pub const READER_INBOX_MAX: usize = 256;
/// Read-only connections of the store.
pub const READERS_MAX: usize = 2;
/// Disk space reserved for logins and notices once messages are no longer accepted: enough for the journal to reach its
/// full size.
pub const DISK_MARGIN_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The same on a small disk: its size divided by this.
pub const DISK_MARGIN_SHARE: u64 = 100;
/// Bytes that are encoded before one write to a socket. The rest waits in the log, as a cursor.
pub const WRITE_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// What all connections together hold because their peers do not read, or have sent half a line. Beyond this, the
/// connection that has held for longest is closed, if that is at least [`STALLED_TIME_MIN`].
pub const STALLED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// See [`STALLED_BYTES_MAX`]. Each step of progress, however slow, restarts this time.
pub const STALLED_TIME_MIN: Duration = Duration::from_secs(2);
/// Beyond this, connections are closed even if they have held for a shorter time. A crowd behind a slow link fits,
/// since what the kernel buffers for each is not counted.
pub const STALLED_BYTES_HARD_MAX: usize = STALLED_BYTES_MAX / 2 * 3;
/// What a connection may hold without being counted there.
pub const STALLED_BYTES_MIN: usize = 4 * 1024;
/// A write that makes no progress for this long is given up, and the connection is closed. The client resumes by
/// cursor.
pub const WRITE_STALL_MAX: Duration = Duration::from_secs(60);
/// Password hashes computed at a time, whatever the number of cores. Each takes 19 MiB, as does a password change next
/// to them. Together they take less than the 64 MiB by which a flood may make a server grow.
pub const HASH_PERMITS_MAX: usize = 2;
/// Logins that wait for a hash, in each lane (sources from which the account has logged in before, and all others).
/// When full, the network with the most waiting loses one, of the source that has asked most lately: `busy`.
pub const HASH_QUEUE_MAX: usize = 64;
/// The count of one source's recent requests to the hasher. When full, the source ranks with all others that ask for
/// too much.
pub const HASH_ASKED_MAX: u32 = 256;
/// The interval at which that count drops by one. In this time a server hashes for as many sources as the hosts of a
/// LAN have addresses at a time. So a host that uses one address after another has asked before, and ranks behind those
/// that have not.
pub const HASH_ASKED_EVERY: Duration = Duration::from_secs(60);
/// How long a login that the hasher answered `busy` should wait before the next try, in whole seconds.
pub const HASH_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// A login that returns later than this counts as a new one, not as one that waited. So a flood holds no more preferred
/// places than the attempts it makes in this time.
pub const HASH_AGAIN_WITHIN: Duration = Duration::from_millis(3500);
/// Password changes in progress at a time, next to the logins: one is enough, since few are ever waiting.
pub const PASSWD_PERMITS: usize = 1;
/// How long a login waits for a hash before it is answered `busy`.
pub const HASH_WAIT_MAX: Duration = Duration::from_secs(5);
/// Changes of presence kept for sessions that have not read them: one per account, latest value.
pub const PRESENCE_ACCOUNTS_MAX: usize = 65_536;
/// Changes of presence, and as many typing marks, that a session is handed at a time; the rest stay where they are
/// kept.
pub const LATEST_PIECE_MAX: usize = 256;
/// Pieces of that kind that are kept in encoded form: sessions that arrive in a crowd read one after the other, each at
/// its own position.
pub const LATEST_READ_MAX: usize = 4;
/// Spare bytes that a buffer of incomplete input may have, besides as many as it holds. When there are more, the input is
/// copied to a buffer of its own.
pub const SPARE_BYTES_MAX: usize = 1024;
/// Unsent bytes of one connection that the kernel may buffer, so that a peer that reads nothing costs little there.
pub const SEND_UNSENT_MAX: u32 = 131_072;
/// Typing marks kept: one per room and account, latest value. When full, the oldest is dropped.
pub const TYPING_MARKS_MAX: usize = 4096;

// --- connections ----------------------------------------------------------------------------------

/// Connections that have not logged in: more than one host has addresses at a time, at up to 40 KiB each. When full,
/// the oldest connection of the source that holds most is closed.
pub const CONNECTIONS_BEFORE_LOGIN_MAX: usize = 1024;
/// The same from one IPv6 /64, IPv4 /16 or link, in which one host can have very many addresses: a quarter is left for
/// others. When full, one of its connections is closed.
pub const CONNECTIONS_BEFORE_LOGIN_PER_NETWORK_MAX: usize = 768;
/// Accounts whose sources are remembered, because they logged in from there: there, the guesses of others do not slow
/// the owner, and places before the login are reserved for these sources. When full, the account that has not logged in
/// for the longest time is forgotten.
pub const KNOWN_ACCOUNTS_MAX: usize = 4096;
/// Known sources of one account: a few devices, with several addresses each. When full, the one unused for the longest
/// time is forgotten.
pub const KNOWN_SOURCES_PER_ACCOUNT_MAX: usize = 8;
/// Known accounts of one source: the people who share a computer. When full, further accounts are not remembered there.
pub const KNOWN_ACCOUNTS_PER_SOURCE_MAX: u32 = 32;
/// Connections before login in places reserved for known sources: three quarters are left for the others. When full,
/// the source that has most of them gives one up to a known source that has fewer.
pub const KEPT_PLACES_MAX: usize = 256;
/// The same for one source: one person's programs that reconnect at once.
pub const KEPT_PLACES_PER_SOURCE_MAX: usize = 4;
/// TLS handshakes in progress at a time, whatever the number of cores; on a small machine, half of the cores. The
/// others wait, and the sources take turns.
pub const HANDSHAKES_AT_WORK_MAX: usize = 4;
/// Bytes from a peer that has not finished its TLS handshake: its records, the last of which may carry its first
/// requests.
pub const HANDSHAKE_BYTES_MAX: usize = 20 * 1024;
/// Closed connections without a session that linger for what their peers still send ([`LINGER_MAX`]). When full,
/// further ones do not linger.
pub const LINGERING_MAX: usize = 64;
/// Sessions on a server, unless `max_clients` says otherwise. Beyond it: `server_full`.
pub const CLIENTS_DEFAULT: usize = 4096;
/// From accept to the end of the TLS handshake.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// From accept to a login, including the time in which a person types a password.
pub const LOGIN_MAX: Duration = Duration::from_secs(120);
/// Requests of one connection, of any kind, before it has a session: more than a person types in [`LOGIN_MAX`]. Then it
/// is closed, so that a client without an account pays for more of the server's work with another handshake, which
/// takes its turn by source.
pub const REQUESTS_BEFORE_LOGIN_MAX: u32 = 64;
/// The same in bytes, blank lines included, counted as [`READ_BYTES_PER_TURN`] is.
pub const BYTES_BEFORE_LOGIN_MAX: usize = REQUESTS_BEFORE_LOGIN_MAX as usize * FRAME_BYTES_BEFORE_LOGIN_MAX;
/// A server that has sent nothing for this long sends `ping`. A client that hears nothing for 2.5 times as long
/// considers the link dead; a server leaves that to TCP (keep-alive, [`WRITE_STALL_MAX`]).
pub const KEEPALIVE: Duration = Duration::from_secs(30);
/// How long a closed connection lingers for what its peer still sends: enough for the peer to read why it was closed.
pub const LINGER_MAX: Duration = Duration::from_secs(1);
/// Sessions that a stopping server asks to reconnect in the same second: each costs the next start a handshake and a
/// commit.
pub const RETURNS_PER_SECOND: usize = 400;
/// From the signal to the exit of a server.
pub const DRAIN_MAX: Duration = Duration::from_secs(4);
/// Failed attempts at one account from one source before further ones are slowed.
pub const LOGIN_FAILURES_FREE: u32 = 5;
/// The longest wait between attempts for one account from one source.
pub const LOGIN_DELAY_MAX: Duration = Duration::from_secs(60);
/// Failed attempts at one account, in a burst, from all sources that failed there before and never logged in to it.
pub const LOGIN_ACCOUNT_BURST: u32 = 20;
/// The interval between further ones: 60 guesses an hour, from however many sources.
pub const LOGIN_ACCOUNT_EVERY: Duration = Duration::from_secs(60);
/// Failed attempts at one account, in a burst, from sources that never tried it before. Counted separately, so that the
/// owner on a new device does not wait behind those that guess.
pub const LOGIN_FRESH_BURST: u32 = 20;
/// The interval between further ones: a host with very many addresses gains one guess with each.
pub const LOGIN_FRESH_EVERY: Duration = Duration::from_secs(5);
/// Failed attempts from one source, in a burst, at any accounts to which it never logged in.
pub const LOGIN_SOURCE_BURST: u32 = 30;
/// The interval between further ones: ten a minute.
pub const LOGIN_SOURCE_EVERY: Duration = Duration::from_secs(6);
/// How long a source is remembered after it has shown a token that did not open a session: its next tokens are looked
/// up before anything is written for them.
pub const BAD_TOKEN_SHOWN: Duration = Duration::from_secs(60);
/// Sources, accounts, and pairs of both, whose attempts are remembered. When full, an eighth of them is dropped, those
/// that have nearly recovered first.
pub const LOGIN_SOURCES_MAX: usize = 4096;
/// A device that has not been seen for this long must log in by password.
pub const DEVICE_IDLE_MAX: Duration = Duration::from_secs(180 * 24 * 3600);
/// How long the copy of the database that an upgrade made is kept: it holds what was deleted since.
pub const COPY_KEPT_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Devices of one account. When full, the least recently used one is logged out.
pub const DEVICES_PER_ACCOUNT_MAX: usize = 16;

// --- identity and trust ---------------------------------------------------------------------------

/// Pinned servers in one home. When full, a new server is refused until another one is forgotten.
pub const PINS_MAX: usize = 1024;
/// A private file (key, pins, tokens). A larger one is damaged: pins of [`PINS_MAX`] servers take a quarter of it.
pub const PRIVATE_FILE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Names and addresses in a certificate. Clients check the key, not these, so further ones may be left out.
pub const CERTIFICATE_NAMES_MAX: usize = 64;

// --- the advert -----------------------------------------------------------------------------------

/// How often the addresses of the host are checked, and so how long a new one is missing from the certificate.
pub const ADDRESSES_EVERY: Duration = Duration::from_secs(5);
/// How long a stopping server waits for its advert to be withdrawn.
pub const WITHDRAW_MAX: Duration = Duration::from_secs(1);
/// The number added to a server name that others on the network use too. When reached, the name stays contested: this
/// many conflicts are deliberate (RFC 6762 §8.1).
pub const NAME_SUFFIX_MAX: u32 = 15;
/// How long others may keep a name from being announced. Then it is kept no matter who else has it, so that clients
/// find the server. Time for [`NAME_SUFFIX_MAX`] honest conflicts, each of which is reported within 0.25 s.
pub const NAME_CONTESTED_MAX: Duration = Duration::from_secs(3);
/// A name that was not contested for this long gets a new [`NAME_CONTESTED_MAX`].
pub const NAME_CONTEST_ENDS: Duration = Duration::from_secs(10);
/// A multicast DNS message that is read: what one Ethernet frame carries. RFC 6762 §17 allows 9000 bytes; a few hundred
/// such messages a second, full of names that point to names, keep a core busy. A longer message is not read; since it
/// may have been a question, the server is announced.
pub const MDNS_PACKET_BYTES_MAX: usize = 1472;
/// The buffer into which a message is received: any datagram fits. One that did not fit would be an error on Windows,
/// and the socket would pause after it.
pub const MDNS_DATAGRAM_BYTES_MAX: usize = 65_535;
/// Questions that are repeated in an answer to a sender that asks from a port of its own (RFC 6762 §6.7). When full,
/// the rest are answered but not repeated.
pub const MDNS_QUESTIONS_MAX: usize = 8;
/// Interfaces on which multicast DNS is used. When full, the rest are left out.
pub const MDNS_INTERFACES_MAX: usize = 32;
/// Addresses of one host on one interface, sent or heard. When full, the rest are left out.
pub const MDNS_ADDRESSES_MAX: usize = 32;
/// Servers that are read from one message. When full, the rest are ignored.
pub const MDNS_INSTANCES_MAX: usize = 64;
/// Adverts that were heard and wait to be looked at. When full, the sockets are left unread.
pub const MDNS_ADVERTS_MAX: usize = 64;
/// Questions per second that are looked at, on one interface. More than any network asks. When full, the server is
/// announced once a second instead.
pub const MDNS_QUERIES_PER_SECOND: u32 = 2000;
/// Responses per second that are looked at, on one interface: only one that contests our name matters. When full, as
/// for questions.
pub const MDNS_RESPONSES_PER_SECOND: u32 = 500;
/// Unicast answers per second, on one interface: an address is easily forged, and we must not flood its owner. When
/// full, answers go only to all hosts.
pub const MDNS_REPLIES_PER_SECOND: u32 = 100;

// --- presence and typing --------------------------------------------------------------------------

/// A connection that is lost and back within this time is not announced.
pub const FLAP: Duration = Duration::from_secs(15);
/// If the presence of an account has not changed for this long, its next visit, or its next `away` and `back`, is
/// announced at once. An earlier change is announced only once it lasts. Doubles with every visit shorter than
/// [`FLAP`].
pub const PRESENCE_CALM_MIN: Duration = Duration::from_secs(60);
/// The longest such calm: after it, an account's earlier changes no longer count.
pub const PRESENCE_CALM_MAX: Duration = Duration::from_secs(3600);
/// How long an account that arrives before its calm is over must stay to be announced: longer than a program that says
/// one line and leaves. Every other early change must last for [`FLAP`].
pub const ARRIVAL_LASTS: Duration = Duration::from_secs(3);
/// Accounts whose recent presence changes are remembered, and as many again that arrived and have changed nothing
/// since. When full, the account that changed longest ago is announced in its present state and forgotten; of those
/// that only arrived, all are.
pub const PRESENCE_LATELY_MAX: usize = 4096;
/// Presence changes that follow each other faster than this, times the number of sessions to tell, are coalesced.
pub const PRESENCE_PER_SESSION: Duration = Duration::from_micros(50);
/// The longest that a presence change waits for others to be sent with it, however many sessions there are.
pub const PRESENCE_WAIT_MAX: Duration = Duration::from_millis(100);
/// Typing is shown for this long after the last mark.
pub const TYPING_SHOWN: Duration = Duration::from_secs(6);
/// A client marks typing at most this often.
pub const TYPING_EVERY: Duration = Duration::from_secs(3);
/// Rooms in which an account is marked as typing within a second; further marks are ignored. A person types in one.
pub const TYPING_ROOMS_MAX: usize = 2;

// --- the server's log -----------------------------------------------------------------------------

/// A log file of a server that runs without a terminal, as a service of Windows does. When full, it replaces the
/// previous log file, and a new one is begun.
pub const LOG_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The time over which log lines caused by others are counted.
pub const LOG_WINDOW: Duration = Duration::from_secs(60);
/// Lines of one kind that one source, or one account, may cause in that time. Further lines are left out, and counted.
pub const LOG_LINES_PER_SOURCE_MAX: u32 = 10;
/// The same for all sources together: 40 MB a day. The first warning of each kind about an account is written even so.
pub const LOG_LINES_PER_KIND_MAX: u32 = 200;
/// Lines of all kinds and sources in that time, warnings not included.
pub const LOG_LINES_MAX: u32 = 600;
/// Sources that are counted one by one, and accounts that appear in warnings. When full, the others are counted by
/// kind.
pub const LOG_SOURCES_MAX: usize = 1024;

mod client;

pub use client::*;

#[cfg(test)]
mod tests;
