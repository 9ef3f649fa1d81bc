//! Faults of the network and the interface.

use super::process::back_after;
use super::{BACK, Expected, Fault, Stage};
use crate::on_host;
use crate::support::clock::wait_for;
use crate::support::cut::{Cut, Way};
use crate::support::dcs::DcsKind;
use crate::support::host::{Host, INTERFACE};

pub(super) const FAULTS: &[Fault] = &[
    Fault::kept("path-lost", "the path to the servers is lost for 2 s", |stage| cut(stage, Way::Both, 2.0))
        .expecting(over_the_network),
    Fault::kept("requests-lost", "packets to the servers are lost for 2 s", |stage| cut(stage, Way::Out, 2.0))
        .expecting(over_the_network),
    Fault::kept("answers-lost", "packets from the servers are lost for 2 s", |stage| cut(stage, Way::In, 2.0))
        .expecting(over_the_network),
    Fault::interrupted::<5>("path-lost-long", "the path to the servers is lost for 11 s", |stage| {
        cut(stage, Way::Both, 11.0);
    })
    .expecting(back_after),
    Fault::interrupted::<5>("requests-lost-long", "packets to the servers are lost for 11 s", |stage| {
        cut(stage, Way::Out, 11.0);
    })
    .expecting(back_after),
    Fault::interrupted::<5>("answers-lost-long", "packets from the servers are lost for 11 s", |stage| {
        cut(stage, Way::In, 11.0);
    })
    .expecting(back_after),
    Fault::kept("packets-lost", "every fifth packet from and to the servers is lost for 10 s", lossy)
        .expecting(over_the_network),
    Fault::kept("rejected", "the host's firewall resets every connection to the servers for 2 s", rejected)
        .expecting(over_the_network),
    Fault::kept("connections-ended", "every connection to the servers is reset, five times in 2 s", ended)
        .expecting(over_the_network),
    Fault::kept("server-unreachable", "the path to one server is lost for 8 s", one_server).expecting(one_of_several),
    Fault::interrupted::<2>("address-deleted", "the address is deleted by hand", |stage| {
        stage.pairs.iter().for_each(|pair| on_host::delete_address(&pair.hosts[0], pair.vip));
    }),
    Fault::interrupted::<5>("addresses-flushed", "every address of the interface is deleted", |stage| {
        on_each(stage, on_host::flush_addresses);
    }),
    Fault::kept("link-down", "the link is down for 0.3 s", |stage| {
        on_each(stage, on_host::flap);
        on_each(stage, on_host::restore_own_addresses);
    }),
    Fault::interrupted::<5>("renamed", "the interface is renamed, and back after 1 s", renamed),
    Fault::kept("mac-changed", "the interface gets another hardware address", |stage| {
        for (number, pair) in stage.pairs.iter().enumerate() {
            pair.hosts[0].ip(&format!("link set {INTERFACE} address 02:00:00:00:0b:{number:02x}"));
        }
    }),
];

/// Only who asks Patroni does not depend on the network.
pub(super) const fn over_the_network(kind: DcsKind) -> Expected {
    if matches!(kind, DcsKind::Rest) { Expected::Senseless("the daemon asks its own host") } else { Expected::Kept }
}

/// What concerns one of several servers.
pub(super) const fn one_of_several(kind: DcsKind) -> Expected {
    match kind {
        DcsKind::Kubernetes => Expected::Senseless("there is one server"),
        DcsKind::Rest => over_the_network(kind),
        DcsKind::Etcd | DcsKind::Etcd2 | DcsKind::Consul | DcsKind::Zookeeper => Expected::Kept,
    }
}

/// Cuts the first hosts off from all servers.
pub(super) fn cut_off(stage: &Stage, way: Way) -> Vec<Cut> {
    let servers = stage.dcs.servers();
    stage.pairs.iter().map(|pair| Cut::between(&stage.lab, &pair.hosts[0], &servers, way)).collect()
}

fn cut(stage: &mut Stage, way: Way, seconds: f64) {
    let cuts = cut_off(stage, way);
    stage.wait(seconds);
    drop(cuts);
}

fn lossy(stage: &mut Stage) {
    let servers = stage.dcs.servers();
    let cuts: Vec<Cut> = stage.pairs.iter().map(|pair| Cut::lossy(&stage.lab, &pair.hosts[0], &servers, 20)).collect();
    stage.wait(10.0);
    drop(cuts);
}

fn one_server(stage: &mut Stage) {
    let servers = stage.dcs.servers();
    // Another one for each host.
    let cuts: Vec<Cut> = stage
        .pairs
        .iter()
        .enumerate()
        .map(|(number, pair)| Cut::between(&stage.lab, &pair.hosts[0], &[servers[number % servers.len()]], Way::Both))
        .collect();
    stage.wait(8.0);
    drop(cuts);
}

fn on_each(stage: &Stage, work: fn(&Host)) {
    stage.pairs.iter().for_each(|pair| work(&pair.hosts[0]));
}

fn rejected(stage: &mut Stage) {
    let port = stage.dcs.port();
    stage.pairs.iter().for_each(|pair| on_host::reject(&pair.hosts[0], port));
    stage.wait(2.0);
    on_each(stage, on_host::accept);
}

fn ended(stage: &mut Stage) {
    for _ in 0..5 {
        let port = stage.dcs.port();
        stage.pairs.iter().for_each(|pair| on_host::end_connections(&pair.hosts[0], port));
        stage.wait(0.4);
    }
}

fn renamed(stage: &mut Stage) {
    on_each(stage, |host| on_host::rename(host, INTERFACE, "lan0"));
    wait_for("the addresses to be removed", BACK, || stage.pairs.iter().all(|pair| !pair.holds(0)));
    stage.wait(1.0);
    on_each(stage, |host| {
        on_host::rename(host, "lan0", INTERFACE);
        on_host::restore_own_addresses(host);
    });
}
