//! What no client may notice, on every store: the holder keeps the address throughout.

use std::fmt::Write as _;
use std::io::{Write as _, stderr};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::batch::{self, Pair};
use super::table::title;
use crate::support::clock::{pause, wait_for};
use crate::support::cut::{Cut, Way};
use crate::support::daemon::Daemon;
use crate::support::dcs::{Dcs, DcsKind};
use crate::support::lab::Lab;

/// How many holders each happens to, at once.
const HOLDERS: usize = 6;
/// A daemon and a server are back soon, even on a busy machine.
const BACK: Duration = Duration::from_secs(30);
/// Long enough for a hold that began before to end.
const AFTERWARDS: Duration = Duration::from_secs(11);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Hiccup {
    ServerKilled,
    LeaderKilled,
    ServerSilent,
    PathLost,
    RequestsLost,
    AnswersLost,
    DaemonStopped,
    DaemonKilled,
    DaemonRestarted,
}

impl Hiccup {
    pub(crate) const ALL: [Self; 9] = [
        Self::ServerKilled,
        Self::LeaderKilled,
        Self::ServerSilent,
        Self::PathLost,
        Self::RequestsLost,
        Self::AnswersLost,
        Self::DaemonStopped,
        Self::DaemonKilled,
        Self::DaemonRestarted,
    ];

    /// Whether it has this name.
    pub(crate) fn is_called(self, name: &str) -> bool {
        format!("{self:?}").eq_ignore_ascii_case(name)
    }

    const fn text(self) -> &'static str {
        match self {
            Self::ServerKilled => "a server is killed and comes back",
            Self::LeaderKilled => "the servers' leader is killed and comes back",
            Self::ServerSilent => "the host of a server loses its network for 5 s",
            Self::PathLost => "the path to the servers is lost for 2 s",
            Self::RequestsLost => "packets to the servers are lost for 2 s",
            Self::AnswersLost => "packets from the servers are lost for 2 s",
            Self::DaemonStopped => "the daemon is stopped for 1.5 s",
            Self::DaemonKilled => "the daemon is killed and started again",
            Self::DaemonRestarted => "the daemon is restarted",
        }
    }

    /// Why it makes no sense with a store, if it does not.
    const fn senseless(self, kind: DcsKind) -> Option<&'static str> {
        match (self, kind) {
            (Self::ServerKilled | Self::ServerSilent, DcsKind::Kubernetes) => Some("there is one server"),
            (Self::DaemonStopped | Self::DaemonKilled | Self::DaemonRestarted, _) => None,
            (_, DcsKind::Rest) => Some("the daemon asks its own host"),
            _ => None,
        }
    }

    fn happen(self, lab: &Lab, dcs: &mut Dcs, pairs: &mut [Pair]) {
        let follower = (dcs.leader() + 1) % dcs.servers().len();
        let cut = |dcs: &Dcs, pairs: &[Pair], way: Way| {
            let cuts: Vec<Cut> =
                pairs.iter().map(|pair| Cut::between(lab, &pair.hosts[0], &dcs.servers(), way)).collect();
            pause(Duration::from_secs(2));
            drop(cuts);
        };
        match self {
            Self::ServerKilled => kill(dcs, follower),
            Self::LeaderKilled => kill(dcs, dcs.leader()),
            Self::ServerSilent => {
                let _cut = Cut::off(lab, dcs.servers()[follower]);
                pause(Duration::from_secs(5));
            }
            Self::PathLost => cut(dcs, pairs, Way::Both),
            Self::RequestsLost => cut(dcs, pairs, Way::Out),
            Self::AnswersLost => cut(dcs, pairs, Way::In),
            Self::DaemonStopped => {
                for signal in [Signal::SIGSTOP, Signal::SIGCONT] {
                    for pair in &*pairs {
                        pair.daemons[0].process.signal(signal);
                    }
                    pause(Duration::from_millis(1_500));
                }
            }
            Self::DaemonKilled => pairs.iter_mut().for_each(Pair::start_again),
            Self::DaemonRestarted => {
                for pair in &mut *pairs {
                    pair.daemons[0].process.signal(Signal::SIGTERM);
                    pair.daemons[0].process.wait(BACK);
                    pair.start_again();
                }
            }
        }
        wait_for("the daemons", BACK, || pairs.iter().all(|pair| pair.daemons.iter().all(Daemon::ready)));
    }
}

