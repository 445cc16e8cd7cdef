//! The results of the rounds of one load, and whether they reach its goals.

use crate::loads::{Goal, Load, Sample};
use crate::measure::Spread;
use crate::target::Side;

/// A metric with its values, one per round.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is.
    pub metric: &'static str,
    /// The unit.
    pub unit: &'static str,
    /// The values of the floor; none if the load is for the server alone.
    pub floor: Vec<f64>,
    /// The values of the server.
    pub server: Vec<f64>,
}

/// How the figures compare with a goal.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The goal, in words.
    pub target: String,
    /// The figure that counts.
    pub found: f64,
    /// The figure that was allowed.
    pub allowed: f64,
    /// Whether the goal is a minimum instead of a maximum.
    pub at_least: bool,
}

impl Verdict {
    /// Returns whether the goal is reached.
    pub fn is_met(&self) -> bool {
        if self.at_least { self.found >= self.allowed } else { self.found <= self.allowed }
    }

    /// Returns "met", or by how much the goal was missed.
    pub fn words(&self) -> String {
        if self.is_met() {
            return "met".to_owned();
        }
        let percent = (self.found / self.allowed - 1.0).abs() * 100.0;
        let side = if self.at_least { "below" } else { "above" };
        format!("missed: {percent:.0} % {side}")
    }
}

/// All results of the rounds of a load.
#[derive(Clone, Debug)]
pub struct Results {
    /// The name of the load.
    pub load: String,
    /// The rows, in the order in which the load gives them.
    pub rows: Vec<Row>,
    goals: Vec<Goal>,
}

impl Results {
    /// Makes results without values.
    pub fn of(load: &dyn Load) -> Self {
        Self { load: load.name(), rows: Vec::new(), goals: load.goals() }
    }

    /// Takes in one run.
    pub fn add(&mut self, side: Side, samples: &[Sample]) {
        for sample in samples {
            let place = self.rows.iter().position(|row| row.metric == sample.metric).unwrap_or_else(|| {
                let (metric, unit) = (sample.metric, sample.unit);
                self.rows.push(Row { metric, unit, floor: Vec::new(), server: Vec::new() });
                self.rows.len() - 1
            });
            if let Some(row) = self.rows.get_mut(place) {
                match side {
                    Side::Floor => row.floor.push(sample.value),
                    Side::Server => row.server.push(sample.value),
                }
            }
        }
    }

    /// Returns the values of the server for a metric.
    fn server(&self, metric: &str) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.metric == metric)?;
        Spread::of(&row.server).map(|spread| spread.median)
    }

    /// Returns the verdict on the goal of a metric, if it has one and there are figures.
    pub fn verdict(&self, row: &Row) -> Option<Verdict> {
        let goal = self.goals.iter().find(|goal| goal.metric() == row.metric)?;
        let server = Spread::of(&row.server)?.median;
        let verdict = |target: String, found, allowed| Verdict { target, found, allowed, at_least: false };
        Some(match *goal {
            Goal::RatioAtMost(_, most) => {
                let ratio = Spread::of_ratios(&row.server, &row.floor)?.median;
                verdict(format!("≤ {most} × floor"), ratio, most)
            }
            Goal::AtMost(_, most) => verdict(format!("≤ {most} {}", row.unit), server, most),
            Goal::AtLeast(_, least) => Verdict {
                target: format!("≥ {least} {}", row.unit),
                found: server,
                allowed: least,
                at_least: true,
            },
            Goal::AtMostSumWithFloor(_, other) => {
                let allowed = self.server(other)? + 2.0 * Spread::of(&row.floor)?.median;
                verdict(format!("≤ {other} + 2 × floor = {allowed:.2} {}", row.unit), server, allowed)
            }
            Goal::TimesAtMost(_, other, times) => {
                let allowed = times * self.server(other)?;
                verdict(format!("≤ {times} × {other} = {allowed:.2} {}", row.unit), server, allowed)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loads::Steady;

    #[test]
    fn a_goal_is_met_or_missed_by_so_much() {
        let mut results = Results::of(&Steady::with_members(200));
        for (floor, server) in [(10.0, 11.0), (10.0, 12.0), (10.0, 13.0)] {
            results.add(Side::Floor, &[Sample::new("CPU per delivery", "µs", floor)]);
            results.add(Side::Server, &[Sample::new("CPU per delivery", "µs", server)]);
        }
        let verdict = results.verdict(&results.rows[0]).unwrap();
        assert_eq!((verdict.found, verdict.allowed, verdict.is_met()), (1.2, 1.15, false));
        assert_eq!(verdict.words(), "missed: 4 % above");
    }

    #[test]
    fn latency_may_add_what_the_disk_takes() {
        let mut results = Results::of(&Steady::with_members(200));
        results.add(Side::Floor, &[Sample::new("delivery p99", "ms", 1.0)]);
        results.add(
            Side::Server,
            &[Sample::new("delivery p99", "ms", 5.0), Sample::new("fsync p99", "ms", 4.0)],
        );
        let verdict = results.verdict(&results.rows[0]).unwrap();
        assert_eq!((verdict.allowed, verdict.words().as_str()), (6.0, "met"));
        assert!(results.verdict(&results.rows[1]).is_none());
    }
}
