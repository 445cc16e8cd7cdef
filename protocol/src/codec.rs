//! NDJSON: bytes to lines, lines to frames, frames to bytes (PROTOCOL §2).

use std::borrow::Cow;
use std::fmt;

use lanchat_model::limits;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::error_code::ErrorCode;
use crate::scan::{deeper_than, has_more_values_than};

/// Why a line is not a frame: what to tell the peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", code.as_str())]
pub struct BadFrame {
    /// The code; its severity says whether the connection closes.
    pub code: ErrorCode,
    /// A sentence that says what to do.
    pub reason: String,
    /// The request id, where one could be read.
    pub id: Option<String>,
}

impl BadFrame {
    fn new(code: ErrorCode, reason: impl Into<String>, id: Option<String>) -> Self {
        Self { code, reason: reason.into(), id }
    }

    pub(crate) fn unknown_type(kind: &str, id: String) -> Self {
        let kind: String = kind.chars().filter(|c| c.is_ascii_graphic()).take(32).collect();
        let reason =
            format!("This server knows no frame of type '{kind}'. See PROTOCOL §4 to §8 for those it knows.");
        Self::new(ErrorCode::UnknownType, reason, Some(id))
    }

    pub(crate) fn fields(kind: &str, error: &serde_json::Error, id: Option<String>) -> Self {
        // serde quotes what it found, which may be anything: keep only printable characters, and not many.
        let detail: String = error.to_string().chars().filter(|c| !c.is_control()).take(200).collect();
        Self::new(
            ErrorCode::BadFrame,
            format!("The fields of '{kind}' are not as PROTOCOL says: {detail}."),
            id,
        )
    }

    /// Returns the error for a line over `limit` bytes.
    pub(crate) fn too_long(limit: usize) -> Self {
        let reason = format!("A line is at most {limit} bytes here, newline included. Send shorter frames.");
        Self::new(ErrorCode::FrameTooLong, reason, None)
    }
}

/// The two fields that every frame has.
#[derive(Deserialize)]
pub(crate) struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
}

impl Envelope<'_> {
    /// Returns the id of a request: 1 to [`limits::REQUEST_ID_BYTES_MAX`] printable ASCII characters.
    pub(crate) fn request_id(&self) -> Result<String, BadFrame> {
        match self.id.as_deref() {
            Some(id) if is_request_id(id) => Ok(id.to_owned()),
            _ => Err(BadFrame::new(
                ErrorCode::BadId,
                "Every request carries an \"id\": a string of 1 to 64 printable ASCII characters without spaces.",
                None,
            )),
        }
    }
}

fn is_request_id(id: &str) -> bool {
    (1..=limits::REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Reads the kind of a frame, and checks everything that does not depend on the kind.
pub(crate) fn head(line: &[u8]) -> Result<Envelope<'_>, BadFrame> {
    let text = std::str::from_utf8(line).map_err(|_| {
        BadFrame::new(ErrorCode::NotUtf8, "The line is not valid UTF-8. Encode frames as UTF-8.", None)
    })?;
    if deeper_than(line, limits::JSON_DEPTH_MAX) {
        let reason = format!("Objects and arrays go at most {} deep.", limits::JSON_DEPTH_MAX);
        return Err(BadFrame::new(ErrorCode::TooDeep, reason, None));
    }
    if has_more_values_than(line, limits::JSON_VALUES_MAX) {
        let reason = format!("A frame holds at most {} values.", limits::JSON_VALUES_MAX);
        return Err(BadFrame::new(ErrorCode::BadFrame, reason, None));
    }
    // serde would accept an array as an object with its fields in order.
    if !text.trim_start().starts_with('{') {
        return Err(not_json());
    }
    serde_json::from_str(text).map_err(|error| {
        // The parser stops at a field of the wrong kind, so the rest of the line may not be JSON.
        if error.is_data() && serde_json::from_str::<Whole>(text).is_ok() { no_head() } else { not_json() }
    })
}

/// An object with any fields. It is read to its end, and nothing of it is kept.
struct Whole;

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(WholeVisitor)
    }
}

struct WholeVisitor;

