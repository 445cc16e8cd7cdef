//! Timestamps on the wire: RFC 3339, UTC, milliseconds.

use lanchat_model::Timestamp;

/// Formats a time, for example as `2026-11-21T05:00:00.123Z`. A time outside the calendar is shown as the calendar's
/// start.
pub fn format_timestamp(at: Timestamp) -> String {
    let instant = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{instant:.3}")
}

/// Parses what [`format_timestamp`] writes, and any other RFC 3339 timestamp.
pub fn parse_timestamp(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|instant| Timestamp(instant.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_have_three_decimals_and_round_trip() {
        assert_eq!(format_timestamp(Timestamp(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(format_timestamp(Timestamp(1_795_237_200_123)), "2026-11-21T05:00:00.123Z");
        assert_eq!(parse_timestamp("2026-11-21T05:00:00.123Z"), Some(Timestamp(1_795_237_200_123)));
        assert_eq!(parse_timestamp("yesterday"), None);
    }
}
