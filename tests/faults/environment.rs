//! The environment of the cases: one cluster for many cases, and for each case new daemons, a client and an empty
//! record.

use std::net::IpAddr;
use std::time::Duration;

use nix::sys::signal::Signal;
use vip_manager::time::Moment;

use crate::case::{Case, ClusterKind, End};
use crate::proxies::Proxies;
use crate::record::{Lane, LeaderTerm, Record, Span};
use crate::setup::Setup;
use crate::support::capture::Capture;
use crate::support::clock::{now, pause, wait_for};
use crate::support::daemon::{ConfigFile, Daemon, KEY, binary};
use crate::support::etcd::{Cluster, ClusterOptions};
use crate::support::fail::OrFail;
use crate::support::host::{Host, VIP, VIP6};
use crate::support::lab::Lab;
use crate::support::observer::AddressObserver;
use crate::support::patroni::{Patroni, Timing};
use crate::support::ping::Pinger;
use crate::support::process::Process;
use crate::support::proxy::Wire;
use crate::support::store::{Store, User};
use crate::support::tcp::{ConnectionState, EchoServer, TcpClient};
use crate::support::tls::{IdentityFiles, KeyForm, Tls};
use crate::support::watcher::{KeyChange, Watcher};
use crate::units::Units;

pub(crate) const HOSTS: usize = 3;
/// The lease of Patroni, in seconds.
pub(crate) const LEASE: i64 = 8;
/// The hold-timeout of the daemons, in seconds: shorter than the default, so that a case is short.
pub(crate) const HOLD: u64 = 4;
const INTERVAL: &str = "500ms";
const PING: Duration = Duration::from_millis(20);
/// Shorter delays of an answer are noise of a busy machine.
const LATE: Duration = Duration::from_millis(100);
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// The quiet time before the first fault and after the last.
const CALM: Duration = Duration::from_millis(700);

/// A cluster, its hosts, and the running case.
pub(crate) struct Environment {
    watcher: Watcher,
    /// Changes before a restore, after which revisions repeat.
    changes: Vec<KeyChange>,
    _databases: Vec<EchoServer>,
    pub(crate) patronis: Vec<Patroni>,
    pub(crate) tls: Option<Tls>,
    identity: Option<IdentityFiles>,
    pub(crate) root: User,
    /// Where systemd runs the daemons. Booted for the first case that wants it.
    units: Option<Units>,
    pub(crate) setup: Setup,
    pub(crate) vip: IpAddr,
    proxies: Option<Proxies>,
    configured: fn(ConfigFile) -> ConfigFile,
    unit: bool,
    faults: Vec<(Moment, Moment, String)>,
}

impl Environment {
    pub(crate) fn build(cluster_kind: ClusterKind) -> Self {
        let root = User { name: "root".to_owned(), password: "correct horse".to_owned() };
        let lab = Lab::new("faults");
        let tls = (cluster_kind == ClusterKind::Tls).then(|| Tls::new(&lab));
        let user = (cluster_kind == ClusterKind::Auth).then(|| root.clone());
        let client_certificates = tls.is_some();
        let options = ClusterOptions { tls: tls.clone(), client_certificates, user, ..ClusterOptions::default() };
        let cluster = Cluster::start_with(&lab, &options);
        let hosts: Vec<Host> = (1..=HOSTS).map(|number| lab.host(&format!("db{number}"))).collect();
        let client = lab.host("client");
        let observer = AddressObserver::over(&hosts.iter().collect::<Vec<_>>());
        let capture = Capture::on(&client);
        let setup = Setup { daemons: Vec::new(), hosts, client, observer, capture, cluster, lab };
        let patronis = setup.patronis(&Timing { ttl: LEASE, ..Timing::default() });
        let databases = setup.hosts.iter().map(EchoServer::on).collect();
        let watcher = setup.key_watcher();
        Self {
            watcher,
            changes: Vec::new(),
            _databases: databases,
            patronis,
            identity: tls.as_ref().map(|tls| tls.client("vip", KeyForm::EcPkcs8)),
            tls,
            root,
            units: None,
            setup,
            vip: VIP,
            proxies: None,
            configured: |config| config,
            unit: false,
            faults: Vec::new(),
        }
    }

