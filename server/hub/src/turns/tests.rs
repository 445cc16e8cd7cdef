//! Who gets the next turn, on a paused clock.

use std::pin::Pin;

use super::*;

const PATIENCE: Duration = Duration::from_secs(5);

type Came = Result<Turn, NoTurn>;
type Waiting = Pin<Box<dyn Future<Output = Came>>>;

fn source(number: usize) -> Source {
    Source(format!("10.0.0.{number}").into())
}

/// Returns an address in the network with this number.
fn far(number: usize) -> Source {
    Source(format!("10.{number}.0.1").into())
}

fn account(name: &str) -> &'static AccountName {
    Box::leak(Box::new(name.parse().unwrap()))
}

/// Asks for a turn, and waits if it has to.
async fn come_from(turns: &Arc<Turns>, lane: Lane<'static>, from: Source) -> Result<Came, Waiting> {
    let turns = Arc::clone(turns);
    let mut waiting: Waiting = Box::pin(async move { turns.take(lane, &from, PATIENCE).await });
    match timeout(Duration::ZERO, &mut waiting).await {
        Ok(done) => Ok(done),
        Err(_) => Err(waiting),
    }
}

async fn come(turns: &Arc<Turns>, lane: Lane<'static>, from: usize) -> Result<Came, Waiting> {
    come_from(turns, lane, source(from)).await
}

async fn waits(turns: &Arc<Turns>, lane: Lane<'static>, from: usize) -> Waiting {
    come(turns, lane, from).await.expect_err("it waits")
}

#[tokio::test(start_paused = true)]
async fn a_flood_delays_another_source_by_one_turn() {
    let turns = Turns::new(1);
    let first = turns.take(Lane::New, &source(0), PATIENCE).await.unwrap();
    let mut flood = Vec::new();
    for _ in 0..limits::HASH_QUEUE_MAX {
        flood.push(waits(&turns, Lane::New, 9).await);
    }
    assert!(
        matches!(come(&turns, Lane::New, 9).await, Ok(Err(NoTurn::Crowded))),
        "the flood is told that it is too much"
    );
    let honest = waits(&turns, Lane::New, 1).await;
    drop(first);
    let of_flood = flood.remove(0).await.expect("it came first");
    drop(of_flood);
    assert!(honest.await.is_ok());
    let shed = flood.pop().unwrap();
    assert!(shed.await.is_err(), "the last one of the flood made room");
}

#[tokio::test(start_paused = true)]
async fn known_sources_and_new_ones_take_turns() {
    let turns = Turns::new(1);
    let first = turns.take(Lane::New, &source(0), PATIENCE).await.unwrap();
    let mut new = Vec::new();
    for number in 1..=limits::HASH_QUEUE_MAX {
        new.push(waits(&turns, Lane::New, number).await);
    }
    let known = waits(&turns, Lane::Known(account("ana")), 98).await;
    let known_too = waits(&turns, Lane::Known(account("bo")), 97).await;
    drop(first);
    drop(known.await.expect("it goes ahead"));
    drop(new.remove(0).await.expect("and then one that is new"));
    drop(known_too.await.expect("and then a known one"));
}

