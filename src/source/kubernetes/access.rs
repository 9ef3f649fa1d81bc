//! Where the API server is and how to be let in: by options, by a kubeconfig, or as a pod's service account.
//!
//! A kubeconfig is read again for each session, since its certificates are renewed in place. The token of a service
//! account is a file that changes about hourly; [`Auth`] reads it anew.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::kubeconfig::{self, Access, Login, Material, Useless};
use crate::blocking::{Blocking, BlockingError};
use crate::config::model::{Password, StoreConfig};
use crate::endpoint::{Endpoint, Identity};
use crate::source::client::Failure;
use crate::source::http::{Auth, HttpEndpoint, HttpOptions};
use crate::time::Moment;
use crate::transport::credential;
use crate::transport::dial::FILES_SHARE;
use crate::transport::tls::{GivenPem, OptionNames, TlsFiles, TlsSettings};

/// Why it is not known how to reach the API server.
#[derive(Debug, thiserror::Error)]
pub(super) enum AccessError {
    #[error(
        "it is not known where the API server is; set kubernetes-config to a kubeconfig, or dcs-endpoints (this is no \
         pod: KUBERNETES_SERVICE_HOST is not set)"
    )]
    Nowhere,
    #[error("cannot read the kubeconfig {}{cure}", .path.display())]
    Unreadable { path: PathBuf, cure: String, source: io::Error },
    #[error("cannot read the kubeconfig {}", .path.display())]
    Hangs { path: PathBuf, source: BlockingError },
    #[error("cannot use the kubeconfig {}, {useless}", .path.display())]
    Useless { path: PathBuf, useless: Useless },
    #[error("cannot use the kubeconfig {}: {key}-data is not base64; expected one line of it", .path.display())]
    NotBase64 { path: PathBuf, key: &'static str },
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        Self::new("login", &error)
    }
}

/// How one API server is found.
#[derive(Debug)]
pub(super) enum Server {
    Fixed(Arc<HttpEndpoint>),
    Kubeconfig(Kubeconfig),
    Nowhere,
}

/// What requests are sent with.
#[derive(Clone, Debug)]
pub(super) struct Reached {
    pub(super) endpoint: Arc<HttpEndpoint>,
    /// What goes before every path.
    pub(super) path: Arc<str>,
}

/// What all requests have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Means {
    pub(super) limit: Duration,
    pub(super) clock: fn() -> Moment,
}

/// A kubeconfig, and what was last made of it.
#[derive(Debug)]
pub(super) struct Kubeconfig {
    path: PathBuf,
    context: Option<String>,
    /// Replaces the authorities of the file.
    ca: Option<PathBuf>,
    means: Means,
    reading: Blocking<io::Result<String>>,
    last: Option<(String, Reached)>,
}

/// The servers with their names.
pub(super) fn servers(config: &StoreConfig, means: Means) -> Vec<(Arc<str>, Server)> {
    if !config.endpoints.is_empty() {
        return by_options(config, means);
    }
    let kubeconfig = &config.kubeconfig;
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let path = if let Some(path) = &kubeconfig.file {
        path.clone()
    } else if let Some(account) = service_account(variable, Path::new(SERVICE_ACCOUNT)) {
        let ca = config.ca_file.clone().unwrap_or(account.ca);
        let endpoint = ServiceAccount { ca, ..account }.endpoint(means);
        return vec![(endpoint.name(), Server::Fixed(endpoint))];
    } else if let Some(path) = variable("KUBECONFIG") {
        PathBuf::from(path)
    } else {
        return vec![("Kubernetes".into(), Server::Nowhere)];
    };
    let server = Kubeconfig {
        path: credential::located(&path),
        context: kubeconfig.context.clone(),
        ca: config.ca_file.clone(),
        means,
        reading: Blocking::default(),
        last: None,
    };
    vec![(server.name(), Server::Kubeconfig(server))]
}

fn by_options(config: &StoreConfig, means: Means) -> Vec<(Arc<str>, Server)> {
    let files = TlsFiles { ca: config.ca_file.clone(), identity: config.identity.clone(), names: &OPTIONS };
    let tls = Arc::new(TlsSettings::new(files));
    let auth = Arc::new(match &config.token {
        Some(token) => Auth::bearer(token.clone(), "dcs-token-file", means.clock),
        None => Auth::none(means.clock),
    });
    let server = |endpoint: &Endpoint| {
        let (endpoint, tls, auth) = (endpoint.clone(), Arc::clone(&tls), Arc::clone(&auth));
        let endpoint = HttpEndpoint::new(HttpOptions { endpoint, tls, auth, limit: means.limit, clock: means.clock });
        (endpoint.name(), Server::Fixed(endpoint))
    };
    config.endpoints.iter().map(server).collect()
}

