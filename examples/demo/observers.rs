//! Turns observations into events of the timeline.

use std::time::Duration;

use vip_manager::time::Moment;

use crate::support::capture::{Announcement, Capture};
use crate::support::clock::now;
use crate::support::daemon::KEY;
use crate::support::etcd::Cluster;
use crate::support::holding::{Interval, What};
use crate::support::host::{Host, VIP};
use crate::support::observer::AddressObserver;
use crate::support::ping::{Outage, Pinger, Pings};
use crate::support::tcp::{ConnectionState, TcpClient};
use crate::support::watcher::Watcher;
use crate::timeline::{Kind, Timeline, span};

const PING: Duration = Duration::from_millis(20);
/// The shortest time without an answer that is reported.
const SILENCE: Duration = Duration::from_millis(100);
/// The time between two attempts of the client to connect.
const RETRY: Duration = Duration::from_millis(250);

/// The observers: kernels, the client's link, its pings and its connection.
pub(crate) struct Observers {
    hosts: Vec<Host>,
    client: Host,
    address: AddressObserver,
    capture: Capture,
    pinger: Pinger,
    notices_seen: usize,
    key: Watcher,
    changes_seen: usize,
    /// A host that acquired the address and has not announced it yet.
    unannounced: Option<(usize, Moment)>,
    silent: bool,
    outages: usize,
    connection: Connection,
}

/// The client's connection through the VIP.
#[derive(Default)]
struct Connection {
    client: Option<TcpClient>,
    since: Option<Moment>,
    tried: Moment,
    silent: bool,
    resets: u32,
}

impl Observers {
    pub(crate) fn new(hosts: &[Host], client: &Host, cluster: &Cluster) -> Self {
        Self {
            address: AddressObserver::over(&hosts.iter().collect::<Vec<_>>()),
            capture: Capture::on(client),
            pinger: Pinger::start(client, VIP, PING),
            hosts: hosts.to_vec(),
            client: client.clone(),
            notices_seen: 0,
            key: Watcher::on(client, cluster, KEY),
            changes_seen: 0,
            unannounced: None,
            silent: true,
            outages: 0,
            connection: Connection::default(),
        }
    }

    pub(crate) fn holds(&self, host: usize) -> bool {
        self.address.holds(&self.hosts[host], VIP)
    }

    pub(crate) fn held_since(&self, host: usize) -> Moment {
        self.intervals(host).last().map_or_else(now, |interval| interval.from)
    }

    /// When the host lost the address for the last time.
    pub(crate) fn lost_at(&self, host: usize) -> Option<Moment> {
        self.intervals(host).last().and_then(|interval| interval.until)
    }

    pub(crate) fn intervals(&self, host: usize) -> Vec<Interval> {
        self.address.intervals(&self.hosts[host], VIP)
    }

