//! Multicast DNS (RFC 6762, RFC 6763) in bounded memory: a responder that stores nothing it hears, and a browser that
//! stores only what it is about to pass on.
//!
//! Anybody on the link may send any number of records, with any lifetime. A cache of them would be as large as somebody
//! else wants, so there is none ([ADR 6](../../../docs/adr/0006-mdns-without-a-cache.md)). This crate knows the records
//! of one service type, and does not know what an advert means.

mod advertise;
mod browse;
mod interfaces;
mod link;
mod message;
#[cfg(any(test, feature = "fuzzing"))]
pub mod property;
mod records;
mod responder;
mod service;

pub use advertise::{Ended, advertise};
pub use browse::{Advert, Browser};
pub use service::Service;
