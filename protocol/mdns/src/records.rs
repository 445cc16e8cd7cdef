//! The records of one server on one interface, and the selection of those that a message is about.

use std::net::IpAddr;

use lanchat_model::limits;
use simple_dns::rdata::{A, AAAA, NSEC, PTR, RData, SRV, TXT};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, ResourceRecord, TYPE};

use crate::message::{instance_of, named, record, service_type};
use crate::service::Service;

/// A set of the records, as bits.
pub(crate) type Set = u8;

pub(crate) const NONE: Set = 0;
/// The instances of the service.
pub(crate) const PTR_SET: Set = 1;
/// The services on the network (RFC 6763 §9).
pub(crate) const META: Set = 1 << 1;
pub(crate) const SRV_SET: Set = 1 << 2;
pub(crate) const TXT_SET: Set = 1 << 3;
pub(crate) const A_SET: Set = 1 << 4;
pub(crate) const AAAA_SET: Set = 1 << 5;
/// The statement that the instance has no other records (RFC 6762 §6.1).
pub(crate) const NSEC_INSTANCE: Set = 1 << 6;
/// The statement that the host has no other records.
pub(crate) const NSEC_HOST: Set = 1 << 7;
/// The records in an announcement.
pub(crate) const ALL: Set = PTR_SET | SRV_SET | TXT_SET | A_SET | AAAA_SET;
/// Names for which other hosts have records as well; the rest are this host's alone.
pub(crate) const SHARED: Set = PTR_SET | META;

/// Lifetimes in seconds: for records that name a host, and for the rest (RFC 6762 §10).
const HOST_TTL: u32 = 120;
const OTHER_TTL: u32 = 4500;
/// The longest that a plain DNS resolver may keep an answer (RFC 6762 §6.7).
const LEGACY_TTL: u32 = 10;

/// What a server says about itself on one interface.
pub(crate) struct Records {
    meta: Name<'static>,
    service: Name<'static>,
    instance: Name<'static>,
    host: Name<'static>,
    port: u16,
    txt: TXT<'static>,
    addresses: Vec<IpAddr>,
}

impl Records {
    /// Returns the records of `service` at these addresses.
    pub(crate) fn new(service: &Service, addresses: Vec<IpAddr>) -> Self {
        let mut txt = TXT::new();
        for (key, value) in &service.txt {
            // A pair over 255 bytes is not a valid attribute (RFC 6763 §6.1), and nobody could read it.
            let _ = txt.add_attribute(key, Some(value.as_bytes()));
        }
        Self {
            meta: named(&["_services", "_dns-sd", "_udp", "local"]),
            service: service_type(),
            instance: instance_of(&service.instance),
            host: named(&[&service.host, "local"]),
            port: service.port,
            txt,
            addresses,
        }
    }

    /// Returns the records that the questions of a message ask for.
    pub(crate) fn asked(&self, packet: &Packet<'_>) -> Set {
        let about = packet.questions.iter().filter(|question| is_internet(question.qclass));
        about.fold(NONE, |set, question| set | self.asked_by(question))
    }

    fn asked_by(&self, question: &Question<'_>) -> Set {
        let wants = |kind: TYPE, set: Set| match question.qtype {
            QTYPE::ANY => set,
            QTYPE::TYPE(asked) if asked == kind => set,
            _ => NONE,
        };
        let name = &question.qname;
        if *name == self.service {
            wants(TYPE::PTR, PTR_SET)
        } else if *name == self.meta {
            wants(TYPE::PTR, META)
        } else if *name == self.instance {
            or(wants(TYPE::SRV, SRV_SET) | wants(TYPE::TXT, TXT_SET), NSEC_INSTANCE)
        } else if *name == self.host {
            let there = self.present(A_SET | AAAA_SET);
            or((wants(TYPE::A, A_SET) | wants(TYPE::AAAA, AAAA_SET)) & there, NSEC_HOST)
        } else {
            NONE
        }
    }

    /// Returns the part of `set` that exists on this interface.
    fn present(&self, set: Set) -> Set {
        let without = |is_there: bool, bit: Set| if is_there { NONE } else { bit };
        let v4 = without(self.addresses.iter().any(IpAddr::is_ipv4), A_SET);
        let v6 = without(self.addresses.iter().any(IpAddr::is_ipv6), AAAA_SET);
        set & !(v4 | v6)
    }

