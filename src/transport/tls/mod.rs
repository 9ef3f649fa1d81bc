//! The TLS files of the configuration: read, checked, and reread when they change on disk.
//!
//! Every mistake is reported here, with its option and file. The connection would name neither: a CA file without a
//! certificate would show as an unknown issuer, the key of another certificate as a broken pipe.
//!
//! Files change under a running daemon, and not all at the same instant. While the new ones do not fit together, the
//! previous ones stay in use, and the mistake is logged once.
//!
//! A file system may hang, so the files are read on a thread of its own. Meanwhile the previous ones stay in use.

mod handshake;
mod verifier;

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use tokio_rustls::rustls::client::{WantsClientCert, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ClientConfig, ConfigBuilder, RootCertStore};

pub(crate) use self::handshake::{HandshakeError, find_tls};
use self::verifier::Verifier;
use super::credential;
use crate::blocking::Blocking;
use crate::endpoint::Identity;

/// What the user calls a store and its options, for errors that name the option to set.
#[derive(Debug)]
pub(crate) struct OptionNames {
    pub(crate) store: &'static str,
    pub(crate) endpoints: &'static str,
    pub(crate) ca: &'static str,
    pub(crate) certificate: &'static str,
    pub(crate) key: &'static str,
}

impl OptionNames {
    fn all(&self) -> String {
        [self.ca, self.certificate, self.key].join(", ")
    }
}

/// The TLS files of a store.
#[derive(Debug)]
pub(crate) struct TlsFiles {
    /// Roots to trust; the system's if none is given.
    pub(crate) ca: Option<PathBuf>,
    pub(crate) identity: Option<Identity>,
    pub(crate) names: &'static OptionNames,
}

/// What takes the place of files' contents: PEM that was given directly. The paths then say where it was given.
#[derive(Default)]
pub(crate) struct GivenPem {
    pub(crate) ca: Option<Vec<u8>>,
    pub(crate) certificate: Option<Vec<u8>>,
    pub(crate) key: Option<Vec<u8>>,
}

impl fmt::Debug for GivenPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenPem").finish_non_exhaustive()
    }
}

