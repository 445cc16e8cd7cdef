//! A room as a person types it.

use lanchat_model::{BadName, RoomRef};

/// Returns the room that typed text means: `dev`, `#Dev` or `@Ana`, however often its sign is repeated.
///
/// # Errors
/// [`BadName`] says why no room or person can have that name.
pub(crate) fn room(typed: &str) -> Result<RoomRef, BadName> {
    match is_private(typed) {
        true => typed.trim_start_matches('@').parse().map(RoomRef::Private),
        false => typed.trim_start_matches('#').parse().map(RoomRef::Group),
    }
}

/// Returns whether typed text means a private chat, even one that cannot exist.
pub(super) fn is_private(typed: &str) -> bool {
    typed.starts_with('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_meant_however_its_sign_and_its_letters_are_typed() {
        for (typed, meant) in
            [("dev", "dev"), ("#Dev", "dev"), ("##dev", "dev"), ("@Bob", "@bob"), ("@@bob", "@bob")]
        {
            assert_eq!(room(typed).unwrap().to_string(), meant, "{typed}");
        }
        assert_eq!(room("@admin"), Err(BadName::Reserved));
        for bad in ["", "#", "@", "#@bob", "@#dev", "a b"] {
            assert!(room(bad).is_err(), "{bad}");
        }
    }
}
