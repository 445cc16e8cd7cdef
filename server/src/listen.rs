//! Where to listen: a URI whose scheme names the doors, or `ADDR:PORT` for short.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::str::FromStr;

use lanchat_protocol::beacon;

use crate::doors::{SCHEMES, Scheme};

/// The suffix of an unencrypted scheme that other computers may reach, by deliberate choice.
const INSECURE: &str = "+insecure";

/// An address to listen on, and the kind of listener that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    scheme: &'static Scheme,
    insecure: bool,
    address: SocketAddr,
}

/// Why a text is not an address to listen on, and what would be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadListen(String);

impl Listen {
    /// Returns the address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns whether lanchat clients find a server there.
    pub fn is_default(&self) -> bool {
        self.scheme.is_default()
    }

    pub(crate) fn scheme(&self) -> &'static Scheme {
        self.scheme
    }

    pub(crate) fn is_insecure(&self) -> bool {
        self.insecure
    }

    /// Returns the same kind of listener at another address.
    pub(crate) fn at(self, address: SocketAddr) -> Self {
        Self { address, ..self }
    }

    /// Parses a listener of one of these kinds.
    fn parse(text: &str, schemes: &'static [Scheme]) -> Result<Self, BadListen> {
        let Some((scheme, address)) = text.split_once("://") else {
            let address = text.parse::<SocketAddr>().map_err(|_| not_an_address(text, ""))?;
            return Ok(address.into());
        };
        let scheme = scheme.to_ascii_lowercase();
        let (name, insecure) = match scheme.strip_suffix(INSECURE) {
            Some(name) => (name, true),
            None => (scheme.as_str(), false),
        };
        let Some(scheme) = schemes.iter().find(|known| known.name == name) else {
            let names: Vec<&str> = schemes.iter().map(|known| known.name).collect();
            let names = names.join(", ");
            return Err(BadListen(format!(
                "`{text}`: this server has no listener of the kind `{name}`; it has {names}"
            )));
        };
        let address =
            address.parse::<SocketAddr>().map_err(|_| not_an_address(text, &format!("{name}://")))?;
        let listen = Self { scheme, insecure, address };
        listen.check().map_err(|why| BadListen(format!("`{text}`: {why}")))?;
        Ok(listen)
    }

    /// Checks that an unencrypted listener is for this computer alone, unless the scheme says otherwise.
    fn check(&self) -> Result<(), String> {
        let Self { scheme: Scheme { name, .. }, address, .. } = self;
        if self.insecure && !self.scheme.is_plain() {
            return Err(format!("{name} is always encrypted; leave {INSECURE} out"));
        }
        let is_exposed = !address.ip().to_canonical().is_loopback();
        if self.scheme.is_plain() && is_exposed && !self.insecure {
            return Err(format!(
                "{name} is not encrypted, so that anybody on the network could read along. Listen on 127.0.0.1, or say \
                 {name}{INSECURE}:// if you mean it"
            ));
        }
        Ok(())
    }
}

/// Returns the default address to listen on. `[::]` accepts IPv4 as well.
pub(crate) fn default_listen() -> Listen {
    SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), beacon::DEFAULT_PORT).into()
}

fn not_an_address(text: &str, scheme: &str) -> BadListen {
    BadListen(format!(
        "`{text}` is not {scheme}ADDR:PORT, for example {scheme}0.0.0.0:7072 or {scheme}[::]:7072"
    ))
}

impl FromStr for Listen {
    type Err = BadListen;

    fn from_str(text: &str) -> Result<Self, BadListen> {
        Self::parse(text, &SCHEMES)
    }
}

/// A listener for lanchat clients.
impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self { scheme: &SCHEMES[0], insecure: false, address }
    }
}

impl fmt::Display for Listen {
    /// Writes it as it is parsed, in the short form if there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_default() {
            let insecure = if self.insecure { INSECURE } else { "" };
            write!(f, "{}{insecure}://", self.scheme.name)?;
        }
        self.address.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::KINDS;

    fn read(text: &str) -> Result<Listen, String> {
        Listen::parse(text, &KINDS).map_err(|bad| bad.to_string())
    }

    #[test]
    fn the_short_form_is_one_of_lanchat() {
        let short: Listen = "[::]:7072".parse().unwrap();
        assert_eq!("lanchat://[::]:7072".parse(), Ok(short));
        // RFC 3986 §3.1.
        assert_eq!("LanChat://[::]:7072".parse(), Ok(short));
        assert!(short.is_default());
        assert_eq!(short.to_string(), "[::]:7072");
        assert_eq!(read("ircs://[::1]:6697").unwrap().to_string(), "ircs://[::1]:6697");
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for text in ["0.0.0.0:7072", "ircs://0.0.0.0:6697", "legacy+json+insecure://0.0.0.0:7073"] {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn plain_text_is_refused_off_loopback_unless_the_scheme_says_it() {
        for text in
            ["legacy+json://127.0.0.1:1", "legacy+json://[::1]:1", "legacy+json://[::ffff:127.0.0.1]:1"]
        {
            assert!(read(text).is_ok_and(|listen| !listen.is_insecure()), "{text}");
        }
        for address in ["0.0.0.0:7073", "[::]:7073", "192.168.1.10:7073"] {
            let refused = read(&format!("legacy+json://{address}")).unwrap_err();
            assert!(refused.contains("legacy+json+insecure://"), "{refused}");
            let listen = read(&format!("legacy+json+insecure://{address}")).unwrap();
            assert!(listen.is_insecure());
        }
    }

    #[test]
    fn what_is_no_listener_is_refused_with_what_would_be() {
        for (text, part) in [
            ("7072", "0.0.0.0:7072 or [::]:7072"),
            ("lanchat://7072", "lanchat://[::]:7072"),
            ("lanchat://", "lanchat://[::]:7072"),
            ("lanchat://[::]:7072/", "lanchat://[::]:7072"),
            ("lanchat://localhost:7072", "ADDR:PORT"),
            ("lanchat+insecure://127.0.0.1:1", "always encrypted"),
            ("https://[::]:443", "`https`; it has lanchat, ircs, legacy+json"),
            ("://[::]:1", "``"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.starts_with(&format!("`{text}`")) && refused.contains(part), "{refused}");
        }
    }
}
