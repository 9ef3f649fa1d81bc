//! The daemon on the v2 API of real etcd members.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "these tests need only a part of the lab")]
mod support;

mod claims;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use vip_manager::time::Moment;

use support::capture::Capture;
use support::clock::{now, pause, wait_for, wait_until};
use support::cut::{Cut, Way};
use support::daemon::{ConfigFile, Daemon, KEY};
use support::etcd::{Cluster, ClusterOptions};
use support::host::{Host, VIP};
use support::lab::Lab;
use support::observer::AddressObserver;
use support::setup::{report, wait_announced, wait_logged};

const SOON: Duration = Duration::from_secs(20);

/// Dropped in this order.
struct Setup {
    daemons: Vec<Daemon>,
    hosts: Vec<Host>,
    observer: AddressObserver,
    cluster: Cluster,
    admin: Host,
    lab: Lab,
}

impl Setup {
    /// Members with the v2 API, and hosts without daemons yet.
    fn bare(name: &str, members: usize, hosts: usize) -> Self {
        let lab = Lab::new(name);
        let options = ClusterOptions { members, arguments: vec!["--enable-v2".into()], ..ClusterOptions::default() };
        let cluster = Cluster::start_with(&lab, &options);
        let hosts: Vec<Host> = (1..=hosts).map(|number| lab.host(&format!("db{number}"))).collect();
        let observer = AddressObserver::over(&hosts.iter().collect::<Vec<_>>());
        let admin = lab.host("writer");
        Self { daemons: Vec::new(), hosts, observer, cluster, admin, lab }
    }

    fn new(name: &str, members: usize, hosts: usize) -> Self {
        let mut setup = Self::bare(name, members, hosts);
        for host in &setup.hosts {
            setup.daemons.push(Daemon::start(host, &setup.config(host)));
        }
        for daemon in &setup.daemons {
            wait_for(&format!("{} to be ready", daemon.host.name()), SOON, || daemon.ready());
        }
        setup
    }

    fn config(&self, host: &Host) -> ConfigFile {
        ConfigFile::of_store(host, "etcd2", &self.cluster.endpoints())
    }

    /// Any request of the v2 API, through whichever member answers.
    fn request(&self, arguments: &[&str], path: &str) -> String {
        wait_until(&format!("{path} to be answered"), SOON, || {
            self.cluster.endpoints().iter().find_map(|endpoint| {
                let url = format!("{endpoint}/v2/{path}");
                let limit = ["-sf", "-m", "5", &url];
                self.admin.attempt("curl", &[&limit, arguments].concat()).ok()
            })
        })
    }

    fn put(&self, value: &str, ttl: Option<u64>) {
        let (value, ttl) = (format!("value={value}"), ttl.map(|ttl| format!("ttl={ttl}")));
        let mut arguments = vec!["-X", "PUT", "-d", &value];
        arguments.extend(ttl.iter().flat_map(|ttl| ["-d", ttl]));
        self.request(&arguments, &format!("keys{KEY}"));
    }

    fn lead(&self, host: usize) {
        self.put(self.hosts[host].name(), None);
        self.observer.wait_held(&self.hosts[host], VIP, SOON);
    }

