//! The responder of one interface: a state machine without a socket. It does not store what others say, so its size
//! does not depend on what it hears.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::time::Duration;

use lanchat_model::limits;
use tokio::time::Instant;

use crate::message::{PORT, is_response, parse};
use crate::records::{ALL, NONE, PTR_SET, Records, SHARED, Set};

/// Three probes, and three waits (RFC 6762 §8.1).
const PROBES: u8 = 3;
const PROBE_WAIT_MS: u64 = 250;
const PROBE_WAIT: Duration = Duration::from_millis(PROBE_WAIT_MS);
/// How long a responder that yields to another probe waits (RFC 6762 §8.2).
const YIELD_WAIT: Duration = Duration::from_secs(1);
/// Announcements, and the wait between them (RFC 6762 §8.3).
const ANNOUNCEMENTS: u8 = 2;
const ANNOUNCE_WAIT: Duration = Duration::from_secs(1);
/// A record is multicast at most this often (RFC 6762 §6). The next constant is for answers to a probe.
const MULTICAST_EVERY: Duration = Duration::from_secs(1);
const DEFEND_EVERY: Duration = Duration::from_millis(250);
/// A quarter of the shortest lifetime: a record that was multicast within it may be answered by unicast (RFC 6762
/// §5.4).
const RECENT: Duration = Duration::from_secs(30);
/// Answers that other hosts may give too are delayed for a random time (RFC 6762 §6).
const SHARED_WAIT_MS: (u64, u64) = (20, 120);

/// The result of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing to do now.
    Nothing,
    /// An answer, for its sender alone.
    Reply(Vec<u8>),
    /// Somebody else has the name.
    Conflict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Probing(u8),
    Announcing(u8),
    Serving,
}

/// How many more of something are allowed in this second.
struct Budget {
    most: u32,
    used: u32,
    since: Instant,
}

impl Budget {
    fn new(most: u32, now: Instant) -> Self {
        Self { most, used: 0, since: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        if now - self.since >= Duration::from_secs(1) {
            (self.used, self.since) = (0, now);
        }
        self.used = self.used.saturating_add(1);
        self.used <= self.most
    }
}

/// Answers for one server on one interface.
pub(crate) struct Responder {
    records: Records,
    /// When the name is kept no matter who else has it, unless it was announced earlier.
    keeps_at: Instant,
    /// The name is kept no matter who else has it.
    stubborn: bool,
    /// It has yielded once to another host that probed for the name.
    yielded: bool,
    /// The name is this server's: it was announced, and nobody objected.
    owned: bool,
    phase: Phase,
    /// When to probe or to announce next.
    step: Option<Instant>,
    pending: Set,
    /// When to multicast what is pending.
    due: Option<Instant>,
    last_multicast: Option<Instant>,
    replies: Budget,
    queries: Budget,
    responses: Budget,
}

impl Responder {
    /// Starts by probing for the name, or by announcing it if it is `owned`. Whatever is heard, the name is announced
    /// or given up once `patience` is over. If that is zero, the name is announced at once, and kept.
    pub(crate) fn new(records: Records, owned: bool, patience: Duration, now: Instant) -> Self {
        let stubborn = patience.is_zero();
        let (phase, wait) = if owned || stubborn {
            (Phase::Announcing(0), Duration::ZERO)
        } else {
            (Phase::Probing(0), random(0, PROBE_WAIT_MS))
        };
        Self {
            records,
            keeps_at: now + patience,
            stubborn,
            yielded: false,
            owned,
            phase,
            step: Some(now + wait),
            pending: NONE,
            due: None,
            last_multicast: None,
            replies: Budget::new(limits::MDNS_REPLIES_PER_SECOND, now),
            queries: Budget::new(limits::MDNS_QUERIES_PER_SECOND, now),
            responses: Budget::new(limits::MDNS_RESPONSES_PER_SECOND, now),
        }
    }

    /// Returns when [`Responder::next`] has something to send. `None`: nothing is due until a message arrives.
    pub(crate) fn due(&self) -> Option<Instant> {
        let keeps_at = (!self.owned).then_some(self.keeps_at);
        [self.step, self.due, keeps_at].into_iter().flatten().min()
    }