    /// For how long any two hosts had the address at the same time, in total.
    pub(crate) fn overlap(&self) -> Duration {
        let pairs = (0..self.hosts.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
        pairs.map(|(one, other)| self.address.overlap(&self.hosts[one], &self.hosts[other], VIP)).sum()
    }

    pub(crate) fn pings(&self) -> Pings {
        self.pinger.pings()
    }

    pub(crate) fn answered_since(&self, moment: Moment) -> bool {
        self.pings().answers.last_key_value().is_some_and(|(_, at)| *at > moment)
    }

    pub(crate) fn connected_since(&self, moment: Moment) -> bool {
        self.connection.client.as_ref().is_some_and(|client| client.status().last_answer > moment)
    }

    pub(crate) fn resets(&self) -> u32 {
        self.connection.resets
    }

    /// Adds new events to the timeline. `living` tells which hosts have a daemon.
    pub(crate) fn report(&mut self, living: &[bool], timeline: &mut Timeline) {
        self.report_key(timeline);
        self.report_addresses(living, timeline);
        self.report_announcement(timeline);
        self.report_pings(timeline);
        self.report_connection(timeline);
    }

    fn report_key(&mut self, timeline: &mut Timeline) {
        let news = self.key.changes_after(self.changes_seen);
        self.changes_seen += news.len();
        for change in news {
            let text = match change.value {
                Some(name) => format!("etcd: the leader key names {name}"),
                None => "etcd: the leader key is deleted".to_owned(),
            };
            timeline.event(change.at, Kind::Key, text);
        }
    }

    fn report_addresses(&mut self, living: &[bool], timeline: &mut Timeline) {
        let notices = self.address.notices();
        for (place, notice) in
            notices.iter().enumerate().skip(self.notices_seen).filter(|(_, notice)| notice.address == VIP)
        {
            let Some(host) = self.hosts.iter().position(|host| host.name() == notice.host) else { continue };
            let earlier = &notices[..place];
            let carried = crate::support::holding::intervals(earlier, &notice.host, VIP)
                .last()
                .is_some_and(|interval| interval.until.is_none());
            match (notice.what, carried) {
                (What::Shown { lifetime }, false) => {
                    let limit = lifetime
                        .map_or("permanently".to_owned(), |limit| format!("for {} s unless renewed", limit.as_secs()));
                    timeline.event(notice.at, Kind::Took(host), format!("{} has the address, {limit}", notice.host));
                    self.unannounced = Some((host, notice.at));
                }
                (What::Removed, true) => {
                    let whose =
                        if living[host] { "released the address" } else { "lost the address: its kernel expired it" };
                    timeline.event(notice.at, Kind::Lost(host), format!("{} {whose}", notice.host));
                }
                // A renewal, or another prefix.
                (What::Shown { .. }, true) | (What::Removed, false) => {}
            }
        }
        self.notices_seen = notices.len();
    }

    fn report_announcement(&mut self, timeline: &mut Timeline) {
        let Some((host, taken)) = self.unannounced else { return };
        let Some(Announcement { at, mac, .. }) = self.capture.first(taken, VIP, &self.hosts[host].mac()) else {
            return;
        };
        let text = format!("announcement reaches the client {} later: {VIP} is at {mac}", span(at.since(taken)));
        timeline.event(at, Kind::Packet, text);
        self.unannounced = None;
    }

    fn report_pings(&mut self, timeline: &mut Timeline) {
        let pings = self.pings();
        let Some((_, last)) = pings.answers.last_key_value() else { return };
        if now().since(*last) > SILENCE && !self.silent {
            self.silent = true;
            timeline.event(*last + SILENCE, Kind::ClientTrouble, "the client's pings are not answered");
        }
        if now().since(*last) < SILENCE && self.silent {
            self.silent = false;
            if self.outages == 0 && pings.outages().is_empty() {
                timeline.event(*last, Kind::ClientOk, "the client's pings are answered");
            }
        }
        let outages: Vec<Outage> =
            pings.outages().into_iter().filter(|outage| outage.until.since(outage.from) > SILENCE).collect();
        for outage in outages.iter().skip(self.outages) {
            let silence = span(outage.until.since(outage.from));
            timeline.event(
                outage.until,
                Kind::ClientOk,
                format!("the client's pings are answered again, after {silence}"),
            );
        }
        self.outages = outages.len();
    }

    fn report_connection(&mut self, timeline: &mut Timeline) {
        let connection = &mut self.connection;
        let Some(client) = &connection.client else { return self.connect(timeline) };
        let status = client.status();
        match status.state {
            ConnectionState::Open => {
                let silent = now().since(status.last_answer) > 5 * SILENCE;
                if silent && !connection.silent {
                    let text = "the client's connection is silent";
                    timeline.event(status.last_answer + 5 * SILENCE, Kind::ClientTrouble, text);
                } else if !silent && connection.silent {
                    timeline.event(status.last_answer, Kind::ClientOk, "the client's connection continues");
                }
                connection.silent = silent;
            }
            ConnectionState::Reset(at) | ConnectionState::Closed(at) => {
                timeline.event(at, Kind::ClientTrouble, "the client's connection is reset");
                *connection = Connection { resets: connection.resets + 1, tried: at, ..Connection::default() };
            }
        }
    }

    fn connect(&mut self, timeline: &mut Timeline) {
        let connection = &mut self.connection;
        // If no host has the address, an attempt would only block the demo.
        let held = self.hosts.iter().any(|host| self.address.holds(host, VIP));
        if !held || now().since(connection.tried) < RETRY {
            return;
        }
        connection.tried = now();
        if let Ok(client) = TcpClient::connect(&self.client, VIP) {
            let at = now();
            connection.since = Some(at);
            connection.client = Some(client);
            timeline.event(at, Kind::ClientOk, "the client has a connection through the address");
        }
    }
}
