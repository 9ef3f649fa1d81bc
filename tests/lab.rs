//! Tests of the lab itself: its observers must be shown to see what they report about the daemon.

#[expect(dead_code, reason = "the self-tests use only a part of the lab")]
mod support;

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::capture::{Capture, Form};
use support::clock::{now, pause, wait_for, wait_until};
use support::cut::{Cut, Way};
use support::etcd::{Cluster, ClusterOptions};
use support::host::{Host, INTERFACE, VIP, VIP6};
use support::lab::Lab;
use support::observer::AddressObserver;
use support::patroni::{Patroni, Role, Timing, switch_over};
use support::ping::Pinger;
use support::store::User;
use support::tcp::{ConnectionState, EchoServer, TcpClient};
use support::tls::{KeyForm, Tls};
use support::watcher::Watcher;
use support::{holding, sweep};

const SOON: Duration = Duration::from_secs(20);

fn add_vip(host: &Host, lifetime: &str) {
    host.ip(&format!("addr add {VIP}/32 dev {INTERFACE} valid_lft {lifetime} preferred_lft {lifetime}"));
}

fn delete_vip(host: &Host) {
    host.ip(&format!("addr del {VIP}/32 dev {INTERFACE}"));
}

fn connect(from: &Host, to: &Host, port: u16, limit: Duration) -> Result<(), ErrorKind> {
    let target = SocketAddr::new(IpAddr::V4(to.v4()), port);
    from.enter(move || TcpStream::connect_timeout(&target, limit).map(|_| ()).map_err(|error| error.kind()))
}

#[test]
fn a_cut_drops_packets_silently_and_a_closed_port_refuses() {
    let lab = Lab::new("cut");
    let (one, other) = (lab.host("one"), lab.host("other"));
    let brief = Duration::from_millis(300);
    assert_eq!(connect(&one, &other, 9, SOON), Err(ErrorKind::ConnectionRefused));
    for way in [Way::Out, Way::In, Way::Both] {
        let cut = Cut::between(&lab, &one, &[&other], way);
        assert_eq!(connect(&one, &other, 9, brief), Err(ErrorKind::TimedOut), "{way:?}");
        cut.heal();
        assert_eq!(connect(&one, &other, 9, SOON), Err(ErrorKind::ConnectionRefused), "{way:?}");
    }
    let cut = Cut::of_port(&lab, &one, &[&other], 9, Way::Both);
    assert_eq!(connect(&one, &other, 9, brief), Err(ErrorKind::TimedOut));
    assert_eq!(connect(&one, &other, 10, SOON), Err(ErrorKind::ConnectionRefused), "another port is not cut");
    drop(cut);
    let _off = Cut::off(&lab, &other);
    assert_eq!(connect(&one, &other, 9, brief), Err(ErrorKind::TimedOut));
    assert!(one.ip("link show dev eth0").contains("LOWER_UP"), "a cut must not take a link down");
    assert!(other.ip("link show dev eth0").contains("LOWER_UP"), "a cut must not take a link down");
}

#[test]
fn the_observer_sees_an_address_added_removed_and_expired() {
    let lab = Lab::new("observer");
    let (one, other) = (lab.host("one"), lab.host("other"));
    let observer = AddressObserver::over(&[&one, &other]);
    assert!(observer.intervals(&one, VIP).is_empty());

    add_vip(&one, "forever");
    let since = observer.wait_held(&one, VIP, SOON);
    assert!(one.carries(VIP) && observer.held_at(&one, VIP, since));
    add_vip(&other, "1");
    observer.wait_held(&other, VIP, SOON);
    pause(Duration::from_millis(100));
    delete_vip(&one);
    let gone = observer.wait_gone(&one, VIP, SOON).unwrap();
    assert!(!observer.held_at(&one, VIP, gone) && !one.carries(VIP));
    observer.wait_gone(&other, VIP, SOON);
    assert!(!other.carries(VIP), "the kernel removed the expired address");

    let overlap = observer.overlap(&one, &other, VIP);
    assert!(overlap >= Duration::from_millis(100) && overlap < Duration::from_secs(4), "{overlap:?}");
    let lifetimes: Vec<_> = observer.notices().into_iter().map(|notice| notice.what).collect();
    assert_eq!(lifetimes[0], holding::What::Shown { lifetime: None });
    assert_eq!(lifetimes[1], holding::What::Shown { lifetime: Some(Duration::from_secs(1)) });
}

