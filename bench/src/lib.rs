//! How fast the server is, measured against the *floor*: the least that any fan-out server over TLS has to do.
//!
//! [`report`] plays each of the [`loads`] on both in turn, with the connections of one [`fleet`], and prints what each
//! has used according to the kernel. docs/PERFORMANCE.md explains how to read it. [`floods`] are attacks, and measure
//! what everybody else notices of them.

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
