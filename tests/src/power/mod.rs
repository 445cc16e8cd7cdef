//! Power cuts without a power switch: `strace` records the server's system calls. A disk is replayed from them up to
//! any instant; it keeps what was synced and, of the rest, what chance spares.
//!
//! Two proofs come from one trace: [`Disk`] says what a computer finds when it is switched on again, and
//! [`acks_before_their_sync`] says whether an acknowledgement left before the sync that covers its message. Neither
//! knows how the server stores its data.

mod audit;
mod disk;
mod order;
mod trace;

pub use audit::{Flaw, Ledger, flaws};
pub use disk::{Disk, Survival};
pub use order::{Exchange, acks_before_their_sync};
pub use trace::{Event, Trace, can_trace, tracer};