/// There are more addresses than places, and each comes again as soon as it is refused. They are in one network, which
/// the honest source shares, or in as many networks as addresses.
#[tokio::test(start_paused = true)]
async fn a_flood_from_more_addresses_than_places_lets_others_in() {
    for (is_far, address) in [(false, source as fn(usize) -> Source), (true, far)] {
        let turns = Turns::new(1);
        let first = turns.take(Lane::New, &Source("192.168.0.1".into()), PATIENCE).await.unwrap();
        let mut flood: VecDeque<(usize, Waiting)> = VecDeque::new();
        for number in (0..100).chain(64..100).chain(64..100) {
            if let Err(waiting) = come_from(&turns, Lane::New, address(number)).await {
                flood.push_back((number, waiting));
            }
        }
        let honest = if is_far { Source("10.200.0.9".into()) } else { source(200) };
        let mut honest = come_from(&turns, Lane::New, honest).await.expect_err("it is let in");
        drop(first);
        // Waiters that are shed come again at once, and so do those that had a turn.
        let mut others_first = 0;
        let turn = loop {
            if let Ok(came) = timeout(Duration::ZERO, &mut honest).await {
                break came.expect("it stays");
            }
            let mut again = Vec::new();
            for (number, mut waiting) in std::mem::take(&mut flood) {
                match timeout(Duration::ZERO, &mut waiting).await {
                    Ok(came) => {
                        others_first += usize::from(came.is_ok());
                        again.push(number);
                    }
                    Err(_) => flood.push_back((number, waiting)),
                }
            }
            for number in again {
                if let Err(waiting) = come_from(&turns, Lane::New, address(number)).await {
                    flood.push_back((number, waiting));
                }
            }
        };
        assert!(others_first <= limits::HASH_QUEUE_MAX, "{others_first} turns came first");
        drop(turn);
    }
}

/// There are as many addresses as a LAN has hosts. Each asks seldom, but all together ask faster than passwords are
/// hashed.
#[tokio::test(start_paused = true)]
async fn a_flood_that_uses_one_address_after_the_other_has_asked_before() {
    const HASH: Duration = Duration::from_millis(30);
    const ADDRESSES: usize = 1000;
    let turns = Turns::new(1);
    let mut at_work = turns.take(Lane::New, &source(1), PATIENCE).await.unwrap();
    let mut flood: Vec<Waiting> = Vec::new();
    for round in 0..400 {
        // Each address comes again after seven seconds.
        for number in (round * 4..(round + 1) * 4).map(|number| number % ADDRESSES) {
            let from = Source(format!("10.0.{}.{}", number / 250, number % 250 + 2).into());
            flood.extend(come_from(&turns, Lane::New, from).await.err());
        }
        let others =
            (round > 340 && round % 10 == 0).then(|| Source(format!("10.0.9.{}", round / 10).into()));
        if let Some(other) = others {
            let waiting = come_from(&turns, Lane::New, other).await.expect_err("it waits");
            drop(at_work);
            at_work = waiting.await.expect("it has not asked before, and is next");
        }
        tokio::time::advance(HASH).await;
        drop(at_work);
        let mut next = None;
        for mut waiting in std::mem::take(&mut flood) {
            match timeout(Duration::ZERO, &mut waiting).await {
                Ok(came) => next = next.or(came.ok()),
                Err(_) => flood.push(waiting),
            }
        }
        at_work = next.expect("somebody has the turn");
    }
}

#[tokio::test(start_paused = true)]
async fn a_network_with_many_addresses_delays_another_one_by_one_turn() {
    let turns = Turns::new(1);
    let first = turns.take(Lane::New, &source(0), PATIENCE).await.unwrap();
    let mut flood = Vec::new();
    for number in 1..=limits::HASH_QUEUE_MAX {
        flood.push(waits(&turns, Lane::New, number).await);
    }
    let honest = come_from(&turns, Lane::New, far(9)).await.expect_err("it waits");
    drop(first);
    let mut served = 0;
    for waiting in flood {
        if let Ok(Ok(turn)) = timeout(Duration::ZERO, waiting).await {
            served += 1;
            drop(turn);
        }
        if served == 1 {
            break;
        }
    }
    assert!(timeout(Duration::ZERO, honest).await.expect("it is next").is_ok());
}

