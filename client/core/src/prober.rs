//! Asks addresses who they are: a bounded number at a time, and each only for a short turn while others wait. An
//! address that makes room for others is asked again after them, and then has longer to answer. However many adverts
//! name an address, it is asked once for all of them, and once more if a server was reached there before.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use lanchat_certs::{Fingerprint, Policy};
use lanchat_model::{ServerId, limits};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::attempt::{Failure, attempt};
use crate::connection::Connection;
use crate::target::Target;

/// Why an address is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// This server was reached there before.
    Remembered(ServerId),
    /// Somebody advertises a known server there.
    KnownAdvert,
    /// Somebody advertises a server there.
    Advert,
}

/// The result for one address.
pub(crate) struct Probed {
    pub(crate) reason: Reason,
    pub(crate) address: SocketAddr,
    pub(crate) outcome: Result<Box<Connection>, Failure>,
}

/// See the module. Dropping it ends all running probes.
pub(crate) struct Prober {
    policy: Policy,
    /// Remembered addresses, kept apart from adverts, so that a flood of adverts cannot take their places.
    remembered: Lane,
    /// Addresses that adverts came from, kept apart from all others that adverts name: one message can name many
    /// addresses, but comes from only one.
    own: Lane,
    advertised: Lane,
}

impl Prober {
    /// Makes a prober that asks nothing yet. `pins` holds the known servers.
    pub(crate) fn new(pins: HashMap<ServerId, Fingerprint>) -> Self {
        Self {
            // Any key is accepted, so that every server can say who it is.
            policy: Policy { expected: None, pins },
            remembered: Lane::new(limits::PROBES_REMEMBERED_MAX),
            own: Lane::new(limits::PROBES_OWN_MAX),
            advertised: Lane::new(
                limits::PROBES_MAX - limits::PROBES_REMEMBERED_MAX - limits::PROBES_OWN_MAX,
            ),
        }
    }

    /// Asks an address as soon as there is room. Ignores it if it was asked already, or if the search has asked as many
    /// as it may. Earlier adverts for a remembered address do not keep it from being asked: its name may have been
    /// resolved after they came.
    pub(crate) fn ask(&mut self, address: SocketAddr, reason: Reason) {
        match reason {
            Reason::Remembered(_) => {
                self.own.waiting.retain(|question| question.address != address);
                self.advertised.waiting.retain(|question| question.address != address);
                self.remembered.ask(address, reason);
            }
            Reason::KnownAdvert | Reason::Advert if self.is_asked_apart(address) => {}
            Reason::KnownAdvert | Reason::Advert => self.advertised.ask(address, reason),
        }
    }

    /// As [`Prober::ask`], for the address that an advert came from.
    pub(crate) fn ask_own(&mut self, address: SocketAddr, reason: Reason) {
        if self.is_asked_apart(address) {
            return;
        }
        // Other adverts may have named it before. It is asked apart only if it has not had a turn yet.
        let before = self.advertised.waiting.len();
        self.advertised.waiting.retain(|question| question.address != address);
        if self.advertised.waiting.len() < before || !self.advertised.asked.contains(&address) {
            self.own.ask(address, reason);
        }
    }

    fn is_asked_apart(&self, address: SocketAddr) -> bool {
        self.remembered.asked.contains(&address) || self.own.asked.contains(&address)
    }

    /// Returns whether the search should go on: a remembered address waits for room or has its second turn, or an
    /// advertised one was not asked yet. Advertised addresses that had a turn do not prolong the search: a flood of
    /// them could.
    pub(crate) fn is_behind(&mut self) -> bool {
        self.remembered.clear();
        !self.remembered.waiting.is_empty()
            || self.remembered.running.iter().any(|running| running.question.turn > 0)
            || [&self.own, &self.advertised]
                .iter()
                .any(|lane| lane.waiting.iter().any(|question| question.turn == 0))
    }

    /// Waits for the next answer; never returns while nothing is asked. Cancel safe.
    pub(crate) async fn next(&mut self) -> Probed {
        tokio::select! {
            answer = self.remembered.next(&self.policy) => answer,
            answer = self.own.next(&self.policy) => answer,
            answer = self.advertised.next(&self.policy) => answer,
        }
    }
}

/// An address to ask.
#[derive(Clone, Copy)]
struct Question {
    address: SocketAddr,
    reason: Reason,
    /// How often it made room for others: less than `limits::PROBE_TURNS_MAX`.
    turn: u32,
}

/// A question in progress.
struct Running {
    question: Question,
    /// When it makes room, if others wait.
    until: Instant,
    task: AbortHandle,
}

