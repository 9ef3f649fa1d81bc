//! The log answers "why": one line a transition, nothing in between, in the form that its reader wants.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::linux::fs::MetadataExt;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::clock::{pause, wait_for};
use crate::support::daemon::{Daemon, KEY, vip_manager};
use crate::support::etcd::{Cluster, ClusterOptions};
use crate::support::host::VIP;
use crate::support::lab::Lab;
use crate::support::process::Process;
use crate::support::setup::{SOON, Setup, wait_logged, wait_status};
use crate::support::store::User;

/// "IP address X state is false, desired false" was the most repeated question: vip-manager #151, #270, #308, #157.
#[test]
fn each_transition_is_one_line_that_says_what_was_found_expected_read_when_and_from_whom() {
    let setup = Setup::new("logs", 1);
    let daemon = Daemon::start(setup.host(), &setup.config());
    wait_logged(&daemon, "not acquiring: /service/pg_cluster/leader is absent, this host is \"db1\"");

    // A name that is nearly right.
    setup.cluster.store().put(KEY, "db1.example.com");
    wait_logged(&daemon, "holds \"db1.example.com\", this host is \"db1\"");

    let lease = setup.cluster.store().grant(20);
    setup.cluster.store().put_leased(KEY, "db1", lease);
    wait_logged(&daemon, "acquired in");
    wait_status(&daemon, "held");
    setup.cluster.store().revoke(lease);
    wait_logged(&daemon, "released in");
    wait_status(&daemon, "standby");
    daemon.process.signal(Signal::SIGTERM);

    let text = daemon.process.text();
    let the_line = |words: &str| {
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(words)).collect();
        assert_eq!(lines.len(), 1, "one line with {words:?} in:\n{text}");
        lines[0].to_owned()
    };
    let member = format!("from http://{}:2379", setup.cluster.members[0].host.v4());
    let up = the_line("acquired in");
    for word in [" INFO ", "10.66.0.100/32 on eth0", KEY, "holds \"db1\"", "which is this host", "ago ", &member] {
        assert!(up.contains(word), "no {word:?} in: {up}");
    }
    assert!(up.contains("lease 19.0 s left") || up.contains("lease 20.0 s left"), "{up}");
    assert!(up.contains("held for 10.0 s unless confirmed") || up.contains("held for 9.9 s unless"), "{up}");
    let gone = the_line("released in");
    for word in [" INFO ", " ms: ", KEY, "is absent", "this host is \"db1\"", &member] {
        assert!(gone.contains(word), "no {word:?} in: {gone}");
    }
    assert_eq!(text.lines().filter(|line| line.contains("not acquiring")).count(), 2, "{text}");
}

/// "The same line every 10 s for ever."
#[test]
fn a_steady_state_is_silent_for_leader_and_follower_and_while_etcd_is_away() {
    let setup = Setup::new("quiet", 2);
    let quick = |host| crate::support::daemon::ConfigFile::basic(host, &setup.cluster).with("interval", 200);
    let daemons = [0, 1].map(|place| Daemon::start(&setup.hosts[place], &quick(&setup.hosts[place])));
    setup.set_leader(setup.host());
    wait_status(&daemons[0], "held");
    wait_status(&daemons[1], "standby (/service/pg_cluster/leader holds \"db1\"");
    let known = daemons.each_ref().map(|daemon| daemon.process.lines().len());
    pause(Duration::from_secs(15));
    for (daemon, known) in daemons.iter().zip(known) {
        let new: Vec<String> = daemon.process.lines_after(known).into_iter().map(|line| line.text).collect();
        assert_eq!(new, [""; 0], "{}", daemon.host.name());
    }
    // Nor is an outage told over and over.
    setup.cluster.members[0].freeze();
    setup.observer.wait_gone(setup.host(), VIP, 2 * SOON);
    let known = daemons.each_ref().map(|daemon| daemon.process.lines().len());
    pause(Duration::from_secs(8));
    for (daemon, known) in daemons.iter().zip(known) {
        let new: Vec<String> = daemon.process.lines_after(known).into_iter().map(|line| line.text).collect();
        assert!(new.len() <= 2, "{}: {new:#?}", daemon.host.name());
    }
    setup.cluster.members[0].thaw();
    setup.observer.wait_held(setup.host(), VIP, 3 * SOON);
}

