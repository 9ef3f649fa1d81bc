//! Several VIPs of one daemon, each with a key of another cluster and claimed, as is the default here.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vip_manager::time::Moment;

use crate::setup::{SOON, Setup, TTL};
use crate::support::claims::restart_in_both_ways;
use crate::support::clock::{now, wait_for};
use crate::support::daemon::ConfigFile;
use crate::support::ping::Pinger;
use crate::support::setup::report;
use crate::support::zookeeper::Session;

/// The leader keys of three clusters: one usual, one of a Citus group, one in another namespace.
const KEYS: [&str; 3] = ["/service/pg1/leader", "/service/pg2/0/leader", "/other/pg3/leader"];
const VIPS: [IpAddr; 3] = [address(101), address(102), address(103)];
/// The session of a claim, a tick and a half, and what a busy machine adds.
const CLAIM: Duration = Duration::from_secs(30);
const OFTEN: Duration = Duration::from_millis(10);

const fn address(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 66, 0, last))
}

fn with_vips(config: ConfigFile) -> ConfigFile {
    let entries: Vec<String> =
        KEYS.iter().zip(VIPS).map(|(key, vip)| format!("{{ip: {vip}, trigger-key: {key}}}")).collect();
    let config = config.without("ip").without("trigger-key").with("on-stop", "keep");
    config.with("vips", format!("[{}]", entries.join(", ")))
}

/// Takes all keys, one right after the other. Returns when it had the last one.
fn lead(patroni: &Session, name: &str) -> Moment {
    for key in KEYS {
        patroni.lead(key, name);
    }
    now()
}

/// The claims that there are, each with its session.
fn claims(session: &Session) -> Vec<(String, i64)> {
    let keys = KEYS.iter().zip(VIPS).map(|(key, vip)| key.replace("leader", &format!("vip/{vip}")));
    keys.filter_map(|key| session.get(&key)).map(|(value, stat)| (value, stat.owner)).collect()
}

/// Waits until this host holds all VIPs by its claims, and the other one none. Returns how long the last one took.
fn wait_held(setup: &Setup, session: &Session, host: usize, since: Moment, limit: Duration) -> Duration {
    let held = VIPS.map(|vip| setup.observer.wait_held(&setup.hosts[host], vip, limit));
    let other = &setup.hosts[1 - host];
    assert!(VIPS.iter().all(|vip| !setup.observer.holds(other, *vip)));
    let own = format!("\"host\":\"{}\"", setup.hosts[host].name());
    let claims = claims(session);
    assert!(claims.len() == VIPS.len() && claims.iter().all(|(value, _)| value.contains(&own)), "{claims:?}");
    held.into_iter().map(|held| held.since(since)).max().unwrap_or_default()
}

fn assert_one_holder(setup: &Setup) {
    let overlap = VIPS.map(|vip| setup.observer.overlap(&setup.hosts[0], &setup.hosts[1], vip));
    assert_eq!(overlap, [Duration::ZERO; 3]);
}

#[test]
fn three_claimed_vips_of_one_daemon_move_together_survive_restarts_and_never_have_two_holders() {
    let mut setup = Setup::new("several", 3, 2);
    setup.start(with_vips);
    let patronis = [0, 1].map(|place| setup.ensemble.session(place, TTL));
    let began = lead(&patronis[0], "db1");
    wait_held(&setup, &patronis[0], 0, began, SOON);
    for to in [1, 0, 1, 0] {
        let moved = lead(&patronis[to], setup.hosts[to].name());
        let held = wait_held(&setup, &patronis[to], to, moved, SOON);
        report("switchover of all: the last one held after", held);
        assert!(held < Duration::from_secs(2), "{held:?}");
    }

    let pingers = VIPS.map(|vip| Pinger::start(&setup.client, vip, OFTEN));
    let answers = || pingers.each_ref().map(|pinger| pinger.pings().answers.len());
    let wait_answers = || {
        let known = answers();
        wait_for("more answers", SOON, || answers().iter().zip(known).all(|(now, before)| *now > before + 100));
    };
    wait_answers();
    let config = with_vips(setup.config(0));
    let times_held = |setup: &Setup| VIPS.map(|vip| setup.observer.intervals(&setup.hosts[0], vip).len());
    let before = times_held(&setup);
    restart_in_both_ways(
        &mut setup.daemons[0],
        &config,
        || Some(claims(&patronis[1])),
        |_, before, _| {
            wait_for("all claims of the next process", SOON, || {
                let now = claims(&patronis[1]);
                now.len() == VIPS.len() && now.iter().zip(before).all(|(now, before)| now.1 != before.1)
            });
            wait_answers();
        },
    );
    for pinger in pingers {
        let pings = pinger.stop();
        report("two restarts: lost pings, of", (pings.lost(), pings.sent));
        assert_eq!(pings.lost(), 0, "{:?}", pings.outages());
    }
    assert_eq!(times_held(&setup), before, "no address was removed");

    // Its Patronis go on and hand the keys over at once; the claims of the daemon last.
    setup.daemons[0].process.kill();
    let moved = lead(&patronis[1], "db2");
    let held = wait_held(&setup, &patronis[1], 1, moved, CLAIM);
    report("killed, and all keys moved: the last one held after", held);
    assert_one_holder(&setup);
}
