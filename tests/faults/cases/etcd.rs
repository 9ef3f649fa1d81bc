//! Faults of etcd.

use std::fs;

use crate::case::{Case, ClusterKind, End};
use crate::cases::HOLD_TIMEOUT;
use crate::cases::patroni::switch_between;
use crate::environment::{Environment, store_as_root};
use crate::support::clock::wait_for;
use crate::support::cut::{Cut, Way};
use crate::support::etcd::Member;
use crate::support::fail::OrFail;
use crate::support::host::Host;

/// An outage, an election, a lost lease and another read.
const OUTAGE: f64 = 22.0;

pub(crate) const CASES: &[Case] = &[
    Case::unnoticed("member-killed", "An etcd member dies", |env| {
        let place = follower(env);
        away(env, "a follower is dead", place, 5.0);
    }),
    Case::unnoticed("leader-killed", "etcd's leader dies", |env| {
        let place = env.setup.cluster.leader();
        away(env, "etcd's leader is dead", place, 5.0);
    }),
    Case::unnoticed("member-stopped", "An etcd member hangs", |env| {
        let place = follower(env);
        hung(env, "a follower hangs", place);
    }),
    Case::unnoticed("leader-stopped", "etcd's leader hangs", |env| {
        let place = env.setup.cluster.leader();
        hung(env, "etcd's leader hangs", place);
    }),
    Case::unnoticed("member-silent", "The host of an etcd member loses power", |env| {
        let place = follower(env);
        env.fault("a member's packets are dropped", |env| {
            let _cut = Cut::off(&env.setup.lab, env.setup.members()[place]);
            env.wait(6.0);
        });
    }),
    Case::unnoticed("slow", "etcd answers late, all the time", slow),
    Case::unnoticed("rolling-restart", "etcd is upgraded, member by member", rolling),
    Case::unnoticed("move-leader", "etcd's leader is moved", |env| {
        env.fault("move-leader", |env| env.setup.cluster.move_leader());
        env.wait(5.0);
    }),
    Case::unnoticed("defragment", "etcd is defragmented", |env| {
        env.fault("defragment", |env| env.setup.cluster.defragment());
        env.wait(5.0);
    }),
    Case::unnoticed("outage-short", "All etcd members are unreachable for 2 s", |env| all_away(env, 2.0)),
    Case::noticed("outage", "All etcd members are unreachable for 9 s", End::Named, OUTAGE, |env| all_away(env, 9.0)),
    Case::noticed("quorum-lost", "Two of three members are dead for 9 s", End::Named, OUTAGE, quorum),
    Case::noticed("hung", "All etcd members hang for 9 s", End::Named, OUTAGE, all_hung),
    Case::unnoticed("compaction", "etcd is compacted while a host is partitioned", compaction),
    Case::noticed("restore", "etcd is restored from a snapshot: the revision is lower", End::Named, OUTAGE, restore),
    Case::noticed(
        "restore-elsewhere",
        "etcd is restored from a snapshot with another leader",
        End::Moved,
        OUTAGE,
        restore_elsewhere,
    )
    // One host may reach etcd before the other, which holds until its hold-timeout.
    .overlapping(HOLD_TIMEOUT),
    Case::noticed(
        "auth-turned-on",
        "Authentication is enabled, and the daemons have no user",
        End::Named,
        OUTAGE,
        auth_on,
    ),
    Case::unnoticed("token-lost", "A member restarts and loses every token", rolling).on(ClusterKind::Auth),
    Case::unnoticed("certificate-rotated", "The members get new certificates, one by one", rotated)
        .on(ClusterKind::Tls),
    Case::noticed("certificate-expired", "The members' certificates expire", End::Named, OUTAGE, expired)
        .on(ClusterKind::Tls),
];

fn follower(env: &Environment) -> usize {
    (env.setup.cluster.leader() + 1) % env.setup.cluster.members.len()
}

fn back(env: &mut Environment, place: usize) {
    env.setup.cluster.members[place].restart();
    env.setup.cluster.wait_member(place);
}

fn away(env: &mut Environment, text: &str, place: usize, seconds: f64) {
    env.fault(text, |env| {
        env.setup.cluster.members[place].kill();
        env.wait(seconds);
        back(env, place);
    });
    env.wait(1.0);
}

fn hung(env: &mut Environment, text: &str, place: usize) {
    env.fault(text, |env| {
        env.setup.cluster.members[place].freeze();
        env.wait(6.0);
        env.setup.cluster.members[place].thaw();
    });
    env.wait(1.0);
}

fn slow(env: &mut Environment) {
    env.fault("each member stops for 200 ms of every 250 ms", |env| {
        for _ in 0..24 {
            env.setup.cluster.members.iter().for_each(Member::freeze);
            env.wait(0.2);
            env.setup.cluster.members.iter().for_each(Member::thaw);
            env.wait(0.05);
        }
    });
    env.wait(1.0);
}

fn rolling(env: &mut Environment) {
    for place in 0..env.setup.cluster.members.len() {
        let name = env.setup.members()[place].name().to_owned();
        env.fault(&format!("{name} restarts"), |env| {
            env.setup.cluster.members[place].terminate();
            back(env, place);
        });
        env.wait(1.0);
    }
}

