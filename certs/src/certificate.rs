//! The content of a certificate: the key, and the server id, carried as a name.

use std::net::IpAddr;

use lanchat_model::{ServerId, limits};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Every certificate carries the server id in the name `<server id>.lanchat.invalid`. The top level `invalid` can never
/// be somebody's domain (RFC 6761 §6.4).
const ID_SUFFIX: &str = ".lanchat.invalid";

/// Why bytes are not the certificate of a lanchat server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadCertificate {
    /// Not X.509.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// It has no name that carries a server id, or two.
    #[error("the certificate names no lanchat server")]
    NoServerId,
}

/// Issues a certificate for `key`, signed by itself.
///
/// Names that a certificate cannot hold, and names and addresses beyond `limits::CERTIFICATE_NAMES_MAX`, are left out:
/// they are for tools that inspect certificates; our clients check the key and the id alone.
pub(crate) fn issue(
    key: &KeyPair,
    id: ServerId,
    names: &[String],
    addresses: &[IpAddr],
) -> Result<CertificateDer<'static>, rcgen::Error> {
    // The default dates, 1975 to 4096: machines without a battery or a time server start in 1970 or 2000, and a pinned
    // key does not expire.
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

/// Returns the server id and the key of a certificate in DER; the key as its SubjectPublicKeyInfo.
pub(crate) fn read(der: &[u8]) -> Result<(ServerId, &[u8]), BadCertificate> {
    let certificate = parse(der)?;
    let names = certificate.subject_alternative_name().map_err(|_| BadCertificate::Unreadable)?;
    let names = names.as_ref().map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    let mut ids = names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => name.strip_suffix(ID_SUFFIX)?.parse().ok(),
        _ => None,
    });
    match (ids.next(), ids.next()) {
        (Some(id), None) => Ok((id, certificate.tbs_certificate.subject_pki.raw)),
        _ => Err(BadCertificate::NoServerId),
    }
}

/// Returns the key of a certificate in DER as its SubjectPublicKeyInfo, whatever names the certificate has.
pub(crate) fn spki(der: &[u8]) -> Result<&[u8], BadCertificate> {
    Ok(parse(der)?.tbs_certificate.subject_pki.raw)
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
        // A name that a certificate cannot hold does no harm, nor does one that would pass for another id.
        let names = ["lab.local".into(), "höhle".into(), format!("{}{ID_SUFFIX}", "00".repeat(16))];
        let der = issue(&key, id, &names, &[[10, 0, 0, 1].into()]).unwrap();
        assert_eq!(read(&der), Ok((id, &*key.subject_public_key_info())));
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
        assert!(spki(stranger.der()).is_ok());
        let two = [1, 2].map(|byte| format!("{}{ID_SUFFIX}", ServerId::from_bytes([byte; 16])));
        let two = CertificateParams::new(two).unwrap().self_signed(&key()).unwrap();
        assert_eq!(read(two.der()), Err(BadCertificate::NoServerId));
        let der = stranger.der();
        assert_eq!(read(&der[..der.len() - 1]), Err(BadCertificate::Unreadable));
        assert_eq!(read(&[&der[..], b"x"].concat()), Err(BadCertificate::Unreadable));
        assert_eq!(read(b""), Err(BadCertificate::Unreadable));
    }
}
