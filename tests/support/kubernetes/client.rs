//! A client of the API server for the lab itself: one request on one connection, from a host.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::PORT;
use crate::support::fail::OrFail;
use crate::support::host::Host;

const JSON: &str = "application/json";
const LIMIT: Duration = Duration::from_secs(10);

/// Sends requests from a host with a token.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    host: Host,
    server: IpAddr,
    ca: PathBuf,
    token: String,
    accept: String,
}

impl Client {
    pub(super) fn new(host: &Host, server: &Host, ca: &Path, token: &str) -> Self {
        Self {
            host: host.clone(),
            server: IpAddr::V4(server.v4()),
            ca: ca.to_owned(),
            token: token.to_owned(),
            accept: JSON.to_owned(),
        }
    }

    pub(super) fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// Asks for this form of the answer.
    pub(super) fn accepting(&self, form: &str) -> Self {
        Self { accept: form.to_owned(), ..self.clone() }
    }

    /// The status and the body of the answer; several lines as a list.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value), String> {
        let (client, method, path) = (self.clone(), method.to_owned(), path.to_owned());
        let body = body.map(Value::to_string).unwrap_or_default();
        self.host.enter(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.or_fail("building a runtime").block_on(async {
                let asked = tokio::time::timeout(LIMIT, client.send(&method, &path, body)).await;
                asked.unwrap_or_else(|_elapsed| Err("no answer".into())).map_err(|error| error.to_string())
            })
        })
    }

    /// Changes annotations of the object of a key, creating it where it is missing.
    pub(crate) fn annotate(&self, key: &str, annotations: &Value) -> Result<(), String> {
        let (namespace, rest) = key.split_once('/').or_fail("splitting a key");
        let (kind, name) = rest.split_once('/').or_fail("splitting a key");
        let all = format!("/api/v1/namespaces/{namespace}/{kind}");
        let change = json!({"metadata": {"annotations": annotations}});
        match self.ask("PATCH", &format!("{all}/{name}"), Some(&change))? {
            (200, _) => Ok(()),
            (404, _) => {
                match self.ask("POST", &all, Some(&json!({"metadata": {"name": name, "annotations": annotations}})))? {
                    (201, _) => Ok(()),
                    (status, said) => Err(format!("{status}: {said}")),
                }
            }
            (status, said) => Err(format!("{status}: {said}")),
        }
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        body: String,
    ) -> Result<(u16, Value), Box<dyn std::error::Error + Send + Sync>> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&self.ca)? {
            roots.add(certificate?)?;
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(SocketAddr::new(self.server, PORT)).await?;
        let stream = TlsConnector::from(Arc::new(tls)).connect(ServerName::from(self.server), stream).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let content = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Host", self.server.to_string())
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Accept", &self.accept)
            .header("Content-Type", content)
            .body(Full::new(Bytes::from(body)))?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        driver.abort();
        Ok((head.status.as_u16(), value(&body)))
    }
}

/// One value, or the values of several lines.
fn value(body: &[u8]) -> Value {
    let lines = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
    let mut values: Vec<Value> = lines.map_while(Result::ok).collect();
    if values.len() == 1 { values.remove(0) } else { Value::Array(values) }
}
