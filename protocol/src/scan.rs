//! Inspects a line before it is parsed: how deeply its objects and arrays are nested, and how many values it has.

/// Returns the bytes of `line` outside strings. Allocates nothing, so that a hostile line is refused before anything is
/// built from it.
fn outside_strings(line: &[u8]) -> impl Iterator<Item = u8> {
    let (mut in_string, mut escaped) = (false, false);
    line.iter().copied().filter(move |byte| {
        let was_in_string = in_string;
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
        !was_in_string
    })
}

/// Returns whether more than `limit` objects and arrays are open at once anywhere in `line`.
pub(crate) fn deeper_than(line: &[u8], limit: usize) -> bool {
    let mut depth = 0_usize;
    outside_strings(line).any(|byte| {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > limit
    })
}

/// Returns whether there may be more than `limit` values in `line`: once built, each may take many times its bytes.
pub(crate) fn has_more_values_than(line: &[u8], limit: usize) -> bool {
    // A value takes at least one byte, and each of these begins one.
    line.len() > limit
        && outside_strings(line).filter(|byte| matches!(byte, b'{' | b'[' | b',')).nth(limit).is_some()
}

#[cfg(test)]
mod tests {
    use super::{deeper_than, has_more_values_than};

    #[test]
    fn values_outside_strings_count() {
        let line = br#"{"a":[1,2,[]],"b":"[,{\",[,","c":{}}"#;
        assert!(has_more_values_than(line, 7));
        assert!(!has_more_values_than(line, 8));
    }

    #[test]
    fn only_open_brackets_outside_strings_count() {
        assert!(!deeper_than(br#"{"a":"[[[[[[","b":[[]]}"#, 3));
        assert!(deeper_than(br#"{"a":[[[]]]}"#, 3));
        assert!(!deeper_than(br#"{"a":"\"[[[["}"#, 1));
    }
}