#[test]
fn the_capture_sees_an_announcement_and_the_neighbour_table_follows() {
    let lab = Lab::new("capture");
    let (one, other, client) = (lab.host("one"), lab.host("other"), lab.host("client"));
    let capture = Capture::on(&client);
    add_vip(&one, "forever");
    client.run("ping", &["-n", "-c1", "-w5", &VIP.to_string()]);
    assert_eq!(client.neighbour(VIP), Some(one.mac()));

    delete_vip(&one);
    add_vip(&other, "forever");
    let before = now();
    other.run("arping", &["-q", "-U", "-c", "1", "-I", INTERFACE, &VIP.to_string()]);
    let seen = wait_until("the announcement", SOON, || capture.first(before, VIP, &other.mac()));
    assert_eq!(seen.form, Form::ArpRequest);
    assert_eq!(seen.source, seen.mac);
    assert_eq!(capture.since(before, VIP).len(), 1, "the client's own requests are not announcements");
    wait_for("the neighbour table", SOON, || client.neighbour(VIP) == Some(other.mac()));
}

#[test]
fn the_capture_reads_a_neighbour_advertisement() {
    let lab = Lab::new("advertised");
    let (one, client) = (lab.host("one"), lab.host("client"));
    one.sysctl("net/ipv6/conf/eth0/ndisc_notify", "1");
    let capture = Capture::on(&client);
    let before = now();
    one.ip(&format!("addr add {VIP6}/128 dev {INTERFACE} nodad"));
    // The kernel advertises its addresses when the link comes up.
    one.ip(&format!("link set {INTERFACE} address 02:00:00:00:00:66"));
    let seen = wait_until("the advertisement", SOON, || capture.first(before, VIP6, "02:00:00:00:00:66"));
    assert_eq!(seen.form, Form::NeighbourAdvertisement);
}

#[test]
fn the_pinger_counts_lost_pings_and_measures_the_outage() {
    let lab = Lab::new("ping");
    let (one, client) = (lab.host("one"), lab.host("client"));
    add_vip(&one, "forever");
    let pinger = Pinger::start(&client, VIP, Duration::from_millis(10));
    wait_for("some answers", SOON, || pinger.pings().answers.len() > 20);
    let cut = Cut::off(&lab, &one);
    pause(Duration::from_millis(300));
    cut.heal();
    let answered = pinger.pings().answers.len();
    wait_for("more answers", SOON, || pinger.pings().answers.len() > answered + 20);
    let pings = pinger.stop();
    assert!((10..=60).contains(&pings.lost()), "{} of {}", pings.lost(), pings.sent);
    let outage = pings.longest_outage();
    assert!(outage >= Duration::from_millis(280) && outage < Duration::from_millis(800), "{outage:?}");

    let calm = Pinger::start(&client, VIP, Duration::from_millis(10));
    wait_for("fifty answers", SOON, || calm.pings().answers.len() > 50);
    assert_eq!(calm.stop().lost(), 0);
}

#[test]
fn the_tcp_client_distinguishes_open_silent_and_reset() {
    let lab = Lab::new("tcp");
    let (one, client) = (lab.host("one"), lab.host("client"));
    add_vip(&one, "forever");
    let _server = EchoServer::on(&one);
    let connection = TcpClient::connect(&client, VIP).unwrap();
    pause(Duration::from_millis(300));
    let alive = connection.status();
    assert_eq!(alive.state, ConnectionState::Open);
    assert!(alive.longest_silence < Duration::from_millis(200), "{alive:?}");

    let cut = Cut::off(&lab, &one);
    wait_for("a silence", SOON, || connection.status().longest_silence > Duration::from_millis(500));
    assert_eq!(connection.status().state, ConnectionState::Open, "silence is not a reset");
    cut.heal();
    let healed = now();
    wait_for("an answer again", SOON, || connection.status().last_answer > healed);

    one.run("ss", &["-K", "src", &VIP.to_string()]);
    wait_for("the reset", SOON, || matches!(connection.status().state, ConnectionState::Reset(_)));
    delete_vip(&one);
    assert!(TcpClient::connect(&client, VIP).is_err());
}

