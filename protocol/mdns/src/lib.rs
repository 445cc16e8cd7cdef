//! Multicast DNS (RFC 6762, RFC 6763) in bounded memory: a responder that keeps nothing of what it hears, and a browser
//! that keeps nothing but what it hands on.
//!
//! Anybody on the link may send any number of records, with any lifetime. A cache of them would be as large as somebody
//! else wants, so there is none ([ADR 6](../../../docs/adr/0006-mdns-without-a-cache.md)). Knows the records of one type of
//! service, and nothing of what an advert means.

mod advertise;
mod browse;
mod interfaces;
mod link;
mod message;
#[cfg(any(test, feature = "fuzzing"))]
pub mod property;
mod records;
mod responder;

pub use advertise::{Ended, Service, advertise};
pub use browse::{Advert, Browser};
