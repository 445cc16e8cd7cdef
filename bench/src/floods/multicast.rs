//! Floods of multicast DNS: unsolicited records, questions, and claims to the server's own name.

use std::net::SocketAddr;

use anyhow::Result;

use super::field::{Field, SERVER_NAME, Tally};
use super::found::multicast;
use super::packet::{GROUP, PORT, Record, answer, claim, pointers, question};
use super::{Flood, ground::Host};

/// Packets that one host sends before the next takes its turn.
const BURST: usize = 32;

/// What the packets hold.
#[derive(Clone, Copy, Debug)]
pub enum Packets {
    /// Answers with records of one type, all different.
    Answers(&'static str, Record),
    /// Answers with records of all types.
    Mixed,
    /// Questions for all servers.
    Questions,
    /// Claims that the server's name is another host's.
    Claims,
    /// Names that point to names, as many as fit in a message.
    Pointers,
}

/// The flood.
#[derive(Clone, Copy, Debug)]
pub struct Multicast(pub Packets);

/// Returns one flood for each kind of packet.
pub fn all() -> Vec<Box<dyn Flood>> {
    let [a, aaaa, srv, txt, nsec, ptr] = Record::ALL;
    let kinds = [
        Packets::Answers("a", a),
        Packets::Answers("aaaa", aaaa),
        Packets::Answers("srv", srv),
        Packets::Answers("txt", txt),
        Packets::Answers("nsec", nsec),
        Packets::Answers("ptr", ptr),
        Packets::Mixed,
        Packets::Questions,
        Packets::Claims,
        Packets::Pointers,
    ];
    kinds.into_iter().map(|packets| Box::new(Multicast(packets)) as Box<dyn Flood>).collect()
}

impl Flood for Multicast {
    fn name(&self) -> String {
        let kind = match self.0 {
            Packets::Answers(name, _) => name,
            Packets::Mixed => "mixed",
            Packets::Questions => "questions",
            Packets::Claims => "claims",
            Packets::Pointers => "pointers",
        };
        format!("mdns-{kind}")
    }

    fn about(&self) -> String {
        let what = match self.0 {
            Packets::Answers(_, record) => {
                format!("full packets of {record:?} records, no two alike, that hold for 2^31 seconds")
            }
            Packets::Mixed => "full packets of A, AAAA, SRV, TXT, NSEC and PTR records in turn".to_owned(),
            Packets::Questions => "questions for all servers".to_owned(),
            Packets::Claims => "claims that a service with the server's name is elsewhere".to_owned(),
            Packets::Pointers => "messages of 9000 bytes, full of names that point to names".to_owned(),
        };
        format!("5 hosts, mDNS: {what}; as fast as one core sends")
    }

    fn is_multicast(&self) -> bool {
        true
    }

    fn rage(&self, field: &Field) -> Result<Tally> {
        let sockets: Vec<_> =
            field.ground.attackers.iter().map(|host: &Host| multicast(host)).collect::<Result<_>>()?;
        let to = SocketAddr::from((GROUP, PORT)).into();
        let (mut tally, mut serial) = (Tally::default(), 0);
        for socket in sockets.iter().cycle() {
            for _ in 0..BURST {
                let packet = match self.0 {
                    Packets::Answers(_, record) => answer(&[record], &mut serial),
                    Packets::Mixed => answer(&Record::ALL, &mut serial),
                    Packets::Questions => question(),
                    Packets::Pointers => pointers(),
                    Packets::Claims => {
                        serial += 1;
                        claim(SERVER_NAME, serial)
                    }
                };
                // A packet that the kernel has no room for is lost, as on a link.
                let sent = socket.send_to(&packet, &to);
                tally.done += u64::from(sent.is_ok());
            }
            if field.is_over() {
                break;
            }
        }
        Ok(tally)
    }
}
