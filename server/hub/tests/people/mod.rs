//! Who comes to the hub in its tests, and from where.

use lanchat_hub::{Credentials, Source};

/// What everybody logs in with.
pub(crate) const PASSWORD: &str = "correct horse";

/// Where everybody comes from.
pub(crate) fn here() -> Source {
    Source("127.0.0.1".into())
}

/// Somebody who has no account yet.
pub(crate) fn newcomer(name: &str) -> Credentials {
    Credentials::Register {
        name: name.parse().unwrap(),
        display_name: name.parse().unwrap(),
        password: PASSWORD.into(),
        device: None,
    }
}