    /// Returns whether the name was announced.
    pub(crate) fn is_owned(&self) -> bool {
        self.owned
    }

    /// Returns the message to multicast now.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Vec<u8>> {
        if !self.owned && self.keeps_at <= now {
            // Probing must end, since the answers could be hostile.
            (self.stubborn, self.phase, self.step) = (true, Phase::Announcing(0), Some(now));
        }
        if self.step.is_some_and(|step| step <= now) {
            return self.advance(now);
        }
        if self.due.is_some_and(|due| due <= now) {
            self.due = None;
            let set = std::mem::take(&mut self.pending);
            self.last_multicast = Some(now);
            return Some(self.records.response(set));
        }
        None
    }

    fn advance(&mut self, now: Instant) -> Option<Vec<u8>> {
        match self.phase {
            Phase::Probing(sent) if sent < PROBES => {
                self.phase = Phase::Probing(sent + 1);
                self.step = Some(now + PROBE_WAIT);
                Some(self.records.probe())
            }
            Phase::Probing(_) | Phase::Announcing(0) => {
                self.phase = Phase::Announcing(1);
                Some(self.announce(now))
            }
            Phase::Announcing(sent) if sent < ANNOUNCEMENTS => {
                self.phase = Phase::Announcing(sent + 1);
                Some(self.announce(now))
            }
            Phase::Announcing(_) | Phase::Serving => {
                (self.phase, self.step) = (Phase::Serving, None);
                None
            }
        }
    }

    fn announce(&mut self, now: Instant) -> Vec<u8> {
        self.owned = true;
        self.step = Some(now + ANNOUNCE_WAIT);
        self.last_multicast = Some(now);
        self.records.response(ALL)
    }

    /// Reads a message. Of a flood, only a bounded number is looked at each second, and messages that are too long are
    /// skipped. There may be questions among the rest, so the server is announced once a second until the flood is
    /// over.
    pub(crate) fn heard(&mut self, bytes: &[u8], from: SocketAddr, now: Instant) -> Heard {
        let is_response = is_response(bytes);
        let budget = if is_response { &mut self.responses } else { &mut self.queries };
        if bytes.len() > limits::MDNS_PACKET_BYTES_MAX || !budget.take(now) {
            self.answer_later(PTR_SET, now, MULTICAST_EVERY);
            return Heard::Nothing;
        }
        let Some(packet) = parse(bytes) else { return Heard::Nothing };
        if is_response {
            return self.heard_response(self.records.is_contested_by(&packet), from, now);
        }
        let is_probe = !packet.name_servers.is_empty();
        if is_probe && !self.owned && !self.stubborn && self.records.yields_to(&packet) {
            return self.yield_once(now);
        }
        let asked = self.records.asked(&packet);
        let asked = asked & !self.records.known(&packet, asked);
        if asked == NONE || !self.owned {
            return Heard::Nothing;
        }
        if from.port() != PORT && self.replies.take(now) {
            return Heard::Reply(self.records.legacy_response(&packet, asked));
        }
        let wants_unicast = packet.questions.iter().all(|question| question.unicast_response);
        let is_recent = self.last_multicast.is_some_and(|last| now - last < RECENT);
        if wants_unicast && is_recent && !is_probe && self.replies.take(now) {
            return Heard::Reply(self.records.response(asked));
        }
        self.answer_later(asked, now, if is_probe { DEFEND_EVERY } else { MULTICAST_EVERY });
        Heard::Nothing
    }

    /// Yields to another host that probes for the name (RFC 6762 §8.2). If that host still probes afterwards, it
    /// neither takes the name nor gives it up: that is a conflict.
    fn yield_once(&mut self, now: Instant) -> Heard {
        match self.phase {
            Phase::Probing(0) if self.yielded => {}
            _ if self.yielded => return Heard::Conflict,
            _ => {
                self.yielded = true;
                (self.phase, self.step) = (Phase::Probing(0), Some(now + YIELD_WAIT));
            }
        }
        Heard::Nothing
    }

