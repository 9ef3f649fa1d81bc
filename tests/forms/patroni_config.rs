//! Patroni's own file with Kubernetes: `use_endpoints`, in the file or as Patroni's variable, decides which object is
//! followed.

use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::support::clock::wait_for;
use crate::support::host::{INTERFACE, VIP};
use crate::support::kubernetes::Kubernetes;
use crate::support::kubernetes::patroni::{Leader, annotations};
use crate::{SOON, Site};

const ENDPOINTS: &str = "pg/endpoints/main";
const CONFIGMAP: &str = "pg/configmaps/main-leader";
const TTL: u64 = 20;

/// Brings Patroni's file up with this setting, in the file and in the environment. The other object, which a Patroni
/// with another setting has left behind, names another host.
fn follows(name: &str, followed: &str, left_behind: &str, setting: &str, variables: &[(&str, &str)]) {
    let site = Site::new("forms-kube", "pg1");
    let kubernetes = Kubernetes::start(&site.lab);
    kubernetes.annotate(left_behind, &annotations("pg2", TTL));
    let leader = Leader::of(&kubernetes, &site.host, followed, TTL, Duration::from_secs(2));
    let patroni = site.lab.directory().join("patroni.yml");
    let file = format!(
        "scope: main\nname: pg1\nrestapi: {{listen: '0.0.0.0:8008'}}\n\
         kubernetes:\n  namespace: pg\n  context: lab\n  labels: {{application: patroni}}\n{setting}\
         bootstrap:\n  dcs: {{ttl: {TTL}, loop_wait: 2}}\n"
    );
    fs::write(&patroni, file).unwrap();
    let text = format!(
        "ip: {VIP}\ninterface: {INTERFACE}\npatroni-config: {}\nkubernetes-config: {}\n",
        patroni.display(),
        kubernetes.access().display()
    );
    let daemon = site.hold(name, &text, variables);
    leader.die();
    kubernetes.annotate(left_behind, &annotations("pg1", TTL));
    kubernetes.annotate(followed, &json!({"leader": "pg2"}));
    site.observer.wait_gone(&site.host, VIP, SOON).unwrap();
    // The line is written after the address has gone.
    wait_for("the line that says why", SOON, || {
        let log = daemon.process.text();
        log.lines().any(|line| line.contains(&format!("{followed} holds \"pg2\"")))
    });
}

#[test]
fn kubernetes_with_use_endpoints() {
    follows("use_endpoints in the file", ENDPOINTS, CONFIGMAP, "  use_endpoints: true\n", &[]);
}

#[test]
fn kubernetes_with_use_endpoints_as_a_variable() {
    let variables = [("PATRONI_KUBERNETES_USE_ENDPOINTS", "true")];
    follows("use_endpoints as a variable", ENDPOINTS, CONFIGMAP, "", &variables);
}

#[test]
fn kubernetes_without_use_endpoints() {
    follows("no use_endpoints", CONFIGMAP, ENDPOINTS, "", &[]);
}
