//! Faults of the network and the interface.

use std::net::{IpAddr, Ipv4Addr};

use crate::case::{Case, End};
use crate::cases::{LEASE_ENDS, QUICK};
use crate::environment::{Environment, SOON};
use crate::on_host::{self, accept, delete_address, flush_addresses, reject, rename, restore_own_addresses};
use crate::support::clock::wait_for;
use crate::support::command::run;
use crate::support::cut::{Cut, Way};
use crate::support::etcd;
use crate::support::host::{INTERFACE, VIP};

/// While a link is down nothing is answered; then a read or an announcement is needed.
const LINK: f64 = 5.0;
const MOMENT: f64 = 1.0;

pub(crate) const CASES: &[Case] = &[
    Case::unnoticed("cut-short", "The path to etcd is lost for 2 s", |env| cut_etcd(env, Way::Both, 2.0)),
    Case::unnoticed("cut-short-out", "What the host sends to etcd is lost for 2 s", |env| {
        cut_etcd(env, Way::Out, 2.0);
    }),
    Case::unnoticed("cut-short-in", "What etcd answers is lost for 2 s", |env| cut_etcd(env, Way::In, 2.0)),
    Case::noticed("cut-long", "The daemon's path to etcd is lost for 8 s, Patroni's is not", End::Back, 8.0, |env| {
        cut_etcd(env, Way::Both, 8.0);
    }),
    Case::noticed("partition", "The leader's host is partitioned from etcd for good", End::Moved, LEASE_ENDS, |env| {
        partition(env, Way::Both);
    }),
    Case::noticed(
        "partition-out",
        "Packets from the leader's host to etcd are lost for good",
        End::Moved,
        LEASE_ENDS,
        |env| {
            partition(env, Way::Out);
        },
    ),
    Case::noticed(
        "partition-in",
        "Packets from etcd to the leader's host are lost for good",
        End::Moved,
        LEASE_ENDS,
        |env| {
            partition(env, Way::In);
        },
    ),
    Case::noticed("power", "The leader's host loses power", End::Moved, LEASE_ENDS, power),
    Case::unnoticed("reject", "A firewall resets every connection to etcd for 2 s", rejected),
    Case::unnoticed("half-open", "A member dies behind a partition: the connection stays half open", half_open),
    Case::noticed("link-flap", "The link goes down and up, three times", End::Named, LINK, flap),
    Case::noticed("renamed", "The interface is renamed, and back", End::Named, LEASE_ENDS, renamed),
    Case::noticed("made-anew", "The interface is deleted and created again", End::Named, LEASE_ENDS, anew),
    Case::noticed("mac-changed", "The interface gets another hardware address", End::Kept, MOMENT, mac),
    Case::noticed("deleted", "The address is deleted by hand", End::Back, MOMENT, |env| {
        env.fault("addr del", |env| delete_address(env.host(), VIP));
        env.wait(2.0);
    }),
    Case::noticed("networkd", "networkd removes the address every 100 ms", End::Back, MOMENT, stripped),
    Case::noticed("flushed", "The interface is flushed", End::Back, MOMENT, flushed),
    Case::noticed(
        "promote-secondaries",
        "Release with `promote_secondaries`; the own address must stay",
        End::Moved,
        QUICK,
        promote,
    ),
    Case::noticed(
        "promote-own-first",
        "A /24 VIP is released; the host's own address was added before it",
        End::Moved,
        QUICK,
        promote_own_first,
    )
    .configured(|config| config.with("netmask", 24)),
    Case::noticed(
        "promote-vip-first",
        "A /24 VIP is released; the host's own address was added after it",
        End::Moved,
        QUICK,
        promote_vip_first,
    )
    .configured(|config| config.with("netmask", 24)),
    Case::noticed("rival", "Another host claims the address", End::Kept, LINK, rival),
];

fn cut_etcd(env: &mut Environment, way: Way, seconds: f64) {
    env.fault(&format!("packets between db1's daemon and etcd are dropped ({way:?})"), |env| {
        let _cut = env.setup.cut_etcd(0, way);
        env.wait(seconds);
    });
    env.wait(3.0);
}

fn partition(env: &mut Environment, way: Way) {
    env.fault(&format!("packets between db1 and etcd are dropped ({way:?})"), |env| {
        let _cut = env.setup.cut_members(0, way);
        env.wait_moved();
        env.wait(1.0);
    });
    env.wait(2.0);
}

fn power(env: &mut Environment) {
    env.fault("db1 is off", |env| {
        let _cut = Cut::off(&env.setup.lab, env.host());
        env.patronis[0].die();
        env.wait_moved();
        env.wait(1.0);
    });
    env.wait(1.0);
}