    fn overlap(&self) -> Duration {
        let pairs = (0..self.hosts.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
        pairs.map(|(one, other)| self.observer.overlap(&self.hosts[one], &self.hosts[other], VIP)).sum()
    }
}

/// Takes the key when it is free, and renews it as Patroni does, from a host.
struct LockHolder {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

const TTL: u64 = 10;

impl LockHolder {
    fn start(host: &Host, endpoints: Vec<String>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, host) = (Arc::clone(&stop), host.clone());
        let thread = std::thread::spawn(move || {
            let (value, previous) = (format!("value={}", host.name()), format!("prevValue={}", host.name()));
            let ttl = format!("ttl={TTL}");
            let mut leads = false;
            while !stopped.load(Ordering::Relaxed) {
                let condition = if leads { previous.as_str() } else { "prevExist=false" };
                for endpoint in &endpoints {
                    let url = format!("{endpoint}/v2/keys{KEY}");
                    let arguments = ["-sf", "-m", "1", "-X", "PUT", "-d", &value, "-d", &ttl, "-d", condition, &url];
                    if host.attempt("curl", &arguments).is_ok() {
                        leads = true;
                        break;
                    }
                }
                pause(if leads { Duration::from_secs(2) } else { Duration::from_millis(50) });
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for LockHolder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// A plain wait, begun before the change that it is to see: no client of the API learns of it earlier.
fn floor(setup: &Setup) -> JoinHandle<Moment> {
    let address = (setup.cluster.members[0].host.v4(), 2379);
    let (ready, begun) = std::sync::mpsc::channel();
    let thread = setup.admin.spawn(move || {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let request = format!("GET /v2/keys{KEY}?wait=true HTTP/1.0\r\nHost: etcd\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut read = [0; 4096];
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n") {
            let count = stream.read(&mut read).unwrap();
            heard.extend_from_slice(&read[..count]);
        }
        ready.send(()).unwrap();
        stream.read_exact(&mut read[..1]).unwrap();
        now()
    });
    begun.recv().unwrap();
    thread
}

#[test]
fn the_vip_follows_the_leader_as_fast_as_etcd_tells() {
    const CHANGES: usize = 20;
    let setup = Setup::new("changes", 3, 2);
    let capture = Capture::on(&setup.admin);
    setup.lead(0);
    let mut later = Vec::new();
    for change in 1..=CHANGES {
        let next = change % 2;
        let (told, since) = (floor(&setup), now());
        setup.put(setup.hosts[next].name(), None);
        let announced = wait_announced(&capture, &setup.hosts[next], VIP, since).at;
        later.push(announced.since(told.join().unwrap()));
        wait_for("the other to let go", SOON, || !setup.observer.holds(&setup.hosts[1 - next], VIP));
    }
    later.sort();
    report("first announcement after a bare client's event, p50", later[CHANGES / 2]);
    report("first announcement after a bare client's event, longest", later[CHANGES - 1]);
    // Far more than is usual: the machine is shared.
    assert!(later[CHANGES / 2] < Duration::from_millis(250), "{later:?}");
    report("overlap of all changes", setup.overlap());
    assert!(setup.overlap() < Duration::from_millis(20) * 20, "{:?}", setup.overlap());
}

#[test]
fn the_holder_is_cut_off_and_lets_go_before_its_key_expires() {
    let setup = Setup::new("cut", 3, 2);
    let endpoints = setup.cluster.endpoints();
    let _first = LockHolder::start(&setup.hosts[0], endpoints.clone());
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    wait_logged(&setup.daemons[0], "grade: exact");
    let _second = LockHolder::start(&setup.hosts[1], endpoints);
    // A few renewals.
    pause(Duration::from_secs(5));
    assert_eq!(setup.observer.intervals(&setup.hosts[0], VIP).len(), 1, "it never let go");
    let members: Vec<&Host> = setup.cluster.members.iter().map(|member| &member.host).collect();
    let cut = Cut::between(&setup.lab, &setup.hosts[0], &members, Way::Both);
    let since = now();
    let gone = setup.observer.wait_gone(&setup.hosts[0], VIP, SOON).unwrap();
    let held = setup.observer.wait_held(&setup.hosts[1], VIP, SOON);
    report("released after the cut", gone.since(since));
    report("the other host held it after the cut", held.since(since));
    assert!(gone < held);
    assert!(held.since(since) < Duration::from_secs(TTL + 5), "{:?}", held.since(since));
    cut.heal();
    pause(Duration::from_secs(3));
    assert_eq!(setup.overlap(), Duration::ZERO);
    assert!(setup.observer.holds(&setup.hosts[1], VIP));
}

#[test]
fn a_wait_whose_events_were_cleared_begins_with_a_read() {
    let setup = Setup::new("cleared", 1, 1);
    setup.lead(0);
    let fill = format!("{}/v2/keys/fill/[1-1100]", setup.cluster.endpoints()[0]);
    setup.admin.run("curl", &["-sf", "-o", "/dev/null", "-X", "PUT", "-d", "value=x", &fill]);
    // Every wait is begun anew meanwhile, with an index that is no longer known.
    pause(Duration::from_secs(24));
    assert_eq!(setup.observer.intervals(&setup.hosts[0], VIP).len(), 1, "it never let go");
    let since = now();
    setup.request(&["-X", "DELETE"], &format!("keys{KEY}"));
    let gone = setup.observer.wait_gone(&setup.hosts[0], VIP, SOON).unwrap();
    assert!(gone.since(since) < Duration::from_secs(1), "{:?}", gone.since(since));
    assert!(!setup.daemons[0].process.logged("endpoint does not serve"), "{}", setup.daemons[0].process.text());
}

#[test]
fn a_key_that_expires_releases_and_a_member_that_dies_changes_nothing() {
    let mut setup = Setup::new("expiry", 3, 1);
    let holder = LockHolder::start(&setup.hosts[0], setup.cluster.endpoints());
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    let leader = setup.cluster.leader();
    setup.cluster.members[leader].kill();
    pause(Duration::from_secs(8));
    assert_eq!(setup.observer.intervals(&setup.hosts[0], VIP).len(), 1, "it never let go");
    drop(holder);
    let gone = setup.observer.wait_gone(&setup.hosts[0], VIP, SOON);
    assert!(gone.is_some());
    let daemon = &setup.daemons[0];
    assert!(!daemon.process.logged("removed by another program"), "{}", daemon.process.text());
}

#[test]
fn a_password_is_asked_for_and_a_server_without_the_api_is_named() {
    let setup = Setup::bare("login", 1, 1);
    setup.put("db1", None);
    let host = &setup.hosts[0];
    let json = ["-H", "Content-Type: application/json", "-X", "PUT", "-d"];
    setup.request(&[&json[..], &[r#"{"user":"root","password":"hunter2"}"#]].concat(), "auth/users/root");
    setup.request(&["-X", "PUT"], "auth/enable");
    let guest = r#"{"role":"guest","revoke":{"kv":{"read":["/*"],"write":["/*"]}}}"#;
    setup.request(&[&json[..], &[guest], &["-u", "root:hunter2"]].concat(), "auth/roles/guest");
    let daemon = Daemon::start(host, &setup.config(host));
    wait_logged(&daemon, "etcd does not let guests read /service/pg_cluster/leader; set dcs-user and dcs-password");
    drop(daemon);
    let config = setup.config(host).with("dcs-user", "root");
    let daemon = Daemon::start(host, &config.clone().with("dcs-password", "letmein"));
    wait_logged(&daemon, "or refuses the password; check dcs-user and dcs-password");
    assert!(!daemon.process.text().contains("letmein"));
    drop(daemon);
    let _daemon = Daemon::start(host, &config.with("dcs-password", "hunter2"));
    setup.observer.wait_held(host, VIP, SOON);

    let lab = Lab::new("off");
    let cluster = Cluster::start(&lab, 1);
    let host = lab.host("db1");
    let daemon = Daemon::start(&host, &ConfigFile::of_store(&host, "etcd2", &cluster.endpoints()));
    wait_logged(&daemon, "it does not serve etcd's v2 API (status 404); set dcs-type: etcd for the v3 API");
}