#[test]
fn journald_gets_priorities_and_no_timestamps() {
    let setup = Setup::new("journal", 1);
    let config = setup.lab.directory().join("journal.yml");
    std::fs::write(&config, setup.config().with("ip", "10.66.0.100").with("log-level", "debug").text()).unwrap();
    let path = setup.lab.directory().join("journal");
    let journal = File::create(&path).unwrap();
    let stat = journal.metadata().unwrap();
    let mut command = vip_manager(setup.host());
    command.arg("--config").arg(&config);
    command.env("JOURNAL_STREAM", format!("{}:{}", stat.st_dev(), stat.st_ino()));
    // The lab takes stderr for itself, so the daemon is given the file by a shell.
    let mut shell = setup.host().command("sh");
    shell.args(["-c", "journal=$1; shift; exec \"$@\" 2>>\"$journal\"", "sh"]).arg(&path);
    shell.args(command.get_args().skip(3)).envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut daemon = Process::start("vip-manager under journald", shell);
    setup.set_leader(setup.host());
    setup.observer.wait_held(setup.host(), VIP, SOON);
    setup.host().ip(&format!("addr del {VIP}/32 dev eth0"));
    let read = || {
        let mut text = String::new();
        File::open(&path).unwrap().read_to_string(&mut text).unwrap();
        text
    };
    wait_for("a warning", SOON, || read().contains("restored and announced"));
    daemon.signal(Signal::SIGTERM);
    daemon.wait(SOON);
    let text = read();
    for line in text.lines() {
        assert!(["<3>", "<4>", "<6>", "<7>"].iter().any(|priority| line.starts_with(priority)), "{line}");
        assert!(!line.contains("202") && !line.contains('\x1b'), "a timestamp or colour: {line}");
    }
    for beginning in ["<6>10.66.0.100/32 on eth0 acquired", "<4>10.66.0.100/32 on eth0 removed", "<7>"] {
        assert!(text.lines().any(|line| line.starts_with(beginning)), "{beginning}: {text}");
    }
}

#[test]
fn json_lines_can_be_read_by_a_machine_whatever_the_key_holds() {
    let setup = Setup::new("json", 1);
    setup.cluster.store().put(KEY, "a \"quoted\" \\ name\nwith a line's end and \u{1b}[31mred");
    let daemon = Daemon::start(setup.host(), &setup.config().with("log-format", "json"));
    wait_logged(&daemon, "quoted");
    setup.set_leader(setup.host());
    setup.observer.wait_held(setup.host(), VIP, SOON);
    wait_logged(&daemon, "acquired in");
    for line in daemon.process.lines() {
        let members: BTreeMap<String, String> =
            serde_json::from_str(&line.text).unwrap_or_else(|error| panic!("{error}: {}", line.text));
        let value = |name: &str| members.get(name).map(String::as_str);
        assert!(value("time").is_some_and(|time| time.starts_with("20") && time.ends_with('Z')), "{}", line.text);
        assert!(value("message").is_some_and(|message| !message.is_empty()), "{}", line.text);
        assert!(["info", "warn", "error"].contains(&value("level").unwrap()), "{}", line.text);
    }
}

#[test]
fn what_a_stranger_wrote_into_the_key_stays_one_line_and_cannot_colour_it() {
    let setup = Setup::new("stranger", 1);
    setup.cluster.store().put(KEY, "evil\nERROR a line of its own \u{1b}[2J");
    let daemon = Daemon::start(setup.host(), &setup.config());
    wait_logged(&daemon, r"evil\nERROR a line of its own \u{1b}[2J");
    assert!(!daemon.process.text().contains('\x1b'));
}

/// "Passwords in endpoint URLs were printed."
#[test]
fn no_output_ever_shows_a_password() {
    let lab = Lab::new("secret");
    let secret = "tr0ub4dor";
    let user = User { name: "root".to_owned(), password: secret.to_owned() };
    let cluster =
        Cluster::start_with(&lab, &ClusterOptions { members: 1, user: Some(user), ..ClusterOptions::default() });
    let host = lab.host("db1");
    cluster.store().put(KEY, "db1");
    let config = crate::support::daemon::ConfigFile::basic(&host, &cluster)
        .with("etcd-user", "root")
        .with("etcd-password", secret)
        .with("log-level", "trace");
    let mut daemon = Daemon::start(&host, &config);
    wait_logged(&daemon, "acquired in");
    daemon.process.signal(Signal::SIGHUP);
    wait_logged(&daemon, "configuration reloaded");
    cluster.store().put(KEY, "nobody");
    wait_logged(&daemon, "released in");
    daemon.process.signal(Signal::SIGTERM);
    daemon.process.wait(SOON);
    assert!(!daemon.process.text().contains(secret));

    // A wrong one is as secret, also where a user wrote it into the URL.
    let url = format!("http://root:{secret}@{}:2379", cluster.members[0].host.v4());
    for config in [config.clone().with("etcd-password", "wr0ngsecret"), config.with("dcs-endpoints", url)] {
        let mut daemon = Daemon::start(&host, &config);
        wait_for("some words", SOON, || daemon.process.lines().len() > 3 || daemon.process.ended().is_some());
        let text = daemon.process.text();
        assert!(!text.contains("wr0ngsecret") && !text.contains(secret), "{text}");
    }
}
