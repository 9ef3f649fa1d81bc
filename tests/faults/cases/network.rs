//! What befalls the network and the interface.

use std::net::{IpAddr, Ipv4Addr};

use crate::case::{Case, End};
use crate::cases::{LEASE_ENDS, QUICK};
use crate::stage::{SOON, Stage};
use crate::support::clock::wait_for;
use crate::support::command::{feed, run};
use crate::support::cut::{Cut, Way};
use crate::support::host::VIP;

/// A link that is down answers nobody; then it takes a read or an announcement.
const LINK: f64 = 5.0;
const MOMENT: f64 = 1.0;

pub(crate) const CASES: &[Case] = &[
    Case::unnoticed("cut-short", "The way to etcd is lost for 2 s", |stage| cut_etcd(stage, Way::Both, 2.0)),
    Case::unnoticed("cut-short-out", "What the host sends to etcd is lost for 2 s", |stage| {
        cut_etcd(stage, Way::Out, 2.0);
    }),
    Case::unnoticed("cut-short-in", "What etcd answers is lost for 2 s", |stage| cut_etcd(stage, Way::In, 2.0)),
    Case::noticed("cut-long", "The daemon's way to etcd is lost for 8 s, Patroni's is not", End::Back, 8.0, |stage| {
        cut_etcd(stage, Way::Both, 8.0);
    }),
    Case::noticed("partition", "The leader's host is cut off from etcd for good", End::Moved, LEASE_ENDS, |stage| {
        partition(stage, Way::Both);
    }),
    Case::noticed("partition-out", "The leader's host is heard by nobody in etcd", End::Moved, LEASE_ENDS, |stage| {
        partition(stage, Way::Out);
    }),
    Case::noticed("partition-in", "The leader's host hears nobody in etcd", End::Moved, LEASE_ENDS, |stage| {
        partition(stage, Way::In);
    }),
    Case::noticed("power", "The leader's host loses its power", End::Moved, LEASE_ENDS, power),
    Case::unnoticed("reject", "A firewall resets every connection to etcd for 2 s", reject),
    Case::unnoticed("half-open", "A member dies behind a cut: the connection stays half open", half_open),
    Case::noticed("link-flap", "The link goes down and up, three times", End::Named, LINK, flap),
    Case::noticed("renamed", "The interface is renamed, and back", End::Named, LEASE_ENDS, renamed),
    Case::noticed("made-anew", "The interface is deleted and made anew", End::Named, LEASE_ENDS, anew),
    Case::noticed("mac-changed", "The interface gets another hardware address", End::Kept, MOMENT, mac),
    Case::noticed("deleted", "Somebody deletes the address", End::Back, MOMENT, |stage| {
        stage.fault("addr del", |stage| delete(stage));
        stage.last(2.0);
    }),
    Case::noticed("networkd", "networkd strips the address every 100 ms", End::Back, MOMENT, stripped),
    Case::noticed("flushed", "The interface is flushed", End::Back, MOMENT, flushed),
    Case::noticed(
        "promote-secondaries",
        "When the VIP goes, the host's own address goes with it",
        End::Moved,
        QUICK,
        promote,
    ),
    Case::noticed(
        "promote-own-first",
        "A VIP of /24 goes, and the host's own address stood before it",
        End::Moved,
        QUICK,
        promote_own_first,
    )
    .configured(|config| config.with("netmask", 24)),
    Case::noticed(
        "promote-vip-first",
        "A VIP of /24 goes, and the host's own address stood behind it: `check` had warned",
        End::Moved,
        QUICK,
        promote_vip_first,
    )
    .configured(|config| config.with("netmask", 24)),
    Case::noticed("rival", "Another host claims the address", End::Kept, LINK, rival),
];

fn cut_etcd(stage: &mut Stage, way: Way, seconds: f64) {
    stage.fault(&format!("packets between db1's daemon and etcd vanish ({way:?})"), |stage| {
        let _cut = stage.setup.cut_etcd(0, way);
        stage.last(seconds);
    });
    stage.last(3.0);
}

fn partition(stage: &mut Stage, way: Way) {
    stage.fault(&format!("packets between db1 and etcd vanish ({way:?})"), |stage| {
        let _cut = stage.setup.cut_members(0, way);
        stage.wait_moved();
        stage.last(1.0);
    });
    stage.last(2.0);
}

fn power(stage: &mut Stage) {
    stage.fault("db1 is dark", |stage| {
        let _cut = Cut::off(&stage.setup.lab, stage.host());
        stage.patronis[0].die();
        stage.wait_moved();
        stage.last(1.0);
    });
    stage.last(1.0);
}

fn reject(stage: &mut Stage) {
    let rules = "table inet wall {\nchain out {\ntype filter hook output priority 0;\ntcp dport 2379 reject with tcp reset\n}\n}\n";
    let namespace = stage.host().namespace().to_owned();
    stage.fault("every packet to etcd is refused", |stage| {
        feed("ip", &["netns", "exec", &namespace, "nft", "-f", "-"], rules);
        stage.last(2.0);
        run("ip", &["netns", "exec", &namespace, "nft", "delete", "table", "inet", "wall"]);
    });
    stage.last(4.0);
}

fn half_open(stage: &mut Stage) {
    let place = (stage.setup.cluster.leader() + 1) % stage.setup.cluster.members.len();
    stage.fault("a member dies unheard, and comes back", |stage| {
        let cut = Cut::off(&stage.setup.lab, stage.setup.members()[place]);
        stage.setup.cluster.members[place].kill();
        stage.last(1.0);
        stage.setup.cluster.members[place].restart();
        stage.last(1.0);
        cut.heal();
        stage.setup.cluster.wait_member(place);
    });
    stage.last(4.0);
}