/// All are known addresses of one account, one more than there are places.
#[tokio::test(start_paused = true)]
async fn an_account_has_one_waiter_that_goes_ahead() {
    let turns = Turns::new(1);
    let first = turns.take(Lane::New, &source(0), PATIENCE).await.unwrap();
    let mut flood = Vec::new();
    for number in 1..=limits::HASH_QUEUE_MAX + 1 {
        flood.push(waits(&turns, Lane::Known(account("eve")), number).await);
    }
    {
        let state = turns.lock();
        assert_eq!((state.known.len, state.new.len), (1, limits::HASH_QUEUE_MAX));
    }
    let honest = waits(&turns, Lane::Known(account("ana")), 200).await;
    drop(first);
    drop(flood.remove(0).await.expect("it goes ahead"));
    drop(flood);
    assert!(honest.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_leaves_no_trace() {
    let turns = Turns::new(1);
    let first = turns.take(Lane::New, &source(0), PATIENCE).await.unwrap();
    drop(waits(&turns, Lane::New, 1).await);
    let too_late = waits(&turns, Lane::New, 2).await;
    assert_eq!(too_late.await.unwrap_err(), NoTurn::TooLong);
    drop(first);
    let state = turns.lock();
    assert_eq!((state.free, state.new.len, state.new.halls.len()), (1, 0, 0));
}

/// Checks, when it is woken, whether the lock is free.
struct FindsTheLock(Arc<Turns>, std::sync::atomic::AtomicBool);

impl std::task::Wake for FindsTheLock {
    fn wake(self: Arc<Self>) {
        self.1.store(self.0.state.try_lock().is_ok(), std::sync::atomic::Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_woken_finds_the_lock_free() {
    let turns = Turns::new(1);
    let first = turns.take(Lane::New, &source(0), PATIENCE).await.unwrap();
    let mut waiting = waits(&turns, Lane::New, 1).await;
    let finds = Arc::new(FindsTheLock(Arc::clone(&turns), false.into()));
    let waker = Arc::clone(&finds).into();
    assert!(waiting.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    drop(first);
    assert!(finds.1.load(std::sync::atomic::Ordering::SeqCst));
}

/// There are eighty attempts a second, each from a fresh address in the person's own network, and thirty hashes. A
/// person who comes back when told to has their turn before all that came later.
#[tokio::test(start_paused = true)]
async fn a_flood_of_fresh_addresses_delays_a_person_of_their_network_by_seconds() {
    const HASH: Duration = Duration::from_millis(33);
    let turns = Turns::new(1);
    let mut at_work = turns.take(Lane::New, &source(1), PATIENCE).await.unwrap();
    let (mut flood, mut fresh): (Vec<Waiting>, _) = (Vec::new(), 0);
    // Repeated, because chance decides whether the person is refused at first.
    for person in 0..20 {
        let from = Source(format!("10.0.9.{person}").into());
        let began = Instant::now();
        let mut trying: Option<Waiting> = None;
        let mut again = began;
        let waited = loop {
            for _ in 0..if fresh % 3 == 0 { 2 } else { 3 } {
                fresh += 1;
                let from = Source(format!("10.0.{}.{}", 16 + fresh / 250, fresh % 250).into());
                flood.extend(come_from(&turns, Lane::New, from).await.err());
            }
            if trying.is_none() && Instant::now() >= again {
                match come_from(&turns, Lane::New, from.clone()).await {
                    Ok(refused) => {
                        again = refused.map_or_else(|_| Instant::now() + limits::HASH_AGAIN_AFTER, |_| again)
                    }
                    Err(waiting) => trying = Some(waiting),
                }
            }
            tokio::time::advance(HASH).await;
            drop(at_work);
            let mut next = None;
            if let Some(mut waiting) = trying.take() {
                match timeout(Duration::ZERO, &mut waiting).await {
                    Ok(Ok(turn)) => {
                        at_work = turn;
                        break began.elapsed();
                    }
                    Ok(Err(_)) => again = Instant::now() + limits::HASH_AGAIN_AFTER,
                    Err(_) => trying = Some(waiting),
                }
            }
            for mut waiting in std::mem::take(&mut flood) {
                match timeout(Duration::ZERO, &mut waiting).await {
                    Ok(came) => next = next.or(came.ok()),
                    Err(_) => flood.push(waiting),
                }
            }
            at_work = next.expect("somebody has the turn");
        };
        assert!(waited <= Duration::from_secs(5), "person {person} waited {waited:?}");
    }
}
