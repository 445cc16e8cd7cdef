//! A look at a line before it is parsed: how deep do its objects and arrays go?

/// Whether more than `limit` objects and arrays are open at once anywhere in `line`. Brackets inside strings do not
/// count. Needs no memory, so that a hostile line is refused before anything is built from it.
pub(crate) fn deeper_than(line: &[u8], limit: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in line {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limit {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::deeper_than;

    #[test]
    fn only_open_brackets_outside_strings_count() {
        assert!(!deeper_than(br#"{"a":"[[[[[[","b":[[]]}"#, 3));
        assert!(deeper_than(br#"{"a":[[[]]]}"#, 3));
        assert!(!deeper_than(br#"{"a":"\"[[[["}"#, 1));
    }
}
