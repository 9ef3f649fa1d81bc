//! Another machine claims the address that is ours.

use std::net::IpAddr;
use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

use crate::support::capture::Capture;
use crate::support::clock::{now, pause, wait_for};
use crate::support::daemon::Daemon;
use crate::support::host::{VIP, VIP6};
use crate::support::rival::Rival;
use crate::support::setup::{SOON, Setup, report, wait_logged, wait_status};

/// A holder that has held for a while, and a second host.
fn held(name: &str) -> (Setup, Daemon) {
    let setup = Setup::new(name, 2);
    let daemon = setup.lead(&setup.config().with("ip", format!("[{VIP}, \"{VIP6}\"]")), VIP);
    setup.observer.wait_held(setup.host(), VIP6, SOON);
    wait_status(&daemon, "2 held");
    pause(Duration::from_millis(2_500));
    (setup, daemon)
}

fn known(setup: &Setup, address: IpAddr) -> Option<String> {
    setup.client.neighbour(address)
}

fn times_said(daemon: &Daemon, words: &str) -> usize {
    daemon.process.lines().iter().filter(|line| line.text.contains(words)).count()
}

/// A claim is told of and undone before anybody has looked.
fn a_rival_is_beaten(name: &str, address: IpAddr, ping: &str) {
    let (setup, daemon) = held(name);
    setup.client.run(ping, &["-c1", "-W5", &address.to_string()]);
    let mut rival = Rival::on(&setup.hosts[1]);
    let theirs = setup.hosts[1].mac();
    let capture = Capture::on(&setup.client);
    let begin = now();
    rival.claim(address);
    let told = wait_logged(&daemon, &format!("also claimed by {theirs}"));
    let ours = setup.host().mac();
    wait_for("our answer", SOON, || capture.first(begin, address, &ours).is_some());
    wait_for("the client to know better", SOON, || known(&setup, address).as_ref() == Some(&ours));
    let back = now();
    report("a rival was told of after", told.since(begin));
    report("the client's neighbour table was ours again after at most", back.since(begin));
    assert!(told.since(begin) < Duration::from_millis(500), "{:?}", told.since(begin));
    assert!(back.since(begin) < Duration::from_millis(1_500), "{:?}", back.since(begin));
    rival.claim(address);
    pause(Duration::from_millis(1_500));
    assert_eq!(times_said(&daemon, "also claimed"), 1, "{}", daemon.process.text());
    setup.client.run(ping, &["-c1", "-W5", &address.to_string()]);
}

#[test]
fn a_gratuitous_arp_of_another_host_is_told_and_answered() {
    a_rival_is_beaten("rival4", VIP, "ping");
}

#[test]
fn an_unsolicited_advertisement_of_another_host_is_told_and_answered() {
    a_rival_is_beaten("rival6", VIP6, "ping");
}

#[test]
fn a_host_that_does_not_hold_says_nothing() {
    let setup = Setup::new("quiet", 2);
    setup.set_unknown_leader();
    let daemon = Daemon::start(setup.host(), &setup.config());
    wait_status(&daemon, "standby");
    let capture = Capture::on(&setup.client);
    let begin = now();
    let mut rival = Rival::on(&setup.hosts[1]);
    for _ in 0..20 {
        rival.claim(VIP);
    }
    wait_for("the claims", SOON, || capture.since(begin, VIP).len() == 40);
    pause(Duration::from_secs(1));
    assert_eq!(capture.first(begin, VIP, &setup.host().mac()), None);
    assert_eq!(times_said(&daemon, "claimed"), 0, "{}", daemon.process.text());
}

#[test]
fn a_flood_of_claims_is_one_line_a_little_work_and_few_answers() {
    let (setup, daemon) = held("flood");
    let mut rival = Rival::on(&setup.hosts[1]);
    let capture = Capture::on(&setup.client);
    let (lines, begin, busy) = (daemon.process.lines().len(), now(), work(&daemon));
    for _ in 0..5_000 {
        rival.claim(VIP);
    }
    let flooded = now().since(begin);
    wait_logged(&daemon, "also claimed");
    pause(Duration::from_secs(2));
    let spent = work(&daemon).saturating_sub(busy);
    let ours = setup.host().mac();
    let seen = capture.since(begin, VIP);
    let answers = seen.iter().filter(|packet| packet.mac.to_string() == ours).count();
    report("10,000 claims took", flooded);
    report("the daemon's work for them", spent);
    report("answers", answers);
    assert!(spent < Duration::from_secs(2), "{spent:?}");
    assert!(answers <= 2 * 6 * (3 + usize::try_from(flooded.as_secs()).unwrap()), "{answers}");
    assert!(daemon.process.lines().len() - lines <= 5, "{}", daemon.process.text());
    assert!(setup.host().carries(VIP));
    assert_eq!(setup.times_held(VIP), 1);
}

#[test]
fn an_interface_that_is_made_anew_is_listened_to_again() {
    let (setup, daemon) = held("anew");
    setup.host().ip("link set eth0 down");
    setup.host().ip("link set eth0 name eth9");
    setup.host().ip("link set eth9 name eth0");
    setup.host().ip("link set eth0 up");
    setup.host().ip(&format!("addr replace {}/16 dev eth0", setup.host().v4()));
    setup.observer.wait_held(setup.host(), VIP, SOON);
    pause(Duration::from_secs(3));
    let theirs = setup.hosts[1].mac();
    Rival::on(&setup.hosts[1]).claim(VIP);
    wait_logged(&daemon, &format!("claimed by {theirs}"));
}

/// The time that the daemon has been at work.
fn work(daemon: &Daemon) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.process.pid())).unwrap();
    let ticks = stat.rsplit(')').next().unwrap().split_whitespace();
    let used: u64 = ticks.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    let a_second = sysconf(SysconfVar::CLK_TCK).unwrap().unwrap();
    Duration::from_millis(used * 1_000 / u64::try_from(a_second).unwrap())
}