fn kill(dcs: &mut Dcs, place: usize) {
    dcs.kill(place);
    pause(Duration::from_secs(1));
    dcs.restart(place);
}

/// What became of one on a store.
#[derive(Clone, Debug)]
pub(crate) struct Result {
    kind: DcsKind,
    hiccup: Hiccup,
    kept: usize,
    absent: Duration,
    overlap: Duration,
    /// Why it did not happen, or could not.
    remark: String,
}

impl Result {
    pub(crate) fn passed(&self) -> bool {
        self.hiccup.senseless(self.kind).is_some() || self.kept == HOLDERS && self.overlap == Duration::ZERO
    }
}

/// Lets them happen on a store, one after the other.
pub(crate) fn run(kind: DcsKind, hiccups: &[Hiccup]) -> Vec<Result> {
    let all = hiccups.iter().copied().map(|hiccup| match hiccup.senseless(kind) {
        Some(why) => Result { remark: why.to_owned(), ..nothing(kind, hiccup) },
        None => std::panic::catch_unwind(|| one(kind, hiccup))
            .unwrap_or_else(|panic| Result { remark: crate::run::message(&*panic), ..nothing(kind, hiccup) }),
    });
    all.collect()
}

const fn nothing(kind: DcsKind, hiccup: Hiccup) -> Result {
    Result { kind, hiccup, kept: 0, absent: Duration::ZERO, overlap: Duration::ZERO, remark: String::new() }
}

fn one(kind: DcsKind, hiccup: Hiccup) -> Result {
    let lab = Lab::new(kind.name());
    let (mut pairs, mut dcs) = batch::begin(&lab, kind, HOLDERS);
    hiccup.happen(&lab, &mut dcs, &mut pairs);
    pause(AFTERWARDS);
    if let Some(pair) = pairs.iter().find(|pair| !pair.kept()) {
        let _ = writeln!(stderr(), "{hiccup:?} on {}:\n{}", kind.name(), pair.daemons[0].process.text());
    }
    Result {
        kind,
        hiccup,
        kept: pairs.iter().filter(|pair| pair.kept()).count(),
        absent: pairs.iter().map(Pair::absent).max().unwrap_or_default(),
        overlap: pairs.iter().map(Pair::overlap).max().unwrap_or_default(),
        remark: String::new(),
    }
}

/// The section of docs/faults.md.
pub(crate) fn markdown(results: &[Result]) -> String {
    let mut page = INTRODUCTION.to_owned();
    for result in results {
        let _ = writeln!(page, "{}", row(result));
    }
    page
}

/// A row of its table.
pub(crate) fn row(result: &Result) -> String {
    let Result { kind, hiccup, kept, absent, overlap, remark } = result;
    let verdict = match (hiccup.senseless(*kind), result.passed()) {
        (Some(why), _) => format!("not applicable: {why}"),
        (None, true) => "pass".to_owned(),
        (None, false) => format!("**FAIL** {}", remark.lines().next().unwrap_or_default().replace('|', " ")),
    };
    let seconds = |time: &Duration| format!("{:.2} s", time.as_secs_f64());
    let figures = if hiccup.senseless(*kind).is_some() {
        "– | – | –".to_owned()
    } else {
        format!("{kept} of {HOLDERS} | {} | {}", seconds(absent), seconds(overlap))
    };
    format!("{}{figures} | {verdict} |", first_cells(result))
}

/// What no other row begins with.
pub(crate) fn first_cells(result: &Result) -> String {
    format!("| {} | {} | ", title(result.kind), result.hiccup.text())
}

const INTRODUCTION: &str = "## What no client may notice, on every store

Written by `make faults-failover ARGS=--hiccups`. Each happens to six holders at once, on the same hosts and with the
same settings as above. A row passes if all of them kept the address throughout and no other host had it.

| store | what happens | kept | longest without a holder | longest overlap |  |
|---|---|---:|---:|---:|---|
";
