//! A case: how a user would describe it, what is done, and what outcome is allowed.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::environment::Environment;
use crate::record::Record;
use crate::support::daemon::ConfigFile;
use crate::support::host::VIP;

/// Tolerance for the overlap of two hosts, because the observer timestamps notifications when it reads them.
const OBSERVER: f64 = 0.02;

/// The kind of cluster that a case runs on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum ClusterKind {
    Plain,
    /// With authentication.
    Auth,
    /// With TLS.
    Tls,
}

/// The expected holder at the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The first host, which never released it.
    Kept,
    /// The first host, which did not have it for a while.
    Back,
    /// Another host, namely the one that the key names.
    Moved,
    /// The host that the key names.
    Named,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) user: &'static str,
    pub(crate) cluster_kind: ClusterKind,
    pub(crate) action: fn(&mut Environment),
    pub(crate) end: End,
    /// For how many seconds two hosts may have the address at the same time: 0, or what the promise's table allows.
    pub(crate) overlap: f64,
    /// How many consecutive seconds the client may go without an answer. If it is 0, no ping may be lost.
    pub(crate) silence: f64,
    pub(crate) vip: IpAddr,
    /// Completes the configuration of the daemons.
    pub(crate) config: fn(ConfigFile) -> ConfigFile,
    /// Whether systemd runs the daemons, with the shipped unit.
    pub(crate) unit: bool,
}

impl Case {
    /// A case in which clients notice nothing.
    pub(crate) const fn unnoticed(name: &'static str, user: &'static str, action: fn(&mut Environment)) -> Self {
        Self {
            name,
            user,
            cluster_kind: ClusterKind::Plain,
            action,
            end: End::Kept,
            overlap: 0.0,
            silence: 0.0,
            vip: VIP,
            config: |config| config,
            unit: false,
        }
    }

    /// A case in which clients wait for at most `silence` seconds.
    pub(crate) const fn noticed(
        name: &'static str,
        user: &'static str,
        end: End,
        silence: f64,
        action: fn(&mut Environment),
    ) -> Self {
        Self {
            name,
            user,
            cluster_kind: ClusterKind::Plain,
            action,
            end,
            overlap: 0.0,
            silence,
            vip: VIP,
            config: |config| config,
            unit: false,
        }
    }

    pub(crate) const fn on(mut self, cluster_kind: ClusterKind) -> Self {
        self.cluster_kind = cluster_kind;
        self
    }

    pub(crate) const fn configured(mut self, config: fn(ConfigFile) -> ConfigFile) -> Self {
        self.config = config;
        self
    }

    pub(crate) const fn under_the_unit(mut self) -> Self {
        self.unit = true;
        self
    }

    pub(crate) const fn at(mut self, vip: IpAddr) -> Self {
        self.vip = vip;
        self
    }

    pub(crate) const fn overlapping(mut self, seconds: f64) -> Self {
        self.overlap = seconds;
        self
    }

    /// The allowed outcome as text.
    pub(crate) fn allowed(&self) -> String {
        let silence =
            if self.silence == 0.0 { "no ping lost".to_owned() } else { format!("{} s silent", self.silence) };
        if self.overlap == 0.0 { silence } else { format!("{:.1} s overlap, {silence}", self.overlap) }
    }

    /// What fails; empty if the case passes.
    pub(crate) fn failures(&self, record: &Record) -> String {
        let mut text = String::new();
        if record.overlap() > self.overlap + OBSERVER {
            let _ = write!(text, "two hosts for {:.3} s, allowed {:.3} s; ", record.overlap(), self.overlap);
        }
        if self.silence > 0.0 && record.silence() > self.silence {
            let _ = write!(text, "no answer for {:.2} s, allowed {:.2} s; ", record.silence(), self.silence);
        }
        if self.silence == 0.0 && record.lost > 0 {
            let _ = write!(text, "{} pings lost; ", record.lost);
        }
        let (holders, named) = (record.holders(), record.named());
        let alone = |host: &str| holders == [host];
        let of_named = named.is_some_and(alone);
        let first = record.lanes.first().map_or("", |lane| lane.host.as_str());
        let times = record.lanes.first().map_or(0, |lane| lane.held.len());
        let ended_well = match self.end {
            End::Kept => alone(first) && times == 1,
            End::Back => alone(first) && of_named && times > 1,
            End::Moved => of_named && !alone(first),
            End::Named => of_named,
        };
        if !ended_well {
            let _ = write!(text, "expected {:?}, but {holders:?} hold and the key names {named:?}; ", self.end);
        }
        text.trim_end_matches("; ").to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Lane, LeaderTerm, Span};

    fn record(first: &[(f64, f64)], second: &[(f64, f64)], named: &str) -> Record {
        let held =
            |spans: &[(f64, f64)]| spans.iter().map(|(from, until)| Span { from: *from, until: *until }).collect();
        let lane = |host: &str, spans| Lane { host: host.to_owned(), held: held(spans), announced: Vec::new() };
        let term = LeaderTerm { span: Span { from: 0.0, until: 10.0 }, value: Some(named.to_owned()) };
        Record {
            length: 10.0,
            lanes: vec![lane("a", first), lane("b", second)],
            terms: vec![term],
            ..Record::default()
        }
    }

    fn ends(end: End) -> Case {
        Case::noticed("case", "", end, 5.0, |_| {})
    }

    #[test]
    fn each_end_accepts_only_its_own_record() {
        let kept = record(&[(0.0, 10.0)], &[], "a");
        let back = record(&[(0.0, 3.0), (5.0, 10.0)], &[], "a");
        let moved = record(&[(0.0, 3.0)], &[(4.0, 10.0)], "b");
        for (end, good, bad) in [
            (End::Kept, &kept, &back),
            (End::Back, &back, &kept),
            (End::Moved, &moved, &back),
            (End::Named, &moved, &record(&[(0.0, 10.0)], &[], "b")),
        ] {
            assert_eq!(ends(end).failures(good), "");
            assert_ne!(ends(end).failures(bad), "", "{end:?}");
        }
    }

    #[test]
    fn an_overlap_beyond_the_limit_is_a_failure() {
        let both = record(&[(0.0, 4.5)], &[(4.0, 10.0)], "b");
        assert!(ends(End::Moved).failures(&both).contains("two hosts for 0.500 s"));
        assert_eq!(ends(End::Moved).overlapping(1.0).failures(&both), "");
    }

    #[test]
    fn the_allowed_outcome_is_described() {
        assert_eq!(Case::unnoticed("case", "", |_| {}).allowed(), "no ping lost");
        assert_eq!(ends(End::Moved).overlapping(4.0).allowed(), "4.0 s overlap, 5 s silent");
    }

    #[test]
    fn a_lost_ping_is_a_failure_if_clients_may_notice_nothing() {
        let lost = Record { lost: 1, ..record(&[(0.0, 10.0)], &[], "a") };
        assert_eq!(Case::unnoticed("case", "", |_| {}).failures(&lost), "1 pings lost");
    }
}
