//! A case: what a user would say, what is done, and what may come of it.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::environment::Environment;
use crate::record::Record;
use crate::support::daemon::ConfigFile;
use crate::support::host::VIP;

/// Two hosts are never to answer at once, but an observer hears two kernels on a busy machine.
const OBSERVER: f64 = 0.02;

/// What kind of cluster the case is played on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum ClusterKind {
    Plain,
    /// With authentication.
    Auth,
    /// With TLS.
    Tls,
}

/// Who has the address when all is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The first host, and it never let go.
    Kept,
    /// The first host, which was without it for a while.
    Back,
    /// Another host, the one that the key names.
    Moved,
    /// Whoever the key names.
    Named,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) user: &'static str,
    pub(crate) cluster_kind: ClusterKind,
    pub(crate) play: fn(&mut Environment),
    pub(crate) end: End,
    /// For how many seconds two hosts may have the address at once: 0, or what the promise's table says.
    pub(crate) overlap: f64,
    /// How many seconds the client may be without an answer in one piece; nothing may be lost where it is 0.
    pub(crate) silence: f64,
    pub(crate) vip: IpAddr,
    /// What the daemons are told beside the usual.
    pub(crate) config: fn(ConfigFile) -> ConfigFile,
}

impl Case {
    /// A case in which clients notice nothing.
    pub(crate) const fn unnoticed(name: &'static str, user: &'static str, play: fn(&mut Environment)) -> Self {
        Self {
            name,
            user,
            cluster_kind: ClusterKind::Plain,
            play,
            end: End::Kept,
            overlap: 0.0,
            silence: 0.0,
            vip: VIP,
            config: |config| config,
        }
    }

    /// A case in which clients have to wait for so many seconds at most.
    pub(crate) const fn noticed(
        name: &'static str,
        user: &'static str,
        end: End,
        silence: f64,
        play: fn(&mut Environment),
    ) -> Self {
        Self {
            name,
            user,
            cluster_kind: ClusterKind::Plain,
            play,
            end,
            overlap: 0.0,
            silence,
            vip: VIP,
            config: |config| config,
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

    pub(crate) const fn at(mut self, vip: IpAddr) -> Self {
        self.vip = vip;
        self
    }

    pub(crate) const fn overlapping(mut self, seconds: f64) -> Self {
        self.overlap = seconds;
        self
    }

    /// What it may cost, for people.
    pub(crate) fn allowed(&self) -> String {
        let silence =
            if self.silence == 0.0 { "no ping lost".to_owned() } else { format!("{} s silent", self.silence) };
        if self.overlap == 0.0 { silence } else { format!("{:.1} s overlap, {silence}", self.overlap) }
    }

    /// What fails; empty if the case passes.
    pub(crate) fn failures(&self, record: &Record) -> String {
        let mut said = String::new();
        if record.overlap() > self.overlap + OBSERVER {
            let _ = write!(said, "two hosts for {:.3} s, {:.3} s are allowed; ", record.overlap(), self.overlap);
        }
        if self.silence > 0.0 && record.silence() > self.silence {
            let _ = write!(said, "no answer for {:.2} s, {:.2} s are allowed; ", record.silence(), self.silence);
        }
        if self.silence == 0.0 && record.lost > 0 {
            let _ = write!(said, "{} pings were lost; ", record.lost);
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
            let _ = write!(said, "{:?} was to be, but {holders:?} hold and the key names {named:?}; ", self.end);
        }
        said.trim_end_matches("; ").to_owned()
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
    fn each_end_takes_its_own_record_and_no_other() {
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
    fn an_overlap_beyond_the_bound_is_a_complaint() {
        let both = record(&[(0.0, 4.5)], &[(4.0, 10.0)], "b");
        assert!(ends(End::Moved).failures(&both).contains("two hosts for 0.500 s"));
        assert_eq!(ends(End::Moved).overlapping(1.0).failures(&both), "");
    }

    #[test]
    fn what_is_allowed_is_told() {
        assert_eq!(Case::unnoticed("case", "", |_| {}).allowed(), "no ping lost");
        assert_eq!(ends(End::Moved).overlapping(4.0).allowed(), "4.0 s overlap, 5 s silent");
    }

    #[test]
    fn a_lost_ping_is_a_complaint_where_nobody_may_notice() {
        let lost = Record { lost: 1, ..record(&[(0.0, 10.0)], &[], "a") };
        assert_eq!(Case::unnoticed("case", "", |_| {}).failures(&lost), "1 pings were lost");
    }
}