/// What the kubelet gives to each pod.
#[derive(PartialEq, Eq, Debug)]
struct ServiceAccount {
    server: Endpoint,
    token: PathBuf,
    ca: PathBuf,
}

fn service_account(variable: impl Fn(&str) -> Option<String>, directory: &Path) -> Option<ServiceAccount> {
    let host = variable("KUBERNETES_SERVICE_HOST")?;
    let port = variable("KUBERNETES_SERVICE_PORT").and_then(|port| port.parse().ok()).unwrap_or(443);
    let server = Endpoint { tls: true, host, port };
    Some(ServiceAccount { server, token: directory.join("token"), ca: directory.join("ca.crt") })
}

impl ServiceAccount {
    fn endpoint(self, means: Means) -> Arc<HttpEndpoint> {
        let tls = TlsSettings::new(TlsFiles { ca: Some(self.ca), identity: None, names: &ACCOUNT });
        let auth = Auth::bearer(Password::File(self.token), "the token of the service account", means.clock);
        HttpEndpoint::new(HttpOptions {
            endpoint: self.server,
            tls: Arc::new(tls),
            auth: Arc::new(auth),
            limit: means.limit,
            clock: means.clock,
        })
    }
}

impl Server {
    /// What to connect to now.
    pub(super) async fn reach(&mut self) -> Result<Reached, AccessError> {
        match self {
            Self::Fixed(endpoint) => Ok(Reached { endpoint: Arc::clone(endpoint), path: "".into() }),
            Self::Kubeconfig(kubeconfig) => kubeconfig.reach().await,
            Self::Nowhere => Err(AccessError::Nowhere),
        }
    }
}

impl Kubeconfig {
    /// The server's address, if the file can be read now.
    fn name(&self) -> Arc<str> {
        let access = fs::read_to_string(&self.path).ok().and_then(|text| self.understand(&text).ok());
        match access {
            Some(access) => access.server.to_string().into(),
            None => format!("kubeconfig {}", self.path.display()).into(),
        }
    }

    async fn reach(&mut self) -> Result<Reached, AccessError> {
        let (path, limit) = (self.path.clone(), self.means.limit / FILES_SHARE);
        let read = self.reading.run_on_thread(limit, move || fs::read_to_string(path)).await;
        let text = match (read, &self.last) {
            (Ok(Ok(text)), _) => text,
            (Err(BlockingError::Hangs(_)), Some((_, reached))) => return Ok(reached.clone()),
            (Ok(Err(source)), _) => {
                let cure = credential::cure("kubernetes-config", &self.path, &source);
                return Err(AccessError::Unreadable { path: self.path.clone(), cure, source });
            }
            (Err(source), _) => return Err(AccessError::Hangs { path: self.path.clone(), source }),
        };
        match &self.last {
            Some((same, reached)) if *same == text => Ok(reached.clone()),
            Some(_) | None => {
                let reached = self.make(self.understand(&text)?)?;
                self.last = Some((text, reached.clone()));
                Ok(reached)
            }
        }
    }

    fn understand(&self, text: &str) -> Result<Access, AccessError> {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        let access = kubeconfig::read(text, directory, self.context.as_deref());
        access.map_err(|useless| AccessError::Useless { path: self.path.clone(), useless })
    }

    fn make(&self, access: Access) -> Result<Reached, AccessError> {
        let Access { server, path, ca, identity, login } = access;
        let mut given = GivenPem::default();
        let mut files = TlsFiles { ca: None, identity: None, names: &KUBECONFIG };
        if let Some(ca) = self.ca.clone().map(Material::File).or(ca) {
            let (path, text) = self.pem(ca, "certificate-authority")?;
            (files.ca, given.ca) = (Some(path), text);
        }
        if let Some((certificate, key)) = identity {
            let (certificate, text) = self.pem(certificate, "client-certificate")?;
            given.certificate = text;
            let (key, text) = self.pem(key, "client-key")?;
            given.key = text;
            files.identity = Some(Identity { certificate, key });
        }
        let clock = self.means.clock;
        let auth = match login {
            Login::None => Auth::none(clock),
            Login::Token(token) => Auth::bearer(Password::Given(token), "token", clock),
            Login::TokenFile(path) => Auth::bearer(Password::File(path), "tokenFile", clock),
            Login::User { name, password } => Auth::basic(name, Password::Given(password), "password", clock),
        };
        let endpoint = HttpEndpoint::new(HttpOptions {
            endpoint: server,
            tls: Arc::new(TlsSettings::with_given(files, given)),
            auth: Arc::new(auth),
            limit: self.means.limit,
            clock,
        });
        Ok(Reached { endpoint, path: path.into() })
    }

