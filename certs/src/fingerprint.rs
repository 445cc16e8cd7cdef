//! Fingerprints of public keys: what is pinned, compared and read aloud.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::certificate::{self, BadCertificate};

/// SHA-256 of a public key, as its SubjectPublicKeyInfo in DER (RFC 7469 §2.4).
///
/// It covers the key, not the certificate: a certificate is reissued whenever an address changes, while the key stays.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 32]);

/// Why a text is not a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 64 lower-case hex digits")]
pub struct BadFingerprint;

/// Words in [`Fingerprint::words`]: 66 bits, more than anybody can search for one server, and few enough words to read
/// aloud.
const WORDS: u32 = 6;
/// The list has 2048 words.
const BITS_PER_WORD: u32 = 11;

impl Fingerprint {
    /// Returns the fingerprint with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the fingerprint of a key, given as SubjectPublicKeyInfo in DER.
    pub fn of_spki(spki: &[u8]) -> Self {
        Self(Sha256::digest(spki).into())
    }

    /// Returns the fingerprint of the key in a certificate in DER.
    ///
    /// # Errors
    /// [`BadCertificate`] when `der` is not a certificate.
    pub fn of_certificate(der: &[u8]) -> Result<Self, BadCertificate> {
        certificate::spki(der).map(Self::of_spki)
    }

    /// Returns the first 66 bits as six English words of the BIP-39 list, joined by `-`. For people; programs compare
    /// all 256 bits.
    pub fn words(&self) -> String {
        let mut first = [0; 16];
        first.copy_from_slice(&self.0[..16]);
        let bits = u128::from_be_bytes(first);
        let list = bip39::Language::English.word_list();
        let words: Vec<&str> = (1..=WORDS)
            .map(|n| list[(bits >> (u128::BITS - n * BITS_PER_WORD)) as usize % list.len()])
            .collect();
        words.join("-")
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = BadFingerprint;

    fn from_str(text: &str) -> Result<Self, BadFingerprint> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(BadFingerprint);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = BadFingerprint;

    fn try_from(text: String) -> Result<Self, BadFingerprint> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

fn nibble(digit: u8) -> Result<u8, BadFingerprint> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(BadFingerprint),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_first_bits_and_never_change() {
        // The BIP-39 list: 0 = abandon, 1 = ability, 2047 = zoo.
        assert_eq!(
            Fingerprint::from_bytes([0; 32]).words(),
            "abandon-abandon-abandon-abandon-abandon-abandon"
        );
        assert_eq!(Fingerprint::from_bytes([0xff; 32]).words(), "zoo-zoo-zoo-zoo-zoo-zoo");
        // SHA-256 of nothing begins e3b0c44298fc1c149a: words 1821, 1073, 133, 399, 1550 and 82.
        assert_eq!(Fingerprint::of_spki(b"").words(), "together-mail-awful-cradle-scrub-apart");
        let mut last = [0; 32];
        last[8] = 0b0100_0000; // Bit 66, the last one of the sixth word.
        assert!(Fingerprint::from_bytes(last).words().ends_with("-ability"));
    }

    #[test]
    fn a_fingerprint_has_one_spelling() {
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Fingerprint::of_spki(b"").to_string(), text);
        assert_eq!(text.parse::<Fingerprint>().unwrap(), Fingerprint::of_spki(b""));
        for bad in ["", &text[1..], &text.to_uppercase(), &text.replace('e', "é")] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(BadFingerprint), "{bad}");
        }
    }
}
