//! The report as a table for people and as JSON for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::results::{Results, Row};
use crate::measure::Spread;

/// Returns the report in Markdown.
pub fn markdown(facts: &[(&'static str, String)], results: &[Results]) -> String {
    let mut text = String::new();
    for (name, value) in facts {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "- {name}: {value}");
    }
    let _ = writeln!(text, "\nMedians, with the smallest and the largest value of all rounds.\n");
    let _ = writeln!(text, "| load | figure | floor | server | ratio | target | |");
    let _ = writeln!(text, "|---|---|---|---|---|---|---|");
    for results in results {
        for row in &results.rows {
            let ratio = Spread::of_ratios(&row.server, &row.floor).filter(|_| is_ratio_telling(row));
            let verdict = results.verdict(row);
            let _ = writeln!(
                text,
                "| {} | {}, {} | {} | {} | {} | {} | {} |",
                results.load,
                row.metric,
                row.unit,
                shown(Spread::of(&row.floor)),
                shown(Spread::of(&row.server)),
                ratio.map_or_else(String::new, |ratio| shown(Some(ratio))),
                verdict.as_ref().map_or("", |verdict| &verdict.target),
                verdict.as_ref().map_or_else(String::new, super::results::Verdict::words),
            );
        }
    }
    text
}

/// Returns the report as one JSON object, with all values of all rounds.
pub fn json(facts: &[(&'static str, String)], results: &[Results]) -> String {
    let facts: serde_json::Map<String, Value> =
        facts.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
    let row = |results: &Results, row: &Row| {
        let median = |values: &[f64]| Spread::of(values).map(|spread| spread.median);
        let verdict = results.verdict(row);
        json!({
            "load": results.load, "metric": row.metric, "unit": row.unit,
            "floor": row.floor, "server": row.server,
            "floor_median": median(&row.floor), "server_median": median(&row.server),
            "ratio": Spread::of_ratios(&row.server, &row.floor).map(|spread| spread.median),
            "target": verdict.as_ref().map(|verdict| verdict.target.clone()),
            "met": verdict.as_ref().map(super::results::Verdict::is_met),
        })
    };
    let rows: Vec<Value> = results
        .iter()
        .flat_map(|results| results.rows.iter().map(move |found| row(results, found)).collect::<Vec<_>>())
        .collect();
    format!("{}\n", json!({ "machine": facts, "rows": rows }))
}

/// Returns whether a metric's ratio means anything: the disk is the same for both.
fn is_ratio_telling(row: &Row) -> bool {
    !row.metric.starts_with("fsync")
}

fn shown(spread: Option<Spread>) -> String {
    let Some(Spread { median, min, max }) = spread else { return "–".to_owned() };
    if min == max {
        return number(median);
    }
    format!("{} ({}–{})", number(median), number(min), number(max))
}

/// Returns a figure with three significant digits, or all those before the point.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_count() {
        assert_eq!(
            [number(51_234.4), number(12.34), number(5.678), number(0.1234)],
            ["51234", "12.3", "5.68", "0.123"]
        );
        assert_eq!(shown(None), "–");
        assert_eq!(shown(Spread::of(&[1.0, 2.0, 4.0])), "2.00 (1.00–4.00)");
    }
}
