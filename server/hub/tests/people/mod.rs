//! The people who log in to the hub in its tests, and their source.

use lanchat_hub::{Credentials, Source};

/// Everybody's password.
pub(crate) const PASSWORD: &str = "correct horse";

/// Returns everybody's source.
pub(crate) fn here() -> Source {
    Source("127.0.0.1".into())
}

/// Returns the credentials of somebody who does not have an account yet.
pub(crate) fn newcomer(name: &str) -> Credentials {
    Credentials::Register {
        name: name.parse().unwrap(),
        display_name: name.parse().unwrap(),
        password: PASSWORD.into(),
        device: None,
    }
}
