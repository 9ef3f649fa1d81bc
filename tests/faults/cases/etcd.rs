//! What befalls etcd.

use std::fs;

use crate::case::{Case, End, Ground};
use crate::cases::HELD_ON_TRUST;
use crate::cases::patroni::switch_between;
use crate::stage::{Stage, store_as_root};
use crate::support::clock::wait_for;
use crate::support::cut::{Cut, Way};
use crate::support::etcd::Member;
use crate::support::fail::OrFail;
use crate::support::host::Host;

/// An outage, a new election, a lease that was lost and one more read.
const OUTAGE: f64 = 22.0;

pub(crate) const CASES: &[Case] = &[
    Case::unnoticed("member-killed", "An etcd member dies", |stage| {
        let place = follower(stage);
        away(stage, "a follower is dead", place, 5.0);
    }),
    Case::unnoticed("leader-killed", "etcd's leader dies", |stage| {
        let place = stage.setup.cluster.leader();
        away(stage, "etcd's leader is dead", place, 5.0);
    }),
    Case::unnoticed("member-stopped", "An etcd member hangs", |stage| {
        let place = follower(stage);
        hung(stage, "a follower hangs", place);
    }),
    Case::unnoticed("leader-stopped", "etcd's leader hangs", |stage| {
        let place = stage.setup.cluster.leader();
        hung(stage, "etcd's leader hangs", place);
    }),
    Case::unnoticed("member-silent", "The host of an etcd member loses its power: no goodbye", |stage| {
        let place = follower(stage);
        stage.fault("a member's packets vanish", |stage| {
            let _cut = Cut::off(&stage.setup.lab, stage.setup.members()[place]);
            stage.last(6.0);
        });
    }),
    Case::unnoticed("slow", "etcd answers late, all the time", slow),
    Case::unnoticed("rolling-restart", "etcd is upgraded, member by member", rolling),
    Case::unnoticed("move-leader", "etcd's leader is moved", |stage| {
        stage.fault("move-leader", |stage| stage.setup.cluster.move_leader());
        stage.last(5.0);
    }),
    Case::unnoticed("defragment", "etcd is defragmented", |stage| {
        stage.fault("defragment", |stage| stage.setup.cluster.defragment());
        stage.last(5.0);
    }),
    Case::unnoticed("outage-short", "All of etcd is away for 2 s", |stage| all_away(stage, 2.0)),
    Case::noticed("outage", "All of etcd is away for 9 s", End::Named, OUTAGE, |stage| all_away(stage, 9.0)),
    Case::noticed("quorum-lost", "Two of three members are dead for 9 s", End::Named, OUTAGE, quorum),
    Case::noticed("hung", "All of etcd hangs for 9 s", End::Named, OUTAGE, all_hung),
    Case::unnoticed("compaction", "The past is compacted while a host is cut off", compaction),
    Case::noticed("restore", "etcd is restored from a snapshot: the revision is lower", End::Named, OUTAGE, restore),
    Case::noticed(
        "restore-elsewhere",
        "etcd is restored from a snapshot in which another host led",
        End::Moved,
        OUTAGE,
        restore_elsewhere,
    )
    // The one may reach etcd sooner than the other, which holds on trust until it does.
    .overlapping(HELD_ON_TRUST),
    Case::noticed(
        "auth-turned-on",
        "Authentication is turned on, and nobody told the daemons",
        End::Named,
        OUTAGE,
        auth_on,
    ),
    Case::unnoticed("token-lost", "A member restarts and forgets every token", rolling).on(Ground::Auth),
    Case::unnoticed("certificate-rotated", "The members get new certificates, one by one", rotated).on(Ground::Tls),
    Case::noticed("certificate-expired", "The members' certificates expire", End::Named, OUTAGE, expired)
        .on(Ground::Tls),
];

fn follower(stage: &Stage) -> usize {
    (stage.setup.cluster.leader() + 1) % stage.setup.cluster.members.len()
}

fn back(stage: &mut Stage, place: usize) {
    stage.setup.cluster.members[place].restart();
    stage.setup.cluster.wait_member(place);
}

fn away(stage: &mut Stage, text: &str, place: usize, seconds: f64) {
    stage.fault(text, |stage| {
        stage.setup.cluster.members[place].kill();
        stage.last(seconds);
        back(stage, place);
    });
    stage.last(1.0);
}

fn hung(stage: &mut Stage, text: &str, place: usize) {
    stage.fault(text, |stage| {
        stage.setup.cluster.members[place].freeze();
        stage.last(6.0);
        stage.setup.cluster.members[place].thaw();
    });
    stage.last(1.0);
}

fn slow(stage: &mut Stage) {
    stage.fault("each member stops for 200 ms of every 250 ms", |stage| {
        for _ in 0..24 {
            stage.setup.cluster.members.iter().for_each(Member::freeze);
            stage.last(0.2);
            stage.setup.cluster.members.iter().for_each(Member::thaw);
            stage.last(0.05);
        }
    });
    stage.last(1.0);
}

fn rolling(stage: &mut Stage) {
    for place in 0..stage.setup.cluster.members.len() {
        let name = stage.setup.members()[place].name().to_owned();
        stage.fault(&format!("{name} restarts"), |stage| {
            stage.setup.cluster.members[place].terminate();
            back(stage, place);
        });
        stage.last(1.0);
    }
}

