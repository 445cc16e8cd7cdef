//! The harness: real servers, real clients, real terminals and real links, driven from tests.
//!
//! Nothing here waits for a fixed time. A thread collects everything that a process, a socket or a terminal says, and a
//! test waits for the *arrival* of what it wants, up to [`DEADLINE`]. The harness knows the product only through its
//! public surfaces: binaries, bytes on sockets, cells of a screen, files in its folders.
//!
//! A harness has to stop a test with a sentence that says what went wrong, so its functions panic where a library would
//! return an error.

// Signals, pseudo-terminals and namespaces: on other platforms the scenarios are empty.
#![cfg(unix)]

mod adverts;
mod avahi;
mod binaries;
mod fake_server;
mod launch;
pub mod ledger;
mod light;
mod likeness;
pub mod mdns_flood;
mod netns;
mod peer;
mod pipe;
pub mod power;
mod process;
mod promised;
mod proxy;
mod python;
mod scenario;
mod server;
mod sniffer;
mod stream;
mod terminal;
mod tiny_disk;

pub use adverts::{FakeAdvert, FakeAdverts};
pub use avahi::Avahi;
pub use binaries::{faulty_lanchatd, lanchat, lanchatd};
pub use fake_server::{FakeIdentity, FakeServer};
pub use launch::{Home, Launch, Place};
pub use light::{Crowd, Light};
pub use likeness::{Meanings, fixed, lacking};
pub use netns::{Addressing, Host, Lan};
pub use peer::{TestPeer, alpn_error, new_id};
pub use pipe::Pipe;
pub use process::{Process, Running, Signal};
pub use proxy::Proxy;
pub use python::interpreter;
pub use scenario::{DEADLINE, PASSWORD, alone, report, skipped};
pub use server::{ServerSpec, TestServer};
pub use sniffer::Sniffer;
pub use stream::{Lines, Stream};
pub use terminal::Terminal;
pub use tiny_disk::TinyDisk;
