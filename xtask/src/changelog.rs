//! The project's changelog as that of a Debian package (deb-changelog(5)).
//!
//! Reads the Markdown that CHANGELOG.md uses: `##` begins a version, `###` a kind of change, `-` a change that may
//! continue in indented lines.

use anyhow::{Context, bail, ensure};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// The heading of unreleased changes.
const UNRELEASED: &str = "Unreleased";
/// Debian's word for the same, in place of a distribution.
const UNRELEASED_DISTRIBUTION: &str = "UNRELEASED";
const DISTRIBUTION: &str = "unstable";
/// Columns, including the indent.
const WIDTH: usize = 78;

/// What the entry says about the packaged version.
pub(crate) struct Release<'a> {
    /// The name of the source package.
    pub(crate) source: &'a str,
    /// The version that the newest entry must have, or gets if it is unreleased.
    pub(crate) version: &'a str,
    /// `NAME <ADDRESS>`
    pub(crate) maintainer: &'a str,
    /// The time of the newest entry if it is unreleased, in seconds since 1970.
    pub(crate) date: i64,
}

/// A version with its changes.
struct Section<'a> {
    heading: &'a str,
    /// Kinds of changes, and changes, in order.
    lines: Vec<Line>,
}

enum Line {
    Kind(String),
    Change(String),
}

/// Converts a whole changelog, newest version first.
///
/// # Errors
/// When it has no version, a heading is not understood, or the newest version is not `release.version`.
pub(crate) fn to_debian(markdown: &str, release: &Release<'_>) -> anyhow::Result<String> {
    let sections = sections(markdown);
    ensure!(!sections.is_empty(), "the changelog has no version: begin one with `## {UNRELEASED}`");
    let mut converted = Vec::new();
    for (at, section) in sections.iter().enumerate() {
        if section.lines.iter().any(|line| matches!(line, Line::Change(_))) {
            converted.push(entry(section, release, at == 0)?);
        }
    }
    ensure!(!converted.is_empty(), "the changelog tells no change: write one under `## {UNRELEASED}`");
    Ok(converted.join("\n"))
}

fn sections(markdown: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in markdown.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            sections.push(Section { heading: heading.trim(), lines: Vec::new() });
            continue;
        }
        let Some(Section { lines, .. }) = sections.last_mut() else { continue };
        if let Some(kind) = line.strip_prefix("### ") {
            lines.push(Line::Kind(plain(kind.trim())));
        } else if let Some(change) = line.strip_prefix("- ") {
            lines.push(Line::Change(plain(change.trim())));
        } else if let (true, Some(Line::Change(change))) = (line.starts_with("  "), lines.last_mut()) {
            change.push(' ');
            change.push_str(&plain(line.trim()));
        }
    }
    sections
}

/// Removes links and code marks: `[text](target)` becomes its text.
fn plain(markdown: &str) -> String {
    let mut text = markdown.replace('`', "");
    while let Some(open) = text.find("](") {
        let (Some(start), Some(end)) = (text[..open].rfind('['), text[open..].find(')')) else { break };
        let linked = text[start + 1..open].to_owned();
        text.replace_range(start..=open + end, &linked);
    }
    text
}

fn entry(section: &Section<'_>, release: &Release<'_>, is_newest: bool) -> anyhow::Result<String> {
    let (version, distribution, date) = match (section.heading, is_newest) {
        (UNRELEASED, true) => {
            let date = Timestamp::from_second(release.date).context("the date is out of range")?;
            (release.version.to_owned(), UNRELEASED_DISTRIBUTION, date)
        }
        (UNRELEASED, false) => bail!("`## {UNRELEASED}` must be the first version of the changelog"),
        (heading, _) => {
            let (version, date) = released(heading)?;
            ensure!(
                !is_newest || release.version == version,
                "the newest version of the changelog is {version}, Cargo.toml says {}: make them one",
                release.version
            );
            (version.to_owned(), DISTRIBUTION, date)
        }
    };
    let mut text = format!("{} ({version}) {distribution}; urgency=medium\n\n", release.source);
    for line in &section.lines {
        match line {
            Line::Kind(kind) => text.push_str(&format!("  [ {kind} ]\n")),
            Line::Change(change) => text.push_str(&wrapped(change)),
        }
    }
    let date = date.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S %z");
    text.push_str(&format!("\n -- {}  {date}\n", release.maintainer));
    Ok(text)
}

/// Parses the heading of a release: `VERSION - YYYY-MM-DD`, with the version optionally in brackets.
fn released(heading: &str) -> anyhow::Result<(&str, Timestamp)> {
    let parts = heading.split_once(" - ").and_then(|(version, date)| {
        let version = version.trim_matches(['[', ']']);
        let date: Date = date.trim().parse().ok()?;
        Some((version, date.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).ok()?.timestamp()))
    });
    parts.with_context(|| {
        format!(
            "`## {heading}` is neither `## {UNRELEASED}` nor `## VERSION - YYYY-MM-DD`: correct CHANGELOG.md"
        )
    })
}

fn wrapped(change: &str) -> String {
    let (mut text, mut column) = (String::from("  *"), 3);
    for word in change.split_whitespace() {
        let length = word.chars().count();
        if column + 1 + length > WIDTH {
            text.push_str("\n   ");
            column = 3;
        }
        text.push(' ');
        text.push_str(word);
        column += 1 + length;
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: Release<'_> =
        Release { source: "lanchat", version: "0.2.0", maintainer: "Ana <ana@lan.invalid>", date: 0 };

    #[test]
    fn versions_become_entries() {
        let markdown = "# Changelog\n\nWhat users notice, `all` of it.\n\n## Unreleased\n\n### Added\n\n\
            - `one`, which [the manual](docs/manual.md) tells\n  in two lines.\n- two\n\n\
            ## [0.1.0] - 2026-11-21\n\n- the first\n";
        let expected = "lanchat (0.2.0) UNRELEASED; urgency=medium\n\n  [ Added ]\n  \
            * one, which the manual tells in two lines.\n  * two\n\n \
            -- Ana <ana@lan.invalid>  Thu, 01 Jan 1970 00:00:00 +0000\n\n\
            lanchat (0.1.0) unstable; urgency=medium\n\n  * the first\n\n \
            -- Ana <ana@lan.invalid>  Sat, 21 Nov 2026 12:00:00 +0000\n";
        assert_eq!(to_debian(markdown, &RELEASE).unwrap(), expected);
    }

    #[test]
    fn lines_are_short() {
        let change = format!("- {}", "word ".repeat(60));
        let entry = to_debian(&format!("## 0.2.0 - 2026-12-01\n{change}"), &RELEASE).unwrap();
        assert!(entry.lines().all(|line| line.len() <= WIDTH), "{entry}");
        assert_eq!(entry.matches("word").count(), 60);
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        for (markdown, words) in [
            ("# Changelog\n", "no version"),
            ("## Unreleased\n", "no change"),
            ("## 0.3.0 - 2026-12-01\n- a\n", "Cargo.toml says 0.2.0"),
            ("## 0.2 - 2026-12-01\n- a\n", "Cargo.toml says 0.2.0"),
            ("## 0.2.0, last winter\n- a\n", "VERSION - YYYY-MM-DD"),
            ("## 0.2.0 - 2026-12-01\n- a\n## Unreleased\n- b\n", "must be the first"),
        ] {
            let error = to_debian(markdown, &RELEASE).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
