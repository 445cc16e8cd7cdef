//! Checks that no acknowledgement leaves before its sync, in the trace of a conversation in lock step.

use std::path::PathBuf;

use crate::power::{Event, Trace};

/// One message whose author waited for the acknowledgement before anything else happened.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// A text that no other message holds.
    pub text: String,
    /// The port of a connection that was opened before the message was sent.
    pub before: u16,
    /// The port of a connection that was opened after the acknowledgement had come.
    pub after: u16,
}

/// Returns the texts of the exchanges in which something was sent to the author, the connection from `author`, before a
/// sync covered the bytes of the message.
///
/// # Panics
/// When the trace does not hold these exchanges: a connection, a message or its acknowledgement is missing. A check
/// that sees nothing must not pass for one that finds nothing.
pub fn acks_before_their_sync(trace: &Trace, author: u16, exchanges: &[Exchange]) -> Vec<String> {
    let at = |port, from| {
        trace.accepted(port, from).unwrap_or_else(|| panic!("no connection from port {port} in the trace"))
    };
    let (mut passed, socket) = at(author, 0);
    let mut early = Vec::new();
    for Exchange { text, before, after } in exchanges {
        let (begin, _) = at(*before, passed);
        let (end, _) = at(*after, begin);
        passed = end;
        let span = &trace.events()[begin..end];
        let stored = span.iter().position(|event| holds(event, text));
        let stored = stored.unwrap_or_else(|| panic!("{text} was acknowledged and never written"));
        let sent = span.iter().position(|event| matches!(event, Event::Sent(to) if to == socket));
        let sent = sent.unwrap_or_else(|| panic!("nothing was sent to the author of {text}"));
        if covered(span, stored).is_none_or(|covered| sent < covered) {
            early.push(text.clone());
        }
    }
    early
}

fn holds(event: &Event, text: &str) -> bool {
    matches!(event, Event::Wrote(_, _, bytes) if crate::stream::contains(bytes, text.as_bytes()))
}

/// Returns where the first sync ends that began after the write at `stored` to the same file.
fn covered(span: &[Event], stored: usize) -> Option<usize> {
    let Event::Wrote(path, ..) = &span[stored] else { return None };
    let is = |event: &Event, wanted: fn(PathBuf) -> Event| *event == wanted(path.clone());
    let began = stored + span[stored..].iter().position(|event| is(event, Event::SyncBegan))?;
    Some(began + span[began..].iter().position(|event| is(event, Event::Synced))?)
}
