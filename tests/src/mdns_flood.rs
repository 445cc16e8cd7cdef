//! A flood of multicast DNS (RFC 6762): as many unsolicited records as one core can send.
//!
//! Every packet is full of records with new names, so that a program that keeps what it hears grows.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const PORT: u16 = 5353;
/// The largest packet that an Ethernet link carries whole.
const PACKET_BYTES: usize = 1472;
/// 68 years: a record that is kept for its TTL is kept for good.
const TTL: u32 = 1 << 31;
/// The service type that clients look for.
const SERVICE: &[u8] = b"\x08_lanchat\x04_tcp\x05local\x00";
/// Digits in each name that make it a new one.
const DIGITS: usize = 12;
const ZEROS: &[u8] = &[b'0'; DIGITS];
/// Linux's error for a link whose queue is full.
const ENOBUFS: i32 = 105;

/// What a flood is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloodKind {
    /// IPv4 addresses of hosts.
    A,
    /// IPv6 addresses of hosts.
    Aaaa,
    /// Where services are.
    Srv,
    /// What services say about themselves.
    Txt,
    /// What does not exist.
    Nsec,
    /// Servers of ours that do not exist: names without an address.
    Ptr,
    /// Complete servers of ours that do not exist: PTR, SRV, TXT and A.
    Advert,
    /// Questions for the servers of this link.
    Query,
}

impl FloodKind {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::A, Self::Aaaa, Self::Srv, Self::Txt, Self::Nsec, Self::Ptr, Self::Advert, Self::Query];

    /// Returns its name, in lower case.
    pub fn word(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::Aaaa => "aaaa",
            Self::Srv => "srv",
            Self::Txt => "txt",
            Self::Nsec => "nsec",
            Self::Ptr => "ptr",
            Self::Advert => "advert",
            Self::Query => "query",
        }
    }

    /// Returns the kind of this name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Makes one packet after another, in place.
pub struct Flood {
    packet: Vec<u8>,
    /// The positions of the digits in the packet, and which name of the packet each belongs to.
    digits: Vec<(usize, u64)>,
    names_per_packet: u64,
    /// How many names earlier packets used.
    used: u64,
}

impl Flood {
    /// Makes a flood of this kind.
    pub fn new(kind: FloodKind) -> Self {
        let mut flood = Self { packet: vec![0; 12], digits: Vec::new(), names_per_packet: 0, used: 0 };
        let mut count = 0_u16;
        loop {
            let (bytes, digits) = (flood.packet.len(), flood.digits.len());
            let pushed = flood.push(kind);
            if flood.packet.len() > PACKET_BYTES {
                flood.packet.truncate(bytes);
                flood.digits.truncate(digits);
                break;
            }
            count += pushed;
            flood.names_per_packet += 1;
        }
        let (flags, section) = if kind == FloodKind::Query { (0, 4) } else { (0x84, 6) };
        flood.packet[2] = flags;
        flood.packet[section..section + 2].copy_from_slice(&count.to_be_bytes());
        flood
    }

    /// Makes the next packet.
    pub fn packet(&mut self) -> &[u8] {
        for &(at, name) in &self.digits {
            let mut rest = self.used + name;
            for digit in self.packet[at..at + DIGITS].iter_mut().rev() {
                *digit = b"0123456789abcdef"[(rest & 15) as usize];
                rest >>= 4;
            }
        }
        self.used += self.names_per_packet;
        &self.packet
    }

    /// Sends for `duration` from the interface with this address, and returns the number of bytes sent.
    ///
    /// # Errors
    /// The system's error.
    pub fn send(&mut self, from: Ipv4Addr, duration: Duration) -> io::Result<u64> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, PORT).into())?;
        socket.set_multicast_if_v4(&from)?;
        socket.set_multicast_ttl_v4(255)?;
        socket.connect(&SocketAddrV4::new(GROUP, PORT).into())?;
        let (start, mut sent) = (Instant::now(), 0);
        while start.elapsed() < duration {
            for _ in 0..64 {
                match socket.send(self.packet()) {
                    Ok(bytes) => sent += bytes as u64,
                    // The queue of the link is full: it cannot go faster.
                    Err(error) if error.raw_os_error() == Some(ENOBUFS) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(sent)
    }

    /// Adds the records or questions for one new name, and returns their number.
    fn push(&mut self, kind: FloodKind) -> u16 {
        let target = [&[0, 0, 0, 0, 0x1b, 0xa0, 1, b'h'], &SERVICE[14..]].concat();
        match kind {
            FloodKind::A => self.push_named(b"\x05local\x00", 1, &[10, 77, 9, 9]),
            FloodKind::Aaaa => self.push_named(b"\x05local\x00", 28, &[0xfd; 16]),
            FloodKind::Srv => self.push_named(SERVICE, 33, &target),
            FloodKind::Txt => self.push_named(SERVICE, 16, b"\x06v=1234\x05name="),
            FloodKind::Nsec => self.push_named(SERVICE, 47, b"\x01n\x00\x00\x01\x40"),
            FloodKind::Ptr => self.push_pointer(),
            FloodKind::Advert => {
                self.push_pointer();
                self.push_named(SERVICE, 33, &target);
                let (id, name) = (b"\x23id=00000000000000000000", b"\x03v=1\x11name=");
                self.push_named(SERVICE, 16, &[&id[..], ZEROS, name, ZEROS].concat());
                let end = self.packet.len();
                self.push_digits(end - DIGITS);
                self.push_digits(end - DIGITS - name.len() - DIGITS);
                self.push_record(b"\x01h\x05local\x00", 1, &[10, 77, 9, 9]);
                return 4;
            }
            FloodKind::Query => {
                self.packet.extend_from_slice(SERVICE);
                self.packet.extend_from_slice(&[0, 12, 0, 1]);
            }
        }
        1
    }

    /// Adds a record of the service type that points to a new name.
    fn push_pointer(&mut self) {
        self.push_record(SERVICE, 12, &[&[DIGITS as u8], ZEROS, SERVICE].concat());
        self.push_digits(self.packet.len() - SERVICE.len() - DIGITS);
    }

    /// Adds a record of a new name.
    fn push_named(&mut self, domain: &[u8], kind: u16, data: &[u8]) {
        self.push_digits(self.packet.len() + 1);
        self.push_record(&[&[DIGITS as u8], ZEROS, domain].concat(), kind, data);
    }

    fn push_digits(&mut self, at: usize) {
        self.digits.push((at, self.names_per_packet));
    }

    fn push_record(&mut self, name: &[u8], kind: u16, data: &[u8]) {
        self.packet.extend_from_slice(name);
        self.packet.extend_from_slice(&kind.to_be_bytes());
        self.packet.extend_from_slice(&[0, 1]);
        self.packet.extend_from_slice(&TTL.to_be_bytes());
        self.packet.extend_from_slice(&u16::try_from(data.len()).expect("short").to_be_bytes());
        self.packet.extend_from_slice(data);
    }
}
