//! What every store must do, whatever it is made of: cases over `dyn Store`, each with accounts and
//! rooms of its own. They could share a store, but for the one that fills it with groups.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails fails the test")]

pub(crate) mod accounts;
pub(crate) mod logs;
pub(crate) mod rooms;

use lanchat_hub::{Body, Subject};

use crate::scene::Person;

/// The entry that ends the membership of somebody.
pub(crate) fn left(whom: &Person) -> Body {
    Body::Left(Subject { account: whom.id, name: whom.name.clone() })
}
