//! A restart and an upgrade on the host that leads, on every store: no ping is lost, and the next process takes over the
//! claims.

use std::fs;
use std::time::Duration;

use crate::built::built;
use crate::site::{Clients, FILE, UNIT, deb, newer_deb, transcript, wait_process};
use crate::support::clock::{pause, wait_for};
use crate::support::daemon::ConfigFile;
use crate::support::dcs::{Dcs, DcsKind, Settings};
use crate::support::host::{Host, VIP, VIP6};
use crate::support::lab::Lab;
use crate::support::machine::Machine;
use crate::support::observer::AddressObserver;
use crate::support::patroni::Patroni;
use crate::support::rest::RestApi;
use crate::support::setup::{SOON, report};

const SCOPE: &str = "main";
/// Patroni's smallest ttl, and settings that fit it.
const SETTINGS: Settings =
    Settings { ttl: Duration::from_secs(20), loop_wait: Duration::from_secs(5), retry_timeout: Duration::from_secs(5) };
/// Longer than an address lasts that nobody renews.
const HOLD_ENDS: Duration = Duration::from_secs(12);

#[test]
fn etcd() {
    restart_and_upgrade(DcsKind::Etcd);
}

#[test]
fn etcd2() {
    restart_and_upgrade(DcsKind::Etcd2);
}

#[test]
fn consul() {
    restart_and_upgrade(DcsKind::Consul);
}

#[test]
fn zookeeper() {
    restart_and_upgrade(DcsKind::Zookeeper);
}

#[test]
fn kubernetes() {
    restart_and_upgrade(DcsKind::Kubernetes);
}

#[test]
fn rest() {
    restart_and_upgrade(DcsKind::Rest);
}

fn restart_and_upgrade(kind: DcsKind) {
    let leader = Leader::start(kind);
    let newer = newer_deb(&leader.lab);
    let clients = Clients::on(&leader.client, &leader.host);
    leader.followed_by_another_process("restart", |machine| machine.run("systemctl restart vip-manager"));
    leader.followed_by_another_process("upgrade", |machine| machine.install(&newer));
    assert!(leader.machine.run("dpkg-query -W vip-manager").ends_with(".1"));
    report("the store", kind);
    clients.assert_undisturbed_by(&leader.observer, &leader.machine);
}

/// A machine with our package that leads, with an IPv4 and an IPv6 VIP. The fields are dropped in this order, the lab
/// last.
struct Leader {
    machine: Machine,
    _patroni: Patroni,
    _api: Option<RestApi>,
    dcs: Dcs,
    kind: DcsKind,
    client: Host,
    observer: AddressObserver,
    host: Host,
    lab: Lab,
}

impl Leader {
    fn start(kind: DcsKind) -> Self {
        let lab = Lab::new(kind.name());
        let (host, client) = (lab.host("db1"), lab.host("client"));
        let observer = AddressObserver::over(&[&host]);
        let dcs = Dcs::start(&lab, kind, std::slice::from_ref(&host));
        dcs.tell(SCOPE, &SETTINGS);
        let patroni = Patroni::start_with(&host, SETTINGS.loop_wait, dcs.lock(&host, SCOPE, SETTINGS.ttl));
        let api = (kind == DcsKind::Rest).then(|| RestApi::start(&host));
        if let Some(api) = &api {
            let times = [SETTINGS.ttl, SETTINGS.loop_wait, SETTINGS.retry_timeout];
            api.say(|said| said.timing = Some(times.map(|time| time.as_secs())));
            patroni.speak(api.voice(), SETTINGS.ttl);
        }
        patroni.take_over();
        let machine = Machine::boot(&host, &built("target/package-test/debian"));
        machine.install(&deb());
        let config = dcs.config(&host, SCOPE).with("ip", format!("[{VIP}, \"{VIP6}\"]"));
        machine.write(FILE, &brought_along(&machine, &lab, &config));
        machine.run("systemctl enable --now vip-manager 2>&1");
        let leader = Self { machine, _patroni: patroni, _api: api, dcs, kind, client, observer, host, lab };
        for address in [VIP, VIP6] {
            leader.observer.wait_held(&leader.host, address, 3 * SOON);
        }
        leader.wait_held();
        leader
    }

    /// Does what starts another process, and waits until that has renewed the addresses, by claims of its own where there
    /// are any.
    fn followed_by_another_process(&self, what: &str, act: impl FnOnce(&Machine) -> String) {
        let (process, claims) = (self.machine.main_pid(UNIT), self.claims());
        assert_eq!(claims.len(), if self.claims_by_default() { 2 } else { 0 }, "{claims:?}");
        transcript(&act(&self.machine));
        wait_process(&self.machine, process);
        self.wait_held();
        // A claim that is there all the time, and is another process's.
        let mut now = Vec::new();
        wait_for(&format!("the claims after the {what}"), SOON, || {
            now = self.claims();
            now.len() == claims.len() && now.iter().zip(&claims).all(|(now, before)| now != before)
        });
        pause(HOLD_ENDS);
        self.wait_held();
        assert_eq!(self.claims(), now, "{what}: they stay");
    }

    const fn claims_by_default(&self) -> bool {
        match self.kind {
            DcsKind::Consul | DcsKind::Zookeeper | DcsKind::Kubernetes => true,
            DcsKind::Etcd | DcsKind::Etcd2 | DcsKind::Rest => false,
        }
    }

    /// Who has claimed the addresses.
    fn claims(&self) -> Vec<String> {
        [VIP, VIP6].into_iter().filter_map(|address| self.dcs.claimed_by(SCOPE, address)).collect()
    }

    fn wait_held(&self) {
        wait_for("both addresses to be confirmed", 3 * SOON, || {
            self.machine.property(UNIT, "StatusText").contains("2 held")
        });
    }
}

/// The text of a configuration for this machine, to which the files of the lab are copied that it may name.
fn brought_along(machine: &Machine, lab: &Lab, config: &ConfigFile) -> String {
    const PLACE: &str = "/etc/vip-manager";
    let there = |text: &str| text.replace(&lab.directory().display().to_string(), PLACE);
    for name in ["kubeconfig", "ca.pem", "token"] {
        if let Ok(text) = fs::read_to_string(lab.directory().join(name)) {
            machine.write(&format!("{PLACE}/{name}"), &there(&text));
        }
    }
    there(&config.text())
}