/// The host's own IPv6 address goes with the link.
fn own_again(stage: &Stage) {
    let host = stage.host();
    for own in [format!("{}/16", host.v4()), format!("{}/64", host.v6())] {
        let _ = host.attempt("ip", &["addr", "add", &own, "dev", "eth0", "nodad"]);
        let _ = host.attempt("ip", &["addr", "add", &own, "dev", "eth0"]);
    }
}

fn flap(stage: &mut Stage) {
    for _ in 0..3 {
        stage.fault("down", |stage| {
            stage.host().ip("link set eth0 down");
            stage.last(0.3);
            stage.host().ip("link set eth0 up");
        });
        own_again(stage);
        stage.last(1.5);
    }
}

fn renamed(stage: &mut Stage) {
    stage.fault("renamed to lan0", |stage| {
        for step in ["link set eth0 down", "link set eth0 name lan0", "link set lan0 up"] {
            stage.host().ip(step);
        }
        stage.wait_gone(0);
        stage.last(1.0);
        for step in ["link set lan0 down", "link set lan0 name eth0", "link set eth0 up"] {
            stage.host().ip(step);
        }
    });
    own_again(stage);
    stage.last(2.0);
}

fn anew(stage: &mut Stage) {
    let (switch, name) = (stage.setup.lab.switch(), stage.host().name().to_owned());
    stage.fault("there is no interface", |stage| {
        stage.host().ip("link del eth0");
        stage.wait_gone(0);
        stage.last(0.5);
        stage.host().ip(&format!("link add eth0 type veth peer name {name} netns {switch}"));
        run("ip", &["-n", &switch, "link", "set", &name, "master", "br0", "up"]);
        stage.host().ip("link set eth0 up");
    });
    own_again(stage);
    stage.last(2.0);
}

fn mac(stage: &mut Stage) {
    stage.fault("another hardware address", |stage| stage.host().ip("link set eth0 address 02:00:00:00:0a:0b"));
    stage.last(4.0);
}

fn delete(stage: &Stage) {
    // The rival may have been quicker than the daemon.
    let _ = stage.host().attempt("ip", &["addr", "del", &format!("{VIP}/32"), "dev", "eth0"]);
}

fn stripped(stage: &mut Stage) {
    stage.fault("addr del, every 100 ms", |stage| {
        for _ in 0..30 {
            delete(stage);
            stage.last(0.1);
        }
    });
    stage.last(2.0);
}

fn flushed(stage: &mut Stage) {
    stage.fault("addr flush", |stage| {
        stage.host().ip("addr flush dev eth0");
        stage.last(0.1);
        own_again(stage);
    });
    stage.last(3.0);
}

/// An address of the host's own, in the VIP's /24.
const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 66, 0, 201));

/// Whether another address takes the place of a network's first one when that goes.
fn promotes(stage: &Stage, promotes: bool) {
    for place in ["all", "default", "eth0"] {
        let value = if promotes { "1" } else { "0" };
        stage.host().sysctl(&format!("net/ipv4/conf/{place}/promote_secondaries"), value);
    }
}

fn add_own(stage: &Stage) {
    stage.host().ip(&format!("addr add {OWN}/24 dev eth0"));
}

/// Whether the address is not the first of its network.
fn secondary(stage: &Stage, address: IpAddr) -> bool {
    stage.host().ip(&format!("-o addr show to {address}")).contains("secondary")
}

fn switch_and_keep_own(stage: &mut Stage) {
    stage.fault("switchover", |stage| crate::cases::patroni::switch(stage));
    stage.last(1.0);
    let kept = stage.host().carries(OWN) && stage.host().carries(stage.host().v4().into());
    stage.host().ip(&format!("addr del {OWN}/24 dev eth0"));
    assert!(kept, "the host's own address went with the VIP");
}

fn promote(stage: &mut Stage) {
    promotes(stage, false);
    add_own(stage);
    switch_and_keep_own(stage);
}

fn promote_own_first(stage: &mut Stage) {
    promotes(stage, true);
    add_own(stage);
    stage.host().ip(&format!("addr del {VIP}/24 dev eth0"));
    wait_for("the VIP to come back behind the host's own address", SOON, || secondary(stage, VIP));
    promotes(stage, false);
    switch_and_keep_own(stage);
}

fn promote_vip_first(stage: &mut Stage) {
    promotes(stage, false);
    add_own(stage);
    assert!(secondary(stage, OWN), "the host's own address has to stand behind the VIP");
    let checked = stage.check();
    assert!(checked.contains("its going takes the host's address with it"), "check said: {checked}");
    stage.fault("switchover", |stage| crate::cases::patroni::switch(stage));
    stage.last(1.0);
    // That one is gone: no daemon can prevent it when it is the kernel that ends the VIP.
    let _ = stage.host().attempt("ip", &["addr", "del", &format!("{OWN}/24"), "dev", "eth0"]);
    assert!(stage.host().carries(stage.host().v4().into()), "an address of another network went with the VIP");
}

fn rival(stage: &mut Stage) {
    // It does not have the address: it only says so on the wire, with its own hardware address.
    stage.setup.hosts[2].sysctl("net/ipv4/ip_nonlocal_bind", "1");
    stage.fault("db3 says that it has the address", |stage| {
        let vip = VIP.to_string();
        stage.setup.hosts[2].run("arping", &["-q", "-A", "-c", "3", "-w", "4", "-I", "eth0", "-s", &vip, &vip]);
    });
    stage.last(2.0);
}
