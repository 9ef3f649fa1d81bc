//! How the endpoints are reached: TLS, user and password.

use std::sync::Arc;
use std::time::Duration;

use crate::config::model::{Endpoint, StoreConfig};
use crate::source::http::{Auth, HttpOptions};
use crate::time::Moment;
use crate::transport::tls::{OptionNames, TlsFiles, TlsSettings};

/// What an endpoint is reached with.
pub(super) fn reach(
    config: &StoreConfig,
    limit: Duration,
    clock: fn() -> Moment,
) -> impl Fn(Endpoint) -> HttpOptions + use<> {
    let old = config.names.ca_file == NAMES.ca || config.names.cert_file == NAMES.certificate;
    let names = if old { &NAMES } else { &MODERN_NAMES };
    let files = TlsFiles { ca: config.ca_file.clone(), identity: config.identity.clone(), names };
    let tls = Arc::new(TlsSettings::new(files));
    let auth = Arc::new(match &config.login {
        Some(login) => Auth::basic(login.user.clone(), login.password.clone(), config.names.password_file, clock),
        None => Auth::none(clock),
    });
    move |endpoint| HttpOptions { endpoint, tls: Arc::clone(&tls), auth: Arc::clone(&auth), limit, clock }
}

const NAMES: OptionNames = OptionNames {
    store: "etcd",
    endpoints: "dcs-endpoints",
    ca: "etcd-ca-file",
    certificate: "etcd-cert-file",
    key: "etcd-key-file",
};
const MODERN_NAMES: OptionNames =
    OptionNames { ca: "dcs-ca-file", certificate: "dcs-cert-file", key: "dcs-key-file", ..NAMES };
