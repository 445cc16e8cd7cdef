//! The lines that the loads need, made and recognised with as little work as possible.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use memchr::memmem;

/// The protocol that is requested in the handshake (PROTOCOL §2).
pub const ALPN: &[u8] = b"lanchat/1";
/// The length of a message's text, in bytes.
pub const TEXT_BYTES: usize = 128;

/// The kind of a line from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first frame of a connection.
    Hello,
    /// A login that succeeded.
    Welcome,
    /// Delivery has begun.
    Attached,
    /// Somebody's message; also every line that the floor relays.
    Message,
    /// A message is on disk.
    Ack,
    /// A page of older entries.
    History,
    /// A request was refused.
    Error,
    /// Anything else.
    Other,
}

/// Returns the kind of a line, by its first bytes: a server writes `type` first.
pub fn kind(line: &[u8]) -> Kind {
    let Some(rest) = line.strip_prefix(br#"{"type":""#) else { return Kind::Other };
    match rest {
        [b'm', b'e', b's', ..] => Kind::Message,
        [b'a', b'c', b'k', ..] => Kind::Ack,
        [b'a', b't', b't', b'a', b'c', b'h', b'e', b'd', ..] => Kind::Attached,
        [b'h', b'e', ..] => Kind::Hello,
        [b'h', b'i', b's', ..] => Kind::History,
        [b'w', b'e', ..] => Kind::Welcome,
        [b'e', b'r', ..] => Kind::Error,
        _ => Kind::Other,
    }
}

/// The post that an id stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Post {
    /// Its author, by number.
    pub member: u16,
    /// Its number among all posts, or among its author's.
    pub number: u32,
}

impl Post {
    /// Returns the post of a `message` or an `ack`. `None`: it is not one of ours.
    pub fn of(line: &[u8]) -> Option<Self> {
        let id = text_of(line, br#""id":""#)?;
        let digits = std::str::from_utf8(id.get(20..32)?).ok()?;
        let value = u64::from_str_radix(digits, 16).ok()?;
        Some(Self { member: (value >> 32) as u16, number: value as u32 })
    }

    /// Writes its id: a UUIDv7 whose random part identifies the post.
    fn write_id(self, out: &mut Vec<u8>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{:012x}70008000{:04x}{:08x}", now & 0xffff_ffff_ffff, self.member, self.number);
    }

    /// Writes the `send` of this post, for the server.
    pub fn write_send(self, room: &str, out: &mut Vec<u8>) {
        self.begin_send(room, out);
        out.extend_from_slice(&[b'x'; TEXT_BYTES]);
        out.extend_from_slice(b"\"}\n");
    }

    /// Writes the same with another text, which is already escaped for JSON.
    pub fn write_text(self, room: &str, text: &str, out: &mut Vec<u8>) {
        self.begin_send(room, out);
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(b"\"}\n");
    }

    /// Writes everything before the text.
    fn begin_send(self, room: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"type":"send","id":""#);
        self.write_id(out);
        out.extend_from_slice(br#"","room":""#);
        out.extend_from_slice(room.as_bytes());
        out.extend_from_slice(br#"","message":""#);
    }

    /// Writes the line of this post for the floor: as long as what the server delivers.
    pub fn write_relay(self, room: &str, username: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"type":"message","room":""#);
        out.extend_from_slice(room.as_bytes());
        out.extend_from_slice(br#"","seq":10000,"id":""#);
        self.write_id(out);
        out.extend_from_slice(br#"","username":""#);
        out.extend_from_slice(username.as_bytes());
        out.extend_from_slice(br#"","message":""#);
        out.extend_from_slice(&[b'x'; TEXT_BYTES]);
        out.extend_from_slice(br#"","ts":"2026-01-01T00:00:00.000Z"}"#);
        out.push(b'\n');
    }
}

/// Returns the text of a field without escapes, by its name, quotes and colon.
pub fn text_of<'l>(line: &'l [u8], field: &[u8]) -> Option<&'l [u8]> {
    let at = memmem::find(line, field)? + field.len();
    let rest = line.get(at..)?;
    rest.get(..memchr::memchr(b'"', rest)?)
}

/// Returns the number in a field, by its name, quotes and colon.
pub fn number_of(line: &[u8], field: &[u8]) -> Option<u64> {
    let at = memmem::find(line, field)? + field.len();
    let digits: Vec<u8> = line.iter().skip(at).copied().take_while(u8::is_ascii_digit).collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

/// Writes a login by password.
pub fn write_login(username: &str, password: &str, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = writeln!(out, r#"{{"type":"login","id":"l","username":"{username}","password":"{password}"}}"#);
}

/// Writes a login by token.
pub fn write_resume(token: &str, out: &mut Vec<u8>) {
    let _ = writeln!(out, r#"{{"type":"resume","id":"r","token":"{token}"}}"#);
}

/// Writes an `attach` that starts delivery from now on.
pub fn write_attach(out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"attach\",\"id\":\"a\",\"tail\":0}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_is_found_again_in_what_is_delivered() {
        let post = Post { member: 499, number: 70_000 };
        let mut line = Vec::new();
        post.write_relay("hall", "m0499", &mut line);
        assert_eq!((kind(&line), Post::of(&line)), (Kind::Message, Some(post)));
        line.clear();
        post.write_send("hall", &mut line);
        assert_eq!(Post::of(&line), Some(post));
        assert_eq!(kind(b"{\"type\":\"attached\",\"id\":\"a\"}"), Kind::Attached);
        assert_eq!(kind(b"{\"type\":\"ack\",\"id\":\"a\"}"), Kind::Ack);
        assert_eq!(kind(b"not json"), Kind::Other);
        let busy = br#"{"type":"error","id":"l","code":"busy","reason":"Too much.","retry_after":5}"#;
        assert_eq!((kind(busy), number_of(busy, br#""retry_after":"#)), (Kind::Error, Some(5)));
    }
}
