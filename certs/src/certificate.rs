//! What a certificate says: whose key it is about, and the id of the server, carried as a name.

use std::net::IpAddr;

use lanchat_model::{ServerId, limits};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::fingerprint::Fingerprint;

/// The name `<server id>.lanchat.invalid` stands in every certificate: that is how it carries the id. The top
/// level `invalid` can never be somebody's domain (RFC 6761 §6.4).
const ID_SUFFIX: &str = ".lanchat.invalid";

/// Why bytes are no certificate of a server of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadCertificate {
    /// Not X.509.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// No name that carries a server id, or two.
    #[error("the certificate names no lanchat server")]
    NoServerId,
}

/// Issues a certificate for `key`, signed by itself.
///
/// Names that cannot stand in a certificate, and names and addresses beyond `limits::CERTIFICATE_NAMES_MAX`, are
/// left out: they are there for tools that look at certificates; our clients check the key and the id alone.
pub(crate) fn issue(
    key: &KeyPair,
    id: ServerId,
    names: &[String],
    addresses: &[IpAddr],
) -> Result<CertificateDer<'static>, rcgen::Error> {
    // Dates from 1975 to 4096, the default: machines without a battery or a time server start in 1970 or 2000,
    // and a key that is pinned does not expire.
    let mut params = CertificateParams::new([format!("{id}{ID_SUFFIX}")])?;
    let names = names
        .iter()
        .filter(|name| !name.ends_with(ID_SUFFIX))
        .filter_map(|name| name.as_str().try_into().ok().map(SanType::DnsName));
    let addresses = addresses.iter().copied().map(SanType::IpAddress);
    params.subject_alt_names.extend(names.chain(addresses).take(limits::CERTIFICATE_NAMES_MAX));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "lanchat");
    Ok(params.self_signed(key)?.into())
}

/// The server id and the fingerprint of the key of a certificate in DER.
pub(crate) fn read(der: &[u8]) -> Result<(ServerId, Fingerprint), BadCertificate> {
    let certificate = parse(der)?;
    let names = certificate.subject_alternative_name().map_err(|_| BadCertificate::Unreadable)?;
    let names = names.as_ref().map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    let mut ids = names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => name.strip_suffix(ID_SUFFIX)?.parse().ok(),
        _ => None,
    });
    match (ids.next(), ids.next()) {
        (Some(id), None) => Ok((id, Fingerprint::of_spki(certificate.public_key().raw))),
        _ => Err(BadCertificate::NoServerId),
    }
}

/// The fingerprint of the key of a certificate in DER, whoever it names.
pub(crate) fn fingerprint(der: &[u8]) -> Result<Fingerprint, BadCertificate> {
    Ok(Fingerprint::of_spki(parse(der)?.public_key().raw))
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, BadCertificate> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(BadCertificate::Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> KeyPair {
        KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()
    }

    #[test]
    fn a_certificate_carries_the_id_and_the_key() {
        use rcgen::PublicKeyData;

        let (key, id) = (key(), ServerId::from_bytes([7; 16]));
        // Neither a name that no certificate can hold, nor one that would pass for another id, gets in the way.
        let names = ["lab.local".into(), "höhle".into(), format!("{}{ID_SUFFIX}", "00".repeat(16))];
        let der = issue(&key, id, &names, &[[10, 0, 0, 1].into()]).unwrap();
        let fingerprint = Fingerprint::of_spki(&key.subject_public_key_info());
        assert_eq!(read(&der), Ok((id, fingerprint)));
        let certificate = parse(&der).unwrap();
        let held = certificate.subject_alternative_name().unwrap().unwrap().value.general_names.len();
        assert_eq!(held, 3);
    }

    #[test]
    fn a_host_with_very_many_addresses_still_has_a_certificate() {
        let addresses: Vec<IpAddr> = (0..=255).map(|n| [10, 0, 0, n].into()).collect();
        let der = issue(&key(), ServerId::from_bytes([7; 16]), &[], &addresses).unwrap();
        assert!(read(&der).is_ok());
        assert!(der.len() < 2048, "{}", der.len());
    }

    #[test]
    fn strangers_certificates_and_garbage_are_told_apart() {
        let stranger =
            CertificateParams::new(["example.org".to_owned()]).unwrap().self_signed(&key()).unwrap();
        assert_eq!(read(stranger.der()), Err(BadCertificate::NoServerId));
        assert!(fingerprint(stranger.der()).is_ok());
        let two = [1, 2].map(|byte| format!("{}{ID_SUFFIX}", ServerId::from_bytes([byte; 16])));
        let two = CertificateParams::new(two).unwrap().self_signed(&key()).unwrap();
        assert_eq!(read(two.der()), Err(BadCertificate::NoServerId));
        let der = stranger.der();
        assert_eq!(read(&der[..der.len() - 1]), Err(BadCertificate::Unreadable));
        assert_eq!(read(&[&der[..], b"x"].concat()), Err(BadCertificate::Unreadable));
        assert_eq!(read(b""), Err(BadCertificate::Unreadable));
    }
}
