//! The outcome of floods: for a terminal, as Markdown, and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use super::outcome::{Coming, Outcome, Verdict};

/// Returns the words for a promise that is kept or not.
fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "missed" }
}

/// Returns a figure with its significant digits.
fn number(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => "never".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Returns one flood, for a terminal.
pub fn text(outcome: &Outcome) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}: {}", outcome.name, outcome.about);
    let _ = writeln!(text, "  the flood            {}", outcome.done);
    for verdict in outcome.verdicts() {
        let Verdict { what, unit, idle, found, allowed } = &verdict;
        let idle = idle.map_or_else(String::new, |idle| format!(", {} without", number(idle)));
        let figure = format!("{} {unit}{idle}", number(*found));
        let _ = writeln!(
            text,
            "  {what:20} {figure:30} at most {} {unit}: {}",
            number(*allowed),
            met(verdict.is_met())
        );
    }
    let kept = outcome.kept_mib.map_or_else(|| "–".to_owned(), number);
    let _ = writeln!(
        text,
        "  besides              {} posts, longest ack {} ms, {} lost connections, {} refusals; {} lines/s told to \
         the member; device {}, person {}; {kept} MiB kept; log {} kB/s, data {} MiB, CPU {} %",
        outcome.posts,
        number(outcome.ack_max_ms),
        outcome.losses,
        outcome.refused,
        number(outcome.told_per_second),
        visits(&outcome.device),
        visits(&outcome.person),
        number(outcome.log_kb_per_second),
        number(outcome.disk_mib),
        number(outcome.cpu_percent),
    );
    if outcome.has_ended {
        let _ = writeln!(text, "  THE SERVER HAS ENDED");
    }
    text
}

fn visits(coming: &Coming) -> String {
    format!("{} times in {} attempts", coming.came, coming.attempts)
}

/// Returns all floods as Markdown, with a row for each.
pub fn markdown(facts: &[(&'static str, String)], outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for (name, value) in facts {
        let _ = writeln!(text, "- {name}: {value}");
    }
    let _ = writeln!(
        text,
        "\n| flood | ack p99 without → in it, ms | at most | device back, s | person in, s | found, s | growth (kept), \
         MiB | log, kB/s | |\n|---|---|---|---|---|---|---|---|---|"
    );
    for outcome in outcomes {
        let found = outcome.found.map_or_else(|| "–".to_owned(), |found| number(found.longest()));
        let kept = outcome.kept_mib.map_or_else(|| "–".to_owned(), number);
        let verdicts = outcome.verdicts();
        let missed: Vec<&str> =
            verdicts.iter().filter(|verdict| !verdict.is_met()).map(|verdict| verdict.what).collect();
        let verdict = match (outcome.has_ended, missed.as_slice()) {
            (true, _) => "missed: the server has ended".to_owned(),
            (_, []) => "met".to_owned(),
            (_, missed) => format!("missed: {}", missed.join(", ")),
        };
        let _ = writeln!(
            text,
            "| {} | {} → {} | {} | {} | {} | {found} | {} ({kept}) | {} | {verdict} |",
            outcome.name,
            number(outcome.idle_ack_p99_ms),
            number(outcome.ack_p99_ms),
            verdicts.first().map_or_else(String::new, |ack| number(ack.allowed)),
            number(outcome.device.longest()),
            number(outcome.person.longest()),
            number(outcome.growth_mib),
            number(outcome.log_kb_per_second),
        );
    }
    text
}

/// Returns all floods as one JSON object.
pub fn json(facts: &[(&'static str, String)], outcomes: &[Outcome]) -> String {
    let facts: serde_json::Map<String, Value> =
        facts.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
    let floods: Vec<Value> = outcomes.iter().map(value).collect();
    format!("{}\n", json!({ "machine": facts, "floods": floods }))
}

fn value(outcome: &Outcome) -> Value {
    let coming = |coming: &Coming| {
        json!({
            "idle_worst_s": coming.idle, "worst_s": coming.flood, "came": coming.came,
            "shut_out": coming.shut_out, "attempts": coming.attempts,
        })
    };
    let promise = |verdict: &Verdict| {
        json!({
            "what": verdict.what, "unit": verdict.unit, "idle": verdict.idle,
            // JSON has no infinity: null is "never".
            "found": verdict.found.is_finite().then_some(verdict.found),
            "at_most": verdict.allowed, "met": verdict.is_met(),
        })
    };
    json!({
        "flood": outcome.name, "about": outcome.about, "done": outcome.done,
        "met": outcome.is_met(), "server_ended": outcome.has_ended,
        "promises": outcome.verdicts().iter().map(promise).collect::<Vec<_>>(),
        "ack_max_ms": outcome.ack_max_ms, "posts": outcome.posts, "losses": outcome.losses,
        "refused": outcome.refused, "told_per_second": outcome.told_per_second,
        "device": coming(&outcome.device), "person": coming(&outcome.person),
        "found": outcome.found.as_ref().map(coming),
        "growth_mib": outcome.growth_mib, "kept_mib": outcome.kept_mib,
        "log_kb_per_second": outcome.log_kb_per_second, "disk_mib": outcome.disk_mib,
        "cpu_percent": outcome.cpu_percent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_was_missed() {
        let mut outcome = Outcome { name: "posts".to_owned(), idle_ack_p99_ms: 3.0, ..Outcome::default() };
        assert!(markdown(&[], &[outcome.clone()]).ends_with("| met |\n"));
        outcome.device.flood = 2.5;
        outcome.growth_mib = 70.0;
        let text = markdown(&[], &[outcome.clone()]);
        assert!(text.ends_with("| missed: known device back, growth of the server |\n"), "{text}");
        outcome.has_ended = true;
        let text = json(&[("date", "today".to_owned())], &[outcome]);
        assert!(text.contains("\"found\":null") && text.contains("\"server_ended\":true"), "{text}");
    }
}
