//! Kubernetes: one patch of the leader's record. The bare client is a watch of the object, over TLS as all clients.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{Bare, LIMIT, Store, wait_for_line};
use crate::support::daemon::ConfigFile;
use crate::support::fail::OrFail;
use crate::support::host::Host;
use crate::support::kubernetes::patroni::annotations;
use crate::support::kubernetes::{KEY, Kubernetes, NAMESPACE, PORT, is_real};
use crate::support::lab::Lab;

const NAME: &str = "main-leader";
/// Longer than any pause between two changes.
const TTL: u64 = 60;

pub(super) struct OnKubernetes {
    kubernetes: Kubernetes,
    client: Host,
    token: String,
    tls: Arc<ClientConfig>,
}

impl Store for OnKubernetes {
    fn name() -> String {
        if is_real() { "Kubernetes" } else { "Kubernetes, a stand-in" }.to_owned()
    }

    fn start(lab: &Lab, _hosts: &[Host], client: &Host) -> Self {
        let kubernetes = Kubernetes::start(lab);
        kubernetes.annotate(KEY, &annotations("nobody", TTL));
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(kubernetes.tls.ca_file()).or_fail("reading the authority") {
            roots.add(certificate.or_fail("reading the authority")).or_fail("trusting the authority");
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .or_fail("choosing TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let token = kubernetes.token("bare");
        Self { kubernetes, client: client.clone(), token, tls: Arc::new(tls) }
    }

    fn config(&self, host: &Host) -> ConfigFile {
        self.kubernetes.config(host)
    }

    fn wait(&self) -> Option<Bare> {
        let all = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
        let (_, object) = self.kubernetes.ask("GET", &format!("{all}/{NAME}"), None).or_fail("reading the record");
        let version = object["metadata"]["resourceVersion"].as_str().or_fail("reading the record's version");
        let request = format!(
            "GET {all}?watch=true&fieldSelector=metadata.name%3D{NAME}&resourceVersion={version}&timeoutSeconds=60 \
             HTTP/1.1\r\nHost: kubernetes\r\nAuthorization: Bearer {}\r\nAccept: application/json\r\n\r\n",
            self.token
        );
        let (address, tls) = (SocketAddr::from((self.kubernetes.host.v4(), PORT)), Arc::clone(&self.tls));
        Some(Bare::begin(&self.client, [move |waits: &dyn Fn()| watch(address, tls, &request, waits)]))
    }

    fn lead(&self, name: &str) {
        self.kubernetes.annotate(KEY, &annotations(name, TTL));
    }
}

/// Waits for the first line of a watch.
fn watch(address: SocketAddr, tls: Arc<ClientConfig>, request: &str, waits: &dyn Fn()) -> io::Result<()> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let session = ClientConnection::new(tls, ServerName::from(address.ip()));
    wait_for_line(StreamOwned::new(session.map_err(io::Error::other)?, stream), request, waits)
}
