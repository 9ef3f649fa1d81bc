//! Forms for Patroni's REST API and ZooKeeper.

use std::time::Duration;

use crate::Site;
use crate::support::rest::{PORT, RestApi, serve_by_tls};
use crate::support::tls::{KeyForm, Tls};
use crate::support::zookeeper::Ensemble;

pub(crate) const NUMBER: &str = "patroni, a number as the value, endpoints absent";
pub(crate) const SLASH: &str = "patroni, endpoints a plain text that ends with a slash";
pub(crate) const REST_TLS: &str = "patroni, TLS in the keys of etcd";
pub(crate) const REST_VARIABLES: &str = "patroni, only variables";
pub(crate) const ZOOKEEPER: &str = "zookeeper, without a port, with a root";

const ADDRESS: (&str, &str) = ("10.0.0.5", "10.66.0.100");

#[test]
fn rest() {
    let site = Site::new("forms-rest", "pg1");
    let api = RestApi::start(&site.host);
    api.say(|said| said.timing = Some([30, 10, 10]));
    api.lead(true);
    for form in [NUMBER, SLASH, REST_VARIABLES] {
        site.bring_up(form, &[ADDRESS]);
    }
}

#[test]
fn rest_by_tls() {
    let site = Site::new("forms-rest-tls", "pg1");
    let tls = Tls::new(&site.lab);
    let _server = serve_by_tls(&site.host, &tls, "primary");
    let identity = tls.client("vip", KeyForm::EcPkcs8);
    site.bring_up(
        REST_TLS,
        &[
            ADDRESS,
            ("https://127.0.0.1:8008", &format!("https://{}:{PORT}", site.host.v4())),
            ("/ca.crt", &tls.ca_file().to_string_lossy()),
            ("/c.crt", &identity.certificate.to_string_lossy()),
            ("/c.key", &identity.key.to_string_lossy()),
        ],
    );
}

#[test]
fn zookeeper() {
    let site = Site::new("forms-zookeeper", "pg1");
    let ensemble = Ensemble::start(&site.lab, 2);
    let session = ensemble.session(0, Duration::from_secs(30));
    session.lead("/databases/service/pg/leader", "pg1");
    let [first, second] = [0, 1].map(|place: usize| ensemble.servers[place].host.v4());
    site.bring_up(ZOOKEEPER, &[ADDRESS, ("zk1", &first.to_string()), ("zk2:2182", &format!("{second}:2181"))]);
}