    fn heard_response(&mut self, is_contested: bool, from: SocketAddr, now: Instant) -> Heard {
        // An answer from another port is not multicast DNS (RFC 6762 §6).
        if !is_contested || self.stubborn || from.port() != PORT {
            return Heard::Nothing;
        }
        match self.phase {
            Phase::Probing(_) => Heard::Conflict,
            // Both had the name before they met, as when two links are joined: both probe again (RFC 6762 §9).
            Phase::Announcing(_) | Phase::Serving => {
                (self.phase, self.step) = (Phase::Probing(0), Some(now));
                Heard::Nothing
            }
        }
    }

    fn answer_later(&mut self, set: Set, now: Instant, every: Duration) {
        if !self.owned {
            return;
        }
        self.pending |= set;
        let wait =
            if set & SHARED == NONE { Duration::ZERO } else { random(SHARED_WAIT_MS.0, SHARED_WAIT_MS.1) };
        let allowed = self.last_multicast.map_or(now, |last| last + every);
        let due = allowed.max(now + wait);
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
    }

    /// Returns the goodbye. `None`: nothing was announced.
    pub(crate) fn goodbye(&self) -> Option<Vec<u8>> {
        self.owned.then(|| self.records.goodbye())
    }
}

/// Returns a time between `least` and `most` milliseconds, so that hosts do not all answer at once.
fn random(least: u64, most: u64) -> Duration {
    Duration::from_millis(least + RandomState::new().hash_one(0) % (most - least + 1))
}

#[cfg(test)]
mod tests {
    use simple_dns::rdata::RData;
    use simple_dns::{CLASS, Name, Packet, QCLASS, QTYPE, Question, TYPE};

    use super::*;
    use crate::Service;
    use crate::message::service_type;

    fn records(port: u16) -> Records {
        let service = Service {
            instance: "attic".into(),
            host: "lanchat-abababab".into(),
            port,
            txt: vec![("name".into(), "attic".into())],
            patience: limits::NAME_CONTESTED_MAX,
        };
        Records::new(&service, vec!["192.0.2.1".parse().unwrap()])
    }

    fn neighbour(port: u16) -> SocketAddr {
        ([192, 0, 2, 9], port).into()
    }