    /// A file, or where the data was given and what it is.
    fn pem(&self, material: Material, key: &'static str) -> Result<(PathBuf, Option<Vec<u8>>), AccessError> {
        match material {
            Material::File(path) => Ok((path, None)),
            Material::Inline(data) => match STANDARD.decode(data.reveal().trim()) {
                Ok(text) => Ok((self.path.clone(), Some(text))),
                Err(_odd) => Err(AccessError::NotBase64 { path: self.path.clone(), key }),
            },
        }
    }
}

const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const OPTIONS: OptionNames = OptionNames {
    store: "Kubernetes",
    endpoints: "dcs-endpoints",
    ca: "dcs-ca-file",
    certificate: "dcs-cert-file",
    key: "dcs-key-file",
};
const KUBECONFIG: OptionNames = OptionNames {
    endpoints: "the server of the kubeconfig",
    ca: "certificate-authority(-data)",
    certificate: "client-certificate(-data)",
    key: "client-key(-data)",
    ..OPTIONS
};
const ACCOUNT: OptionNames = OptionNames { ca: "the service account's CA file", ..OPTIONS };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Endpoint as Address;

    const MEANS: Means = Means { limit: Duration::from_secs(20), clock: Moment::default };

    fn kubeconfig(name: &str, text: &str) -> Kubeconfig {
        let path = env::temp_dir().join(format!("vip-manager-{name}-{}.conf", std::process::id()));
        fs::write(&path, text).unwrap();
        Kubeconfig { path, context: None, ca: None, means: MEANS, reading: Blocking::default(), last: None }
    }

    const TEXT: &str = "{current-context: a, contexts: [{name: a, context: {cluster: c, user: u}}],
        clusters: [{name: c, cluster: {server: 'https://api:6443/x', certificate-authority-data: Y2E=}}],
        users: [{name: u, user: {token: t}}]}";

    #[test]
    fn a_pod_finds_the_server_by_its_variables_and_files() {
        let variables = |name: &str| match name {
            "KUBERNETES_SERVICE_HOST" => Some("10.96.0.1".to_owned()),
            "KUBERNETES_SERVICE_PORT" => Some("6443".to_owned()),
            _ => None,
        };
        let found = service_account(variables, Path::new("/run/account")).unwrap();
        let server = Address { tls: true, host: "10.96.0.1".into(), port: 6443 };
        let (token, ca) = ("/run/account/token".into(), "/run/account/ca.crt".into());
        assert_eq!(found, ServiceAccount { server, token, ca });
        assert_eq!(&*found.endpoint(MEANS).name(), "https://10.96.0.1:6443");
        assert_eq!(service_account(|_| None, Path::new("/run/account")), None);
    }

    #[tokio::test]
    async fn a_kubeconfig_is_read_again_and_what_was_made_of_it_kept_while_it_is_the_same() {
        let mut file = kubeconfig("kubeconfig", TEXT);
        assert_eq!(&*file.name(), "https://api:6443");
        let first = file.reach().await.unwrap();
        assert_eq!((&*first.endpoint.name(), &*first.path), ("https://api:6443", "/x"));
        assert!(Arc::ptr_eq(&first.endpoint, &file.reach().await.unwrap().endpoint));
        fs::write(&file.path, TEXT.replace("api:6443", "api2:6443")).unwrap();
        assert_eq!(&*file.reach().await.unwrap().endpoint.name(), "https://api2:6443");

        for (text, says) in [
            (TEXT.replace("Y2E=", "Y2E?"), ": certificate-authority-data is not base64; expected one line of it"),
            (TEXT.replace("name: a", "name: b"), ", line 1: contexts has no context of the name a; there is b"),
        ] {
            fs::write(&file.path, text).unwrap();
            let error = file.reach().await.unwrap_err().to_string();
            assert_eq!(error, format!("cannot use the kubeconfig {}{says}", file.path.display()));
        }
        fs::remove_file(&file.path).unwrap();
        assert!(file.reach().await.unwrap_err().to_string().starts_with("cannot read the kubeconfig"));
        assert!(file.name().starts_with("kubeconfig /"));
    }
}