    /// Returns the part of `asked` that the sender of a query knows already, with at least half of its lifetime left
    /// (RFC 6762 §7.1).
    pub(crate) fn known(&self, packet: &Packet<'_>, asked: Set) -> Set {
        let is_known = |ours: &ResourceRecord<'_>| {
            packet.answers.iter().any(|theirs| theirs == ours && theirs.ttl >= ours.ttl / 2)
        };
        bits(self.present(asked & (ALL | META)))
            .fold(NONE, |known, bit| if self.of(bit).iter().all(is_known) { known | bit } else { known })
    }

    /// Returns the additional records for an answer, so that nobody has to ask again (RFC 6763 §12).
    pub(crate) fn beside(&self, set: Set) -> Set {
        let beside = if set & PTR_SET != 0 {
            SRV_SET | TXT_SET | A_SET | AAAA_SET | NSEC_HOST
        } else if set & SRV_SET != 0 {
            A_SET | AAAA_SET | NSEC_HOST
        } else if set & (A_SET | AAAA_SET) != 0 {
            A_SET | AAAA_SET
        } else {
            NONE
        };
        self.present(beside) & !set
    }

    /// Returns the records of a set.
    fn of(&self, set: Set) -> Vec<ResourceRecord<'static>> {
        bits(set).flat_map(|bit| self.of_one(bit)).collect()
    }

    fn of_one(&self, bit: Set) -> Vec<ResourceRecord<'static>> {
        let addresses = |wanted: fn(&IpAddr) -> Option<RData<'static>>| {
            let data = self.addresses.iter().filter_map(wanted);
            data.map(|data| record(&self.host, HOST_TTL, true, data)).collect()
        };
        match bit {
            PTR_SET => {
                vec![record(&self.service, OTHER_TTL, false, RData::PTR(PTR(self.instance.clone())))]
            }
            META => vec![record(&self.meta, OTHER_TTL, false, RData::PTR(PTR(self.service.clone())))],
            SRV_SET => {
                let (target, port) = (self.host.clone(), self.port);
                let data = RData::SRV(SRV { priority: 0, weight: 0, port, target });
                vec![record(&self.instance, HOST_TTL, true, data)]
            }
            TXT_SET => vec![record(&self.instance, OTHER_TTL, true, RData::TXT(self.txt.clone()))],
            A_SET => addresses(|ip| match ip {
                IpAddr::V4(ip) => Some(RData::A(A { address: u32::from(*ip) })),
                IpAddr::V6(_) => None,
            }),
            AAAA_SET => addresses(|ip| match ip {
                IpAddr::V4(_) => None,
                IpAddr::V6(ip) => Some(RData::AAAA(AAAA { address: u128::from(*ip) })),
            }),
            NSEC_INSTANCE => {
                let data = NSEC::from_types(self.instance.clone(), &[TYPE::TXT, TYPE::SRV]);
                vec![record(&self.instance, HOST_TTL, true, RData::NSEC(data))]
            }
            NSEC_HOST => {
                let present = self.present(A_SET | AAAA_SET);
                let types = [(A_SET, TYPE::A), (AAAA_SET, TYPE::AAAA)];
                let types: Vec<TYPE> =
                    types.iter().filter(|(bit, _)| present & bit != 0).map(|(_, kind)| *kind).collect();
                let data = NSEC::from_types(self.host.clone(), &types);
                vec![record(&self.host, HOST_TTL, true, RData::NSEC(data))]
            }
            _ => Vec::new(),
        }
    }

    /// Returns a response with these answers and their additional records.
    pub(crate) fn response(&self, set: Set) -> Vec<u8> {
        let mut packet = reply(0);
        packet.answers = self.of(set);
        packet.additional_records = self.of(self.beside(set));
        bytes(&packet)
    }

    /// Returns the answer to a sender that asks from a port of its own, as plain DNS would get it (RFC 6762 §6.7).
    pub(crate) fn legacy_response(&self, query: &Packet<'_>, set: Set) -> Vec<u8> {
        let mut packet = reply(query.id());
        let about = query.questions.iter().filter(|question| self.asked_by(question) != NONE);
        let about = about.take(limits::MDNS_QUESTIONS_MAX);
        packet.questions = about.cloned().map(Question::into_owned).collect();
        let plain = |mut record: ResourceRecord<'static>| {
            record.ttl = record.ttl.min(LEGACY_TTL);
            record.with_cache_flush(false)
        };
        packet.answers = self.of(set).into_iter().map(plain).collect();
        packet.additional_records = self.of(self.beside(set)).into_iter().map(plain).collect();
        bytes(&packet)
    }

    /// Returns a probe, which asks whether somebody else has the name (RFC 6762 §8.1).
    pub(crate) fn probe(&self) -> Vec<u8> {
        let mut packet = Packet::new_query(0);
        let (any, class) = (QTYPE::ANY, QCLASS::CLASS(CLASS::IN));
        packet.questions = vec![Question::new(self.instance.clone(), any, class, false)];
        let plain = |record: ResourceRecord<'static>| record.with_cache_flush(false);
        packet.name_servers = self.of(SRV_SET | TXT_SET).into_iter().map(plain).collect();
        bytes(&packet)
    }

    /// Returns a message that withdraws all records (RFC 6762 §10.1).
    pub(crate) fn goodbye(&self) -> Vec<u8> {
        let mut packet = reply(0);
        packet.answers = self.of(ALL);
        packet.answers.iter_mut().for_each(|record| record.ttl = 0);
        bytes(&packet)
    }

    /// Returns whether a response shows that somebody else has the name, by other data for it (RFC 6762 §9).
    pub(crate) fn is_contested_by(&self, response: &Packet<'_>) -> bool {
        let sections = [&response.answers, &response.name_servers, &response.additional_records];
        // Made once, since the response may hold very many records.
        let ours = self.of(SRV_SET | TXT_SET);
        let differs = |theirs: &ResourceRecord<'_>| {
            let kind = theirs.rdata.type_code();
            ours.iter().any(|ours| ours.rdata.type_code() == kind && ours != theirs)
        };
        let about_us = |theirs: &&ResourceRecord<'_>| theirs.name == self.instance && theirs.ttl > 0;
        sections.into_iter().flatten().filter(about_us).any(differs)
    }

    /// Returns whether the sender of a simultaneous probe for the same name wins (RFC 6762 §8.2).
    pub(crate) fn yields_to(&self, probe: &Packet<'_>) -> bool {
        let theirs = probe.name_servers.iter().filter(|record| record.name == self.instance);
        let theirs = sorted(theirs.cloned().map(ResourceRecord::into_owned).collect());
        !theirs.is_empty() && theirs > sorted(self.of(SRV_SET | TXT_SET))
    }
}

