//! Limits how much others may make a server log: a number of lines of one kind per source, and for all sources
//! together.
//!
//! Anybody on the network, and any account, can cause log lines: by a wrong password, an invalid frame, or a connection
//! that comes and goes. Every line is counted by its kind, which is its place in the code. A line with a field `source`
//! or `account` is also counted for that source or account. Lines beyond the bounds are left out, and their number is
//! logged once a minute.
//!
//! A warning about somebody (`warn` and `error`, for example a copied token) is not crowded out by lines about others.
//! The first of its kind about each account is always written. It is counted by account, since addresses are free.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::{Debug, Write};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use lanchat_model::limits;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, callsite};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};

/// The fields that name the subject of a line.
const SOURCE: &str = "source";
const ACCOUNT: &str = "account";

/// Decides which lines are left out. There is one per process, since there is one log.
pub(crate) static LIMIT: Limit = Limit { window: Mutex::new(None), hasher: OnceLock::new() };

/// Decides which lines are left out: see the module.
#[derive(Debug)]
pub(crate) struct Limit {
    window: Mutex<Option<Window>>,
    /// Hashes names to numbers that nobody can predict.
    hasher: OnceLock<RandomState>,
}

/// The lines written since its beginning, at most `limits::LOG_WINDOW` ago.
#[derive(Debug)]
struct Window {
    began: Instant,
    /// Lines of one kind about one source. At most `limits::LOG_SOURCES_MAX`; further sources are counted by kind
    /// alone.
    by_source: HashMap<(callsite::Identifier, u64), u32>,
    /// Warnings of one kind about one account, or about one source if no account is named. At most
    /// `limits::LOG_SOURCES_MAX`; further ones are counted by kind alone.
    warned: HashMap<(callsite::Identifier, u64), u32>,
    /// Lines of one kind. The number of keys is bounded by the places in the code that log.
    by_kind: HashMap<callsite::Identifier, u32>,
    /// Lines about somebody, warnings not included.
    all: u32,
    left_out: u64,
}

/// The subject for which a line is counted.
#[derive(Clone, Copy, Debug)]
enum LogSubject {
    /// The server itself.
    Server,
    /// Somebody, as a number.
    Somebody(u64),
    /// The same, in a warning.
    Warned(u64),
}

impl Window {
    fn new(began: Instant) -> Self {
        let (by_source, warned) = (HashMap::new(), HashMap::new());
        Self { began, by_source, warned, by_kind: HashMap::new(), all: 0, left_out: 0 }
    }

    /// Counts a line; returns `false` if it is one too many. Lines caused by others do not use up the share of the
    /// server's own lines, or of warnings.
    fn take(&mut self, kind: callsite::Identifier, subject: LogSubject) -> bool {
        let of_kind = self.by_kind.entry(kind.clone()).or_default();
        let kind_has_space = *of_kind < limits::LOG_LINES_PER_KIND_MAX;
        let mut is_first = false;
        let has_space = match subject {
            LogSubject::Server => true,
            LogSubject::Somebody(about) => {
                let has_space = self.all < limits::LOG_LINES_MAX
                    && kind_has_space
                    && counts(&mut self.by_source, (kind, about)).is_none_or(count);
                self.all += u32::from(has_space);
                has_space
            }
            LogSubject::Warned(about) => counts(&mut self.warned, (kind, about)).is_none_or(|of_account| {
                is_first = *of_account == 0;
                (is_first || kind_has_space) && count(of_account)
            }),
        };
        let is_taken = has_space && (kind_has_space || is_first);
        *of_kind += u32::from(is_taken);
        self.left_out += u64::from(!is_taken);
        is_taken
    }
}

/// Returns how many lines of a kind about somebody there were. `None`: too many subjects are counted already.
fn counts(
    table: &mut HashMap<(callsite::Identifier, u64), u32>,
    key: (callsite::Identifier, u64),
) -> Option<&mut u32> {
    let is_full = table.len() >= limits::LOG_SOURCES_MAX;
    if is_full { table.get_mut(&key) } else { Some(table.entry(key).or_default()) }
}

/// Counts one more line, unless there were already `limits::LOG_LINES_PER_SOURCE_MAX`.
fn count(lines: &mut u32) -> bool {
    let has_space = *lines < limits::LOG_LINES_PER_SOURCE_MAX;
    *lines += u32::from(has_space);
    has_space
}

impl Limit {
    /// Returns whether a line is to be written.
    fn takes(&self, metadata: &Metadata<'_>, about: &About, now: Instant) -> bool {
        let number = |whom: &String| self.hasher.get_or_init(RandomState::new).hash_one(whom);
        let About { source, account } = about;
        let subject = if *metadata.level() <= Level::WARN {
            account.as_ref().or(source.as_ref()).map(|whom| LogSubject::Warned(number(whom)))
        } else {
            source.as_ref().or(account.as_ref()).map(|whom| LogSubject::Somebody(number(whom)))
        };
        let subject = subject.unwrap_or(LogSubject::Server);
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.get_or_insert_with(|| Window::new(now)).take(metadata.callsite(), subject)
    }

    /// Begins a new window, if it is time, and returns how many lines were left out. [`say_what_is_left_out`] calls
    /// this repeatedly.
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

/// Logs once in `limits::LOG_WINDOW` how many lines were left out, if any. Never resolves; cancel safe.
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

/// How many times per window it is checked whether the window is over.
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
        self.takes(event.metadata(), &about, Instant::now())
    }
}

/// The subject of a line.
#[derive(Default)]
struct About {
    source: Option<String>,
    account: Option<String>,
}

impl Visit for About {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let whom = match field.name() {
            SOURCE => &mut self.source,
            ACCOUNT => &mut self.account,
            _ => return,
        };
        // Writing to a string cannot fail.
        let _ = write!(whom.insert(String::new()), "{value:?}");
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use tracing::{debug, info, warn};
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

    /// Returns the lines that `work` logs and that are written.
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

    #[test]
    fn a_warning_is_written_whatever_else_is_and_warnings_are_bounded_too() {
        let limit = fresh();
        let copied = |account: usize, source: usize| warn!(%account, %source, "somebody has a copy");
        let lines = written(limit, || {
            for number in 0..5000 {
                info!(source = %number, "wrong name or password");
                debug!(source = %number, "TLS handshake failed");
                info!(source = %number, "protocol broken");
                info!(account = %number, "offline");
            }
            // About few accounts, from a new address each time.
            (0..10_000).for_each(|number| copied(number % 30, number));
            copied(7777, 1);
        });
        let warnings: Vec<&String> = lines.iter().filter(|line| line.contains("copy")).collect();
        assert!(
            warnings.iter().any(|line| line.contains("account=7777")),
            "it is the first about this account"
        );
        assert_eq!(warnings.len(), limits::LOG_LINES_PER_KIND_MAX as usize + 1);
        assert_eq!(lines.len() - warnings.len(), limits::LOG_LINES_MAX as usize);
        let more = written(limit, || (10_000..20_000).for_each(|number| copied(number, number)));
        assert!(more.len() <= limits::LOG_SOURCES_MAX, "{} lines", more.len());
    }
}
