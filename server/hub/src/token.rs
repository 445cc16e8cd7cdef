//! Device tokens: random bits that stand for "this device knew the password once".
//!
//! A token consists of a series, which all tokens of a device share, and 256 bits of its own. The series is as secret
//! as the token. So a peer that shows an invalid token of a series once had a token of that device, however long ago,
//! and nobody else can make the device look copied. Earlier versions made tokens without a series; the series of those
//! is derived from the token.

use lanchat_model::hex;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::port::TokenRecord;

/// 128 bits: a series is looked up by its hash, and cannot be guessed.
const SERIES_BYTES: usize = 16;
const OWN_BYTES: usize = 32;
/// Separates derived series from everything else that is hashed here.
const DERIVED: &[u8] = b"lanchat: the series of a device token that has none";

/// A device token. Its text goes to the device, and its hashes go to the store. It lacks `Debug`, which could show it.
pub(crate) struct Token {
    /// `None` if an earlier version made it.
    series: Option<[u8; SERIES_BYTES]>,
    own: [u8; OWN_BYTES],
}

impl Token {
    /// Makes a fresh token, of a fresh series.
    pub(crate) fn generate() -> Result<Self, Error> {
        Ok(Self { series: Some(random()?), own: random()? })
    }

    /// Makes a fresh token of the same series.
    pub(crate) fn next(&self) -> Result<Self, Error> {
        Ok(Self { series: Some(self.series()), own: random()? })
    }

    /// Returns what the store keeps.
    pub(crate) fn record(&self) -> TokenRecord {
        let hash = Sha256::new()
            .chain_update(self.series.as_ref().map_or(&[][..], |series| series))
            .chain_update(self.own);
        TokenRecord { hash: hash.finalize().into(), series: Sha256::digest(self.series()).into() }
    }

    /// Returns what the device keeps: 96 hex digits.
    pub(crate) fn expose(&self) -> String {
        let mut text = String::with_capacity(2 * (SERIES_BYTES + OWN_BYTES));
        for byte in self.series.iter().flatten().chain(&self.own) {
            text.extend(
                [byte >> 4, byte & 0xf].iter().filter_map(|digit| char::from_digit((*digit).into(), 16)),
            );
        }
        text
    }

    /// Reads what a device kept: 96 hex digits, or 64 from an earlier version. Returns `None` if it is not a token.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (series, own) = match text.len() {
            96 => {
                let (series, own) = text.split_at_checked(2 * SERIES_BYTES)?;
                (Some(hex::parse(&series.to_ascii_lowercase())?), own)
            }
            _ => (None, text),
        };
        Some(Self { series, own: hex::parse(&own.to_ascii_lowercase())? })
    }

    fn series(&self) -> [u8; SERIES_BYTES] {
        self.series.unwrap_or_else(|| {
            let digest: [u8; 32] =
                Sha256::new().chain_update(DERIVED).chain_update(self.own).finalize().into();
            std::array::from_fn(|at| digest[at])
        })
    }
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::fault(&error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text_and_nothing_else_is_one() {
        let token = Token::generate().unwrap();
        assert_eq!(Token::parse(&token.expose()).unwrap().record(), token.record());
        for bad in
            ["", "00", &"zz".repeat(32), &"zz".repeat(48), &"é".repeat(32), &"é".repeat(48), &"0".repeat(65)]
        {
            assert!(Token::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn all_tokens_of_a_device_are_of_one_series_and_those_of_others_are_not() {
        let first = Token::generate().unwrap();
        let second = first.next().unwrap();
        assert_eq!(first.record().series, second.record().series);
        assert_ne!(first.record().hash, second.record().hash);
        assert_ne!(first.record().series, Token::generate().unwrap().record().series);
    }

    /// An earlier version stored the SHA-256 of 32 bytes.
    #[test]
    fn a_token_of_an_earlier_version_is_known_by_its_hash_and_begins_a_series() {
        let old = Token::parse(&"0a".repeat(32)).unwrap();
        assert_eq!(old.record().hash, <[u8; 32]>::from(Sha256::digest([10; 32])));
        let (next, another) = (old.next().unwrap(), old.next().unwrap());
        assert_eq!((next.expose().len(), next.record().series), (96, old.record().series));
        assert_eq!(next.next().unwrap().record().series, another.record().series);
    }
}