/// What is wrong with the TLS files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("cannot read {option} {}{cure}", .path.display())]
    Unreadable { option: &'static str, path: PathBuf, cure: String, source: io::Error },
    #[error("cannot read the TLS files within {limit:.1?} ({}); does their file system hang?", .names.all())]
    Hangs { names: &'static OptionNames, limit: Duration },
    #[error("cannot read the TLS files")]
    NoThread(#[source] io::Error),
    #[error("{option} {} holds no certificate; expected \"-----BEGIN CERTIFICATE-----\"", .path.display())]
    NoCertificate { option: &'static str, path: PathBuf },
    #[error("{option} {} is damaged", .path.display())]
    Damaged { option: &'static str, path: PathBuf, source: pem::Error },
    #[error("{option} {} holds an unusable certificate", .path.display())]
    BadCertificate { option: &'static str, path: PathBuf, source: rustls::Error },
    #[error("{option} {} holds no private key; expected \"-----BEGIN PRIVATE KEY-----\"", .path.display())]
    NoKey { option: &'static str, path: PathBuf },
    #[error("{option} {} is encrypted; store the key without a passphrase (openssl pkey)", .path.display())]
    EncryptedKey { option: &'static str, path: PathBuf },
    #[error("{option} {} holds a key on curve P-521, which is not supported; use P-256, P-384, RSA or Ed25519",
        .path.display())]
    P521 { option: &'static str, path: PathBuf },
    #[error("{option} {} holds an unsupported kind of key; use P-256, P-384, RSA or Ed25519", .path.display())]
    UnsupportedKey { option: &'static str, path: PathBuf, source: rustls::Error },
    #[error("{} {} is not the key of the certificate in {} {}",
        .names.key, .identity.key.display(), .names.certificate, .identity.certificate.display())]
    ForeignKey { names: &'static OptionNames, identity: Identity },
    #[error("this system has no trusted certificates; set {}, or install ca-certificates", .0.ca)]
    NoSystemRoots(&'static OptionNames),
}

/// The TLS files and the settings last made from them.
#[derive(Debug)]
pub(crate) struct TlsSettings {
    files: Arc<TlsFiles>,
    given: Arc<GivenPem>,
    reading: tokio::sync::Mutex<Blocking<Reading>>,
    last: Mutex<Last>,
}

/// What the files were found to be; without settings they are those of before.
#[derive(Debug)]
struct Reading {
    versions: FileVersions,
    changed: Option<Result<ClientConfig, TlsError>>,
}

#[derive(Debug, Default)]
struct Last {
    good: Option<Credentials>,
    versions: FileVersions,
    /// The mistake in the new files that was already logged.
    logged: Option<String>,
    /// The last reading did not end in time.
    hangs: bool,
}

/// What a connection is made with: a snapshot of the files.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) tls: Arc<ClientConfig>,
    /// Incremented with each change of the files.
    pub(crate) generation: u64,
}

/// For each file its time of change, size and inode; `None` for a missing one.
type FileVersions = Vec<Option<(i64, i64, u64, u64)>>;

impl TlsSettings {
    pub(crate) fn new(files: TlsFiles) -> Self {
        Self::with_given(files, GivenPem::default())
    }

    /// Some of the files are not files.
    pub(crate) fn with_given(files: TlsFiles, given: GivenPem) -> Self {
        let identity = files.identity.map(|identity| Identity {
            certificate: credential::located(&identity.certificate),
            key: credential::located(&identity.key),
        });
        let ca = files.ca.as_deref().map(credential::located);
        let files = Arc::new(TlsFiles { ca, identity, names: files.names });
        Self { files, given: Arc::new(given), reading: tokio::sync::Mutex::default(), last: Mutex::default() }
    }

    pub(crate) fn has_identity(&self) -> bool {
        self.files.identity.is_some()
    }

    pub(crate) fn names(&self) -> &'static OptionNames {
        self.files.names
    }

    /// What to connect with now. Rereads the files if they changed since the last call. If that takes longer than
    /// `limit`, the previous ones are used.
    pub(crate) async fn current(&self, limit: Duration) -> Result<Credentials, TlsError> {
        if let Some(current) = self.refresh_within(limit).await {
            return current;
        }
        let hangs = TlsError::Hangs { names: self.files.names, limit };
        let mut last = self.last();
        match last.good.clone() {
            Some(good) => {
                last.hangs = true;
                last.log_once(&hangs);
                Ok(good)
            }
            None => Err(hangs),
        }
    }

    /// The generation of the files, unless they cannot be read within `limit`.
    pub(crate) async fn generation(&self, limit: Duration) -> Option<u64> {
        Some(self.refresh_within(limit).await?.ok()?.generation)
    }

    /// Rereads the files; nothing if that takes too long.
    async fn refresh_within(&self, limit: Duration) -> Option<Result<Credentials, TlsError>> {
        // A file system that hangs costs one limit, not one per connection.
        let limit = if self.last().hangs { Duration::ZERO } else { limit };
        timeout(limit, self.refresh()).await.ok()
    }

    async fn refresh(&self) -> Result<Credentials, TlsError> {
        let mut reading = self.reading.lock().await;
        let (files, given, known) = (Arc::clone(&self.files), Arc::clone(&self.given), self.last().known());
        let read = reading.run(move || files.read(&given, known.as_ref())).await.map_err(TlsError::NoThread)?;
        self.last().take(read)
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Last {
    /// The state of the files that the settings in use were made from.
    fn known(&self) -> Option<FileVersions> {
        self.good.as_ref().map(|_| self.versions.clone())
    }

    fn take(&mut self, read: Reading) -> Result<Credentials, TlsError> {
        self.hangs = false;
        match (read.changed, self.good.clone()) {
            (Some(Ok(tls)), before) => {
                let generation = before.map_or(0, |before| before.generation + 1);
                let good = Credentials { tls: Arc::new(tls), generation };
                *self = Self { good: Some(good.clone()), versions: read.versions, logged: None, hangs: false };
                Ok(good)
            }
            (Some(Err(mistake)), None) => Err(mistake),
            (Some(Err(mistake)), Some(good)) => {
                self.log_once(&mistake);
                Ok(good)
            }
            (None, Some(good)) => Ok(good),
            (None, None) => Err(TlsError::NoThread(io::Error::other("nothing was read"))),
        }
    }

    fn log_once(&mut self, mistake: &TlsError) {
        let mistake = crate::error::chain(mistake);
        if self.logged.as_ref() != Some(&mistake) {
            tracing::warn!("cannot use the changed TLS files, keeping the previous ones: {mistake}");
            self.logged = Some(mistake);
        }
    }
}

impl TlsFiles {
    /// Reads the files unless they are as they were. Blocks.
    fn read(&self, given: &GivenPem, known: Option<&FileVersions>) -> Reading {
        // Taken before reading: a change in between is seen the next time.
        let versions = self.versions();
        let changed = (known != Some(&versions)).then(|| self.load(given));
        Reading { versions, changed }
    }

    fn versions(&self) -> FileVersions {
        let identity = self.identity.iter().flat_map(|identity| [&identity.certificate, &identity.key]);
        self.ca.iter().chain(identity).map(|path| file_version(path)).collect()
    }

    fn load(&self, given: &GivenPem) -> Result<ClientConfig, TlsError> {
        let names = self.names;
        let (roots, trusted) = match &self.ca {
            Some(path) => roots_from(names.ca, path, given)?,
            None => (system_roots(names)?, Vec::new()),
        };
        let provider = Arc::new(ring::default_provider());
        let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
        let authorities = authorities.map_err(|_empty| TlsError::NoSystemRoots(names))?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|source| TlsError::BadCertificate { option: "TLS", path: PathBuf::new(), source })?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier { authorities, given: trusted }));
        let mut tls = match &self.identity {
            Some(identity) => with_identity(builder, identity, given, names)?,
            None => builder.with_no_client_auth(),
        };
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Ok(tls)
    }
}

fn file_version(path: &Path) -> Option<(i64, i64, u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.mtime(), metadata.mtime_nsec(), metadata.size(), metadata.ino()))
}

/// The authorities of a file, and its certificates as they are there.
fn roots_from(
    option: &'static str,
    path: &Path,
    given: &GivenPem,
) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), TlsError> {
    let mut roots = RootCertStore::empty();
    let trusted = certificates(option, path, given.ca.as_deref())?;
    for certificate in &trusted {
        let added = roots.add(certificate.clone());
        added.map_err(|source| TlsError::BadCertificate { option, path: path.to_owned(), source })?;
    }
    Ok((roots, trusted))
}

fn system_roots(names: &'static OptionNames) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let (added, _unreadable) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 { Err(TlsError::NoSystemRoots(names)) } else { Ok(roots) }
}

fn with_identity(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    identity: &Identity,
    given: &GivenPem,
    names: &'static OptionNames,
) -> Result<ClientConfig, TlsError> {
    let chain = certificates(names.certificate, &identity.certificate, given.certificate.as_deref())?;
    let key = private_key(names.key, &identity.key, given.key.as_deref())?;
    let is_p521 = is_p521(key.secret_der());
    builder.with_client_auth_cert(chain, key).map_err(|source| match source {
        rustls::Error::InconsistentKeys(_) => TlsError::ForeignKey { names, identity: identity.clone() },
        rustls::Error::InvalidCertificate(_) => {
            TlsError::BadCertificate { option: names.certificate, path: identity.certificate.clone(), source }
        }
        _ if is_p521 => TlsError::P521 { option: names.key, path: identity.key.clone() },
        _ => TlsError::UnsupportedKey { option: names.key, path: identity.key.clone(), source },
    })
}

fn certificates(
    option: &'static str,
    path: &Path,
    given: Option<&[u8]>,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = text(option, path, given)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(none) if none.is_empty() => Err(TlsError::NoCertificate { option, path: path.to_owned() }),
        Ok(certificates) => Ok(certificates),
        Err(source) => Err(TlsError::Damaged { option, path: path.to_owned(), source }),
    }
}

fn private_key(option: &'static str, path: &Path, given: Option<&[u8]>) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = text(option, path, given)?;
    if is_encrypted(&text) {
        return Err(TlsError::EncryptedKey { option, path: path.to_owned() });
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|source| match source {
        pem::Error::NoItemsFound => TlsError::NoKey { option, path: path.to_owned() },
        source => TlsError::Damaged { option, path: path.to_owned(), source },
    })
}

fn text(option: &'static str, path: &Path, given: Option<&[u8]>) -> Result<Vec<u8>, TlsError> {
    if let Some(given) = given {
        return Ok(given.to_vec());
    }
    fs::read(path).map_err(|source| {
        let cure = credential::cure(option, path, &source);
        TlsError::Unreadable { option, path: path.to_owned(), cure, source }
    })
}

/// PKCS#8 says so in its label, the older formats in a header.
fn is_encrypted(text: &[u8]) -> bool {
    contains(text, b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || contains(text, b"Proc-Type: 4,ENCRYPTED")
}

/// Looks for the curve's object identifier, 1.3.132.0.35, as PKCS#8 and SEC1 encode it.
fn is_p521(der: &[u8]) -> bool {
    contains(der, &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23])
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
