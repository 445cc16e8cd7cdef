//! Rules that no compiler checks: who imports whom, how long things are, and what must not appear anywhere.
//!
//! A rule that is broken names the file and says what to do.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod circles;
mod documents;
mod glossary;
mod imports;
mod kinds;
mod source;
mod style;