#[test]
fn an_etcd_cluster_moves_its_leader_compacts_and_survives_the_loss_of_a_member() {
    let lab = Lab::new("etcd");
    let mut cluster = Cluster::start(&lab, 3);
    let store = cluster.store().clone();
    store.put("/a", "1");
    let leader = cluster.leader();
    let next = cluster.move_leader();
    assert_ne!(leader, next);
    cluster.compact();
    cluster.defragment();

    cluster.members[next].kill();
    wait_for("a write without the leader", SOON, || store.with(|client| client.put("/a", "2", 0)).is_ok());
    assert_eq!(store.get("/a").unwrap().value, "2");
    cluster.members[next].restart();
    wait_for("the member to answer", SOON, || {
        cluster.members[next]
            .host
            .attempt("etcdctl", &["--endpoints", &cluster.members[next].client_address(), "get", "/a"])
            .is_ok()
    });

    let lease = store.grant(5);
    store.put_leased("/leased", "x", lease);
    assert_eq!(store.get("/leased").unwrap().lease, lease);
    assert!(store.keep_alive(lease));
    wait_for("the lease's end", SOON, || store.get("/leased").is_none());
    assert!(!store.keep_alive(lease));
    for member in &cluster.members {
        wait_for("a member that knows its leader", SOON, || member.metric("etcd_server_has_leader") > 0.0);
    }
}

#[test]
fn an_etcd_member_requires_a_client_certificate_and_a_password() {
    let lab = Lab::new("tls");
    let tls = Tls::new(&lab);
    let user = User { name: "root".to_owned(), password: "correct horse".to_owned() };
    let options = ClusterOptions {
        members: 1,
        tls: Some(tls.clone()),
        client_certificates: true,
        user: Some(user),
        ..ClusterOptions::default()
    };
    let cluster = Cluster::start_with(&lab, &options);
    cluster.store().put("/a", "1");
    let client = lab.host("client");
    let endpoint = &cluster.endpoints()[0];
    for form in [KeyForm::EcPkcs8, KeyForm::EcSec1, KeyForm::RsaPkcs8, KeyForm::RsaPkcs1] {
        let identity = tls.client("client", form);
        let (ca, certificate, key) =
            (tls.ca_file(), identity.certificate.display().to_string(), identity.key.display().to_string());
        let ask = |user: &str| {
            let ca = ca.display().to_string();
            let arguments = [
                "--endpoints",
                endpoint,
                "--cacert",
                &ca,
                "--cert",
                &certificate,
                "--key",
                &key,
                "--user",
                user,
                "get",
                "/a",
            ];
            client.attempt("etcdctl", &arguments)
        };
        assert_eq!(ask("root:correct horse").unwrap(), "/a\n1\n", "{form:?}");
        assert!(ask("root:wrong").unwrap_err().contains("authentication failed"), "{form:?}");
    }
    let ca = tls.ca_file().display().to_string();
    let bare = client.attempt("etcdctl", &["--dial-timeout=1s", "--endpoints", endpoint, "--cacert", &ca, "get", "/a"]);
    assert!(bare.is_err(), "a client without a certificate is refused");
}

#[test]
fn patroni_leads_and_is_succeeded_when_its_lease_has_expired() {
    let lab = Lab::new("patroni");
    let cluster = Cluster::start(&lab, 1);
    let timing = Timing { ttl: 3, loop_wait: Duration::from_millis(500), ..Timing::default() };
    let hosts = [lab.host("db1"), lab.host("db2")];
    let [one, other] = hosts.each_ref().map(|host| Patroni::start(host, &cluster, &timing));
    let holder = || cluster.store().get(&timing.key).map(|entry| entry.value);

    one.take_over();
    assert_eq!(holder().as_deref(), Some("db1"));
    let watcher = Watcher::on(&hosts[0], &cluster, "/service/");
    // The start of a watch cannot be seen from here, so write probes until it reports one.
    wait_for("the watcher", SOON, || {
        cluster.store().put("/service/probe", "?");
        !watcher.changes().is_empty()
    });
    watcher.clear();
    switch_over(&one, &other);
    // The last probe may be reported only now.
    let of_the_key = || watcher.changes().into_iter().filter(|change| change.key == timing.key).collect::<Vec<_>>();
    let changes =
        wait_until("two changes of the key", SOON, || Some(of_the_key()).filter(|changes| changes.len() >= 2));
    let values: Vec<_> = changes.iter().map(|change| change.value.as_deref()).collect();
    assert_eq!(values, [None, Some("db2")]);
    assert!(changes[0].at <= changes[1].at);
    assert_eq!(holder().as_deref(), Some("db2"));
    assert_eq!(one.role(), Role::Follower { may_lead: false });

    one.may_lead(true);
    pause(Duration::from_secs(4));
    assert_eq!(holder().as_deref(), Some("db2"), "a live leader refreshes its lease");
    other.die();
    let died = now();
    wait_for("the successor", 2 * SOON, || holder().as_deref() == Some("db1"));
    let remaining = now().since(died);
    assert!(remaining > Duration::from_secs(2), "the lease expired only {remaining:?} after its owner died");
    other.revive(true);
    assert_eq!(holder().as_deref(), Some("db1"));
}

