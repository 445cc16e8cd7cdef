//! What one field of a frame may hold, checked while it is decoded.
//!
//! A field of a decoded [`ServerFrame`] is never larger than its limit, whatever the line holds. Values that programs
//! act on (names, ids, tokens, epochs) are refused if they are invalid. Texts that only people read (sentences, display
//! names, times) are truncated, so that a server that says too much remains usable. Lists end at their limit.
//!
//! [`ServerFrame`]: crate::ServerFrame

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use lanchat_model::{AccountName, Integer, RoomRef, Seq, limits};
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::secret::Secret;

/// Reads an account name as a server writes it, in lower case. A reserved name may be an account of an older server.
pub(crate) fn account<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    checked(from, is_name, "an account name has 1 to 32 characters of a-z, 0-9, '.', '_' and '-'")
}

/// Reads a room: `lobby`, or `@ana` (PROTOCOL §5).
pub(crate) fn room<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    checked(
        from,
        is_room,
        "a room is a name of 1 to 32 characters of a-z, 0-9, '.', '_' and '-', or '@' and an account",
    )
}

/// Reads a [`room`] that may be absent.
pub(crate) fn maybe_room<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text: Option<String> = Option::deserialize(from)?;
    match text {
        Some(text) if !is_room(&text) => Err(D::Error::custom("this is no name of a room")),
        text => Ok(text),
    }
}

/// Reads the id of a request or of a post.
pub(crate) fn id<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    checked(from, is_id, "an id has 1 to 64 printable ASCII characters")
}

/// Reads an [`id`] that may be absent.
pub(crate) fn maybe_id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text: Option<String> = Option::deserialize(from)?;
    match text {
        Some(text) if !is_id(&text) => Err(D::Error::custom("an id has 1 to 64 printable ASCII characters")),
        text => Ok(text),
    }
}

/// Reads a device token.
pub(crate) fn token<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
    let fits = |text: &str| is_printable(text, limits::TOKEN_BYTES_MAX);
    checked(from, fits, "a token has 1 to 512 printable ASCII characters").map(Secret)
}

/// Reads a [`token`] that may be absent.
pub(crate) fn maybe_token<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    let text: Option<String> = Option::deserialize(from)?;
    match text {
        Some(text) if !is_printable(&text, limits::TOKEN_BYTES_MAX) => {
            Err(D::Error::custom("a token has 1 to 512 printable ASCII characters"))
        }
        text => Ok(text.map(Secret)),
    }
}

/// Reads the epoch of a server's history.
pub(crate) fn epoch<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let fits = |text: &str| is_printable(text, limits::EPOCH_BYTES_MAX);
    checked(from, fits, "an epoch has 1 to 64 printable ASCII characters")
}

/// Reads the name of a server.
pub(crate) fn server_name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(line(String::deserialize(from)?, limits::SERVER_NAME_BYTES_MAX))
}

/// Reads a program and its version.
pub(crate) fn software<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(line(String::deserialize(from)?, limits::SOFTWARE_BYTES_MAX))
}

/// Reads a sentence for people.
pub(crate) fn sentence<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(line(String::deserialize(from)?, limits::SENTENCE_BYTES_MAX))
}

/// Reads why somebody is away, which may be absent.
pub(crate) fn away_reason<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text: Option<String> = Option::deserialize(from)?;
    Ok(text.map(|text| line(text, limits::AWAY_REASON_BYTES_MAX)))
}

/// Reads the display name of an account.
pub(crate) fn display_name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let mut text = String::deserialize(from)?;
    if let Some((end, _)) = text.char_indices().nth(limits::DISPLAY_NAME_CHARS_MAX) {
        text.truncate(end);
    }
    Ok(line(text, usize::MAX))
}

/// Reads a time. An invalid one is later shown as unknown.
pub(crate) fn time<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(line(String::deserialize(from)?, limits::TIMESTAMP_BYTES_MAX))
}

/// Reads a [`time`] that may be absent.
pub(crate) fn maybe_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text: Option<String> = Option::deserialize(from)?;
    Ok(text.map(|text| line(text, limits::TIMESTAMP_BYTES_MAX)))
}

