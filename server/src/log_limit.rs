//! How much others may have a server write: so many lines of one kind for one source, and for all of them.
//!
//! Anybody on the network can cause lines of the log, and one account can: a wrong password, a line that is no frame, a
//! connection that comes and goes. Every line is counted by its kind, which is its place in the code, and one that says whom it
//! is about, in a field `source` or `account`, for that one too. Those beyond the bounds are left out, and how many is said
//! once a minute.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::{Debug, Write};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use lanchat_model::limits;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, callsite};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};

/// The fields that say whom a line is about, the one that tells more first.
const ABOUT: [&str; 2] = ["source", "account"];

/// Decides which lines are left out. One for the process, since there is one log.
pub(crate) static LIMIT: Limit = Limit { window: Mutex::new(None), hasher: OnceLock::new() };

/// See the module.
#[derive(Debug)]
pub(crate) struct Limit {
    window: Mutex<Option<Window>>,
    /// What people are called is kept as a number that nobody can foresee.
    hasher: OnceLock<RandomState>,
}

/// What was written since its beginning, at most `limits::LOG_WINDOW` ago.
#[derive(Debug)]
struct Window {
    began: Instant,
    /// Lines of one kind about one source. At most `limits::LOG_SOURCES_MAX`; those beyond are counted by kind alone.
    by_source: HashMap<(callsite::Identifier, u64), u32>,
    /// Lines of one kind: as many keys as there are places in the code that log.
    by_kind: HashMap<callsite::Identifier, u32>,
    all: u32,
    left_out: u64,
}

impl Window {
    fn new(began: Instant) -> Self {
        Self { began, by_source: HashMap::new(), by_kind: HashMap::new(), all: 0, left_out: 0 }
    }

    /// Counts a line about somebody, or about the server itself; `false`: it is one too many. What others cause leaves the
    /// server's own lines their room.
    fn take(&mut self, kind: callsite::Identifier, about: Option<u64>) -> bool {
        let of_kind = self.by_kind.entry(kind.clone()).or_default();
        let is_too_many = about.is_some() && self.all >= limits::LOG_LINES_MAX;
        if is_too_many || *of_kind >= limits::LOG_LINES_PER_KIND_MAX {
            self.left_out += 1;
            return false;
        }
        let Some(about) = about else {
            *of_kind += 1;
            return true;
        };
        let is_full = self.by_source.len() >= limits::LOG_SOURCES_MAX;
        let key = (kind, about);
        if !is_full || self.by_source.contains_key(&key) {
            let of_source = self.by_source.entry(key).or_default();
            if *of_source >= limits::LOG_LINES_PER_SOURCE_MAX {
                self.left_out += 1;
                return false;
            }
            *of_source += 1;
        }
        *of_kind += 1;
        self.all += 1;
        true
    }
}

impl Limit {
    /// Whether a line is to be written.
    fn takes(&self, kind: callsite::Identifier, about: Option<&str>, now: Instant) -> bool {
        let about = about.map(|whom| self.hasher.get_or_init(RandomState::new).hash_one(whom));
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.get_or_insert_with(|| Window::new(now)).take(kind, about)
    }

    /// Begins anew, if it is time, and tells how many lines were left out. Called again and again, see
    /// [`say_what_is_left_out`].
    fn turn(&self, now: Instant) -> u64 {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        match &*window {
            Some(old) if now.saturating_duration_since(old.began) >= limits::LOG_WINDOW => {
                window.take().map_or(0, |old| old.left_out)
            }
            _ => 0,
        }
    }
}

/// Says once in `limits::LOG_WINDOW` how many lines were left out of the log, if any were. Never resolves; cancel safe.
pub(crate) async fn say_what_is_left_out() -> Infallible {
    loop {
        tokio::time::sleep(limits::LOG_WINDOW / LOOKS).await;
        let left_out = LIMIT.turn(Instant::now());
        if left_out > 0 {
            tracing::warn!(
                left_out,
                "so many lines were left out of the log in the last minute: somebody causes many"
            );
        }
    }
}

/// How often it is looked in one window whether it is over.
const LOOKS: u32 = 12;

impl<S: Subscriber> Filter<S> for &'static Limit {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let mut about = About::default();
        event.record(&mut about);
        let whom = about.0.as_ref().map(|(_, whom)| whom.as_str());
        self.takes(event.metadata().callsite(), whom, Instant::now())
    }
}

/// Whom a line is about.
#[derive(Default)]
struct About(Option<(usize, String)>);

impl Visit for About {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let Some(rank) = ABOUT.iter().position(|name| *name == field.name()) else { return };
        if self.0.as_ref().is_none_or(|(known, _)| rank < *known) {
            let mut whom = String::new();
            // A text takes everything.
            let _ = write!(whom, "{value:?}");
            self.0 = Some((rank, whom));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use tracing::{debug, info};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Debug, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that are written of what `work` logs.
    fn written(limit: &'static Limit, work: impl FnOnce()) -> Vec<String> {
        let log = Log::default();
        let writer = log.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone()).with_filter(limit);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn fresh() -> &'static Limit {
        Box::leak(Box::new(Limit { window: Mutex::new(None), hasher: OnceLock::new() }))
    }

    #[test]
    fn one_source_fills_its_share_and_leaves_the_others_theirs() {
        let limit = fresh();
        let lines = written(limit, || {
            for number in 0..10_000 {
                info!(source = %"10.0.0.9", number, "protocol broken");
                if number % 5000 == 0 {
                    info!(source = %"10.0.0.1", number, "protocol broken");
                    info!(account = "ana", number, "online");
                }
            }
        });
        let about = |whom: &str| lines.iter().filter(|line| line.contains(whom)).count();
        assert_eq!(about("10.0.0.9"), limits::LOG_LINES_PER_SOURCE_MAX as usize);
        assert_eq!((about("10.0.0.1"), about("ana")), (2, 2));
        let later = Instant::now() + limits::LOG_WINDOW;
        assert_eq!(limit.turn(later), 10_000 - u64::from(limits::LOG_LINES_PER_SOURCE_MAX));
        assert_eq!(limit.turn(later), 0, "it is said once");
        assert_eq!(written(limit, || info!(source = %"10.0.0.9", "again")).len(), 1);
    }

    #[test]
    fn very_many_sources_and_kinds_are_bounded_in_all_and_the_servers_own_lines_are_not() {
        let limit = fresh();
        let lines = written(limit, || {
            for number in 0..5000 {
                info!(source = %number, "wrong name or password");
                debug!(source = %number, "TLS handshake failed");
                info!(source = %number, "protocol broken");
                info!(source = %number, "turned away");
                info!(account = %number, "offline");
            }
            (0..500).for_each(|_| info!("the disk is full"));
        });
        let strangers = lines.iter().filter(|line| !line.contains("the disk is full")).count();
        assert_eq!(strangers, limits::LOG_LINES_MAX as usize);
        assert_eq!(
            lines.len() - strangers,
            limits::LOG_LINES_PER_KIND_MAX as usize,
            "theirs are only bounded by kind"
        );
        let window = limit.window.lock().unwrap();
        assert!(window.as_ref().unwrap().by_source.len() <= limits::LOG_SOURCES_MAX);
    }
}
