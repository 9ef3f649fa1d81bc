//! The lab's own certificate authority.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use super::command::run;
use super::fail::OrFail;
use super::host::Host;
use super::lab::Lab;

/// A certificate authority and the files that it signed.
#[derive(Clone)]
pub(crate) struct Tls {
    directory: PathBuf,
    authority: Arc<Issuer<'static, KeyPair>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// The files of a certificate and its key.
#[derive(Clone, Debug)]
pub(crate) struct IdentityFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// The formats of private keys. All of them are in use somewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum KeyForm {
    EcPkcs8,
    EcSec1,
    RsaPkcs8,
    RsaPkcs1,
}

impl Tls {
    /// Creates an authority and writes its certificate to the lab's directory.
    pub(crate) fn new(lab: &Lab) -> Self {
        let key = KeyPair::generate().or_fail("making the authority's key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(rcgen::DnType::CommonName, "the lab's authority");
        let certificate = params.self_signed(&key).or_fail("signing the authority's certificate");
        let tls = Self { directory: lab.directory().to_owned(), authority: Arc::new(Issuer::new(params, key)) };
        write(&tls.ca_file(), &certificate.pem());
        tls
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// A certificate for a member, valid for its addresses.
    pub(crate) fn server(&self, host: &Host) -> IdentityFiles {
        let names = vec![host.v4().to_string(), host.v6().to_string(), host.name().to_owned()];
        self.issue(host.name(), names, &ExtendedKeyUsagePurpose::ServerAuth, KeyForm::EcPkcs8)
    }

    /// Replaces the certificate of a member with an expired one.
    pub(crate) fn expired_server(&self, host: &Host) {
        let names = vec![host.v4().to_string(), host.v6().to_string(), host.name().to_owned()];
        let long_ago = Some(2020);
        self.issue_until(host.name(), names, &ExtendedKeyUsagePurpose::ServerAuth, KeyForm::EcPkcs8, long_ago);
    }

    /// A certificate for a client. A second one of the same name replaces the first one.
    pub(crate) fn client(&self, name: &str, form: KeyForm) -> IdentityFiles {
        self.issue(name, vec![name.to_owned()], &ExtendedKeyUsagePurpose::ClientAuth, form)
    }

    fn issue(&self, name: &str, names: Vec<String>, purpose: &ExtendedKeyUsagePurpose, form: KeyForm) -> IdentityFiles {
        self.issue_until(name, names, purpose, form, None)
    }

    fn issue_until(
        &self,
        name: &str,
        names: Vec<String>,
        purpose: &ExtendedKeyUsagePurpose,
        form: KeyForm,
        until: Option<i32>,
    ) -> IdentityFiles {
        let pem = key_pem(form);
        let key = KeyPair::from_pem(&pem).or_fail("reading a key");
        let mut params = CertificateParams::new(names).or_fail("naming a certificate");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.extended_key_usages = vec![purpose.clone()];
        if let Some(year) = until {
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.authority).or_fail("signing a certificate");
        let role = if *purpose == ExtendedKeyUsagePurpose::ServerAuth { "server" } else { "client" };
        let files = IdentityFiles {
            certificate: self.directory.join(format!("{name}-{role}.pem")),
            key: self.directory.join(format!("{name}-{role}.key")),
        };
        write(&files.certificate, &certificate.pem());
        write(&files.key, &rewritten(&files.key, &pem, form));
        files
    }
}

fn key_pem(form: KeyForm) -> String {
    match form {
        KeyForm::EcPkcs8 | KeyForm::EcSec1 => KeyPair::generate().or_fail("making a key").serialize_pem(),
        // rcgen signs with RSA keys but cannot generate them.
        KeyForm::RsaPkcs8 | KeyForm::RsaPkcs1 => {
            run("openssl", &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-quiet"])
        }
    }
}

/// The same key in the requested format.
fn rewritten(file: &Path, pkcs8: &str, form: KeyForm) -> String {
    let tool = match form {
        KeyForm::EcPkcs8 | KeyForm::RsaPkcs8 => return pkcs8.to_owned(),
        KeyForm::EcSec1 => "ec",
        KeyForm::RsaPkcs1 => "rsa",
    };
    write(file, pkcs8);
    let file = file.to_string_lossy();
    match tool {
        "rsa" => run("openssl", &["rsa", "-traditional", "-in", &file]),
        tool => run("openssl", &[tool, "-in", &file]),
    }
}

fn write(file: &Path, text: &str) {
    fs::write(file, text).or_fail(&format!("writing {}", file.display()));
}
