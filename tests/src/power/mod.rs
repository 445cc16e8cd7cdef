//! Power cuts, without a power switch: what a server asks of the kernel is written down by `strace`, and a disk is
//! replayed from it up to any instant, keeping what was synced and, of the rest, what chance spares.
//!
//! Two proofs come from one trace: [`Disk`] says what a machine finds when it is switched on again, and
//! [`acks_before_their_sync`] says whether an acknowledgement left before the sync that covers its message. Neither
//! knows how the server stores what it stores.

mod audit;
mod disk;
mod order;
mod trace;

pub use audit::{Flaw, Ledger, flaws};
pub use disk::{Disk, Survival};
pub use order::{Exchange, acks_before_their_sync};
pub use trace::{Event, Trace, can_trace, tracer};
