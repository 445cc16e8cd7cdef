//! DNS messages: the checks before they are parsed, and the few names that matter here.

use std::net::{Ipv4Addr, Ipv6Addr};

use lanchat_model::limits;
use lanchat_protocol::beacon::SERVICE_TYPE;
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Label, Name, Packet, ResourceRecord};

/// Where multicast DNS is spoken (RFC 6762 §3).
pub(crate) const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// The same for IPv6.
pub(crate) const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
/// The port of multicast DNS.
pub(crate) const PORT: u16 = 5353;

const HEADER_BYTES: usize = 12;
/// The root as a name, a type and a class.
const QUESTION_BYTES_MIN: usize = 5;
/// The root as a name, a type, a class, a lifetime and no data.
const RECORD_BYTES_MIN: usize = 11;

/// Returns whether a message is a response, by one bit (RFC 1035 §4.1.1): cheap enough for every packet of a flood.
pub(crate) fn is_response(bytes: &[u8]) -> bool {
    bytes.get(2).is_some_and(|flags| flags & 0x80 != 0)
}

/// Parses a message. Returns `None` if it is not a message, or is not worth reading. A message that promises more than
/// it has room for costs nothing, and neither does one longer than `limits::MDNS_PACKET_BYTES_MAX`: the work for names
/// that point to names grows with the square of the length.
pub(crate) fn parse(bytes: &[u8]) -> Option<Packet<'_>> {
    if bytes.len() > limits::MDNS_PACKET_BYTES_MAX {
        return None;
    }
    let count = |at: usize| Some(usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?])));
    let records = count(6)? + count(8)? + count(10)?;
    let least = HEADER_BYTES + count(4)? * QUESTION_BYTES_MIN + records * RECORD_BYTES_MIN;
    if bytes.len() < least { None } else { Packet::parse(bytes).ok() }
}

/// Returns `_lanchat._tcp.local`.
pub(crate) fn service_type() -> Name<'static> {
    named(&SERVICE_TYPE.trim_end_matches('.').split('.').collect::<Vec<_>>())
}

/// Returns the name with these labels, which may hold dots.
pub(crate) fn named(labels: &[&str]) -> Name<'static> {
    let labels: Vec<Label<'_>> = labels.iter().map(|label| Label::new_unchecked(label.as_bytes())).collect();
    Name::new_with_labels(&labels).into_owned()
}

/// Returns the name of the service instance with this first label.
pub(crate) fn instance_of(label: &str) -> Name<'static> {
    let service = service_type();
    let mut labels = vec![Label::new_unchecked(label.as_bytes()).into_owned()];
    labels.extend(service.get_labels().iter().cloned());
    Name::new_with_labels(&labels)
}

/// Returns a record of the internet class. `unique`: no other host has records of this name and type (RFC 6762 §10.2).
pub(crate) fn record<'a>(name: &Name<'a>, seconds: u32, unique: bool, data: RData<'a>) -> ResourceRecord<'a> {
    ResourceRecord::new(name.clone(), CLASS::IN, seconds, data).with_cache_flush(unique)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_promises_more_than_it_holds_is_not_parsed() {
        let mut bytes = [0; HEADER_BYTES];
        assert!(parse(&bytes).is_some());
        for at in [4, 6, 8, 10] {
            bytes[at..at + 2].copy_from_slice(&[0xff, 0xff]);
            assert!(parse(&bytes).is_none());
            bytes[at..at + 2].copy_from_slice(&[0, 0]);
        }
        assert!(parse(&bytes[..HEADER_BYTES - 1]).is_none());
    }

    /// As many names as fit, each of which points to a name that points to another, and so on through half of the
    /// message.
    #[test]
    fn a_message_that_is_long_and_full_of_pointers_is_not_read() {
        let pointing = |length: usize| {
            let mut bytes = vec![0; HEADER_BYTES];
            // A record of an unknown type, whose data are pointers.
            bytes.extend([0, 0xff, 0, 0, 1, 0, 0, 0, 0]);
            let count = (length / 2 - HEADER_BYTES) / 2;
            bytes.extend(u16::try_from(2 * count).unwrap().to_be_bytes());
            let mut last = u16::try_from(HEADER_BYTES).unwrap();
            for _ in 0..count {
                let at = u16::try_from(bytes.len()).unwrap();
                bytes.extend((0xc000 | last).to_be_bytes());
                last = at;
            }
            let mut records = 1_u16;
            while bytes.len() + 2 + RECORD_BYTES_MIN <= length {
                bytes.extend((0xc000 | last).to_be_bytes());
                bytes.extend([0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
                records += 1;
            }
            bytes[6..8].copy_from_slice(&records.to_be_bytes());
            bytes
        };
        let longest = pointing(limits::MDNS_PACKET_BYTES_MAX);
        assert!(parse(&longest).is_some_and(|packet| packet.answers.len() > 50), "a short one is a message");
        assert!(parse(&pointing(9000)).is_none());
    }

    #[test]
    fn names_keep_their_dots() {
        let name = instance_of("lab. Ω");
        assert_eq!(name.get_labels().len(), 4);
        assert_eq!(name.get_labels()[0].as_ref(), "lab. Ω".as_bytes());
    }
}