    /// Runs a case with a quiet time before and after, and returns what the observers recorded.
    pub(crate) fn run(&mut self, case: &Case) -> Record {
        self.vip = case.vip;
        self.configured = case.config;
        self.unit = case.unit;
        self.clear();
        if self.unit {
            let units = self.units.take().unwrap_or_else(|| Units::boot(&self.setup.hosts));
            (0..HOSTS).for_each(|host| units.start(host, &self.config(host)));
            self.units = Some(units);
        } else {
            self.setup.daemons = (0..HOSTS).map(|host| self.fresh(host, &self.config(host))).collect();
        }
        self.patronis[0].take_over();
        self.patronis[1..].iter().for_each(|patroni| patroni.may_lead(true));
        self.wait_held(0);
        let pinger = Pinger::start(&self.setup.client, self.vip, PING);
        wait_for("the first answers", SOON, || pinger.pings().answers.len() > 10);
        let session = TcpClient::connect(&self.setup.client, self.vip).or_fail("connecting to the database");

        let begin = now();
        pause(CALM);
        (case.action)(self);
        // The final state may take a moment. If it never comes, the record shows it.
        let limit = now() + SOON;
        while !self.settled(case.end) && now() < limit {
            pause(PING);
        }
        pause(CALM);
        let end = now();
        pause(LATE);
        let clock = Clock { begin, end };
        let mut record = self.record(&clock);
        client_saw(&mut record, &clock, pinger, session.status().state);
        record
    }

    fn settled(&self, end: End) -> bool {
        match end {
            End::Kept => true,
            End::Back => self.holds(0) && self.only_named(),
            End::Moved => !self.holds(0) && self.only_named(),
            End::Named => self.only_named(),
        }
    }

    // Building blocks of cases

    /// Runs `work` and records it as a fault with its duration.
    pub(crate) fn fault<T>(&mut self, text: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let from = now();
        let place = self.faults.len();
        self.faults.push((from, from, text.to_owned()));
        let result = work(self);
        self.faults[place].1 = now();
        result
    }

    /// Runs `work` and asserts that the first host holds the address throughout.
    pub(crate) fn undisturbed(&mut self, work: impl FnOnce(&mut Self)) {
        let holds = |env: &Self| env.setup.observer.intervals(env.host(), env.vip);
        let before = holds(self);
        work(self);
        assert_eq!(holds(self), before, "the first host released the address");
    }

    pub(crate) fn wait_held(&self, host: usize) {
        self.setup.observer.wait_held(&self.setup.hosts[host], self.vip, SOON);
    }

    pub(crate) fn wait_gone(&self, host: usize) {
        self.setup.observer.wait_gone(&self.setup.hosts[host], self.vip, SOON);
    }

    /// Waits until another host than the first has the address.
    pub(crate) fn wait_moved(&self) {
        wait_for("another host to hold", SOON, || (1..HOSTS).any(|host| self.holds(host)));
    }

    pub(crate) fn holds(&self, host: usize) -> bool {
        self.setup.observer.holds(&self.setup.hosts[host], self.vip)
    }

    pub(crate) fn host(&self) -> &Host {
        &self.setup.hosts[0]
    }

    pub(crate) fn daemon(&self) -> &Daemon {
        &self.setup.daemons[0]
    }

    /// The unit of this case, unless the daemons run without systemd.
    pub(crate) fn unit(&self) -> Option<&Units> {
        self.units.as_ref().filter(|_| self.unit)
    }

    /// Sends a signal to the first host's daemon.
    pub(crate) fn signal(&self, signal: Signal) {
        match self.unit() {
            Some(units) => units.signal(0, signal),
            None => self.daemon().process.signal(signal),
        }
    }

    /// Runs `systemctl` on the first host, in a case under the unit.
    pub(crate) fn systemctl(&self, command: &str) {
        self.unit().or_fail("finding the unit").systemctl(0, command);
    }

    pub(crate) fn config(&self, host: usize) -> ConfigFile {
        let config = ConfigFile::basic(&self.setup.hosts[host], &self.setup.cluster)
            .with("interval", INTERVAL)
            .with("hold-timeout", format!("{HOLD}s"));
        let config = if self.setup.cluster.user().is_some() { with_user(config, &self.root) } else { config };
        let config = (self.configured)(config);
        let (Some(tls), Some(identity)) = (&self.tls, &self.identity) else { return config };
        config
            .with("etcd-ca-file", tls.ca_file().display())
            .with("etcd-cert-file", identity.certificate.display())
            .with("etcd-key-file", identity.key.display())
    }

