//! Filters what a keyboard sends for the line editor: UTF-8 text and keys pass, answers and reports do not.

/// Replaces a byte that is not UTF-8.
const REPLACEMENT: &str = "\u{fffd}";
/// The longest control sequence that is kept whole; the sequences of keys are not longer.
const SEQUENCE_MAX: usize = 32;
/// Bytes after the start of a mouse report of the first kind: button, column and row, each plus 32.
const MOUSE_BYTES: u8 = 3;

/// The state within the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Between two characters.
    #[default]
    Ground,
    /// In a character of several bytes.
    Character,
    /// After an escape, which is a key by itself or the start of one.
    Escape,
    /// In a control sequence (ECMA-48 §5.4).
    Sequence,
    /// In a mouse report, with this many bytes to come.
    Mouse(u8),
}

/// Takes bytes as they come, in pieces of any size, and returns those for the editor. An unfinished sequence waits for
/// its rest.
#[derive(Debug, Default)]
pub(super) struct Bytes {
    state: State,
    /// The unfinished sequence; at most [`SEQUENCE_MAX`] bytes.
    held: Vec<u8>,
    out: Vec<u8>,
    garbled: bool,
    cursor: Option<(usize, usize)>,
}

impl Bytes {
    /// Takes the bytes that came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.byte(*byte));
    }

    /// Returns whether an unfinished sequence waits for its rest.
    pub(super) fn is_pending(&self) -> bool {
        self.state != State::Ground
    }

    /// Gives up on the rest of an unfinished sequence.
    pub(super) fn settle(&mut self) {
        match self.state {
            State::Character => self.replace(),
            _ => self.release(),
        }
    }

    /// Takes the bytes for the editor.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Returns whether anything was not UTF-8 since the last call.
    pub(super) fn was_garbled(&mut self) -> bool {
        std::mem::take(&mut self.garbled)
    }

    /// Takes the cursor position that the terminal reported, row and column from 1.
    pub(super) fn cursor(&mut self) -> Option<(usize, usize)> {
        self.cursor.take()
    }

    fn byte(&mut self, byte: u8) {
        match self.state {
            State::Ground => self.begin(byte),
            State::Character => self.go_on(byte),
            State::Escape if byte == b'[' => {
                self.held.push(byte);
                self.state = State::Sequence;
            }
            State::Escape => {
                self.release();
                self.begin(byte);
            }
            State::Sequence => self.in_sequence(byte),
            State::Mouse(1) => self.state = State::Ground,
            State::Mouse(more) => self.state = State::Mouse(more - 1),
        }
    }

    fn begin(&mut self, byte: u8) {
        self.state = match byte {
            0x1b => State::Escape,
            0xc2..=0xf4 => State::Character,
            0x80.. => return self.replace(),
            _ => return self.out.push(byte),
        };
        self.held.push(byte);
    }

    fn go_on(&mut self, byte: u8) {
        self.held.push(byte);
        match std::str::from_utf8(&self.held) {
            Ok(_) => self.release(),
            Err(error) if error.error_len().is_none() => {}
            Err(_) => {
                self.replace();
                self.begin(byte);
            }
        }
    }

    fn in_sequence(&mut self, byte: u8) {
        let is_first = self.held.len() == 2;
        match byte {
            b'M' if is_first => {
                self.held.clear();
                self.state = State::Mouse(MOUSE_BYTES);
            }
            b' '..=b'?' if self.held.len() < SEQUENCE_MAX => self.held.push(byte),
            b'@'..=b'~' => {
                self.held.push(byte);
                self.end_sequence();
            }
            // This is not a sequence after all.
            _ => {
                self.release();
                self.begin(byte);
            }
        }
    }

    /// Handles a complete sequence: a key is passed on, anything else is dropped.
    fn end_sequence(&mut self) {
        let Some((last, [_, _, body @ ..])) = self.held.split_last() else { return self.release() };
        let is_key = match (*last, body, &numbers(body)[..]) {
            // The report of the cursor's position.
            (b'R', _, [row, column]) => {
                self.cursor = Some((*row, *column));
                false
            }
            // A mouse report of the third kind, or a report that the window gained or lost focus.
            (b'M', _, [_, _, _]) | (b'I' | b'O', [], _) => false,
            // Mouse reports, and what terminals say about themselves.
            (_, [b'<'..=b'?', ..], _) => false,
            _ => true,
        };
        if !is_key {
            self.held.clear();
        }
        self.release();
    }

    /// Passes on the held bytes.
    fn release(&mut self) {
        self.out.append(&mut self.held);
        self.state = State::Ground;
    }

    /// Replaces the held bytes, which are not a character.
    fn replace(&mut self) {
        self.held.clear();
        self.out.extend(REPLACEMENT.as_bytes());
        self.garbled = true;
        self.state = State::Ground;
    }
}