fn rejected(env: &mut Environment) {
    env.fault("every packet to etcd is rejected", |env| {
        reject(env.host(), etcd::PORT);
        env.wait(2.0);
        accept(env.host());
    });
    env.wait(4.0);
}

fn half_open(env: &mut Environment) {
    let place = (env.setup.cluster.leader() + 1) % env.setup.cluster.members.len();
    env.fault("a member dies while cut off, and comes back", |env| {
        let cut = Cut::off(&env.setup.lab, env.setup.members()[place]);
        env.setup.cluster.members[place].kill();
        env.wait(1.0);
        env.setup.cluster.members[place].restart();
        env.wait(1.0);
        cut.heal();
        env.setup.cluster.wait_member(place);
    });
    env.wait(4.0);
}

fn flap(env: &mut Environment) {
    for _ in 0..3 {
        env.fault("down", |env| on_host::flap(env.host()));
        restore_own_addresses(env.host());
        env.wait(1.5);
    }
}

fn renamed(env: &mut Environment) {
    env.fault("renamed to lan0", |env| {
        rename(env.host(), INTERFACE, "lan0");
        env.wait_gone(0);
        env.wait(1.0);
        rename(env.host(), "lan0", INTERFACE);
    });
    restore_own_addresses(env.host());
    env.wait(2.0);
}

fn anew(env: &mut Environment) {
    let (switch, name) = (env.setup.lab.switch(), env.host().name().to_owned());
    env.fault("the interface is deleted", |env| {
        env.host().ip("link del eth0");
        env.wait_gone(0);
        env.wait(0.5);
        env.host().ip(&format!("link add eth0 type veth peer name {name} netns {switch}"));
        run("ip", &["-n", &switch, "link", "set", &name, "master", "br0", "up"]);
        env.host().ip("link set eth0 up");
    });
    restore_own_addresses(env.host());
    env.wait(2.0);
}

fn mac(env: &mut Environment) {
    env.fault("another hardware address", |env| env.host().ip("link set eth0 address 02:00:00:00:0a:0b"));
    env.wait(4.0);
}

fn stripped(env: &mut Environment) {
    env.fault("addr del, every 100 ms", |env| {
        for _ in 0..30 {
            delete_address(env.host(), VIP);
            env.wait(0.1);
        }
    });
    env.wait(2.0);
}

fn flushed(env: &mut Environment) {
    env.fault("addr flush", |env| flush_addresses(env.host()));
    env.wait(3.0);
}

/// An address of the host in the VIP's /24.
const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 66, 0, 201));

/// Sets whether the kernel promotes a secondary address when the primary one is removed.
fn promotes(env: &Environment, promotes: bool) {
    for place in ["all", "default", "eth0"] {
        let value = if promotes { "1" } else { "0" };
        env.host().sysctl(&format!("net/ipv4/conf/{place}/promote_secondaries"), value);
    }
}

fn add_own(env: &Environment) {
    env.host().ip(&format!("addr add {OWN}/24 dev eth0"));
}

/// Whether the address is secondary.
fn secondary(env: &Environment, address: IpAddr) -> bool {
    env.host().ip(&format!("-o addr show to {address}")).contains("secondary")
}

fn switch_and_keep_own(env: &mut Environment) {
    env.fault("switchover", |env| crate::cases::patroni::switch(env));
    env.wait(1.0);
    let kept = env.host().carries(OWN) && env.host().carries(env.host().v4().into());
    env.host().ip(&format!("addr del {OWN}/24 dev eth0"));
    assert!(kept, "the host's own address was removed with the VIP");
}

fn promote(env: &mut Environment) {
    promotes(env, false);
    add_own(env);
    switch_and_keep_own(env);
}

fn promote_own_first(env: &mut Environment) {
    promotes(env, true);
    add_own(env);
    env.host().ip(&format!("addr del {VIP}/32 dev eth0"));
    wait_for("the VIP to come back as a secondary address", SOON, || secondary(env, VIP));
    promotes(env, false);
    switch_and_keep_own(env);
}

fn promote_vip_first(env: &mut Environment) {
    promotes(env, false);
    add_own(env);
    assert!(!secondary(env, OWN), "the VIP must not be the first address of the subnet");
    switch_and_keep_own(env);
}

fn rival(env: &mut Environment) {
    // It does not have the address; it only claims it with its own hardware address.
    env.setup.hosts[2].sysctl("net/ipv4/ip_nonlocal_bind", "1");
    env.fault("db3 claims the address", |env| {
        let vip = VIP.to_string();
        env.setup.hosts[2].run("arping", &["-q", "-A", "-c", "3", "-w", "4", "-I", "eth0", "-s", &vip, &vip]);
    });
    env.wait(2.0);
}
