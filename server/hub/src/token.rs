//! Device tokens: 256 random bits that stand for "this device knew the password once".

use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::port::TokenHash;

/// A device token. Its text goes to the device, its hash to the store; `Debug` shows neither.
pub(crate) struct Token([u8; 32]);

impl Token {
    /// A fresh token.
    pub(crate) fn generate() -> Result<Self, Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| Error::fault(&error))?;
        Ok(Self(bytes))
    }

    /// What the store keeps.
    pub(crate) fn hash(&self) -> TokenHash {
        Sha256::digest(self.0).into()
    }

    /// What the device keeps: 64 hex digits.
    pub(crate) fn expose(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads what a device kept. `None`: it is no token.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text_and_nothing_else_is_one() {
        let token = Token::generate().unwrap();
        assert_eq!(Token::parse(&token.expose()).unwrap().hash(), token.hash());
        for bad in ["", "00", &"zz".repeat(32), &"é".repeat(32), &"0".repeat(65)] {
            assert!(Token::parse(bad).is_none(), "{bad}");
        }
    }
}
