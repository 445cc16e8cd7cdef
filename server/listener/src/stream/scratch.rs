//! Memory that all streams of a thread share: each needs it only within one call.

use std::cell::Cell;
use std::thread::LocalKey;

/// The longest piece that is encrypted in one go: four records, and one write to the socket.
pub(super) const PIECE_BYTES_MAX: usize = 64 * 1024;
/// The longest record of TLS 1.3 with its header (RFC 8446 §5.2), so that one read takes in any.
const RECORD_BYTES_MAX: usize = 5 + 16 * 1024 + 256;
/// By how much encryption lengthens a piece at most: for its four records, a key update, and some slack.
const OVERHEAD_BYTES_MAX: usize = 1024;

thread_local! {
    /// Input from a socket, decrypted in place. It is never sent.
    static INCOMING: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    /// Output to a socket. It never holds plaintext.
    static OUTGOING: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends memory to read one record of any size into. Its content is left over from another connection.
pub(super) fn lend_incoming<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    lend(&INCOMING, RECORD_BYTES_MAX, work)
}

/// Lends memory to encrypt [`PIECE_BYTES_MAX`] into. Its content is left over from another connection.
pub(super) fn lend_outgoing<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    lend(&OUTGOING, PIECE_BYTES_MAX + OVERHEAD_BYTES_MAX, work)
}

/// Lends memory that is taken out of `place` meanwhile: a nested borrower gets other memory, and nothing panics.
fn lend<T>(place: &'static LocalKey<Cell<Vec<u8>>>, bytes: usize, work: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut memory = place.take();
    memory.resize(bytes, 0);
    let result = work(&mut memory);
    place.set(memory);
    result
}
