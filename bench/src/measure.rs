//! Numbers: medians, spreads, and histograms of latency.

use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;

/// The longest latency that is distinguished from longer ones.
const LATENCY_MAX: Duration = Duration::from_secs(60);

/// Latencies, precise to a thousandth.
#[derive(Clone, Debug)]
pub struct Latency(Histogram<u64>);

impl Latency {
    /// Makes a histogram without values.
    ///
    /// # Errors
    /// Never, with these bounds.
    pub fn new() -> Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1000, LATENCY_MAX.as_nanos() as u64, 3)?))
    }

    /// Records one.
    pub fn record(&mut self, latency: Duration) {
        self.0.saturating_record(latency.as_nanos() as u64);
    }

    /// Returns how many there are.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the latency that this share, from 0 to 1, does not exceed; in milliseconds.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1e6
    }

    /// Returns the longest, in milliseconds.
    pub fn max_ms(&self) -> f64 {
        self.0.max() as f64 / 1e6
    }
}

/// The values of several rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Returns the spread of values. `None`: there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let half = sorted.len() / 2;
        let upper = *sorted.get(half)?;
        let median = if sorted.len() % 2 == 1 { upper } else { (upper + *sorted.get(half - 1)?) / 2.0 };
        Some(Self { median, min, max })
    }

    /// Returns the spread of the quotients of values from the same round.
    pub fn of_ratios(numerators: &[f64], denominators: &[f64]) -> Option<Self> {
        let ratios: Vec<f64> =
            numerators.iter().zip(denominators).map(|(over, under)| over / under).collect();
        Self::of(&ratios)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_its_median_in_the_middle() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]).map(|spread| spread.median), Some(2.5));
    }

    #[test]
    fn ratios_are_those_of_one_round() {
        let spread = Spread::of_ratios(&[2.0, 30.0], &[1.0, 10.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.5, min: 2.0, max: 3.0 });
    }

    #[test]
    fn latencies_keep_their_quantiles() {
        let mut latency = Latency::new().unwrap();
        (1..=100).for_each(|ms| latency.record(Duration::from_millis(ms)));
        assert_eq!(latency.len(), 100);
        assert!((latency.quantile_ms(0.5) - 50.0).abs() < 0.1, "{}", latency.quantile_ms(0.5));
        assert!((latency.quantile_ms(0.99) - 99.0).abs() < 0.2, "{}", latency.quantile_ms(0.99));
        assert!(latency.max_ms() >= 100.0);
    }
}