    fn fresh(&self, host: usize, config: &ConfigFile) -> Daemon {
        let daemon = Daemon::start(&self.setup.hosts[host], config);
        wait_for(&format!("{} to be ready", daemon.host.name()), SOON, || daemon.ready());
        daemon
    }

    /// Replaces the first host's daemon, whatever its state.
    pub(crate) fn start_again(&mut self) {
        self.start_again_with(&self.config(0));
    }

    /// The same with another configuration.
    pub(crate) fn start_again_with(&mut self, config: &ConfigFile) {
        if let Some(units) = self.unit() {
            units.start(0, config);
            return;
        }
        self.setup.daemons[0].process.kill();
        self.setup.daemons[0] = self.fresh(0, config);
    }

    /// The same through a shell or a tool that gets the daemon's command as its last arguments.
    pub(crate) fn start_through(&mut self, words: &[&str]) {
        let file = self.setup.lab.directory().join("through.yml");
        std::fs::write(&file, self.config(0).text()).or_fail("writing a configuration");
        let mut command = self.host().command(words[0]);
        command.args(&words[1..]).arg(binary()).arg("--config").arg(&file);
        self.setup.daemons[0].process.kill();
        self.setup.daemons[0].process = Process::start("vip-manager through a tool", command);
    }

    /// The same with a proxy in front of each member.
    pub(crate) fn start_behind_proxies(&mut self) {
        let proxies = Proxies::between(self.host(), &self.setup.cluster);
        self.start_again_with(&self.config(0).with("dcs-endpoints", proxies.endpoints()));
        self.proxies = Some(proxies);
        self.setup.wait_renewed(0);
    }

    /// Sets how the proxies forward bytes from now on.
    pub(crate) fn set_proxies(&self, wire: Wire) {
        self.proxies.as_ref().or_fail("finding the proxies").set(wire);
    }

    /// After a restore, revisions repeat and no watch reports the value of the key, so it is read.
    pub(crate) fn begin_revisions_anew(&mut self) {
        self.changes.extend(self.watcher.changes());
        self.watcher.clear();
        let value = self.setup.cluster.store().get(KEY).map(|entry| entry.value);
        let newest = self.changes.iter().rfind(|change| change.key == KEY);
        if newest.is_none_or(|newest| newest.value != value) {
            self.changes.push(KeyChange { at: now(), key: KEY.to_owned(), value });
        }
    }

    /// Waits for a time that is part of the fault.
    pub(crate) fn wait(&self, seconds: f64) {
        let _ = self;
        pause(Duration::from_secs_f64(seconds));
    }

    /// Whether only the host that the key names has the address.
    pub(crate) fn only_named(&self) -> bool {
        let entry = self.setup.cluster.store().with(|client| client.get(KEY)).ok().flatten();
        entry.is_some_and(|entry| {
            (0..HOSTS).all(|host| self.holds(host) == (self.setup.hosts[host].name() == entry.value))
        })
    }

    /// Resets everything: no leader, no holder, no daemon.
    fn clear(&mut self) {
        for patroni in &self.patronis {
            patroni.may_lead(false);
            patroni.die();
            patroni.revive(false);
        }
        self.setup.daemons.clear();
        if let Some(units) = &self.units {
            units.stop_all();
        }
        self.proxies = None;
        self.setup.cluster.wait_healthy();
        wait_for("the key to be deleted", SOON, || {
            self.setup.cluster.store().with(|client| client.delete(KEY)).is_ok()
        });
        for host in &self.setup.hosts {
            for address in [VIP, VIP6] {
                for prefix in ["32", "24", "128"] {
                    let _ = host.attempt("ip", &["addr", "del", &format!("{address}/{prefix}"), "dev", "eth0"]);
                }
            }
        }
        self.changes.clear();
        self.watcher.clear();
        wait_for("no host to hold the address", SOON, || (0..HOSTS).all(|host| !self.holds(host)));
    }

