//! Leader changes, and what must not be taken for one.

use std::time::Duration;

use vip_manager::time::Moment;

use crate::support::capture::Capture;
use crate::support::clock::{now, pause, wait_for, wait_until};
use crate::support::consul::lock::{LockHolder, Timing};
use crate::support::host::VIP;
use crate::support::setup::{report, wait_announced};
use crate::{KEY, SETTINGS, SOON, Setup};

const CHANGES: usize = 20;

/// A plain blocking query, begun before the change that it is to see: no client of Consul learns of it earlier.
struct Floor(std::thread::JoinHandle<Moment>);

impl Floor {
    fn begin(setup: &Setup) -> Self {
        let index = setup.consul.request(0, "GET", &format!("/v1/kv/{KEY}?consistent"), "").index;
        let (server, admin) = (setup.consul.leader(), setup.consul.admin.clone());
        let address = setup.consul.servers[server].host.v4();
        let (ready, begun) = std::sync::mpsc::channel();
        let thread = admin.spawn(move || {
            use std::io::{Read, Write};
            let mut stream = std::net::TcpStream::connect((address, 8500)).unwrap();
            let request =
                format!("GET /v1/kv/{KEY}?consistent&index={index}&wait=60s HTTP/1.0\r\nHost: consul\r\n\r\n");
            stream.write_all(request.as_bytes()).unwrap();
            ready.send(()).unwrap();
            let mut first = [0];
            stream.read_exact(&mut first).unwrap();
            now()
        });
        begun.recv().unwrap();
        // It has been sent, and now Consul has to begin to wait.
        pause(Duration::from_millis(50));
        Self(thread)
    }

    fn heard(self) -> Moment {
        self.0.join().unwrap()
    }
}

#[test]
fn the_vip_follows_the_leader_as_fast_as_consul_tells() {
    let setup = Setup::new("changes", 3, 2);
    let capture = Capture::on(&setup.consul.admin);
    setup.lead(0);
    let mut later = Vec::new();
    for change in 1..=CHANGES {
        let next = change % 2;
        let floor = Floor::begin(&setup);
        let since = now();
        setup.consul.put(KEY, setup.hosts[next].name());
        let told = floor.heard();
        let announced = wait_announced(&capture, &setup.hosts[next], VIP, since).at;
        later.push(announced.since(told));
        wait_for("the other to let go", SOON, || !setup.holds(1 - next));
    }
    later.sort();
    report("first announcement after a bare client's event, p50", later[CHANGES / 2]);
    report("first announcement after a bare client's event, longest", later[CHANGES - 1]);
    // Far more than is usual: the machine is shared.
    assert!(later[CHANGES / 2] < Duration::from_millis(250), "{later:?}");
    // Two hosts learn of a change at the same time, and the new one may be a little faster.
    report("overlap of all changes", setup.overlap());
    assert!(setup.overlap() < Duration::from_millis(20) * 20, "{:?}", setup.overlap());
}

#[test]
fn a_key_that_goes_releases_at_once_and_other_keys_change_nothing() {
    let setup = Setup::new("absent", 1, 1);
    setup.lead(0);
    for number in 0..20 {
        setup.consul.put(&format!("service/pg_cluster/other{number}"), "x");
    }
    assert_eq!(setup.times_held(0), 1);
    let since = now();
    setup.consul.request(0, "DELETE", &format!("/v1/kv/{KEY}"), "");
    let gone = setup.observer.wait_gone(&setup.hosts[0], VIP, SOON).unwrap();
    report("released after the key was deleted", gone.since(since));
    assert!(gone.since(since) < Duration::from_secs(1));
    // While it is absent, every write of another key wakes the query.
    setup.consul.put("service/pg_cluster/other", "y");
    setup.lead(0);
}

#[test]
fn a_store_that_counts_from_a_lower_index_is_followed() {
    let setup = Setup::new("restored", 1, 2);
    setup.lead(1);
    let daemon = setup.lab.directory().join("snapshot");
    let (port, file) = (crate::support::consul::PORT, daemon.display().to_string());
    let at = format!("http://{}:{port}/v1/snapshot", setup.consul.servers[0].host.v4());
    setup.consul.admin.run("curl", &["-sf", "-o", &file, &at]);
    let before = setup.consul.request(0, "GET", &format!("/v1/kv/{KEY}"), "").index;
    for number in 0..200 {
        setup.consul.put(&format!("other{}", number % 10), "x");
    }
    setup.lead(0);
    setup.consul.admin.run("curl", &["-sf", "-X", "PUT", "--data-binary", &format!("@{file}"), &at]);
    // The second host leads again, with an index that is lower than what the queries waited for.
    wait_until("the old leader", SOON, || setup.holds(1).then_some(()));
    wait_for("the new one to let go", SOON, || !setup.holds(0));
    assert!(setup.consul.request(0, "GET", &format!("/v1/kv/{KEY}"), "").index <= before + 20);
    let since = now();
    setup.lead(0);
    report("followed after the index went back", now().since(since));
}

#[test]
fn consuls_leader_dies_and_the_holder_keeps_the_vip() {
    let mut setup = Setup::bare("election", 3, 1);
    let agent = setup.consul.client(&setup.hosts[0]);
    setup.consul.put(SETTINGS, r#"{"ttl":30,"loop_wait":10,"retry_timeout":10}"#);
    let timing = Timing { ttl: 30, loop_wait: 10, retry_timeout: 10 };
    let _lock = LockHolder::start(&setup.hosts[0], &agent, KEY, timing);
    setup.start(|config| config);
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    setup.wait_held_for_long(0);
    let leader = setup.consul.leader();
    let since = now();
    setup.consul.servers[leader].kill();
    let next = setup.consul.leader();
    assert_ne!(next, leader);
    report("Consul was without a leader for at most", now().since(since));
    // Long enough for every hold that began before to end.
    pause(Duration::from_secs(12));
    assert_eq!(setup.times_held(0), 1, "it never let go");
    assert!(setup.holds(0));
}

#[test]
fn a_session_that_is_replaced_under_the_same_name_changes_nothing() {
    let mut setup = Setup::bare("sessions", 1, 1);
    let agent = setup.consul.client(&setup.hosts[0]);
    setup.start(|config| config);
    let timing = Timing { ttl: 30, loop_wait: 2, retry_timeout: 5 };
    let mut first = LockHolder::start(&setup.hosts[0], &agent, KEY, timing);
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    let session = setup.consul.get(KEY).unwrap()["Session"].as_str().unwrap().to_owned();
    // As Patroni does: the key is written under a new session in one step.
    first.die();
    setup.consul.request(0, "PUT", &format!("/v1/kv/{KEY}?release={session}"), "db1");
    let _second = LockHolder::start(&setup.hosts[0], &agent, KEY, timing);
    assert_ne!(setup.consul.get(KEY).unwrap()["Session"], session);
    pause(Duration::from_secs(3));
    assert_eq!(setup.times_held(0), 1);
    assert!(setup.holds(0));
}
