//! Adverts without a server: mDNS packets made by hand, as a stranger on the link may send them.

use crate::interpreter;
use crate::netns::Host;
use crate::process::Process;

/// Sends adverts, one packet each (RFC 6762 §18, RFC 6763 §4), again and again until it is killed. Reads a line per
/// advert: id, name, address, port.
const ADVERTISE: &str = r"
import socket, struct, sys, time
def name(*labels):
    return b''.join(bytes([len(label)]) + label for label in labels) + b'\0'
def record(owner, kind, flush, data):
    return owner + struct.pack('>HHIH', kind, 0x8001 if flush else 1, 120, len(data)) + data
SERVICE = (b'_lanchat', b'_tcp', b'local')
packets = []
for number, line in enumerate(sys.stdin):
    server, title, address, port = line.rstrip('\n').split('\t')
    instance, host = name(title.encode(), *SERVICE), name(b'fake-%d' % number, b'local')
    texts = [b'id=' + server.encode(), b'name=' + title.encode(), b'v=1']
    packets.append(struct.pack('>6H', 0, 0x8400, 0, 4, 0, 0)
        + record(name(*SERVICE), 12, False, instance)
        + record(instance, 33, True, struct.pack('>HHH', 0, 0, int(port)) + host)
        + record(instance, 16, True, b''.join(bytes([len(text)]) + text for text in texts))
        + record(host, 1, True, socket.inet_aton(address)))
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[1]))
out.bind((sys.argv[1], 5353))
while True:
    for packet in packets:
        out.sendto(packet, ('224.0.0.251', 5353))
        time.sleep(0.0002)
    print('sent', flush=True)
    time.sleep(0.1)
";

/// One advert of a server that may not be there.
#[derive(Clone, Debug)]
pub struct FakeAdvert {
    /// The id that it claims.
    pub server_id: String,
    /// The name that it claims.
    pub name: String,
    /// Where the server is said to be.
    pub address: String,
    /// At which port.
    pub port: u16,
}

/// A host that sends [`FakeAdvert`]s, ended when it is dropped.
pub struct FakeAdverts {
    _process: Process,
}

impl FakeAdverts {
    /// Starts to send them, over and over. When this returns, all were sent once. Returns `None`, with a line that says
    /// so, if Python is missing.
    pub fn from(host: &Host, adverts: &[FakeAdvert]) -> Option<Self> {
        let python = interpreter()?;
        let mut process = Process::start(&host.launch(python).args(["-c", ADVERTISE, &host.ipv4()]));
        let line = |advert: &FakeAdvert| {
            format!("{}\t{}\t{}\t{}\n", advert.server_id, advert.name, advert.address, advert.port)
        };
        process.write(&adverts.iter().map(line).collect::<String>());
        process.close_stdin();
        process.stdout.wait_for_text("sent");
        Some(Self { _process: process })
    }
}