/// Questions that share a limited number of places.
struct Lane {
    /// Probes at a time.
    room: usize,
    /// At most `limits::PROBED_ADDRESSES_MAX`.
    asked: HashSet<SocketAddr>,
    /// At most as many as there are in `asked`.
    waiting: VecDeque<Question>,
    /// At most `room`.
    running: Vec<Running>,
    tasks: JoinSet<Probed>,
    /// How often each host was asked, at any port.
    by_host: HashMap<IpAddr, usize>,
}

impl Lane {
    fn new(room: usize) -> Self {
        let (waiting, running) = (VecDeque::new(), Vec::new());
        let (asked, by_host) = (HashSet::new(), HashMap::new());
        Self { room, asked, waiting, running, tasks: JoinSet::new(), by_host }
    }

    fn ask(&mut self, address: SocketAddr, reason: Reason) {
        if self.asked.len() < limits::PROBED_ADDRESSES_MAX && self.asked.insert(address) {
            self.waiting.push_back(Question { address, reason, turn: 0 });
        }
    }

    async fn next(&mut self, policy: &Policy) -> Probed {
        loop {
            self.clear();
            while self.running.len() < self.room
                && let Some(question) = self.take()
            {
                let task = self.tasks.spawn(probe(question, policy.clone()));
                let until = Instant::now() + limits::PROBE_TURN * 2_u32.pow(question.turn);
                self.running.push(Running { question, until, task });
            }
            let turn = self.running.iter().map(|running| running.until).min();
            let turn = turn.filter(|_| !self.waiting.is_empty());
            tokio::select! {
                Some(done) = self.tasks.join_next() => {
                    // An error means that the probe made room: there is no answer.
                    if let Ok(answer) = done {
                        return answer;
                    }
                }
                () = sleep_until(turn.unwrap_or_else(Instant::now)), if turn.is_some() => self.make_room(),
                else => std::future::pending().await,
            }
        }
    }

    /// Forgets the probes that have ended.
    fn clear(&mut self) {
        self.running.retain(|running| !running.task.is_finished());
    }

    /// Ends the probe whose turn was over first, and queues it again after the others.
    fn make_room(&mut self) {
        let over = self.running.iter().enumerate().min_by_key(|(_, running)| running.until);
        let Some((at, _)) = over else { return };
        let Running { question, task, .. } = self.running.swap_remove(at);
        task.abort();
        let question = Question { turn: question.turn + 1, ..question };
        if question.turn < limits::PROBE_TURNS_MAX {
            self.waiting.push_back(question);
        }
    }

    /// Takes the question to ask next: one that had no turn yet before others, then adverts of known servers, then the
    /// host that was asked least. A host with hundreds of ports waits for hosts with one.
    fn take(&mut self) -> Option<Question> {
        let rank = |Question { address, reason, turn }: &Question| {
            let of_host = self.by_host.get(&address.ip()).copied().unwrap_or_default();
            (*turn, *reason == Reason::Advert, of_host)
        };
        let (at, _) = self.waiting.iter().enumerate().min_by_key(|(_, question)| rank(question))?;
        let question = self.waiting.remove(at)?;
        *self.by_host.entry(question.address.ip()).or_default() += 1;
        Some(question)
    }
}

