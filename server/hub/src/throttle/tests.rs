//! Guesses, one by one and many at once, on a paused clock.

use tokio::time::advance;

use super::*;

fn ana() -> AccountName {
    "ana".parse().unwrap()
}

fn source(number: usize) -> Source {
    Source(format!("10.0.{}.{}", number / 256, number % 256).into())
}

/// Makes a wrong guess. Returns how long it has to wait, in seconds, or 0 if it counted.
fn guess(throttle: &Throttle, name: &AccountName, from: &Source) -> u64 {
    throttle.begin(name, from).map_or_else(|early| early.wait.as_secs(), |_| 0)
}

#[tokio::test(start_paused = true)]
async fn guesses_slow_down_and_the_owner_elsewhere_does_not() {
    let throttle = Throttle::default();
    let mut waits = Vec::new();
    for _ in 0..14 {
        let wait = guess(&throttle, &ana(), &source(9));
        waits.push(wait);
        if wait > 0 {
            advance(Duration::from_secs(wait)).await;
            assert_eq!(guess(&throttle, &ana(), &source(9)), 0, "it has waited");
        }
    }
    assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert_eq!(guess(&throttle, &ana(), &source(1)), 0);
}

#[tokio::test(start_paused = true)]
async fn guesses_at_the_same_moment_count_before_they_are_known_to_be_wrong() {
    let throttle = Throttle::default();
    let under_way: Vec<_> = (0..50).filter_map(|_| throttle.begin(&ana(), &source(9)).ok()).collect();
    assert_eq!(under_way.len(), limits::LOGIN_FAILURES_FREE as usize);
    advance(limits::LOGIN_DELAY_MAX).await;
    assert_eq!((0..50).filter(|_| throttle.begin(&ana(), &source(9)).is_ok()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_was_none_is_given_back() {
    let throttle = Throttle::default();
    for _ in 0..1000 {
        throttle.undo(&throttle.begin(&ana(), &source(9)).unwrap());
    }
    for _ in 0..1000 {
        throttle.succeeded(throttle.begin(&ana(), &source(9)).unwrap());
    }
}

/// It counts only against the source: others can still log in to the account.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_was_refused_for_the_crowd_counts_against_its_source() {
    let throttle = Throttle::default();
    let attempts = (0..1000).filter_map(|_| throttle.begin(&ana(), &source(9)).ok());
    assert_eq!(
        attempts.inspect(|attempt| throttle.crowded(attempt)).count(),
        limits::LOGIN_SOURCE_BURST as usize
    );
    assert!(throttle.may_register(&source(9)).is_err());
    assert!(throttle.begin(&ana(), &source(10)).is_ok());
    throttle.is_at(&ana(), &source(9));
    let attempts = (0..1000).filter_map(|_| throttle.begin(&ana(), &source(9)).ok());
    assert_eq!(
        attempts.inspect(|attempt| throttle.crowded(attempt)).count(),
        limits::LOGIN_FAILURES_FREE as usize
    );
}

#[tokio::test(start_paused = true)]
async fn an_account_is_guessed_at_so_often_an_hour_from_many_sources_together() {
    let throttle = Throttle::default();
    let mut counted = 0;
    for _ in 0..3600 {
        counted += (0..5).filter(|from| throttle.begin(&ana(), &source(*from)).is_ok()).count();
        advance(Duration::from_secs(1)).await;
    }
    let hour = u32::try_from(3600 / limits::LOGIN_ACCOUNT_EVERY.as_secs()).unwrap();
    let most = 5 + limits::LOGIN_ACCOUNT_BURST + hour;
    assert!(counted <= most as usize + 1, "{counted} of at most {most}");
}

#[tokio::test(start_paused = true)]
async fn the_owner_gets_an_attempt_while_others_guess() {
    let throttle = Throttle::default();
    let (home, elsewhere) = (source(200), source(201));
    throttle.is_at(&ana(), &home);
    for second in 0..600 {
        (0..5).for_each(|from| _ = guess(&throttle, &ana(), &source(from)));
        if second % 60 == 0 {
            throttle.succeeded(throttle.begin(&ana(), &home).expect("from where she was before"));
            let place = Source(format!("{} {second}", elsewhere.0).into());
            throttle.succeeded(throttle.begin(&ana(), &place).expect("and from where she never was"));
        }
        advance(Duration::from_secs(1)).await;
    }
}

/// With very many addresses, addresses new to the account are slowed too, but not one where its owner has been.
#[tokio::test(start_paused = true)]
async fn very_many_sources_slow_each_other_and_not_the_owner() {
    let throttle = Throttle::default();
    throttle.is_at(&ana(), &source(0));
    let let_through = (1..1000).filter(|from| throttle.begin(&ana(), &source(*from)).is_ok()).count();
    assert_eq!(let_through, limits::LOGIN_FRESH_BURST as usize);
    assert!(throttle.begin(&ana(), &source(0)).is_ok());
}

/// An account with more addresses than are remembered at all does not push out anybody else's.
#[tokio::test(start_paused = true)]
async fn an_account_with_endless_addresses_leaves_others_known() {
    let throttle = Throttle::default();
    throttle.is_at(&ana(), &source(0));
    let eve = "eve".parse().unwrap();
    (1..=limits::LOGIN_SOURCES_MAX + 10).for_each(|number| throttle.is_at(&eve, &source(number)));
    assert!((1..1000).filter(|from| throttle.begin(&ana(), &source(*from)).is_err()).count() > 0);
    assert!(throttle.begin(&ana(), &source(0)).is_ok(), "where she was before");
    assert!(throttle.knows(&source(0)) && !throttle.knows(&source(1)));
}

#[tokio::test(start_paused = true)]
async fn a_source_tries_so_many_accounts_a_minute() {
    let throttle = Throttle::default();
    let mut counted = 0;
    for number in 0..600 {
        let name = format!("account-{number}").parse().unwrap();
        counted += usize::from(throttle.begin(&name, &source(9)).is_ok());
        advance(Duration::from_millis(100)).await;
    }
    let minute = u32::try_from(60 / limits::LOGIN_SOURCE_EVERY.as_secs()).unwrap();
    assert!(counted <= (limits::LOGIN_SOURCE_BURST + minute) as usize, "{counted}");
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_that_waits_is_told_from_those_after_it() {
    let throttle = Throttle::default();
    (0..limits::LOGIN_FAILURES_FREE).for_each(|_| _ = throttle.begin(&ana(), &source(9)));
    let firsts = [(); 3].map(|()| throttle.begin(&ana(), &source(9)).unwrap_err().first);
    assert_eq!(firsts, [true, false, false]);
}

/// A guesser cannot make the throttle forget guesses at one account by naming others.
#[tokio::test(start_paused = true)]
async fn what_is_remembered_is_bounded_and_who_was_guessed_at_most_stays() {
    let throttle = Throttle::default();
    for from in 0..2 * limits::LOGIN_FRESH_BURST as usize {
        _ = guess(&throttle, &ana(), &source(60_000 + from));
    }
    for number in 0..limits::LOGIN_SOURCES_MAX + 1000 {
        _ = guess(&throttle, &format!("a-{number}").parse().unwrap(), &source(number));
    }
    assert!(throttle.begin(&ana(), &source(61_000)).is_err());
    let state = throttle.lock();
    for size in [state.failures.len(), state.accounts.len(), state.sources.len()] {
        assert!((limits::LOGIN_SOURCES_MAX / 8 * 7..=limits::LOGIN_SOURCES_MAX).contains(&size), "{size}");
    }
    let last = limits::LOGIN_SOURCES_MAX + 999;
    assert!(state.failures.peek(&(format!("a-{last}").parse().unwrap(), source(last))).is_some());
}

/// Refusals cannot do that either, because they leave no trace.
#[tokio::test(start_paused = true)]
async fn what_is_refused_pushes_out_nobody() {
    let throttle = Throttle::default();
    (0..=limits::LOGIN_FRESH_BURST as usize).for_each(|from| _ = guess(&throttle, &ana(), &source(from)));
    let before = throttle.lock().sources.len();
    assert!((1000..3000).all(|from| throttle.begin(&ana(), &source(from)).is_err()));
    assert_eq!(throttle.lock().sources.len(), before);
}
