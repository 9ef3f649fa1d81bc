//! What can be wrong with Kubernetes.

use std::fs;

use serde_json::json;

use crate::check;
use crate::support::host::Host;
use crate::support::kubernetes::patroni::annotations;
use crate::support::kubernetes::{CLAIM, KEY, Kubernetes};
use crate::support::lab::Lab;

fn start() -> (Kubernetes, Host, Lab) {
    let lab = Lab::new("check-kube");
    let kubernetes = Kubernetes::start(&lab);
    let host = lab.host("db1");
    (kubernetes, host, lab)
}

#[test]
fn a_record_that_is_renewed_passes() {
    let (kubernetes, host, _lab) = start();
    kubernetes.annotate(KEY, &annotations("db1", 30));
    let printed = check(&host, &kubernetes.config(&host));
    for words in [
        ": Kubernetes v1.20.2 answered in ",
        "✓ key pg/configmaps/main-leader: holds \"db1\", which is this host (since resourceVersion ",
        "✓ key pg/configmaps/main-leader: has a lease of 30 s, ",
    ] {
        assert!(printed.text.contains(words), "{words}\n{}", printed.text);
    }
}

#[test]
fn rights_lack() {
    let (kubernetes, host, _lab) = start();
    kubernetes.forbid();
    check(&host, &kubernetes.config(&host)).shows("kubernetes-forbidden");
    kubernetes.allow(&["list"]);
    kubernetes.annotate(KEY, &annotations("db1", 30));
    check(&host, &kubernetes.config(&host)).shows("kubernetes-unwatched");
    let config = kubernetes.config(&host);
    fs::write(kubernetes.host.directory().join("token"), "wrong").unwrap();
    check(&host, &config).shows("kubernetes-login");
}

#[test]
fn a_missing_right_to_claim_is_reported_with_its_role() {
    let (kubernetes, host, _lab) = start();
    kubernetes.annotate(KEY, &annotations("db1", 30));
    let config = kubernetes.config(&host);
    let required = config.clone().with("claim", "require");
    let free = "nobody has it, and this host may claim (claim: require)";
    let printed = check(&host, &required);
    assert!(printed.text.contains(free), "{}", printed.text);
    for (all, own, lacks) in
        [("list", ["get", "update", "watch"].as_slice(), "create"), ("create", &["get", "watch"], "update")]
    {
        kubernetes.forbid_claims();
        kubernetes.allow_with_claims(&[all], own);
        check(&host, &required).shows("kubernetes-claim-forbidden");
        let printed = check(&host, &config);
        let why = format!("(claim: auto): the user system:serviceaccount:pg:vip may not {lacks} leases/{CLAIM}");
        assert!(printed.text.contains(&why), "{}", printed.text);
    }
    assert_eq!(kubernetes.claim(), None, "nothing is written");
    kubernetes.set_claim(Some("db2"), 10);
    let written = kubernetes.claim();
    check(&host, &required).shows("kubernetes-claim-forbidden");
    kubernetes.forbid_claims();
    // A Lease that is there need not be created.
    kubernetes.allow_with_claims(&["list"], &["get", "update", "watch"]);
    let printed = check(&host, &required);
    assert!(printed.text.contains("holds \"db2\""), "{}", printed.text);
    assert_eq!(kubernetes.claim(), written, "nothing is written");
}

#[test]
fn another_object_was_meant() {
    let (kubernetes, host, _lab) = start();
    // An administrator sees what is beside.
    let config = kubernetes.config(&host);
    fs::write(kubernetes.host.directory().join("token"), "admin-token").unwrap();
    kubernetes.annotate("pg/endpoints/main", &annotations("db1", 30));
    check(&host, &config).shows("kubernetes-kind");
    kubernetes.annotate(KEY, &annotations("db1", 30));
    check(&host, &config.clone().with("trigger-key", "pg/configmaps/mian-leader")).shows("kubernetes-name");
}

#[test]
fn the_leader_died() {
    let (kubernetes, host, _lab) = start();
    let mut old = annotations("db2", 30);
    old["renewTime"] = json!("2026-01-01T00:00:00.000000+00:00");
    kubernetes.annotate(KEY, &old);
    check(&host, &kubernetes.config(&host)).shows("kubernetes-stale");
}

#[test]
fn the_kubeconfig_names_a_program() {
    let (kubernetes, host, _lab) = start();
    let config = kubernetes.config(&host);
    let file = kubernetes.host.directory().join("kubeconfig");
    let text = fs::read_to_string(&file).unwrap().replace("tokenFile:", "exec: {command: aws}, x:");
    fs::write(&file, text).unwrap();
    check(&host, &config).shows("kubernetes-kubeconfig");
}