async fn probe(Question { address, reason, .. }: Question, policy: Policy) -> Probed {
    let target = Target::anything_at(address);
    let outcome = attempt(address, &target, &policy, Instant::now() + limits::PROBE_MAX).await;
    Probed { reason, address, outcome: outcome.map(Box::new) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    fn prober() -> Prober {
        Prober::new(HashMap::new())
    }

    /// Starts a host that accepts connections but says nothing.
    async fn tarpit() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").await.unwrap()
    }

    async fn closed() -> SocketAddr {
        tarpit().await.local_addr().unwrap()
    }

    #[tokio::test]
    async fn an_address_is_asked_once_however_often_it_is_named() {
        let mut prober = prober();
        let printer = tarpit().await;
        let address = printer.local_addr().unwrap();
        for _ in 0..300 {
            prober.ask(address, Reason::Advert);
            prober.ask(address, Reason::KnownAdvert);
        }
        prober.ask(closed().await, Reason::Advert);
        // Both run at once, and this answer comes first.
        assert_ne!(prober.next().await.address, address);
        assert!(!prober.is_behind());
        printer.accept().await.unwrap();
        let more = timeout(Duration::from_millis(50), printer.accept()).await;
        assert!(more.is_err(), "asked twice");
    }

    #[tokio::test]
    async fn silent_addresses_keep_nobody_waiting_and_no_remembered_server_from_its_place() {
        let mut prober = prober();
        let mut tarpits = Vec::new();
        for _ in 0..3 * limits::PROBES_MAX {
            let tarpit = tarpit().await;
            prober.ask(tarpit.local_addr().unwrap(), Reason::Advert);
            tarpits.push(tarpit);
        }
        let (last, known) = (closed().await, closed().await);
        prober.ask(last, Reason::Advert);
        prober.ask(known, Reason::Remembered(ServerId::from_bytes([1; 16])));
        assert_eq!(prober.next().await.address, known);
        let running = [&prober.advertised, &prober.own, &prober.remembered].map(|lane| lane.running.len());
        assert!(running.iter().sum::<usize>() <= limits::PROBES_MAX);
        assert_eq!(prober.next().await.address, last);
    }

    /// The name of a server may be resolved only after a flood of adverts was heard.
    #[test]
    fn adverts_that_came_first_keep_no_remembered_server_from_being_asked() {
        let address = |n: usize| SocketAddr::from(([127, 9, 0, 1], 1 + n as u16));
        let known = Reason::Remembered(ServerId::from_bytes([1; 16]));
        let mut prober = prober();
        (0..=limits::PROBED_ADDRESSES_MAX).for_each(|n| prober.ask(address(n), Reason::Advert));
        assert_eq!(prober.advertised.waiting.len(), limits::PROBED_ADDRESSES_MAX);
        for unheard in [3, limits::PROBED_ADDRESSES_MAX + 9] {
            prober.ask(address(unheard), known);
            prober.ask(address(unheard), Reason::KnownAdvert);
            let last = prober.remembered.waiting.back().map(|question| question.address);
            assert_eq!(last, Some(address(unheard)));
            assert!(prober.advertised.waiting.iter().all(|question| question.address != address(unheard)));
        }
    }

    /// A host of the link can name any number of others.
    #[tokio::test]
    async fn what_others_named_before_keeps_no_server_from_being_asked_that_advertises_itself() {
        let named = |n: usize| SocketAddr::from(([127, 9, (n >> 8) as u8, n as u8], 1));
        let mut prober = prober();
        (0..=limits::PROBED_ADDRESSES_MAX).for_each(|n| prober.ask(named(n), Reason::KnownAdvert));
        let (own, also_named) = (closed().await, named(limits::PROBED_ADDRESSES_MAX - 9));
        for address in [own, also_named, own] {
            prober.ask_own(address, Reason::Advert);
            prober.ask(address, Reason::KnownAdvert);
        }
        assert_eq!(prober.own.asked.len(), 2);
        assert_eq!(prober.advertised.waiting.len(), limits::PROBED_ADDRESSES_MAX - 1, "each once");
        assert!(prober.is_behind());
    }

    /// A server that greets late is queued before seven silent addresses.
    #[tokio::test(start_paused = true)]
    async fn a_slow_server_that_made_room_is_asked_again() {
        let mut prober = prober();
        let slow = tarpit().await;
        let address = slow.local_addr().unwrap();
        let known = Reason::Remembered(ServerId::from_bytes([1; 16]));
        prober.ask(address, known);
        let mut tarpits = Vec::new();
        for _ in 0..7 {
            let tarpit = tarpit().await;
            prober.ask(tarpit.local_addr().unwrap(), known);
            tarpits.push(tarpit);
        }
        // It takes longer than a turn and then closes, which is an answer.
        let server = async {
            loop {
                let (connection, _) = slow.accept().await.unwrap();
                tokio::spawn(async move {
                    tokio::time::sleep(limits::PROBE_TURN + Duration::from_millis(300)).await;
                    drop(connection);
                });
            }
        };
        let found = async {
            loop {
                let answer = prober.next().await;
                if answer.address == address {
                    assert!(matches!(answer.outcome, Err(Failure::TurnedAway)));
                    return;
                }
            }
        };
        tokio::select! {
            () = found => {}
            () = server => {}
            () = tokio::time::sleep(limits::DISCOVER_WINDOW) => panic!("it was given up"),
        }
    }

    #[tokio::test]
    async fn a_known_server_comes_before_others_and_hosts_take_turns() {
        let mut lane = Lane::new(1);
        let question = |host: u8, port: u16, reason: Reason, turn: u32| {
            let address = SocketAddr::from(([10, 0, 0, host], port));
            Question { address, reason, turn }
        };
        lane.waiting.push_back(question(1, 5, Reason::KnownAdvert, 1));
        lane.waiting.extend((1..=3).map(|port| question(1, port, Reason::Advert, 0)));
        lane.waiting.push_back(question(2, 1, Reason::Advert, 0));
        lane.waiting.push_back(question(1, 4, Reason::KnownAdvert, 0));
        let order: Vec<String> =
            std::iter::from_fn(|| lane.take()).map(|question| question.address.to_string()).collect();
        assert_eq!(
            order,
            ["10.0.0.1:4", "10.0.0.2:1", "10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "10.0.0.1:5"]
        );
    }
}
