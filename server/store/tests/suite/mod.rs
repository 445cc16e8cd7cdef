//! What every store must do, whatever it is made of: cases over `dyn Store`, each with accounts and
//! rooms of its own. They could share a store, but for the one that fills it with groups.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails fails the test")]

pub(crate) mod accounts;
pub(crate) mod logs;
pub(crate) mod rooms;