fn all_away(stage: &mut Stage, seconds: f64) {
    stage.fault("etcd is dead", |stage| {
        stage.setup.cluster.members.iter_mut().for_each(Member::kill);
        stage.last(seconds);
        stage.setup.cluster.members.iter_mut().for_each(Member::restart);
    });
    stage.setup.cluster.wait_healthy();
    stage.last(2.0);
}

fn quorum(stage: &mut Stage) {
    stage.fault("no quorum", |stage| {
        stage.setup.cluster.members[1..].iter_mut().for_each(Member::kill);
        stage.last(9.0);
        stage.setup.cluster.members[1..].iter_mut().for_each(Member::restart);
    });
    stage.setup.cluster.wait_healthy();
    stage.last(2.0);
}

fn all_hung(stage: &mut Stage) {
    stage.fault("etcd hangs", |stage| {
        stage.setup.cluster.members.iter().for_each(Member::freeze);
        stage.last(9.0);
        stage.setup.cluster.members.iter().for_each(Member::thaw);
    });
    stage.setup.cluster.wait_healthy();
    stage.last(2.0);
}

/// So many times three revisions more.
fn write_much(stage: &Stage, times: usize) {
    for _ in 0..times {
        let pairs = (0..300).map(|number| (format!("noise/{number}"), "x".to_owned())).collect();
        stage.setup.cluster.store().put_all(pairs, 0);
    }
}

fn compaction(stage: &mut Stage) {
    stage.fault("db1's daemon is cut off, etcd is compacted", |stage| {
        let cut = stage.setup.cut_etcd(0, Way::Both);
        write_much(stage, 1);
        stage.setup.cluster.compact();
        stage.last(1.5);
        cut.heal();
    });
    stage.last(4.0);
}

fn restore(stage: &mut Stage) {
    let snapshot = save(stage);
    write_much(stage, 20);
    restore_from(stage, &snapshot);
    stage.last(6.0);
}

fn restore_elsewhere(stage: &mut Stage) {
    switch_between(stage, 0, 1);
    let snapshot = save(stage);
    switch_between(stage, 1, 0);
    write_much(stage, 1);
    restore_from(stage, &snapshot);
    stage.wait_held(1);
    stage.wait_gone(0);
    stage.last(1.0);
}

fn save(stage: &Stage) -> String {
    let file = stage.setup.lab.directory().join("snapshot.db").to_string_lossy().into_owned();
    let door = stage.setup.cluster.plain_endpoints()[0].clone();
    stage.setup.client.run("etcdctl", &["--endpoints", &door, "snapshot", "save", &file]);
    file
}

/// Every member begins anew with what stands in the file.
fn restore_from(stage: &mut Stage, file: &str) {
    let everybody: Vec<String> = stage.setup.members().iter().map(|host| peer(host)).collect();
    let everybody = everybody.join(",");
    stage.fault("etcd is restored", |stage| {
        stage.setup.cluster.members.iter_mut().for_each(Member::kill);
        for host in stage.setup.members() {
            let data = stage.setup.lab.directory().join(host.name());
            fs::remove_dir_all(&data).or_fail("removing a member's data");
            let peers = format!("http://{}:2380", host.v4());
            host.run(
                "etcdctl",
                &[
                    "snapshot",
                    "restore",
                    file,
                    "--name",
                    host.name(),
                    "--data-dir",
                    &data.to_string_lossy(),
                    "--initial-cluster",
                    &everybody,
                    "--initial-advertise-peer-urls",
                    &peers,
                ],
            );
        }
        stage.setup.cluster.members.iter_mut().for_each(Member::restart);
        stage.setup.cluster.wait_healthy();
        stage.begin_revisions_anew();
    });
}

fn peer(host: &Host) -> String {
    format!("{}=http://{}:2380", host.name(), host.v4())
}

fn auth_on(stage: &mut Stage) {
    let root = stage.root.clone();
    let (name, password) = (root.name.clone(), root.password.clone());
    stage.fault("authentication is on", |stage| {
        let asked = stage.setup.cluster.store().ask(async move |client| {
            // They may be there from an earlier time.
            let _ = client.role_add("root").await;
            let _ = client.user_add(name.as_str(), password.as_str(), None).await;
            let _ = client.user_grant_role(name.as_str(), "root").await;
            client.auth_enable().await.map(|_| ())
        });
        asked.or_fail("turning authentication on");
        stage.last(9.0);
        let client = store_as_root(&stage.setup.cluster, &stage.setup.client, &root);
        wait_for("authentication to be off", std::time::Duration::from_secs(10), || {
            client.ask(async |client| client.auth_disable().await.map(|_| ())).is_ok()
        });
    });
    stage.last(1.0);
}

fn issue(stage: &Stage, place: usize, good: bool) {
    let Some(tls) = &stage.tls else { return };
    let host = stage.setup.members()[place];
    if good {
        drop(tls.server(host));
    } else {
        tls.expired_server(host);
    }
}

fn rotated(stage: &mut Stage) {
    for place in 0..stage.setup.cluster.members.len() {
        issue(stage, place, true);
    }
    rolling(stage);
}

fn expired(stage: &mut Stage) {
    stage.fault("every certificate has expired", |stage| {
        for place in 0..stage.setup.cluster.members.len() {
            issue(stage, place, false);
        }
        // Connections that stand do not ask for a certificate again.
        for place in 0..stage.setup.cluster.members.len() {
            stage.setup.cluster.members[place].terminate();
            back(stage, place);
        }
        stage.last(7.0);
        for place in 0..stage.setup.cluster.members.len() {
            issue(stage, place, true);
        }
    });
    stage.last(1.0);
}
