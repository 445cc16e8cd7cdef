//! A look at a line before it is parsed: how deep do its objects and arrays go, and how many values are there?

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

/// Whether there may be more than `limit` values in `line`: each may take many times its bytes once it is built. Needs no
/// memory.
pub(crate) fn has_more_values_than(line: &[u8], limit: usize) -> bool {
    // A value takes a byte at least.
    if line.len() <= limit {
        return false;
    }
    let (mut values, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in line {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            // Each begins one.
            b'{' | b'[' | b',' if !in_string => values += 1,
            _ => {}
        }
    }
    values > limit
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