fn all_away(env: &mut Environment, seconds: f64) {
    env.fault("etcd is dead", |env| {
        env.setup.cluster.members.iter_mut().for_each(Member::kill);
        env.wait(seconds);
        env.setup.cluster.members.iter_mut().for_each(Member::restart);
    });
    env.setup.cluster.wait_healthy();
    env.wait(2.0);
}

fn quorum(env: &mut Environment) {
    env.fault("no quorum", |env| {
        env.setup.cluster.members[1..].iter_mut().for_each(Member::kill);
        env.wait(9.0);
        env.setup.cluster.members[1..].iter_mut().for_each(Member::restart);
    });
    env.setup.cluster.wait_healthy();
    env.wait(2.0);
}

fn all_hung(env: &mut Environment) {
    env.fault("etcd hangs", |env| {
        env.setup.cluster.members.iter().for_each(Member::freeze);
        env.wait(9.0);
        env.setup.cluster.members.iter().for_each(Member::thaw);
    });
    env.setup.cluster.wait_healthy();
    env.wait(2.0);
}

/// Writes many keys to increase the revision.
fn write_many(env: &Environment, times: usize) {
    for _ in 0..times {
        let pairs = (0..300).map(|number| (format!("noise/{number}"), "x".to_owned())).collect();
        env.setup.cluster.store().put_all(pairs, 0);
    }
}

fn compaction(env: &mut Environment) {
    env.fault("db1's daemon is cut off, etcd is compacted", |env| {
        let cut = env.setup.cut_etcd(0, Way::Both);
        write_many(env, 1);
        env.setup.cluster.compact();
        env.wait(1.5);
        cut.heal();
    });
    env.wait(4.0);
}

fn restore(env: &mut Environment) {
    let snapshot = save(env);
    write_many(env, 20);
    restore_from(env, &snapshot);
    env.wait(6.0);
}

fn restore_elsewhere(env: &mut Environment) {
    switch_between(env, 0, 1);
    let snapshot = save(env);
    switch_between(env, 1, 0);
    write_many(env, 1);
    restore_from(env, &snapshot);
    env.wait_held(1);
    env.wait_gone(0);
    env.wait(1.0);
}

fn save(env: &Environment) -> String {
    let file = env.setup.lab.directory().join("snapshot.db").to_string_lossy().into_owned();
    let endpoint = env.setup.cluster.plain_endpoints()[0].clone();
    env.setup.client.run("etcdctl", &["--endpoints", &endpoint, "snapshot", "save", &file]);
    file
}

/// Restores every member from the snapshot.
fn restore_from(env: &mut Environment, file: &str) {
    let initial_cluster: Vec<String> = env.setup.members().iter().map(|host| peer(host)).collect();
    let initial_cluster = initial_cluster.join(",");
    env.fault("etcd is restored", |env| {
        env.setup.cluster.members.iter_mut().for_each(Member::kill);
        for host in env.setup.members() {
            let data = env.setup.lab.directory().join(host.name());
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
                    &initial_cluster,
                    "--initial-advertise-peer-urls",
                    &peers,
                ],
            );
        }
        env.setup.cluster.members.iter_mut().for_each(Member::restart);
        env.setup.cluster.wait_healthy();
        env.begin_revisions_anew();
    });
}

fn peer(host: &Host) -> String {
    format!("{}=http://{}:2380", host.name(), host.v4())
}

fn auth_on(env: &mut Environment) {
    let root = env.root.clone();
    let (name, password) = (root.name.clone(), root.password.clone());
    env.fault("authentication is on", |env| {
        let asked = env.setup.cluster.store().ask(async move |client| {
            // They may exist already.
            let _ = client.role_add("root").await;
            let _ = client.user_add(name.as_str(), password.as_str(), None).await;
            let _ = client.user_grant_role(name.as_str(), "root").await;
            client.auth_enable().await.map(|_| ())
        });
        asked.or_fail("turning authentication on");
        env.wait(9.0);
        let client = store_as_root(&env.setup.cluster, &env.setup.client, &root);
        wait_for("authentication to be off", std::time::Duration::from_secs(10), || {
            client.ask(async |client| client.auth_disable().await.map(|_| ())).is_ok()
        });
    });
    env.wait(1.0);
}

fn issue(env: &Environment, place: usize, good: bool) {
    let Some(tls) = &env.tls else { return };
    let host = env.setup.members()[place];
    if good {
        drop(tls.server(host));
    } else {
        tls.expired_server(host);
    }
}

fn rotated(env: &mut Environment) {
    for place in 0..env.setup.cluster.members.len() {
        issue(env, place, true);
    }
    rolling(env);
}

fn expired(env: &mut Environment) {
    env.fault("every certificate has expired", |env| {
        for place in 0..env.setup.cluster.members.len() {
            issue(env, place, false);
        }
        // Open connections are not affected, so the members are restarted.
        for place in 0..env.setup.cluster.members.len() {
            env.setup.cluster.members[place].terminate();
            back(env, place);
        }
        env.wait(7.0);
        for place in 0..env.setup.cluster.members.len() {
            issue(env, place, true);
        }
    });
    env.wait(1.0);
}