#[test]
fn leftovers_of_a_killed_lab_are_removed() {
    // A process that has ended and been reaped: a lab with its pid is a leftover.
    let mut gone = Command::new("true").stdin(Stdio::null()).spawn().unwrap();
    gone.wait().unwrap();
    let namespace = format!("viplab-{}-1-left", gone.id());
    let directory = sweep::directories().join(format!("viplab-{}-1-left", gone.id()));
    support::command::run("ip", &["netns", "add", &namespace]);
    std::fs::create_dir(&directory).unwrap();
    let mut orphan = Command::new("ip").args(["netns", "exec", &namespace, "sleep", "60"]).spawn().unwrap();

    let lab = Lab::new("sweep");
    sweep::leftovers();
    assert!(!Path::new("/run/netns").join(&namespace).exists());
    assert!(!directory.exists());
    assert!(!orphan.wait().unwrap().success(), "its processes are killed, too");

    let (own, files) = (lab.host("own").namespace().to_owned(), lab.directory().to_owned());
    assert!(Path::new("/run/netns").join(&own).exists(), "a lab in use is left alone");
    sweep::leftovers();
    assert!(Path::new("/run/netns").join(&own).exists(), "a lab in use is left alone");
    drop(lab);
    assert!(!Path::new("/run/netns").join(&own).exists() && !files.exists(), "a dropped lab leaves nothing");
}

mod intervals {
    use std::net::IpAddr;
    use std::time::Duration;

    use vip_manager::time::Moment;

    use super::support::holding::{Interval, Notice, What, intervals, overlap};

    const SHOWN: What = What::Shown { lifetime: None };
    const ADDRESS: IpAddr = super::VIP;

    fn at(milliseconds: u64) -> Moment {
        Moment::from_boot(Duration::from_millis(milliseconds))
    }

    fn notice(milliseconds: u64, prefix: u8, what: What) -> Notice {
        Notice { at: at(milliseconds), host: "a".to_owned(), address: ADDRESS, prefix, what }
    }

    #[test]
    fn a_renewal_extends_the_same_interval() {
        let notices = [notice(1, 32, SHOWN), notice(2, 32, SHOWN), notice(5, 32, What::Removed), notice(7, 32, SHOWN)];
        let expected = [Interval { from: at(1), until: Some(at(5)) }, Interval { from: at(7), until: None }];
        assert_eq!(intervals(&notices, "a", ADDRESS), expected);
        assert!(intervals(&notices, "b", ADDRESS).is_empty());
    }

    #[test]
    fn an_address_with_two_prefixes_is_held_until_both_are_removed() {
        let notices =
            [notice(1, 24, SHOWN), notice(2, 32, SHOWN), notice(3, 24, What::Removed), notice(4, 32, What::Removed)];
        assert_eq!(intervals(&notices, "a", ADDRESS), [Interval { from: at(1), until: Some(at(4)) }]);
    }

    #[test]
    fn two_hosts_overlap_while_both_hold_the_address() {
        let one = [Interval { from: at(0), until: Some(at(10)) }];
        let other = [Interval { from: at(7), until: None }];
        assert_eq!(overlap(&one, &other, at(20)), Duration::from_millis(3));
        assert_eq!(overlap(&other, &one, at(8)), Duration::from_millis(1));
        let later = [Interval { from: at(10), until: None }];
        assert_eq!(overlap(&one, &later, at(20)), Duration::ZERO);
    }
}

mod pings {
    use std::time::Duration;

    use vip_manager::time::Moment;

    use super::support::ping::Pings;

    #[test]
    fn a_request_without_a_reply_is_lost_and_makes_an_outage() {
        let text = "PING 10.66.0.100 (10.66.0.100) 56(84) bytes of data.\n\
            [1000.100000] 64 bytes from 10.66.0.100: icmp_seq=1 ttl=64 time=0.05 ms\n\
            [1000.120000] no answer yet for icmp_seq=2\n\
            [1000.140000] From 10.66.0.9 icmp_seq=3 Destination Host Unreachable\n\
            [1000.160000] 64 bytes from 10.66.0.100: icmp_seq=4 ttl=64 time=0.05 ms\n";
        let mut pings = Pings::every(Duration::from_millis(20));
        text.lines().for_each(|line| pings.read(line, Moment::from_boot));
        assert_eq!((pings.sent, pings.lost()), (4, 2));
        assert_eq!(pings.longest_outage().as_millis(), 60);
        assert_eq!(pings.outages().len(), 1);
    }
}
