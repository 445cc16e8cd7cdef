//! What every store must do, whatever it is made of: cases over the hub's ports ([`lanchat_hub::port`]), in one list.
//!
//! The tests of a store hand [`conformance!`] a way to open one, and get a test for each case. [`scene`] has the people,
//! rooms and posts of the cases, for further tests of that store. Nothing of this crate is in a program.

#[macro_use]
mod list;

mod accounts;
mod logs;
mod rooms;
pub mod scene;
mod whole;

conformance!(@list export);