    /// The last lines of the daemons' logs.
    pub(crate) fn log_tail(&self) -> String {
        if let Some(units) = self.unit() {
            return units.log_tail();
        }
        let words = |daemon: &Daemon| {
            let text = daemon.process.text();
            let lines: Vec<&str> = text.lines().collect();
            format!("{}:\n{}", daemon.host.name(), lines[lines.len().saturating_sub(25)..].join("\n"))
        };
        self.setup.daemons.iter().map(words).collect::<Vec<_>>().join("\n")
    }

    // The record

    fn record(&mut self, scale: &Clock) -> Record {
        let (begin, end) = (scale.begin, scale.end);
        let macs: Vec<String> = self.setup.hosts.iter().map(Host::mac).collect();
        let packets = self.setup.capture.since(begin, self.vip);
        let lanes = self.setup.hosts.iter().zip(&macs).map(|(host, mac)| Lane {
            host: host.name().to_owned(),
            held: self
                .setup
                .observer
                .intervals(host, self.vip)
                .iter()
                .filter(|held| held.until.is_none_or(|until| until > begin) && held.from < end)
                .map(|held| scale.span(held.from, held.until.unwrap_or(end)))
                .collect(),
            announced: packets
                .iter()
                .filter(|packet| packet.mac.to_string() == *mac)
                .map(|packet| scale.second(packet.at))
                .collect(),
        });
        Record {
            length: scale.second(end),
            lanes: lanes.collect(),
            terms: self.terms(scale),
            faults: self.faults.drain(..).map(|(from, until, text)| (scale.span(from, until), text)).collect(),
            ..Record::default()
        }
    }

    fn terms(&self, scale: &Clock) -> Vec<LeaderTerm> {
        let mut changes = [self.changes.clone(), self.watcher.changes()].concat();
        changes.retain(|change| change.key == KEY);
        changes.sort_by_key(|change| change.at);
        let mut terms = Vec::new();
        for (place, change) in changes.iter().enumerate() {
            let until = changes.get(place + 1).map_or(scale.end, |next| next.at);
            if until > scale.begin {
                terms
                    .push(LeaderTerm { span: scale.span(change.at, until), value: change.value.as_deref().map(short) });
            }
        }
        terms
    }
}

/// Adds what the client observed.
fn client_saw(record: &mut Record, clock: &Clock, pinger: Pinger, state: ConnectionState) {
    let pings = pinger.stop();
    let mut outages = pings.outages();
    outages.retain(|outage| outage.until > clock.begin && outage.from < clock.end);
    outages.retain(|outage| outage.lost > 0 || outage.until.since(outage.from) > LATE);
    record.silences = outages.iter().map(|outage| clock.span(outage.from, outage.until)).collect();
    if let Some((_, last)) = pings.answers.iter().next_back()
        && clock.end.since(*last) > LATE
    {
        record.silences.push(clock.span(*last, clock.end));
    }
    record.lost = pings.lost();
    record.sent = pings.sent;
    record.connection = match state {
        ConnectionState::Open => "kept".to_owned(),
        ConnectionState::Reset(at) => format!("reset at {:.1} s", clock.second(at)),
        ConnectionState::Closed(at) => format!("closed at {:.1} s", clock.second(at)),
    };
}

struct Clock {
    begin: Moment,
    end: Moment,
}

impl Clock {
    fn second(&self, at: Moment) -> f64 {
        at.min(self.end).since(self.begin).as_secs_f64()
    }

    fn span(&self, from: Moment, until: Moment) -> Span {
        Span { from: self.second(from), until: self.second(until) }
    }
}

/// The value, shortened if it is long.
fn short(value: &str) -> String {
    match value.char_indices().nth(20) {
        Some((end, _)) => format!("{}… ({} bytes)", &value[..end], value.len()),
        None => value.to_owned(),
    }
}

fn with_user(config: ConfigFile, user: &User) -> ConfigFile {
    config.with("etcd-user", &user.name).with("etcd-password", &user.password)
}

/// A client that can log in while authentication is enabled.
pub(crate) fn store_as_root(cluster: &Cluster, host: &Host, root: &User) -> Store {
    Store::from(host, cluster.plain_endpoints(), Some(root.clone()))
}
