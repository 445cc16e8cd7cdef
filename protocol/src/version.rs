//! Protocol versions (PROTOCOL §3).

/// ALPN of the native door: it names the framing, which never changes; the version of the frames is negotiated.
pub const ALPN: &[u8] = b"lanchat/1";

/// The versions that this build speaks, lowest first.
pub const SUPPORTED: [u32; 1] = [1];

/// The version assumed for a request that does not name any.
pub const DEFAULT: u32 = 1;

/// Returns the highest version that both sides speak.
pub fn negotiate(theirs: &[u32]) -> Option<u32> {
    SUPPORTED.iter().rev().copied().find(|version| theirs.contains(version))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_highest_common_version_wins() {
        assert_eq!(super::negotiate(&[1, 2, 99]), Some(1));
        assert_eq!(super::negotiate(&[2]), None);
    }
}
