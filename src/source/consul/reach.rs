//! How the endpoints are reached: TLS, token, and what every request asks for.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderName;

use crate::config::model::{Endpoint, Location, StoreConfig};
use crate::source::http::{Auth, HttpOptions, escaped_value};
use crate::time::Moment;
use crate::transport::tls::{OptionNames, TlsFiles, TlsSettings};

/// What an endpoint is reached with.
pub(super) fn reach(
    config: &StoreConfig,
    limit: Duration,
    clock: fn() -> Moment,
) -> impl Fn(Endpoint) -> HttpOptions + use<> {
    let names: &'static OptionNames =
        if config.names.ca_file == MODERN_NAMES.ca || config.names.cert_file == MODERN_NAMES.certificate {
            &MODERN_NAMES
        } else {
            &NAMES
        };
    let files = TlsFiles { ca: config.ca_file.clone(), identity: config.identity.clone(), names };
    let tls = Arc::new(TlsSettings::new(files));
    let auth = Arc::new(match &config.token {
        Some(token) => Auth::header(TOKEN, token.clone(), config.names.token_file, clock),
        None => Auth::none(clock),
    });
    move |endpoint| HttpOptions { endpoint, tls: Arc::clone(&tls), auth: Arc::clone(&auth), limit, clock }
}

/// What every request asks for beside its own.
pub(super) fn parameters(options: &Location) -> String {
    let all = [("dc", &options.datacenter), ("ns", &options.namespace), ("partition", &options.partition)];
    let given = all.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    given.fold(String::new(), |all, (name, value)| format!("{all}&{name}={}", escaped_value(value)))
}

const TOKEN: HeaderName = HeaderName::from_static("x-consul-token");
const NAMES: OptionNames = OptionNames {
    store: "Consul",
    endpoints: "dcs-endpoints",
    ca: "consul-ca-file",
    certificate: "consul-cert-file",
    key: "consul-key-file",
};
const MODERN_NAMES: OptionNames =
    OptionNames { ca: "dcs-ca-file", certificate: "dcs-cert-file", key: "dcs-key-file", ..NAMES };
