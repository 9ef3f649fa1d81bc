//! The runs of one scenario on one store.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vip_manager::time::Moment;

use super::scenario::Scenario;
use crate::measure::seconds;
use crate::support::clock::{now, pause, wait_for, wait_until};
use crate::support::cut::Cut;
use crate::support::daemon::{ConfigFile, Daemon};
use crate::support::dcs::{Dcs, DcsKind, Settings};
use crate::support::fail::OrFail;
use crate::support::holding::{self, Interval};
use crate::support::host::Host;
use crate::support::lab::Lab;
use crate::support::observer::AddressObserver;
use crate::support::patroni::{Patroni, Role};
use crate::support::rest::RestApi;

/// Patroni's smallest ttl, and settings that fit it.
pub(super) const SETTINGS: Settings =
    Settings { ttl: Duration::from_secs(20), loop_wait: Duration::from_secs(5), retry_timeout: Duration::from_secs(5) };
/// What is assumed of a lock with these settings after an answer of Patroni, less the margin.
pub(super) const ASSUMED_HOLD: f64 = 7.0;
/// Many daemons and servers begin at once.
pub(super) const START: Duration = Duration::from_secs(60);
/// A lock, a claim and a busy machine.
const SUCCESSION: Duration = Duration::from_secs(90);
/// Long enough for a mistake of a daemon that continues.
const AFTERWARDS: Duration = Duration::from_secs(5);
/// How long before the end of the lock the REST API hangs.
const JUST_BEFORE: Duration = Duration::from_millis(700);

/// One run's figures, in seconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Run {
    /// From the failure to the end of the address on the old host.
    pub(crate) stayed: f64,
    /// From the failure to the request by which the next Patroni got the lock.
    pub(crate) given: f64,
    /// From the end of the address to the earliest moment at which the lock could end.
    pub(crate) ahead: f64,
    /// From the lock of the next Patroni to the address on its host.
    pub(crate) followed: f64,
    /// For how long both hosts had the address.
    pub(crate) overlap: f64,
    /// How often the old host acquired the address afterwards.
    pub(crate) returned: usize,
    /// How often the new host acquired it.
    pub(crate) acquired: usize,
}

impl Run {
    pub(crate) fn passed(&self, kind: DcsKind, scenario: Scenario) -> bool {
        let allowed = if scenario.is_double() { ASSUMED_HOLD } else { 0.0 };
        self.overlap <= allowed
            && (self.ahead > 0.0 || !scenario.is_foreseen(kind))
            && self.returned == 0
            && self.acquired == 1
    }
}

/// Two hosts with an address, a leader and a follower.
pub(super) struct Pair {
    pub(super) daemons: Vec<Daemon>,
    pub(super) patronis: Vec<Patroni>,
    apis: Vec<RestApi>,
    /// The configuration of the first daemon.
    pub(super) config: ConfigFile,
    pub(super) scope: String,
    pub(super) hosts: Vec<Host>,
    observer: AddressObserver,
    pub(super) vip: IpAddr,
    pub(super) cut: Option<Cut>,
}

impl Pair {
    fn start(dcs: &Dcs, number: u8, hosts: Vec<Host>) -> Self {
        let (scope, vip) = (format!("pg{number}"), IpAddr::from(Ipv4Addr::new(10, 66, 1, number)));
        dcs.tell(&scope, &SETTINGS);
        let observer = AddressObserver::over(&hosts.iter().collect::<Vec<_>>());
        let patroni = |host| Patroni::start_with(host, SETTINGS.loop_wait, dcs.lock(host, &scope, SETTINGS.ttl));
        let patronis: Vec<_> = hosts.iter().map(patroni).collect();
        let mut apis = Vec::new();
        if let Dcs::Rest(_) = dcs {
            apis.extend(hosts.iter().map(RestApi::start));
            for (patroni, api) in patronis.iter().zip(&apis) {
                let times = [SETTINGS.ttl, SETTINGS.loop_wait, SETTINGS.retry_timeout];
                api.say(|said| said.timing = Some(times.map(|time| time.as_secs())));
                patroni.speak(api.voice(), SETTINGS.ttl);
            }
        }
        // A restart keeps the address, as under systemd.
        let config = |host| dcs.config(host, &scope).with("ip", vip).with("on-stop", "keep");
        let daemons = hosts.iter().map(|host| Daemon::start(host, &config(host))).collect();
        let config = config(&hosts[0]);
        Self { daemons, patronis, apis, config, scope, hosts, observer, vip, cut: None }
    }

    pub(super) fn refreshed(&self) -> Moment {
        let Role::Leader { refreshed } = self.patronis[0].role() else { panic!("the first Patroni does not lead") };
        refreshed
    }

    /// Replaces the first daemon, whatever its state.
    pub(super) fn start_again(&mut self) {
        self.start_again_with(&self.config.clone(), &[]);
    }

    /// The same with another configuration and more environment variables.
    pub(super) fn start_again_with(&mut self, config: &ConfigFile, variables: &[(&str, &str)]) {
        self.daemons[0].process.kill();
        self.daemons[0] = Daemon::start_in(&self.hosts[0], config, variables);
    }

    /// The times in which the hosts had the address after this moment.
    pub(super) fn held_since(&self, since: Moment) -> [Vec<Interval>; 2] {
        [0, 1].map(|host: usize| holding::after(&self.observer.intervals(&self.hosts[host], self.vip), since))
    }

    pub(super) fn holds(&self, host: usize) -> bool {
        self.observer.holds(&self.hosts[host], self.vip)
    }

