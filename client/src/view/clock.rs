//! Wire times as a person reads them: local, to the minute, with the day when it changes.

use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// How often to check whether the time zone has changed: a laptop may travel while the program runs.
const ZONE_EVERY: Duration = Duration::from_secs(10);

/// Turns wire times into local ones.
#[derive(Debug)]
pub(crate) struct Clock {
    zone: TimeZone,
    /// The day of the last line that was shown.
    day: Date,
    /// When the zone was last checked.
    looked: Instant,
}

impl Clock {
    /// Makes a clock in local time that starts with today.
    pub(crate) fn local() -> Self {
        Self::at(TimeZone::system(), Timestamp::now())
    }

    /// Adopts the system's time zone, if it has changed, and returns its name. Checks at most every [`ZONE_EVERY`].
    pub(crate) fn follow(&mut self, now: Instant) -> Option<String> {
        self.follow_to(now, || {
            // Otherwise the library remembers the zone for minutes.
            jiff::tz::reset_system_time_zone_cache();
            TimeZone::system()
        })
    }

    fn follow_to(&mut self, now: Instant, system: impl FnOnce() -> TimeZone) -> Option<String> {
        if now.duration_since(self.looked) < ZONE_EVERY {
            return None;
        }
        self.looked = now;
        let zone = system();
        if zone == self.zone {
            return None;
        }
        self.zone = zone;
        let offset = self.zone.to_offset(Timestamp::now());
        Some(self.zone.iana_name().map_or_else(|| format!("UTC{offset}"), str::to_owned))
    }

    fn at(zone: TimeZone, now: Timestamp) -> Self {
        let day = now.to_zoned(zone.clone()).date();
        Self { zone, day, looked: Instant::now() }
    }

    fn zoned(&self, wire: &str) -> Option<Zoned> {
        let at = lanchat_protocol::parse_timestamp(wire)?;
        Some(Timestamp::from_millisecond(at.0).ok()?.to_zoned(self.zone.clone()))
    }

    /// Returns the time as `HH:MM`.
    pub(crate) fn minute(&self, wire: &str) -> String {
        match self.zoned(wire) {
            Some(at) => at.strftime("%H:%M").to_string(),
            None => "??:??".into(),
        }
    }

    /// Returns the day and the minute, for times that may be long ago.
    pub(crate) fn full(&self, wire: &str) -> String {
        match self.zoned(wire) {
            Some(at) => at.strftime("%-d %B %Y, %H:%M").to_string(),
            None => "an unknown time".into(),
        }
    }

    /// Returns the day of `wire` in words, if it differs from the day of the line before.
    pub(crate) fn day_change(&mut self, wire: &str) -> Option<String> {
        let at = self.zoned(wire)?;
        if at.date() == self.day {
            return None;
        }
        self.day = at.date();
        Some(at.strftime("%A, %-d %B %Y").to_string())
    }
}

#[cfg(test)]
impl Clock {
    /// Makes a clock in UTC, on the day of `now`.
    pub(crate) fn utc(now: &str) -> Self {
        Self::at(TimeZone::UTC, now.parse().unwrap())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_told_once_when_it_changes() {
        let mut clock = Clock::utc("2026-11-21T10:00:00Z");
        assert_eq!(clock.day_change("2026-11-21T09:00:00.000Z"), None);
        assert_eq!(clock.day_change("2026-11-20T09:00:00.000Z").unwrap(), "Friday, 20 November 2026");
        assert_eq!(clock.day_change("2026-11-20T23:59:00.000Z"), None);
        assert_eq!(clock.day_change("2026-11-21T00:00:00.000Z").unwrap(), "Saturday, 21 November 2026");
        assert_eq!(clock.day_change("nonsense"), None);
    }

    #[test]
    fn a_zone_that_changes_is_followed_and_told_once() {
        let mut clock = Clock::utc("2026-11-21T10:00:00Z");
        let at = |seconds| clock.looked + Duration::from_secs(seconds);
        let (soon, later, latest) = (at(1), at(10), at(20));
        let tokyo = || TimeZone::fixed(jiff::tz::offset(9));
        assert_eq!(clock.follow_to(soon, tokyo), None, "not looked at yet");
        assert_eq!(clock.follow_to(later, tokyo).as_deref(), Some("UTC+09"));
        assert_eq!(clock.minute("2026-11-21T05:00:00.123Z"), "14:00");
        assert_eq!(clock.follow_to(latest, tokyo), None);
    }

    #[test]
    fn times_are_local_and_nonsense_is_no_error() {
        let clock = Clock::utc("2026-11-21T10:00:00Z");
        assert_eq!(clock.minute("2026-11-21T05:00:00.123Z"), "05:00");
        assert_eq!(clock.full("2026-11-21T05:00:00.123Z"), "21 November 2026, 05:00");
        assert_eq!(clock.minute("\x1b[2J"), "??:??");
    }
}
