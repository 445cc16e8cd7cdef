//! What every store must do, whatever it is built on: test cases for the hub's ports ([`lanchat_hub::port`]), in one
//! list.
//!
//! The tests of a store pass [`conformance!`] a function that opens one, and get a test for each case. [`scene`] has
//! the people, rooms and posts of the cases, for further tests of that store. No program contains this crate.

#[macro_use]
mod list;

mod accounts;
mod logs;
mod rooms;
pub mod scene;
mod whole;

conformance!(@list export);
