//! SIGHUP: the configuration is read again, and only what changed in it changes.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::support::clock::{now, pause, wait_for};
use crate::support::daemon::{ConfigFile, Daemon, KEY};
use crate::support::holding::What;
use crate::support::host::{VIP, VIP6};
use crate::support::ping::Pinger;
use crate::support::setup::{SOON, Setup, report, wait_logged, wait_status};

const OFTEN: Duration = Duration::from_millis(10);
const SECOND_VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 66, 0, 101));
const THIRD_VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 66, 0, 102));

/// The configuration with this list of VIPs in the place of the one.
fn with_vips(config: &ConfigFile, vips: &[IpAddr]) -> String {
    let list: Vec<String> = vips.iter().map(|vip| format!("  - ip: \"{vip}\"\n")).collect();
    format!("{}vips:\n{}", config.clone().without("ip").text(), list.concat())
}

fn reload(daemon: &Daemon, text: &str) {
    fs::write(&daemon.config, text).unwrap();
    daemon.process.signal(Signal::SIGHUP);
}

/// Waits until the daemon has said so many times that it has read its configuration again.
fn wait_reloaded(daemon: &Daemon, times: usize) {
    wait_for("the end of the reload", SOON, || {
        let lines = daemon.process.lines();
        lines.iter().filter(|line| line.text.contains("configuration reloaded")).count() == times
    });
}

/// vip-manager #242.
#[test]
fn a_reload_adds_one_address_and_removes_another_and_does_not_touch_the_third() {
    let setup = Setup::new("reload", 1);
    setup.set_leader(setup.host());
    let config = setup.config().with("interval", 500);
    let daemon = Daemon::start_with(setup.host(), &with_vips(&config, &[VIP, SECOND_VIP]), &[]);
    setup.observer.wait_held(setup.host(), VIP, SOON);
    setup.observer.wait_held(setup.host(), SECOND_VIP, SOON);
    let pinger = Pinger::start(&setup.client, VIP, OFTEN);
    wait_for("some answers", SOON, || pinger.pings().answers.len() > 20);

    let asked = now();
    reload(&daemon, &with_vips(&config, &[VIP, THIRD_VIP]));
    let gone = setup.observer.wait_gone(setup.host(), SECOND_VIP, SOON).unwrap();
    let came = setup.observer.wait_held(setup.host(), THIRD_VIP, SOON);
    report("the removed one gone after", gone.since(asked));
    report("the new one there after", came.since(asked));
    wait_reloaded(&daemon, 1);
    pause(Duration::from_secs(2));

    let span = now().since(asked);
    let notices = setup.observer.notices();
    let renewals = notices.iter().filter(|notice| notice.address == VIP && notice.at >= asked).count();
    let most = span.as_millis() / 500 + 2;
    assert!(renewals as u128 <= most, "{renewals} notices of an address that was not to be touched, in {span:?}");
    assert_eq!(pinger.stop().lost(), 0);
    assert_eq!(setup.times_held(VIP), 1);
    assert_eq!(daemon.process.text().matches(&format!("{VIP}/32 on eth0 acquired")).count(), 1);
}

/// "After netmask was changed the old prefix stayed for ever."
#[test]
fn a_changed_netmask_and_changed_timing_are_taken_over_without_a_lost_ping() {
    for (address, host_length, net_length) in [(VIP, 32, 16), (VIP6, 128, 64)] {
        let setup = Setup::new("reload", 1);
        let config = setup.config().with("ip", address);
        let daemon = setup.lead(&config, address);
        let pinger = Pinger::start(&setup.client, address, OFTEN);
        wait_for("some answers", SOON, || pinger.pings().answers.len() > 20);
        let prefixes = || {
            let shown = setup.host().ip(&format!("-o addr show to {address}"));
            let found = [host_length, net_length].map(|length| shown.contains(&format!("{address}/{length} ")));
            (found[0], found[1])
        };
        assert_eq!(prefixes(), (true, false));

        let config = config.with("netmask", net_length);
        reload(&daemon, &config.text());
        wait_for("the new prefix alone", SOON, || prefixes() == (false, true));
        reload(&daemon, &config.with("hold-timeout", "20s").with("announce-refresh", "5s").text());
        wait_reloaded(&daemon, 2);
        wait_for("the longer lifetime", SOON, || {
            setup.observer.notices().last().is_some_and(|last| match last.what {
                What::Shown { lifetime } => lifetime > Some(Duration::from_secs(15)),
                What::Removed => false,
            })
        });
        assert_eq!(prefixes(), (false, true));
        let (pings, away) = (pinger.stop(), setup.observer.intervals(setup.host(), address));
        let gaps: Duration = away.windows(2).filter_map(|two| Some(two[1].from.since(two[0].until?))).sum();
        report(&format!("{address} absent for"), gaps);
        // The kernel keeps an IPv6 address with one prefix length only: it is removed and added again, in one go.
        let lost = if address.is_ipv6() { 2 + u32::try_from(gaps.as_millis() / OFTEN.as_millis()).unwrap() } else { 0 };
        assert!(pings.lost() <= lost, "{address}: {:?}", pings.outages());
        assert!(gaps < Duration::from_millis(250) && away.len() <= 2, "{address}: {away:?}");
        assert!(!daemon.process.logged("somebody else"), "its own change is nobody else's:\n{}", daemon.process.text());
    }
}

