//! The TLS files of the configuration, read, checked, and read anew when they change on disk.
//!
//! Every mistake is named here, with its file, since what would show later on the connection names none: a CA file
//! without a certificate in it would come out as an unknown issuer, a key of another certificate as a broken pipe.
//!
//! Files are changed under a running daemon, and not all in the same instant. While the new ones do not fit
//! together the old ones serve on, and the mistake is told once.
//!
//! Reading is done in place, without a thread: a few small local files, and only when they changed.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_rustls::rustls::client::WantsClientCert;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ClientConfig, ConfigBuilder, RootCertStore};

use super::credential;
use crate::config::model::{EtcdConfig, Identity};

/// What is wrong with the TLS files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    #[error("cannot read {option} {}{}", .path.display(), credential::cure(option, path, source))]
    Unreadable { option: &'static str, path: PathBuf, source: io::Error },
    #[error("{option} {} holds no certificate; expected \"-----BEGIN CERTIFICATE-----\"", .path.display())]
    NoCertificate { option: &'static str, path: PathBuf },
    #[error("{option} {} is damaged", .path.display())]
    Damaged { option: &'static str, path: PathBuf, source: pem::Error },
    #[error("{option} {} holds a certificate that cannot be used", .path.display())]
    BadCertificate { option: &'static str, path: PathBuf, source: rustls::Error },
    #[error("etcd-key-file {} holds no private key; expected \"-----BEGIN PRIVATE KEY-----\"", .0.display())]
    NoKey(PathBuf),
    #[error("etcd-key-file {} is encrypted; store the key without a passphrase (openssl pkey)", .0.display())]
    EncryptedKey(PathBuf),
    #[error("etcd-key-file {} holds a key of the curve P-521, which is not supported; use P-256, P-384, RSA or Ed25519",
        .0.display())]
    P521(PathBuf),
    #[error("etcd-key-file {} holds a key of a kind that is not supported; use P-256, P-384, RSA or Ed25519",
        .path.display())]
    UnfitKey { path: PathBuf, source: rustls::Error },
    #[error("etcd-key-file {} is not the key of the certificate in etcd-cert-file {}",
        .key.display(), .certificate.display())]
    ForeignKey { certificate: PathBuf, key: PathBuf },
    #[error("this system has no trusted certificates; set etcd-ca-file, or install ca-certificates")]
    NoSystemRoots,
}

/// The files, and what was last made of them.
#[derive(Debug)]
pub(crate) struct Trust {
    ca_file: Option<PathBuf>,
    identity: Option<Identity>,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    good: Option<Credentials>,
    stamps: Stamps,
    /// The mistake of the new files that was told already.
    told: Option<String>,
}

/// What a connection is made with.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) tls: Arc<ClientConfig>,
    /// Grows with each change of the files.
    pub(crate) generation: u64,
}

/// When and what each file was: time of change, size, inode. Nothing for one that is not there.
type Stamps = Vec<Option<(i64, i64, u64, u64)>>;

impl Trust {
    pub(crate) fn new(config: &EtcdConfig) -> Self {
        let identity = config.identity.as_ref().map(|identity| Identity {
            certificate: credential::located(&identity.certificate),
            key: credential::located(&identity.key),
        });
        Self { ca_file: config.ca_file.as_deref().map(credential::located), identity, last: Mutex::default() }
    }

    pub(crate) fn has_identity(&self) -> bool {
        self.identity.is_some()
    }

