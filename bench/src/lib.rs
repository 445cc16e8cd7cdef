//! How fast the server is, measured beside the *floor*: the least that any fan-out server over TLS has to do.
//!
//! [`report`] plays each of the [`loads`] on both in turn, with the connections of one [`fleet`], and prints what the
//! kernel says that each has used. docs/PERFORMANCE.md tells how to read it. [`floods`] are what those do who mean harm,
//! and what everybody else notices of it.

#![cfg(target_os = "linux")]

pub mod arrival;
pub mod cli;
pub mod fleet;
pub mod floods;
pub mod floor;
pub mod fsync;
pub mod loads;
pub mod measure;
pub mod process;
pub mod program;
pub mod report;
pub mod seed;
pub mod socket;
pub mod stage;
pub mod target;
pub mod tls;
pub mod wire;