/// Reads protocol versions: at most the first `limits::VERSIONS_MAX`.
pub(crate) fn versions<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u32>, D::Error> {
    first(from, limits::VERSIONS_MAX).map(possible_versions)
}

/// Returns the versions that this program could ever speak. Any integer may be a version of another program.
pub(crate) fn possible_versions(theirs: Vec<Integer>) -> Vec<u32> {
    theirs.into_iter().filter_map(|version| u32::try_from(version.get()).ok()).collect()
}

/// Reads a field that has a default value when absent: `null` counts as absent (PROTOCOL §2).
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Reads an integer that may be absent.
pub(crate) fn maybe_integer<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let integer: Option<Integer> = Option::deserialize(from)?;
    Ok(integer.map(Integer::get))
}

/// Reads the cursors of an `attach`. A room that appears twice is refused, like a duplicate field: it is unclear which
/// one is meant.
pub(crate) fn cursors<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Seq>, D::Error> {
    struct Cursors;

    impl<'de> Visitor<'de> for Cursors {
        type Value = BTreeMap<String, Seq>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object with a position for each room")
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(BTreeMap::new())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut rooms: A) -> Result<Self::Value, A::Error> {
            let mut cursors = BTreeMap::new();
            while let Some((room, seq)) = rooms.next_entry::<String, Seq>()? {
                if cursors.insert(room, seq).is_some() {
                    return Err(A::Error::custom("a room has two cursors"));
                }
                // Refused at once: a line has room for thousands.
                if cursors.len() > limits::CURSORS_MAX {
                    return Err(A::Error::custom("there are more cursors than an account has rooms"));
                }
            }
            Ok(cursors)
        }
    }

    from.deserialize_any(Cursors)
}

/// Reads at most one room more than an account can have, so that too many are noticed.
pub(crate) fn own_rooms<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    first(from, limits::ROOMS_PER_ACCOUNT_MAX + 1)
}

/// Reads the rooms of a server: at most the first `limits::ROOMS_MAX`.
pub(crate) fn rooms<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    first(from, limits::ROOMS_MAX)
}

/// Reads a page of members: at most the first `limits::MEMBERS_PAGE_MAX`.
pub(crate) fn members<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    first(from, limits::MEMBERS_PAGE_MAX)
}

/// Reads the first `most` items of a list, and skips the rest.
pub(crate) fn first<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
    most: usize,
) -> Result<Vec<T>, D::Error> {
    struct First<T>(usize, PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for First<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut kept = Vec::new();
            while kept.len() < self.0 {
                let Some(item) = items.next_element()? else { return Ok(kept) };
                kept.push(item);
            }
            while items.next_element::<IgnoredAny>()?.is_some() {}
            Ok(kept)
        }
    }

    from.deserialize_seq(First(most, PhantomData))
}

fn checked<'de, D: Deserializer<'de>>(
    from: D,
    fits: impl Fn(&str) -> bool,
    rule: &str,
) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    if fits(&text) { Ok(text) } else { Err(D::Error::custom(rule)) }
}

/// Returns whether a text is folded, and has the length and the characters of a name.
fn is_name(text: &str) -> bool {
    AccountName::existing(text).is_ok_and(|name| name.as_str() == text)
}

/// Returns whether [`RoomRef::existing`] accepts a text, and would write it the same.
fn is_room(text: &str) -> bool {
    match RoomRef::existing(text) {
        Ok(RoomRef::Group(name)) => name.as_str() == text,
        Ok(RoomRef::Private(peer)) => text.strip_prefix('@') == Some(peer.as_str()),
        Err(_) => false,
    }
}

fn is_id(text: &str) -> bool {
    is_printable(text, limits::REQUEST_ID_BYTES_MAX)
}

/// Returns whether a text is ASCII without blanks, of 1 to `most` bytes: escaped in a file, it takes at most twice as
/// many.
fn is_printable(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Returns the first `most` bytes of a text, on one line.
fn line(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ") } else { text }
}