impl<'de> Visitor<'de> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Whole, A::Error> {
        while let Some(name) = fields.next_key::<String>()? {
            match name.as_str() {
                "type" | "id" => _ = fields.next_value::<Checked>()?,
                _ => _ = fields.next_value::<IgnoredAny>()?,
            }
        }
        Ok(Whole)
    }
}

/// Any value whose texts are all valid: half of a surrogate pair is not (PROTOCOL §2). Nothing of it is built, because a
/// tree of small objects costs a hundred times its bytes. Its depth is bounded by [`limits::JSON_DEPTH_MAX`].
struct Checked;

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CheckedVisitor)
    }
}

struct CheckedVisitor;

impl<'de> Visitor<'de> for CheckedVisitor {
    type Value = Checked;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_str<E>(self, _: &str) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Checked, A::Error> {
        while items.next_element::<Checked>()?.is_some() {}
        Ok(Checked)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Checked, A::Error> {
        while fields.next_entry::<Checked, Checked>()?.is_some() {}
        Ok(Checked)
    }
}

fn no_head() -> BadFrame {
    let reason = "A frame has a \"type\" and, from a client, an \"id\", both strings and each once.";
    BadFrame::new(ErrorCode::BadFrame, reason, None)
}

fn not_json() -> BadFrame {
    let reason = "This is the lanchat port: it takes one JSON object per line, over TLS. See PROTOCOL §2.";
    BadFrame::new(ErrorCode::NotJson, reason, None)
}

/// Appends `frame` as one line.
pub fn encode(frame: &impl Serialize, out: &mut Vec<u8>) {
    // Our frames have string keys and finite numbers, and writing to a Vec cannot fail, so errors are not passed on.
    if serde_json::to_writer(&mut *out, frame).is_ok() {
        out.push(b'\n');
    }
}

/// Splits a stream of bytes into lines, and refuses a line that is too long *before* its bytes are kept.
///
/// Empty lines are skipped, a `\r` before the newline is dropped. It keeps less than the limit plus one push, so memory
/// is bounded if the caller pushes the bytes of one read at a time.
#[derive(Debug, Default)]
pub struct LineBuffer {
    buffer: Vec<u8>,
    /// `buffer[..scanned]` holds no newline.
    scanned: usize,
    /// `buffer[..taken]` has been handed out.
    taken: usize,
}

impl LineBuffer {
    /// Takes in `bytes`. Call [`LineBuffer::next_line`] until it returns `None` before pushing more.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.scanned -= self.taken;
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns how many bytes wait for their newline or for [`LineBuffer::next_line`].
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.taken
    }

    /// Returns how many bytes of memory it has that hold nothing.
    pub fn spare(&self) -> usize {
        self.buffer.capacity() - self.pending()
    }

    /// Returns the next whole line, without its newline.
    ///
    /// # Errors
    /// [`ErrorCode::FrameTooLong`] when a line, newline included, is over `limit` bytes, whole or not.
    pub fn next_line(&mut self, limit: usize) -> Result<Option<&[u8]>, BadFrame> {
        loop {
            let Some(found) = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n') else {
                self.scanned = self.buffer.len();
                if self.pending() == 0 {
                    // Most connections are idle most of the time, so nothing is kept for them.
                    *self = Self::default();
                } else if self.spare() > self.pending() + limits::SPARE_BYTES_MAX {
                    // The rest of a long read may be the beginning of a line that never ends.
                    *self = Self {
                        scanned: self.pending(),
                        taken: 0,
                        buffer: self.buffer[self.taken..].to_vec(),
                    };
                }
                return if self.pending() >= limit { Err(BadFrame::too_long(limit)) } else { Ok(None) };
            };
            let (start, end) = (self.taken, self.scanned + found);
            self.scanned = end + 1;
            self.taken = end + 1;
            if end + 1 - start > limit {
                return Err(BadFrame::too_long(limit));
            }
            let line = &self.buffer[start..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                // Borrowed again by position: the borrow checker cannot see that the loop ends here.
                let end = start + line.len();
                return Ok(Some(&self.buffer[start..end]));
            }
        }
    }
}