/// Returns the numbers of a sequence, or none if it holds anything else.
fn numbers(body: &[u8]) -> Vec<usize> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    text.split(';').map(|part| part.parse().ok()).collect::<Option<_>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns what becomes of `bytes`, given whole and byte by byte.
    fn taken(bytes: &[u8]) -> String {
        let whole = through(std::iter::once(bytes));
        assert_eq!(whole, through(bytes.chunks(1)));
        whole
    }

    fn through<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> String {
        let mut input = Bytes::default();
        pieces.for_each(|piece| input.push(piece));
        input.settle();
        String::from_utf8(input.take()).expect("UTF-8, whatever came")
    }

    #[test]
    fn what_is_no_utf8_is_replaced_and_the_rest_is_kept() {
        assert_eq!(taken(b"caf\xe9 au lait\r"), "caf\u{fffd} au lait\r");
        assert_eq!(taken(b"\xf8"), "\u{fffd}");
        assert_eq!(taken(b"a\xc3"), "a\u{fffd}");
        assert_eq!(taken(b"\xe9\xe8\xc3\xa9"), "\u{fffd}\u{fffd}\u{e9}");
        assert_eq!(taken(b"\xed\xa0\x80\xff\xfe"), "\u{fffd}".repeat(5));
        assert_eq!(taken(b"\x1b[200~caf\xe9\r\xa4\x1b[201~x"), "\x1b[200~caf\u{fffd}\r\u{fffd}\x1b[201~x");
        let mut input = Bytes::default();
        input.push(b"plain \xc3\xa9 \xe8\x8a\xb1 \xf0\x9f\x91\xa9");
        assert!(!input.was_garbled() && !input.is_pending());
        input.push(b"\xe9 ");
        assert!(input.was_garbled() && !input.was_garbled());
    }

    #[test]
    fn reports_and_answers_are_no_keys() {
        for report in [
            &b"\x1b[M \xa3\xb0"[..],
            b"\x1b[M#!!",
            b"\x1b[<0;120;33M",
            b"\x1b[<0;120;33m",
            b"\x1b[32;120;33M",
            b"\x1b[I",
            b"\x1b[O",
            b"\x1b[?62;22c",
            b"\x1b[>41;366;0c",
            b"\x1b[24;100R",
        ] {
            assert_eq!(taken(&[b"a", report, b"b"].concat()), "ab", "{}", report.escape_ascii());
        }
    }

    #[test]
    fn keys_go_on_as_they_are() {
        for key in [
            "\x1b",
            "\x1b\x1b",
            "\x1b\r",
            "\x1b[A",
            "\x1b[1;5D",
            "\x1b[3~",
            "\x1bOP",
            "\x1b[[A",
            "\x1b[Z",
            "\x1bé",
            "\x03",
            "\x1b[200~",
            "\x1b[\x1b[A",
            "\x1b[é",
        ] {
            assert_eq!(taken(key.as_bytes()), key, "{}", key.escape_debug());
        }
    }

    #[test]
    fn the_place_of_the_cursor_is_heard() {
        let mut input = Bytes::default();
        input.push(b"x\x1b[12;");
        assert!(input.is_pending());
        input.push(b"7Ry");
        assert_eq!((input.cursor(), input.cursor()), (Some((12, 7)), None));
        assert_eq!(input.take(), b"xy");
    }

    proptest! {
        #[test]
        fn nothing_that_comes_is_anything_but_utf8(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            taken(&bytes);
        }

        #[test]
        fn text_is_never_changed(text in "[^\x1b]{0,100}") {
            prop_assert_eq!(taken(text.as_bytes()), text);
        }
    }
}
