//! What the status tells of a leader, of a follower, in doubt, and where nobody is there to be asked.

use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;

use super::ask::{LISTEN, PATIENT, program, send, socket, told, try_ask, wait_told};
use crate::support::clock::wait_for;
use crate::support::daemon::{Daemon, KEY, vip_manager};
use crate::support::etcd::{Cluster, ClusterOptions};
use crate::support::host::VIP;
use crate::support::lab::Lab;
use crate::support::setup::{Setup, wait_logged};
use crate::support::store::User;

#[test]
fn the_leader_and_the_follower_each_say_who_holds_the_vip_and_why() {
    let setup = Setup::new("told", 2);
    let leader = setup.lead(&told(&setup, setup.host()), VIP);
    let follower = Daemon::start(&setup.hosts[1], &told(&setup, &setup.hosts[1]));
    wait_told(&leader.host, "/status", "\"state\":\"held\"");
    wait_told(&follower.host, "/status", "\"state\":\"standby\"");

    let (code, text, _) = program(&leader, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    for words in [
        "10.66.0.100/32 on eth0: held",
        &format!("{KEY} holds \"db1\", which is this host"),
        "expected   db1",
        "deadline   in ",
        "has the address, removes it in ",
        "up for ",
    ] {
        assert!(text.contains(words), "{words:?} in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "colour is for terminals:\n{text}");

    let (code, text, _) = program(&follower, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(&format!("{KEY} holds \"db1\", this host is \"db2\"")), "{text}");
    assert!(text.contains("does not have the address"), "{text}");
    let (_, json, _) = program(&follower, &["--json"]);
    assert!(json.starts_with("{\"program\":\"vip-manager\"") && json.contains("\"held\":false"), "{json}");
}

#[test]
fn the_socket_is_for_the_group_and_goes_with_the_daemon() {
    let setup = Setup::new("socket", 1);
    let mut daemon = setup.lead(&told(&setup, setup.host()), VIP);
    wait_told(setup.host(), "/status", "held");
    let mode = std::fs::metadata(socket(setup.host())).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o660);

    // Another daemon with the same socket says so, and is a daemon all the same.
    let other = Daemon::start(&setup.host().clone(), &told(&setup, setup.host()).without("status-listen"));
    wait_logged(&other, "another daemon is listening there");
    assert!(other.ready());
    drop(other);
    wait_told(setup.host(), "/status", "held");

    // What a killed one leaves behind is no obstacle.
    daemon.process.kill();
    assert!(socket(setup.host()).exists());
    let mut daemon = Daemon::start(&setup.host().clone(), &told(&setup, setup.host()));
    wait_told(setup.host(), "/status", "\"daemon\":true");
    daemon.process.signal(Signal::SIGTERM);
    assert!(daemon.process.wait(PATIENT).success());
    assert!(!socket(setup.host()).exists());
}

/// etcd is silent: the VIP is kept to its deadline, and whoever asks is told why and for how long.
#[test]
fn in_doubt_the_status_tells_the_silence_and_readiness_turns_while_health_stays() {
    let mut setup = Setup::new("doubt", 1);
    let config = told(&setup, setup.host()).with("hold-timeout", "60s");
    let daemon = setup.lead(&config, VIP);
    wait_told(setup.host(), "/readyz", "ready");
    setup.cluster.members[0].freeze();
    wait_told(setup.host(), "/status", "\"state\":\"doubtful\"");
    let said = wait_told(setup.host(), "/readyz", "doubtful");
    assert!(said.contains("no confirmation"), "{said}");
    assert!(try_ask(setup.host(), "/readyz").unwrap().0.starts_with("HTTP/1.1 503"));
    assert!(try_ask(setup.host(), "/healthz").unwrap().0.starts_with("HTTP/1.1 200"));
    let (code, text, _) = program(&daemon, &[]);
    assert_eq!(code, Some(0));
    assert!(text.contains("doubtful") && text.contains("not announced"), "{text}");
    setup.cluster.members[0].thaw();
    wait_told(setup.host(), "/readyz", "ready");
    assert!(send(setup.host(), b"GET /readyz HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200"), "{LISTEN}");
    setup.cluster.members[0].kill();
    wait_told(setup.host(), "/status", "\"state\":\"down\"");
}

#[test]
fn without_a_daemon_the_kernel_and_etcd_are_asked_and_the_exit_status_is_1() {
    let setup = Setup::new("nobody", 1);
    let mut daemon = setup.lead(&told(&setup, setup.host()), VIP);
    daemon.process.signal(Signal::SIGTERM);
    daemon.process.wait(PATIENT);
    let (code, text, said) = program(&daemon, &[]);
    assert_eq!(code, Some(1), "{text}{said}");
    assert!(said.contains("no daemon answers") && said.contains("is it running?"), "{said}");
    assert!(text.contains("on eth0: no daemon") && text.contains("holds \"db1\", which is this host"), "{text}");
    assert!(text.contains("does not have the address"), "{text}");
    let (code, json, _) = program(&daemon, &["--json"]);
    assert!(code == Some(1) && json.contains("\"daemon\":false") && json.contains("\"found\":\"db1\""), "{json}");
}

fn user() -> User {
    User { name: "root".to_owned(), password: "s3cret-of-the-lab".to_owned() }
}

/// A password of a URL, a flag or a file is nobody's to read.
#[test]
fn secrets_are_in_no_answer() {
    let lab = Lab::new("secret");
    let cluster =
        Cluster::start_with(&lab, &ClusterOptions { members: 1, user: Some(user()), ..ClusterOptions::default() });
    let host = lab.host("db1");
    let user = user();
    let config = crate::support::daemon::ConfigFile::basic(&host, &cluster)
        .with("status-socket", socket(&host).display())
        .with("etcd-user", &user.name)
        .with("etcd-password", &user.password);
    let daemon = Daemon::start(&host, &config);
    wait_told(&host, "/status", "\"state\":\"standby\"");
    for resource in ["/", "/status", "/events", "/status.txt", "/events.txt", "/metrics", "/readyz"] {
        let (_, body) = try_ask(&host, resource).unwrap();
        assert!(!body.contains(&user.password), "{resource}");
    }
    drop(daemon);
    let refused = vip_manager(&host).args(["show-config", "--status-listen=9899"]).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("expected an address and a port"));
    wait_for("the end", PATIENT, || try_ask(&host, "/status").is_err());
}