#[test]
fn a_reload_of_a_file_with_mistakes_names_each_and_keeps_the_old_configuration() {
    let setup = Setup::new("reload", 1);
    let daemon = setup.lead(&setup.config(), VIP);
    let wrong = setup.config().with("netmask", 77).with("hold-timout", "9s").with("on-stop", "explode");
    reload(&daemon, &wrong.text());
    wait_logged(&daemon, "keeping the old one");
    let said = daemon.process.text();
    for mistake in ["77", "did you mean \"hold-timeout\"", "explode"] {
        let line = said.lines().find(|line| line.contains(mistake)).unwrap_or_else(|| panic!("{mistake}: {said}"));
        assert!(line.contains(".yml:"), "with its place: {line}");
    }
    assert_eq!(setup.times_held(VIP), 1);
    // The old configuration lives on: it still follows its key.
    setup.set_unknown_leader();
    setup.observer.wait_gone(setup.host(), VIP, SOON);
    setup.set_leader(setup.host());
    setup.observer.wait_held(setup.host(), VIP, SOON);
    reload(&daemon, &setup.config().text());
    wait_reloaded(&daemon, 1);
}

#[test]
fn a_reload_with_other_endpoints_and_another_key_uses_them() {
    let setup = Setup::new("reload", 1);
    setup.set_leader(setup.host());
    let right = setup.config();
    let wrong = right.clone().with("dcs-endpoints", format!("http://{}:2379", setup.client.v4()));
    let daemon = Daemon::start(setup.host(), &wrong);
    wait_for("readiness", SOON, || daemon.ready());
    pause(Duration::from_secs(1));
    assert!(!setup.host().carries(VIP));
    let asked = now();
    reload(&daemon, &right.text());
    let came = setup.observer.wait_held(setup.host(), VIP, SOON);
    report("with the right endpoint, up after", came.since(asked));

    setup.cluster.store().put("/service/another/leader", "nobody");
    reload(&daemon, &right.clone().with("trigger-key", "/service/another/leader").text());
    setup.observer.wait_gone(setup.host(), VIP, SOON);
    assert_eq!(setup.cluster.store().get(KEY).unwrap().value, setup.host().name());
    reload(&daemon, &right.text());
    setup.observer.wait_held(setup.host(), VIP, SOON);
}

#[test]
fn a_reload_changes_the_log_level() {
    let setup = Setup::new("reload", 1);
    let daemon = setup.lead(&setup.config(), VIP);
    assert!(!daemon.process.logged("DEBUG"));
    reload(&daemon, &setup.config().with("log-level", "debug").text());
    wait_logged(&daemon, "DEBUG");
    reload(&daemon, &setup.config().with("log-level", "error").text());
    wait_for("readiness anew", SOON, || {
        daemon.notify.lines().iter().filter(|line| line.text == "READY=1").count() == 3
    });
    let known = daemon.process.lines().len();
    setup.set_unknown_leader();
    setup.observer.wait_gone(setup.host(), VIP, SOON);
    wait_status(&daemon, "standby");
    assert_eq!(daemon.process.lines_after(known).len(), 0, "{}", daemon.process.text());
}

#[test]
fn a_reload_that_names_the_hosts_own_address_is_refused() {
    let setup = Setup::new("reload", 1);
    let daemon = setup.lead(&setup.config(), VIP);
    setup.host().ip(&format!("addr del {VIP}/32 dev eth0"));
    setup.observer.wait_held(setup.host(), VIP, SOON);
    reload(&daemon, &setup.config().with("interface", "lo").with("ip", "127.0.0.1").text());
    wait_logged(&daemon, "keeping the old");
    assert!(setup.host().carries("127.0.0.1".parse().unwrap()));
    assert!(setup.host().carries(VIP));
}

/// A FIFO without a writer blocks its reader, as a file system that hangs does.
#[test]
fn a_configuration_that_cannot_be_read_to_its_end_stops_neither_renewals_nor_a_stop() {
    let setup = Setup::new("reload-hang", 1);
    let config = setup.config().with("hold-timeout", "3s").with("interval", 500);
    let mut daemon = setup.lead(&config, VIP);
    let fifo = daemon.config.with_extension("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    fs::rename(&fifo, &daemon.config).unwrap();
    daemon.process.signal(Signal::SIGHUP);
    wait_logged(&daemon, "cannot read the new configuration within 5.0s, keeping the old one");
    assert_eq!(setup.times_held(VIP), 1);
    setup.observer.wait_held(setup.host(), VIP, SOON);

    // What arrives late is applied.
    fs::write(&daemon.config, with_vips(&config, &[VIP, SECOND_VIP])).unwrap();
    setup.observer.wait_held(setup.host(), SECOND_VIP, SOON);
    wait_reloaded(&daemon, 1);
    assert_eq!(setup.times_held(VIP), 1);

    daemon.process.signal(Signal::SIGHUP);
    pause(Duration::from_secs(1));
    let asked = now();
    daemon.process.signal(Signal::SIGTERM);
    let ended = daemon.process.wait(SOON);
    report("the daemon stopped after", now().since(asked));
    assert_eq!(ended.code(), Some(0));
    setup.observer.wait_gone(setup.host(), VIP, SOON).unwrap();
}
