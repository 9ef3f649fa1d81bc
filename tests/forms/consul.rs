//! Forms for Consul.

use std::fs;

use crate::support::consul::lock::{LockHolder, Timing};
use crate::support::consul::{Consul, ConsulOptions};
use crate::support::tls::{KeyForm, Tls};
use crate::{Site, interface};

pub(crate) const OWN_LOCK: &str = "consul, key without a slash, its own lock";
pub(crate) const TOKEN: &str = "consul, key with a slash, endpoints a plain text, a token";
pub(crate) const VARIABLES: &str = "consul, only variables, endpoints absent";
pub(crate) const CLIENTS_VARIABLES: &str = "consul, TLS and token in the variables of Consul's own clients";
pub(crate) const WHAT_IS_SET: &str = "consul, what is set wins over the variables of Consul's own clients";

const KEY: &str = "service/pg/leader";
const TIMING: Timing = Timing { ttl: 30, loop_wait: 10, retry_timeout: 10 };
/// What Patroni's own token may do, more or less.
const RULES: &str = "key_prefix \"service/pg/\" { policy = \"write\" }\nsession_prefix \"\" { policy = \"write\" }\n\
                     node_prefix \"\" { policy = \"read\" }\nservice_prefix \"\" { policy = \"read\" }";

#[test]
fn without_tokens() {
    let site = Site::new("forms-consul", "pg1");
    let consul = Consul::start(&site.lab, 1);
    let agent = consul.client(&site.host);
    let _lock = LockHolder::start(&site.host, &agent, "network/internal/vip/lock", TIMING);
    site.bring_up(OWN_LOCK, &[("192.168.227.200", "10.66.0.100"), interface("bond0")]);
}

#[test]
fn with_tokens() {
    let site = Site::new("forms-tokens", "pg1");
    let consul = Consul::start_with(&site.lab, 1, &ConsulOptions { acl: true, ..ConsulOptions::default() });
    let agent = consul.client(&site.host);
    let _lock = LockHolder::start(&site.host, &agent, KEY, TIMING);
    let token = consul.token("vip", RULES);
    let quoted = format!("\"{token}\"");
    site.bring_up(
        TOKEN,
        &[("10.0.0.5", "10.66.0.100"), ("http://10.0.0.1:8500", &consul.endpoints()[0]), ("\"token\"", &quoted)],
    );
    site.bring_up(VARIABLES, &[("10.0.0.5", "10.66.0.100"), ("token", &token)]);
}

#[test]
fn with_tls() {
    let site = Site::new("forms-consul-tls", "pg1");
    let tls = Tls::new(&site.lab);
    let options = ConsulOptions { tls: Some(tls.clone()), acl: true };
    let consul = Consul::start_with(&site.lab, 1, &options);
    let agent = consul.client(&site.host);
    let _lock = LockHolder::start(&site.host, &agent, KEY, TIMING);
    let (token, identity) = (consul.token("vip", RULES), tls.client("vip", KeyForm::EcPkcs8));
    let ca = tls.ca_file().display().to_string();
    let endpoint = &consul.endpoints()[0];
    site.bring_up(
        CLIENTS_VARIABLES,
        &[
            ("10.0.0.5", "10.66.0.100"),
            ("https://10.0.0.1:8501", endpoint),
            ("/ca.pem", &ca),
            ("/client.pem", &identity.certificate.to_string_lossy()),
            ("/client.key", &identity.key.to_string_lossy()),
            ("token", &token),
        ],
    );
    let file = site.lab.directory().join("secret");
    fs::write(&file, &token).unwrap();
    site.bring_up(
        WHAT_IS_SET,
        &[
            ("10.0.0.5", "10.66.0.100"),
            ("https://10.0.0.1:8501", endpoint),
            (" /token", &format!(" {}", file.display())),
            ("/own.pem", &ca),
        ],
    );
}