    pub(super) fn end_patroni(&mut self) {
        self.patronis[0].die();
        if let Some(api) = self.apis.first_mut() {
            api.end();
        }
    }

    pub(super) fn freeze_patroni(&self) {
        self.patronis[0].freeze();
        self.let_api_hang(true);
    }

    pub(super) fn thaw_patroni(&self) {
        self.patronis[0].thaw();
        self.let_api_hang(false);
    }

    fn let_api_hang(&self, hangs: bool) {
        if let Some(api) = self.apis.first() {
            api.say(|said| said.hangs = hangs);
        }
    }

    /// The figures of a failure at this moment. The lock can end at `end` or when the next Patroni has asked for it.
    fn run(&self, failed: Moment, end: Moment) -> Run {
        let first = self.observer.intervals(&self.hosts[0], self.vip);
        let before = first.iter().filter(|interval| interval.from < failed);
        let gone = before.clone().next_back().and_then(|interval| interval.until);
        let gone = gone.or_fail("the end of the address on the first host");
        let second = self.observer.intervals(&self.hosts[1], self.vip);
        let held = second.first().or_fail("the time in which the second host had the address").from;
        let taken = self.patronis[1].taken().or_fail("when the next Patroni took the lock");
        Run {
            stayed: seconds(failed, gone),
            given: seconds(failed, taken.sent),
            ahead: seconds(gone, end.min(taken.sent)),
            followed: seconds(taken.answered, held),
            overlap: self.observer.overlap(&self.hosts[0], &self.hosts[1], self.vip).as_secs_f64(),
            returned: first.len() - before.count(),
            acquired: second.len(),
        }
    }
}

/// Starts a store and pairs of hosts, and waits until each first one leads and what its daemon asks late is known.
pub(super) fn begin(lab: &Lab, kind: DcsKind, runs: usize) -> (Vec<Pair>, Dcs) {
    let numbers: Vec<u8> = (1..=runs).filter_map(|number| u8::try_from(number).ok()).collect();
    let hosts: Vec<Host> =
        numbers.iter().flat_map(|number| ["a", "b"].map(|side| lab.host(&format!("pg{number}{side}")))).collect();
    let dcs = Dcs::start(lab, kind, &hosts);
    let pairs: Vec<Pair> =
        numbers.iter().zip(hosts.chunks(2)).map(|(number, hosts)| Pair::start(&dcs, *number, hosts.to_vec())).collect();
    wait_for("the daemons", START, || pairs.iter().all(|pair| pair.daemons.iter().all(Daemon::ready)));
    for pair in &pairs {
        pair.patronis[0].take_over();
    }
    wait_for("the first hosts to have the addresses", START, || pairs.iter().all(|pair| pair.holds(0)));
    let held = now();
    for pair in &pairs {
        pair.patronis[1].may_lead(true);
    }
    // What the daemons ask after their first read counts by then.
    wait_for("a few renewals", START, || pairs.iter().all(|pair| pair.refreshed() > held + SETTINGS.loop_wait));
    (pairs, dcs)
}

/// Lets the scenario happen so many times, on one store.
pub(super) fn run(kind: DcsKind, scenario: Scenario, runs: usize) -> Vec<Run> {
    let lab = Lab::new(kind.name());
    let (mut pairs, _dcs) = begin(&lab, kind, runs);
    let failures = fail_each(&lab, scenario, &mut pairs);
    wait_for("the second hosts to have the addresses", SUCCESSION, || pairs.iter().all(|pair| pair.holds(1)));
    wait_for("the first hosts to release the addresses", SUCCESSION, || pairs.iter().all(|pair| !pair.holds(0)));
    for pair in &mut pairs {
        scenario.end(pair);
    }
    pause(AFTERWARDS);
    // A lock may last longer, and where nothing tells how long, its true end counts.
    let end = |renewed: Moment| if scenario.is_foreseen(kind) { renewed + SETTINGS.ttl } else { now() };
    pairs.iter().zip(failures).map(|(pair, (failed, renewed))| pair.run(failed, end(renewed))).collect()
}

/// Lets each pair fail at another point of its Patroni's loop. Returns when, and when the last renewal was sent.
fn fail_each(lab: &Lab, scenario: Scenario, pairs: &mut [Pair]) -> Vec<(Moment, Moment)> {
    let runs = u32::try_from(pairs.len()).unwrap_or(u32::MAX);
    let mut failures = vec![(Moment::default(), Moment::default()); pairs.len()];
    let mut due: Vec<(Moment, usize)> = Vec::new();
    for (place, pair) in (0..runs).zip(pairs.iter()) {
        due.push((pair.refreshed() + SETTINGS.loop_wait + SETTINGS.loop_wait * place / runs, due.len()));
    }
    due.sort();
    for (moment, place) in due {
        wait_until("the point of the loop", START, || (now() >= moment).then_some(()));
        failures[place].0 = now();
        scenario.begin(lab, &mut pairs[place]);
    }
    // A renewal that was under way counts.
    for (failure, pair) in failures.iter_mut().zip(pairs.iter()) {
        failure.1 = pair.patronis[0].renewed();
    }
    if scenario == Scenario::LoopAndApiHang {
        let mut ends: Vec<(Moment, usize)> =
            failures.iter().enumerate().map(|(place, (_, renewed))| (*renewed + SETTINGS.ttl, place)).collect();
        ends.sort();
        for (end, place) in ends {
            wait_until("the end of the lock", START, || (now() + JUST_BEFORE >= end).then_some(()));
            pairs[place].let_api_hang(true);
        }
    }
    failures
}