/// Returns the classes, types and data of records in the order of RFC 6762 §8.2.
fn sorted(records: Vec<ResourceRecord<'static>>) -> Vec<(u16, Vec<u8>)> {
    let mut keys: Vec<(u16, Vec<u8>)> = records
        .into_iter()
        .map(|record| {
            let (kind, mut packet) = (u16::from(record.rdata.type_code()), Packet::new_query(0));
            let name: usize = record.name.as_bytes().map(|label| label.len() + 1).sum();
            packet.answers = vec![record];
            // The header, the name and its end, then type, class, lifetime and length.
            let data = packet.build_bytes_vec().unwrap_or_default();
            (kind, data.get(12 + name + 1 + 10..).unwrap_or_default().to_vec())
        })
        .collect();
    keys.sort();
    keys
}

fn is_internet(class: QCLASS) -> bool {
    matches!(class, QCLASS::ANY | QCLASS::CLASS(CLASS::IN))
}

fn or(set: Set, otherwise: Set) -> Set {
    if set == NONE { otherwise } else { set }
}

fn bits(set: Set) -> impl Iterator<Item = Set> {
    (0..Set::BITS).map(|bit| 1 << bit).filter(move |bit| set & bit != 0)
}

fn reply(id: u16) -> Packet<'static> {
    let mut packet = Packet::new_reply(id);
    packet.set_flags(PacketFlag::AUTHORITATIVE_ANSWER);
    packet
}

/// Serialises a message. It cannot fail: our messages are short, and their names fit.
fn bytes(packet: &Packet<'_>) -> Vec<u8> {
    packet.build_bytes_vec_compressed().unwrap_or_default()
}
