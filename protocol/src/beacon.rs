//! The mDNS advert (PROTOCOL §1): a hint where a server may be, never a proof of its identity.

use lanchat_model::{ServerId, limits};

/// The DNS-SD service type.
pub const SERVICE_TYPE: &str = "_lanchat._tcp.local.";
/// The port that a server listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 7072;

const KEY_ID: &str = "id";
const KEY_NAME: &str = "name";
const KEY_VERSIONS: &str = "v";

/// What an advert says in its TXT record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// The id that a pin may be kept under.
    pub server_id: ServerId,
    /// The name for people.
    pub name: String,
    /// Protocol versions, as in `hello`.
    pub versions: Vec<u32>,
}

impl Beacon {
    /// Returns the TXT record as keys and values.
    pub fn to_txt(&self) -> Vec<(String, String)> {
        let versions: Vec<String> = self.versions.iter().map(u32::to_string).collect();
        vec![
            (KEY_ID.into(), self.server_id.to_string()),
            (KEY_NAME.into(), self.name.clone()),
            (KEY_VERSIONS.into(), versions.join(",")),
        ]
    }

    /// Parses a TXT record. Returns `None` if it is not one of ours: anybody on the link may say anything.
    pub fn from_txt<'a>(value_of: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let name = value_of(KEY_NAME)?;
        if name.trim().is_empty()
            || name.len() > limits::SERVER_NAME_BYTES_MAX
            || name.chars().any(char::is_control)
        {
            return None;
        }
        let versions: Vec<u32> =
            value_of(KEY_VERSIONS)?.split(',').filter_map(|part| part.trim().parse().ok()).collect();
        Some(Self { server_id: value_of(KEY_ID)?.parse().ok()?, name: name.to_owned(), versions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(txt: &[(String, String)]) -> Option<Beacon> {
        Beacon::from_txt(|key| txt.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str()))
    }

    #[test]
    fn a_beacon_round_trips() {
        let beacon =
            Beacon { server_id: ServerId::from_bytes([7; 16]), name: "lab".into(), versions: vec![1] };
        assert_eq!(read(&beacon.to_txt()), Some(beacon));
    }

    #[test]
    fn a_strangers_txt_is_no_beacon() {
        let of = |id: &str, name: &str| {
            [("id", id), ("name", name), ("v", "1")].map(|(k, v)| (k.into(), v.into()))
        };
        let id = "07".repeat(16);
        assert!(read(&of(&id, "lab")).is_some());
        assert_eq!(read(&of("../../etc", "lab")), None);
        assert_eq!(read(&of(&id, "a\u{1b}[2J")), None);
        assert_eq!(read(&of(&id, &"x".repeat(300))), None);
        assert_eq!(read(&[]), None);
    }
}