    /// What to connect with now. The files are read where they changed since the last time.
    pub(crate) fn current(&self) -> Result<Credentials, TrustError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken before reading: a change meanwhile is seen the next time.
        let stamps = self.stamps();
        if let Some(good) = &last.good
            && last.stamps == stamps
        {
            return Ok(good.clone());
        }
        match (self.load(), last.good.clone()) {
            (Ok(tls), before) => {
                let good =
                    Credentials { tls: Arc::new(tls), generation: before.map_or(0, |before| before.generation + 1) };
                *last = Last { good: Some(good.clone()), stamps, told: None };
                Ok(good)
            }
            (Err(mistake), None) => Err(mistake),
            (Err(mistake), Some(good)) => {
                last.tell_once(&mistake);
                Ok(good)
            }
        }
    }

    fn stamps(&self) -> Stamps {
        let identity = self.identity.iter().flat_map(|identity| [&identity.certificate, &identity.key]);
        self.ca_file.iter().chain(identity).map(|path| stamp(path)).collect()
    }

    fn load(&self) -> Result<ClientConfig, TrustError> {
        let roots = match &self.ca_file {
            Some(path) => roots_from(path)?,
            None => system_roots()?,
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|source| TrustError::BadCertificate { option: "TLS", path: PathBuf::new(), source })?
            .with_root_certificates(roots);
        let mut tls = match &self.identity {
            Some(identity) => with_identity(builder, identity)?,
            None => builder.with_no_client_auth(),
        };
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Ok(tls)
    }
}

impl Last {
    fn tell_once(&mut self, mistake: &TrustError) {
        let mistake = crate::error::chain(mistake);
        if self.told.as_ref() != Some(&mistake) {
            tracing::warn!("the changed TLS files cannot be used, those from before serve on: {mistake}");
            self.told = Some(mistake);
        }
    }
}

fn stamp(path: &Path) -> Option<(i64, i64, u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.mtime(), metadata.mtime_nsec(), metadata.size(), metadata.ino()))
}

fn roots_from(path: &Path) -> Result<RootCertStore, TrustError> {
    const OPTION: &str = "etcd-ca-file";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(OPTION, path)? {
        roots.add(certificate).map_err(|source| TrustError::BadCertificate {
            option: OPTION,
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    let (taken, _unreadable) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if taken == 0 { Err(TrustError::NoSystemRoots) } else { Ok(roots) }
}

fn with_identity(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    identity: &Identity,
) -> Result<ClientConfig, TrustError> {
    let chain = certificates("etcd-cert-file", &identity.certificate)?;
    let key = private_key(&identity.key)?;
    let is_p521 = is_p521(key.secret_der());
    builder.with_client_auth_cert(chain, key).map_err(|source| match source {
        rustls::Error::InconsistentKeys(_) => {
            TrustError::ForeignKey { certificate: identity.certificate.clone(), key: identity.key.clone() }
        }
        rustls::Error::InvalidCertificate(_) => {
            TrustError::BadCertificate { option: "etcd-cert-file", path: identity.certificate.clone(), source }
        }
        _ if is_p521 => TrustError::P521(identity.key.clone()),
        _ => TrustError::UnfitKey { path: identity.key.clone(), source },
    })
}

fn certificates(option: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let text = read(option, path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(none) if none.is_empty() => Err(TrustError::NoCertificate { option, path: path.to_owned() }),
        Ok(certificates) => Ok(certificates),
        Err(source) => Err(TrustError::Damaged { option, path: path.to_owned(), source }),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TrustError> {
    const OPTION: &str = "etcd-key-file";
    let text = read(OPTION, path)?;
    if is_encrypted(&text) {
        return Err(TrustError::EncryptedKey(path.to_owned()));
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|source| match source {
        pem::Error::NoItemsFound => TrustError::NoKey(path.to_owned()),
        source => TrustError::Damaged { option: OPTION, path: path.to_owned(), source },
    })
}

fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, TrustError> {
    fs::read(path).map_err(|source| TrustError::Unreadable { option, path: path.to_owned(), source })
}

/// Both ways of saying so: PKCS#8's label, and the header of the older formats.
fn is_encrypted(text: &[u8]) -> bool {
    contains(text, b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || contains(text, b"Proc-Type: 4,ENCRYPTED")
}

/// Looks for the curve's object identifier, 1.3.132.0.35, as it stands in PKCS#8 and in SEC1.
fn is_p521(der: &[u8]) -> bool {
    contains(der, &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23])
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
