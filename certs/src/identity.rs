//! The identity of a server: one key and one id, made at the first start, and never changed after that.

use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lanchat_model::ServerId;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use rustls::crypto::ring::sign::any_ecdsa_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use tempfile::TempDir;

use crate::certificate;
use crate::fingerprint::Fingerprint;
use crate::private_file::{self, PrivateFileError, folder_of, sync_folder};

const KEY_FILE: &str = "server.key";
const ID_FILE: &str = "server.id";

/// Why an identity was not loaded or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// One of its files was not read or written.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The folder could not be made.
    #[error("cannot make the identity in {}: {source}", folder.display())]
    Make {
        /// The folder.
        folder: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// One of the two files exists, the other does not.
    #[error(
        "{} is missing: restore it from a backup. (Or remove its folder to start as a new server; clients that know \
         this one will then refuse to connect until they are told to trust the new key.)", .0.display()
    )]
    Missing(PathBuf),
    /// The content of a file is damaged.
    #[error(
        "{} is damaged: restore it from a backup. (Or remove its folder to start as a new server; clients that know \
         this one will then refuse to connect until they are told to trust the new key.)", .0.display()
    )]
    Damaged(PathBuf),
    /// The cryptography failed.
    #[error("cannot make a key or a certificate: {0}")]
    Crypto(String),
}

/// The key and the id of a server. `Debug` shows no secret.
pub struct Identity {
    id: ServerId,
    key: KeyPair,
    signer: Arc<dyn SigningKey>,
    fingerprint: Fingerprint,
}

impl Identity {
    /// Loads the identity from `folder`, or makes it there if the folder is missing or empty: `server.key`, an
    /// ECDSA P-256 key as PKCS #8 in PEM, and `server.id`, 32 hex digits. Both 0600, in a folder of 0700. Blocks.
    ///
    /// The two appear together or not at all: they are made in a temporary folder next to it, which is then renamed.
    ///
    /// # Errors
    /// [`IdentityError`] when the files are damaged, exposed or incomplete, or the system refuses. An existing identity
    /// is never replaced.
    pub fn load_or_create(folder: &Path) -> Result<Self, IdentityError> {
        let (key_path, id_path) = (folder.join(KEY_FILE), folder.join(ID_FILE));
        match (private_file::read(&key_path)?, private_file::read(&id_path)?) {
            (Some(key), Some(id)) => Self::parse(&key, &id, &key_path, &id_path),
            (Some(_), None) => Err(IdentityError::Missing(id_path)),
            (None, Some(_)) => Err(IdentityError::Missing(key_path)),
            (None, None) => Self::create(folder),
        }
    }

    /// Returns the id of the identity in `folder`. `None`: there is none, or it cannot be read. Creates nothing.
    /// Blocks.
    pub fn id_in(folder: &Path) -> Option<ServerId> {
        let id = private_file::read(&folder.join(ID_FILE)).ok()??;
        std::str::from_utf8(&id).ok()?.trim_end().parse().ok()
    }

    fn parse(key: &[u8], id: &[u8], key_path: &Path, id_path: &Path) -> Result<Self, IdentityError> {
        let damaged = |path: &Path| IdentityError::Damaged(path.to_owned());
        let id = std::str::from_utf8(id).ok().and_then(|text| text.trim_end().parse().ok());
        let key = std::str::from_utf8(key)
            .ok()
            .and_then(|pem| KeyPair::from_pkcs8_pem_and_sign_algo(pem, &PKCS_ECDSA_P256_SHA256).ok());
        Self::new(id.ok_or_else(|| damaged(id_path))?, key.ok_or_else(|| damaged(key_path))?)
    }

    fn create(folder: &Path) -> Result<Self, IdentityError> {
        let made = |source| IdentityError::Make { folder: folder.to_owned(), source };
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| IdentityError::Crypto(error.to_string()))?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(crypto)?;
        let identity = Self::new(ServerId::from_bytes(id), key)?;

        let beside = folder_of(folder);
        let draft = own_folder_in(beside).map_err(made)?;
        private_file::write(&draft.path().join(KEY_FILE), identity.key.serialize_pem().as_bytes())?;
        private_file::write(&draft.path().join(ID_FILE), format!("{}\n", identity.id).as_bytes())?;
        match fs::remove_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(made(error)),
            _ => fs::rename(draft.path(), folder).map_err(made)?,
        }
        // The folder was renamed, so the draft has nothing left to remove.
        let _ = draft.keep();
        sync_folder(beside)?;
        Ok(identity)
    }

    fn new(id: ServerId, key: KeyPair) -> Result<Self, IdentityError> {
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signer = any_ecdsa_type(&der).map_err(|error| IdentityError::Crypto(error.to_string()))?;
        let fingerprint = Fingerprint::of_spki(&key.subject_public_key_info());
        Ok(Self { id, key, signer, fingerprint })
    }

    /// Returns the id, made together with the key.
    pub fn server_id(&self) -> ServerId {
        self.id
    }

    /// Returns the fingerprint of the public key: what clients pin.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Issues a certificate in DER: signed by the key itself, valid until the year 4096, for the given names and
    /// addresses, and with the server id in it. What a certificate cannot hold is left out.
    ///
    /// # Errors
    /// [`IdentityError::Crypto`] when signing fails.
    pub fn certificate(
        &self,
        names: &[String],
        addresses: &[IpAddr],
    ) -> Result<CertificateDer<'static>, IdentityError> {
        certificate::issue(&self.key, self.id, names, addresses).map_err(crypto)
    }

    /// Returns the same certificate with the key that belongs to it, as TLS wants them.
    pub(crate) fn certified_key(
        &self,
        names: &[String],
        addresses: &[IpAddr],
    ) -> Result<CertifiedKey, IdentityError> {
        Ok(CertifiedKey::new(vec![self.certificate(names, addresses)?], Arc::clone(&self.signer)))
    }
}

/// Makes a folder that nobody else may enter, right from its creation.
fn own_folder_in(folder: &Path) -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".identity-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir_in(folder)
}

fn crypto(error: rcgen::Error) -> IdentityError {
    IdentityError::Crypto(error.to_string())
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("id", &self.id).field("fingerprint", &self.fingerprint).finish()
    }
}
