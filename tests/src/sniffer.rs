//! Every byte that passes a link, as an eavesdropper sees it.

use std::net::Ipv4Addr;

use crate::netns::{Host, Lan};
use crate::process::Process;
use crate::{Launch, interpreter};

/// Reads frames off all interfaces of its namespace and repeats them unchanged.
const LISTEN: &str = r"
import socket, sys
ETH_P_ALL = 3
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
print('listening', file=sys.stderr, flush=True)
while True:
    sys.stdout.buffer.write(link.recv(65536))
    sys.stdout.buffer.flush()
";

/// Sends one datagram in clear to all that listen on the link.
const SPEAK: &str = r"
import socket, sys
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.sendto(sys.argv[2].encode(), (sys.argv[1], 9))
";

/// Listens in on a [`Lan`] until it is dropped.
pub struct Sniffer {
    process: Process,
    python: std::path::PathBuf,
}

impl Sniffer {
    /// Starts to listen in. Returns `None`, with a line that says so, if Python is missing.
    pub fn on(lan: &Lan) -> Option<Self> {
        let python = interpreter()?;
        let launch = Launch::new(&python).arg("-c").arg(LISTEN).at(&lan.switch().place());
        let process = Process::start(&launch);
        process.stderr.wait_for_text("listening");
        Some(Self { process, python })
    }

    /// Makes `from` send `canary` to `to` in clear, and waits until it is heard. This is a positive control and a
    /// barrier: everything that passed the link earlier has been heard too.
    pub fn hears(&self, from: &Host, to: &Host, canary: &str) {
        let launch = from.launch(&self.python).arg("-c").arg(SPEAK).arg(to.ipv4()).arg(canary);
        let (code, _, error) = Process::run(&launch, "");
        assert_eq!(code, 0, "{error}");
        self.process.stdout.wait_for_text(canary);
    }

    /// Waits until an address record (RFC 1035 §3.4.1) with this address is heard, so somebody advertises it.
    pub fn hears_advert_of(&self, address: Ipv4Addr) {
        let record = [&[0, 4], &address.octets()[..]].concat();
        self.process.stdout.wait_for(&format!("waiting for an advert of {address}"), |heard| {
            crate::stream::contains(heard, &record).then_some(())
        });
    }

    /// Returns whether an IPv4 packet from one address to another was heard (RFC 791 §3.1).
    pub fn heard_from_to(&self, from: Ipv4Addr, to: Ipv4Addr) -> bool {
        crate::stream::contains(&self.process.stdout.bytes(), &[from.octets(), to.octets()].concat())
    }

    /// Returns how many bytes were heard.
    pub fn heard(&self) -> usize {
        self.process.stdout.len()
    }

    /// Returns the spelling in which a secret was heard, if it was: plain, in hex, in base64 or in UTF-16.
    pub fn overheard(&self, secret: &str) -> Option<&'static str> {
        let heard = self.process.stdout.bytes();
        spellings(secret)
            .into_iter()
            .find(|(_, bytes)| crate::stream::contains(&heard, bytes))
            .map(|(spelling, _)| spelling)
    }
}

/// Returns the secret in the spellings that a careless program may use.
fn spellings(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let utf16: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut spellings = vec![("plain", secret.as_bytes().to_vec()), ("UTF-16", utf16)];
    spellings.push(("upper hex", hex.to_uppercase().into_bytes()));
    spellings.push(("hex", hex.into_bytes()));
    for shift in 0..3 {
        spellings.push(("base64", base64_inside(secret.as_bytes(), shift)));
    }
    spellings
}

/// Returns the digits that stand for `secret` in the base64 of any text that holds it `shift` bytes after a multiple of
/// three; those at the ends, which depend on the surrounding text, are left out.
fn base64_inside(secret: &[u8], shift: usize) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let whole = &secret[(3 - shift) % 3..];
    let sextets = whole.chunks_exact(3).flat_map(|triple| {
        let bits = u32::from_be_bytes([0, triple[0], triple[1], triple[2]]);
        [18, 12, 6, 0].map(|low| DIGITS[(bits >> low) as usize & 63])
    });
    sextets.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_found_at_every_alignment() {
        // "xxcanary-word", "xcanary-word" and "canary-word" in base64.
        for encoded in ["eHhjYW5hcnktd29yZA==", "eGNhbmFyeS13b3Jk", "Y2FuYXJ5LXdvcmQ="] {
            let found = (0..3).any(|shift| {
                crate::stream::contains(encoded.as_bytes(), &base64_inside(b"canary-word", shift))
            });
            assert!(found, "{encoded}");
        }
    }
}
