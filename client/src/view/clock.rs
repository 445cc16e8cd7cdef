//! Wire times as a person reads them: local, to the minute, with the day where it changes.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Turns wire times into local ones.
#[derive(Debug)]
pub(crate) struct Clock {
    zone: TimeZone,
    /// The day of the last line that was shown.
    day: Date,
}

impl Clock {
    /// Local time; as the first line is shown it is today.
    pub(crate) fn local() -> Self {
        Self::at(TimeZone::system(), Timestamp::now())
    }

    fn at(zone: TimeZone, now: Timestamp) -> Self {
        let day = now.to_zoned(zone.clone()).date();
        Self { zone, day }
    }

    fn zoned(&self, wire: &str) -> Option<Zoned> {
        let at = lanchat_protocol::parse_timestamp(wire)?;
        Some(Timestamp::from_millisecond(at.0).ok()?.to_zoned(self.zone.clone()))
    }

    /// `HH:MM`.
    pub(crate) fn minute(&self, wire: &str) -> String {
        match self.zoned(wire) {
            Some(at) => at.strftime("%H:%M").to_string(),
            None => "??:??".into(),
        }
    }

    /// Day and minute, for times that may be long ago.
    pub(crate) fn full(&self, wire: &str) -> String {
        match self.zoned(wire) {
            Some(at) => at.strftime("%-d %B %Y, %H:%M").to_string(),
            None => "an unknown time".into(),
        }
    }

    /// The day of `wire` in words, if it is another one than that of the line before.
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
    /// UTC, on the day of `now`.
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
    fn times_are_local_and_nonsense_is_no_error() {
        let clock = Clock::utc("2026-11-21T10:00:00Z");
        assert_eq!(clock.minute("2026-11-21T05:00:00.123Z"), "05:00");
        assert_eq!(clock.full("2026-11-21T05:00:00.123Z"), "21 November 2026, 05:00");
        assert_eq!(clock.minute("\x1b[2J"), "??:??");
    }
}