    fn question(name: Name<'static>, kind: TYPE) -> Packet<'static> {
        let mut packet = Packet::new_query(7);
        packet.questions = vec![Question::new(name, QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false)];
        packet
    }

    fn ask() -> Vec<u8> {
        question(service_type(), TYPE::PTR).build_bytes_vec().unwrap()
    }

    /// Returns what is sent until nothing is due any more, and when.
    fn all(responder: &mut Responder, now: &mut Instant) -> Vec<(Instant, Vec<u8>)> {
        let mut said = Vec::new();
        while let Some(due) = responder.due() {
            *now = (*now).max(due);
            said.extend(responder.next(*now).map(|bytes| (*now, bytes)));
        }
        said
    }

    fn serving(now: &mut Instant) -> Responder {
        let mut responder = Responder::new(records(7072), false, limits::NAME_CONTESTED_MAX, *now);
        all(&mut responder, now);
        responder
    }

    #[test]
    fn a_name_is_asked_for_three_times_and_announced_twice() {
        let mut now = Instant::now();
        let mut responder = Responder::new(records(7072), false, limits::NAME_CONTESTED_MAX, now);
        assert_eq!(responder.heard(&ask(), neighbour(PORT), now), Heard::Nothing);
        assert!(responder.goodbye().is_none());
        let said = all(&mut responder, &mut now);
        let responses: Vec<bool> = said.iter().map(|(_, bytes)| is_response(bytes)).collect();
        assert_eq!(responses, [false, false, false, true, true]);
        assert_eq!(said[2].0 - said[0].0, PROBE_WAIT * 2);
        let packet = parse(&said[3].1).unwrap();
        let kinds: Vec<TYPE> = packet.answers.iter().map(|record| record.rdata.type_code()).collect();
        assert_eq!(kinds, [TYPE::PTR, TYPE::SRV, TYPE::TXT, TYPE::A]);
        assert!(
            packet.answers[1..].iter().all(|record| record.cache_flush) && !packet.answers[0].cache_flush
        );
        let goodbye = responder.goodbye().unwrap();
        assert!(parse(&goodbye).unwrap().answers.iter().all(|record| record.ttl == 0));
    }

    #[test]
    fn a_question_is_answered_once_a_second_at_most_and_not_to_whoever_knows() {
        let mut now = Instant::now();
        let mut responder = serving(&mut now);
        now += Duration::from_secs(9);
        for _ in 0..100 {
            assert_eq!(responder.heard(&ask(), neighbour(PORT), now), Heard::Nothing);
        }
        let first = all(&mut responder, &mut now);
        responder.heard(&ask(), neighbour(PORT), now);
        let second = all(&mut responder, &mut now);
        assert_eq!((first.len(), second.len()), (1, 1));
        assert!(second[0].0 - first[0].0 >= MULTICAST_EVERY);
        let answer = parse(&first[0].1).unwrap();
        let mut knows = question(service_type(), TYPE::PTR);
        knows.answers = answer.answers.clone();
        responder.heard(&knows.build_bytes_vec().unwrap(), neighbour(PORT), now);
        assert!(responder.due().is_none(), "known answers are not repeated");
        knows.answers[0].ttl = 9;
        responder.heard(&knows.build_bytes_vec().unwrap(), neighbour(PORT), now);
        assert!(responder.due().is_some(), "but those that are nearly forgotten");
    }

    #[test]
    fn who_asks_from_another_port_is_answered_there_within_a_budget() {
        let mut now = Instant::now();
        let mut responder = serving(&mut now);
        let Heard::Reply(bytes) = responder.heard(&ask(), neighbour(50_000), now) else { panic!("no reply") };
        let answer = parse(&bytes).unwrap();
        assert_eq!((answer.id(), answer.questions.len()), (7, 1));
        assert!(answer.answers.iter().chain(&answer.additional_records).all(|record| record.ttl <= 10));
        assert!(answer.additional_records.iter().any(|record| matches!(record.rdata, RData::SRV(_))));
        let replies = (0..1000).filter(|_| responder.heard(&ask(), neighbour(50_000), now) != Heard::Nothing);
        assert_eq!(replies.count() as u32 + 1, limits::MDNS_REPLIES_PER_SECOND);
        assert_eq!(all(&mut responder, &mut now).len(), 1, "whoever came too late hears it with all others");
    }

    #[test]
    fn a_name_of_somebody_else_is_a_conflict_while_it_is_asked_for() {
        let mut now = Instant::now();
        let theirs = records(9).response(ALL);
        let mut responder = Responder::new(records(7072), false, limits::NAME_CONTESTED_MAX, now);
        assert_eq!(responder.heard(&records(7072).response(ALL), neighbour(PORT), now), Heard::Nothing);
        assert_eq!(responder.heard(&theirs, neighbour(50_000), now), Heard::Nothing);
        assert_eq!(responder.heard(&theirs, neighbour(PORT), now), Heard::Conflict);
        assert_eq!(responder.heard(&records(9).goodbye(), neighbour(PORT), now), Heard::Nothing);
        // Later the name is probed for again first.
        let mut responder = serving(&mut now);
        assert_eq!(responder.heard(&theirs, neighbour(PORT), now), Heard::Nothing);
        assert!(!is_response(&responder.next(now).unwrap()));
        assert_eq!(responder.heard(&theirs, neighbour(PORT), now), Heard::Conflict);
        let mut stubborn = Responder::new(records(7072), false, Duration::ZERO, now);
        assert_eq!(stubborn.heard(&theirs, neighbour(PORT), now), Heard::Nothing);
    }

    #[test]
    fn of_two_who_ask_at_once_one_waits() {
        let now = Instant::now();
        let step = |ours: u16, theirs: u16| {
            let mut responder = Responder::new(records(ours), false, limits::NAME_CONTESTED_MAX, now);
            responder.heard(&records(theirs).probe(), neighbour(PORT), now);
            responder.due().unwrap() - now
        };
        assert!(step(1, 2) >= YIELD_WAIT && step(2, 1) < YIELD_WAIT && step(1, 1) < YIELD_WAIT);
    }

    /// Simulates a host that probes for the same name with greater data again and again, as no honest host does.
    fn under_probes(mut responder: Responder, every: Duration) -> (Option<Duration>, Responder) {
        let start = Instant::now();
        let (greater, mut now) = (records(9999).probe(), start);
        while now - start < Duration::from_secs(60) {
            match responder.heard(&greater, neighbour(PORT), now) {
                Heard::Conflict => return (None, responder),
                heard => assert_eq!(heard, Heard::Nothing),
            }
            now += every;
            while responder.due().is_some_and(|due| due <= now) {
                responder.next(now);
            }
            if responder.is_owned() {
                return (Some(now - start), responder);
            }
        }
        panic!("neither announced nor given up");
    }

    #[test]
    fn who_asks_for_ever_gets_the_name_or_waits_for_nothing() {
        for every in [1, 40, 250, 400, 999].map(Duration::from_millis) {
            let now = Instant::now();
            let (announced, _) =
                under_probes(Responder::new(records(7072), false, limits::NAME_CONTESTED_MAX, now), every);
            assert_eq!(announced, None, "the name is left to them");
            let (announced, _) =
                under_probes(Responder::new(records(7072), false, Duration::from_millis(600), now), every);
            assert!(announced.unwrap() <= Duration::from_millis(600) + every, "{announced:?}");
            let (announced, mut stubborn) =
                under_probes(Responder::new(records(7072), false, Duration::ZERO, now), every);
            assert!(announced.unwrap() <= every, "{announced:?}");
            let later = now + Duration::from_secs(9);
            assert!(
                matches!(stubborn.heard(&ask(), neighbour(50_000), later), Heard::Reply(_)),
                "it is found"
            );
        }
    }

    #[test]
    fn who_yielded_once_gets_the_name_that_nobody_took() {
        let mut now = Instant::now();
        let mut responder = Responder::new(records(7072), false, limits::NAME_CONTESTED_MAX, now);
        // Three probes from one host count as one contender.
        for _ in 0..3 {
            assert_eq!(responder.heard(&records(9999).probe(), neighbour(PORT), now), Heard::Nothing);
            now += PROBE_WAIT;
        }
        all(&mut responder, &mut now);
        assert!(responder.is_owned());
    }

    #[test]
    fn under_a_flood_the_server_is_announced_once_a_second() {
        let mut now = Instant::now();
        let mut responder = serving(&mut now);
        now += Duration::from_secs(9);
        let (start, mut announced) = (now, 0);
        while now - start < Duration::from_secs(5) {
            now += Duration::from_micros(100);
            responder.heard(&[0, 0, 0x84, 0], neighbour(PORT), now);
            announced += u32::from(responder.next(now).is_some());
        }
        assert!((4..=6).contains(&announced), "{announced} times");
    }

    #[test]
    fn what_is_too_long_to_be_read_may_have_been_a_question() {
        let mut now = Instant::now();
        let mut responder = serving(&mut now);
        now += Duration::from_secs(9);
        let mut asked = ask();
        asked.resize(limits::MDNS_PACKET_BYTES_MAX + 1, 0);
        for _ in 0..100 {
            assert_eq!(responder.heard(&asked, neighbour(50_000), now), Heard::Nothing);
        }
        assert_eq!(all(&mut responder, &mut now).len(), 1);
    }

    #[test]
    fn what_the_host_has_not_is_denied() {
        let mut now = Instant::now();
        let mut responder = serving(&mut now);
        let host = crate::message::named(&["lanchat-abababab", "local"]);
        let asked = question(host, TYPE::AAAA).build_bytes_vec().unwrap();
        responder.heard(&asked, neighbour(PORT), now + Duration::from_secs(2));
        let said = all(&mut responder, &mut now);
        assert!(matches!(parse(&said[0].1).unwrap().answers[0].rdata, RData::NSEC(_)));
    }
}
