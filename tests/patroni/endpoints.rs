//! Whose Patroni is asked, and how configurations in use name it.

use std::time::Duration;

use crate::support::clock::pause;
use crate::support::daemon::Daemon;
use crate::support::host::{INTERFACE, VIP};
use crate::support::rest::PORT;
use crate::support::setup::wait_logged;
use crate::{Cluster, config};

#[test]
fn the_patroni_of_another_host_is_not_asked_with_200() {
    let mut cluster = Cluster::new("rest-remote", 2);
    cluster.apis[1].lead(true);
    let remote = format!("http://{}:{PORT}", cluster.hosts[1].v4());
    cluster.start_daemons(&config().with("dcs-endpoints", &remote));
    wait_logged(&cluster.daemons[0], "it is not an address of this host");
    wait_logged(&cluster.daemons[0], "or trigger-value to this host's member name in Patroni");
    cluster.wait_held(1);
    assert_eq!(cluster.times_held(0), 0);
    // Its own address need not be the loopback.
    wait_logged(&cluster.daemons[1], &format!("ago from {remote}"));
}

/// As old files list them for etcd: each host uses its own.
#[test]
fn of_all_members_each_host_asks_its_own() {
    let mut cluster = Cluster::new("rest-list", 2);
    cluster.apis[1].lead(true);
    let all: Vec<String> = cluster.hosts.iter().map(|host| format!("{}:{PORT}", host.v4())).collect();
    cluster.start_daemons(&config().with("dcs-endpoints", all.join(",")));
    cluster.wait_held(1);
    cluster.apis[1].lead(false);
    cluster.wait_gone(1);
    cluster.apis[0].lead(true);
    cluster.wait_held(0);
    assert_eq!(cluster.times_held(1), 1);
}

/// A balancer in front of all members would answer alike on every host, but for the name.
#[test]
fn with_a_members_name_any_endpoint_will_do() {
    let cluster = Cluster::new("rest-named", 2);
    cluster.apis[1].lead(true);
    let shared = format!("http://{}:{PORT}", cluster.hosts[1].v4());
    let file = config().with("dcs-endpoints", shared);
    let start = |host: usize| {
        let file = file.clone().with("trigger-value", cluster.hosts[host].name());
        Daemon::start(&cluster.hosts[host], &file)
    };
    let daemons = [start(0), start(1)];
    cluster.wait_held(1);
    wait_logged(&daemons[0], "/leader holds \"db2\", this host is \"db1\"");
    cluster.apis[1].lead(false);
    cluster.wait_gone(1);
    wait_logged(&daemons[0], "it is the Patroni of db2, which does not lead, not of this host");
    pause(Duration::from_secs(1));
    assert_eq!((cluster.times_held(0), cluster.times_held(1)), (0, 1));
}

/// Patroni 3.0, with the name that `patroni-config` brings.
#[test]
fn an_old_patroni_that_tells_no_name_is_known_by_its_address() {
    let mut cluster = Cluster::new("rest-nameless", 2);
    cluster.apis.iter().for_each(|api| api.say(|said| said.name.clear()));
    cluster.apis[0].lead(true);
    let file = config().with("trigger-value", "db1");
    cluster.daemons.push(Daemon::start(&cluster.hosts[0], &file));
    cluster.wait_held(0);
    cluster.apis[0].lead(false);
    cluster.wait_gone(0);
    // One of another host would answer alike for every host.
    cluster.apis[1].lead(true);
    let remote = format!("http://{}:{PORT}", cluster.hosts[1].v4());
    let asks_another = Daemon::start(&cluster.hosts[0], &file.with("dcs-endpoints", remote));
    wait_logged(&asks_another, "this release of Patroni does not tell its name");
    assert_eq!(cluster.times_held(0), 1);
}

/// Files that are in use with vip-manager 1 to 5.
#[test]
fn configurations_in_use_work_as_they_are() {
    for (number, lines) in [
        "trigger-key: \"/leader\"\ntrigger-value: 200\ndcs-type: patroni\ndcs-endpoints: http://127.0.0.1:8008/",
        "trigger-key: /leader\ntrigger-value: \"200\"\ndcs-type: patroni\ndcs-endpoints:\n  - http://127.0.0.1:8008",
        "trigger-key: \"//leader\"\ntrigger-value: 200\ndcs-type: patroni\ninterval: 1000\nhosting-type: basic",
        "key: \"/leader\"\nnodename: 200\ntype: patroni\nendpoint: http://127.0.0.1:8008\nretry_num: 2\nretry_after: 250",
        "trigger-key: /primary\ndcs-type: patroni\ndcs-endpoints: 127.0.0.1:8008\nverbose: false",
        "dcs-type: patroni\ntrigger-key: /master",
    ]
    .into_iter()
    .enumerate()
    {
        let mut cluster = Cluster::new(&format!("rest-file{number}"), 1);
        cluster.apis[0].lead(true);
        let text = format!("ip: {VIP}\nnetmask: 24\ninterface: {INTERFACE}\n{lines}\n");
        let daemon = Daemon::start_with(&cluster.hosts[0], &text, &[]);
        cluster.daemons.push(daemon);
        cluster.wait_held(0);
        let path = if lines.contains("primary") { "/primary" } else if lines.contains("master") { "/master" } else { "/leader" };
        assert!(cluster.apis[0].asked().contains(&path.to_owned()), "{lines}");
    }
}
