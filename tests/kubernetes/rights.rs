//! Tokens that change, rights that lack, and what `check` says of them.

use std::fs;
use std::time::Duration;

use crate::support::clock::{now, pause, wait_for, wait_until};
use crate::support::daemon::{Daemon, binary, vip_manager};
use crate::support::host::VIP;
use crate::support::kubernetes::{KEY, PORT};
use crate::support::process::Process;
use crate::support::setup::{SOON, report, wait_logged};
use crate::{LOOP, Setup, TOKENS};

#[test]
fn a_token_that_is_replaced_is_read_anew() {
    let setup = Setup::new("kube-token", 1);
    let config = setup.kubernetes.config(&setup.hosts[0]);
    let daemon = Daemon::start(&setup.hosts[0], &config);
    let _leader = setup.leader(0);
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    let (old, file) = (setup.kubernetes.token("second"), setup.kubernetes.host.directory().join("token"));
    let first = fs::read_to_string(&file).unwrap();
    fs::write(&file, &old).unwrap();
    setup.kubernetes.revoke("first");
    let revoked = now();
    wait_for("the first token to be refused", TOKENS, || {
        setup.kubernetes.ask_as(&first, "/version").is_ok_and(|(status, _)| status == 401)
            || setup
                .kubernetes
                .ask_as(&first, "/api/v1/namespaces/pg/configmaps")
                .is_ok_and(|(status, _)| status == 401)
    });
    report("the first token was refused after", now().since(revoked));
    pause(LOOP * 2);
    assert!(setup.observer.holds(&setup.hosts[0], VIP));
    assert_eq!(setup.observer.intervals(&setup.hosts[0], VIP).len(), 1);
    assert!(!daemon.process.logged("does not know this user"), "nobody noticed");
}

#[test]
fn a_right_that_lacks_is_named_with_its_role_and_the_vip_comes_when_it_is_granted() {
    let setup = Setup::new("kube-rights", 1);
    setup.kubernetes.forbid();
    let daemon = Daemon::start(&setup.hosts[0], &setup.kubernetes.config(&setup.hosts[0]));
    let _leader = setup.leader(0);
    wait_logged(
        &daemon,
        "the user system:serviceaccount:pg:vip may not list configmaps/main-leader in the namespace pg",
    );
    wait_logged(&daemon, "--verb=get,list,watch --resource=configmaps --resource-name=main-leader");
    let report = check(&setup);
    assert!(report.contains("does not let this user read it"), "{report}");
    assert!(report.contains("--resource-name=main-leader"), "{report}");
    setup.kubernetes.allow(&["get", "list", "watch"]);
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
}

#[test]
fn without_the_right_to_watch_the_object_is_read_each_second() {
    let setup = Setup::new("kube-unwatched", 1);
    setup.kubernetes.forbid();
    setup.kubernetes.allow(&["list"]);
    let daemon = Daemon::start(&setup.hosts[0], &setup.kubernetes.config(&setup.hosts[0]));
    wait_logged(&daemon, "reading it each second instead");
    let leader = setup.leader(0);
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    assert!(check(&setup).contains("may not watch configmaps/main-leader"));
    drop(leader);
    setup.kubernetes.annotate(KEY, &serde_json::json!({"leader": "another"}));
    let written = now();
    let gone = setup.observer.wait_gone(&setup.hosts[0], VIP, SOON).unwrap();
    report("gone after", gone.since(written));
    assert!(gone.since(written) < Duration::from_secs(5));
}

/// As the kubelet prepares a pod: two variables and a directory, here in a mount namespace of the daemon's own.
#[test]
fn a_pod_logs_in_as_its_service_account() {
    let setup = Setup::new("kube-pod", 1);
    let host = &setup.hosts[0];
    let config = setup.kubernetes.config(host).without("kubernetes-config");
    let file = |name: &str| host.directory().join(name).display().to_string();
    fs::write(file("pod.yml"), config.text()).unwrap();
    let script = "mount -t tmpfs tmpfs /run && mkdir -p /run/secrets/kubernetes.io/serviceaccount \
        && cp \"$1\" /run/secrets/kubernetes.io/serviceaccount/token \
        && cp \"$2\" /run/secrets/kubernetes.io/serviceaccount/ca.crt && exec \"$3\" --config \"$4\"";
    let mut command = host.command("sh");
    let (ca, program) = (setup.kubernetes.tls.ca_file(), binary());
    command.args(["-c", script, "sh", &file("token")]).arg(ca).arg(program).arg(file("pod.yml"));
    command.env("KUBERNETES_SERVICE_HOST", setup.kubernetes.host.v4().to_string());
    command.env("KUBERNETES_SERVICE_PORT", PORT.to_string());
    let pod = Process::start("vip-manager in a pod", command);
    let _leader = setup.leader(0);
    setup.observer.wait_held(host, VIP, SOON);
    wait_for("the endpoint in the log", SOON, || pod.logged(&setup.kubernetes.endpoint()));
}

#[test]
fn check_names_the_server_the_key_and_what_is_near_it() {
    let setup = Setup::new("kube-check", 1);
    // A new API server lets nobody ask for its version until it has made its own roles.
    let sound = wait_until("the version in check's report", TOKENS, || {
        Some(check(&setup)).filter(|report| report.contains("Kubernetes v1.20.2 answered in"))
    });
    assert!(sound.contains("does not exist"), "{sound}");
    let _leader = setup.leader(0);
    wait_for("the record in check's report", SOON, || check(&setup).contains("which is this host"));
    let config = setup.kubernetes.config(&setup.hosts[0]);
    let text = config.text();
    let token = setup.kubernetes.host.directory().join("token");
    fs::write(&token, "no token").unwrap();
    let refused = run_check(&setup, &text);
    assert!(refused.contains("does not know this user"), "{refused}");
}

fn check(setup: &Setup) -> String {
    run_check(setup, &setup.kubernetes.config(&setup.hosts[0]).text())
}

fn run_check(setup: &Setup, config: &str) -> String {
    let file = setup.hosts[0].directory().join("check.yml");
    fs::write(&file, config).unwrap();
    let output = vip_manager(&setup.hosts[0]).arg("check").arg("--config").arg(&file).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}
