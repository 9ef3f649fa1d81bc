//! The sources of the daemon: one for each store that a VIP follows.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use crate::clock;
use crate::config::{Config, SourceConfig, SourceIndex, VipConfig};
use crate::endpoint::EndpointState;
use crate::host;
use crate::keeper::{ClaimMode, ClaimWish, Limits};
use crate::pace::Pace;
use crate::source::claim::Owner;
use crate::source::facts::SourceError;
use crate::source::{self, ClaimIndex, ClaimSpec, KeyIndex, Report, Settings, Source, Watched};
use crate::time::WallTime;

/// All sources, in the order of the configuration's stores.
#[derive(Debug)]
pub(super) struct Sources {
    running: Vec<Running>,
    /// The one whose report comes first the next time: none keeps another one waiting.
    first: SourceIndex,
}

#[derive(Debug)]
struct Running {
    plan: Plan,
    source: Source,
}

/// What a source is started with. While that is the same, it is not started anew.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Plan {
    store: SourceConfig,
    watched: Vec<Watched>,
    claims: Vec<ClaimSpec>,
    pace: Pace,
    call_limit: Duration,
}

impl Sources {
    /// Starts all of them.
    pub(super) fn start(config: &Config) -> Self {
        Self { running: plans(config).into_iter().map(Running::start).collect(), first: 0 }
    }

    /// Starts and stops what the configuration has changed. Returns the errors that the stopped ones have counted.
    pub(super) fn change_to(&mut self, config: &Config) -> Vec<(SourceError, u64)> {
        let mut before = std::mem::take(&mut self.running);
        for plan in plans(config) {
            let same = before.iter().position(|running| running.plan == plan);
            self.running.push(same.map_or_else(|| Running::start(plan), |place| before.swap_remove(place)));
        }
        before.iter().flat_map(|running| running.source.errors()).collect()
    }

    /// The next report, and which store it is from; nothing if a source has ended, which none does by itself.
    /// Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<(SourceIndex, Report)> {
        let (count, first) = (self.running.len(), self.first);
        let running = &mut self.running;
        let (index, report) = poll_fn(|context| {
            for index in (first..count).chain(0..first.min(count)) {
                if let Poll::Ready(report) = running[index].source.reports.poll_recv(context) {
                    return Poll::Ready((index, report));
                }
            }
            Poll::Pending
        })
        .await;
        self.first = index + 1;
        report.map(|report| (index, report))
    }

    /// A key of a source, by its position.
    pub(super) fn watched(&self, source: SourceIndex, key: KeyIndex) -> Option<&Watched> {
        self.running.get(source)?.plan.watched.get(key)
    }

    /// The key of a claim of a source, by its position.
    pub(super) fn claim(&self, source: SourceIndex, claim: ClaimIndex) -> Option<&ClaimSpec> {
        self.running.get(source)?.plan.claims.get(claim)
    }

    /// Says what is wanted of a VIP's claim.
    pub(super) fn want(&self, vip: &VipConfig, wish: ClaimWish) {
        if let Some(running) = self.running.get(vip.source) {
            running.source.want(&vip.claim.key, wish);
        }
    }

    /// The state of each endpoint. One that several stores share does not serve if it does not serve one of them.
    pub(super) fn endpoints(&self) -> Vec<EndpointState> {
        let mut all: Vec<EndpointState> = Vec::new();
        for state in self.running.iter().flat_map(|running| running.source.endpoints()) {
            match all.iter_mut().find(|known| known.endpoint == state.endpoint) {
                None => all.push(state),
                Some(known) if state.link.is_down() => *known = state,
                Some(_) => {}
            }
        }
        all
    }

    /// What went wrong since the start, by endpoint and kind.
    pub(super) fn errors(&self) -> Vec<(SourceError, u64)> {
        self.running.iter().flat_map(|running| running.source.errors()).collect()
    }
}

impl Running {
    fn start(plan: Plan) -> Self {
        let settings = Settings {
            pace: plan.pace,
            call_limit: plan.call_limit,
            clock: clock::now,
            seed: u64::try_from(clock::now().since_boot().as_nanos()).unwrap_or(0) ^ u64::from(std::process::id()),
        };
        Self { source: source::start(&plan.store, settings, plan.watched.clone(), plan.claims.clone()), plan }
    }
}

fn plans(config: &Config) -> Vec<Plan> {
    let plan = |(index, store): (SourceIndex, &SourceConfig)| {
        let vips = || config.vips.iter().filter(move |vip| vip.source == index);
        // A call may take so long that two more can follow it before the first deadline.
        let shortest = vips().map(|vip| vip.hold_timeout).min().unwrap_or(config.pace.full * 3);
        let watched = watched(vips());
        let claims = claims(vips(), &watched);
        Plan { store: store.clone(), watched, claims, pace: config.pace, call_limit: shortest / 3 }
    };
    config.sources.iter().enumerate().map(plan).collect()
}

/// The claims of these VIPs.
pub(crate) fn claims<'v>(vips: impl Iterator<Item = &'v VipConfig>, watched: &[Watched]) -> Vec<ClaimSpec> {
    let instance = std::process::id().to_string();
    // Without an id of this boot, no other process can be told to have run on this host.
    let boot = Some(host::boot_id()).filter(|boot| !boot.is_empty());
    let boot: Arc<str> = boot.unwrap_or_else(|| format!("process {instance} of {}", started())).into();
    let claim = |vip: &VipConfig| {
        let leader = watched.iter().position(|watched| *watched.key == *vip.key && *watched.value == *vip.value)?;
        let owner = Owner { host: vip.value.as_str().into(), boot: Arc::clone(&boot) };
        let value = owner.value(&instance, &started().to_string()).into();
        Some(ClaimSpec { key: vip.claim.key.as_str().into(), leader, ttl: vip.claim.ttl, owner, value })
    };
    vips.filter(|vip| vip.claim.mode != ClaimMode::Off).filter_map(claim).collect()
}

/// When this process first asked: the same for as long as it lives.
fn started() -> WallTime {
    static STARTED: OnceLock<WallTime> = OnceLock::new();
    *STARTED.get_or_init(clock::wall_time)
}

/// The keys of these VIPs, each once for each value of it that names this host.
pub(crate) fn watched<'v>(vips: impl Iterator<Item = &'v VipConfig>) -> Vec<Watched> {
    let mut keys: BTreeMap<_, BTreeSet<Limits>> = BTreeMap::new();
    for vip in vips {
        let limits = Limits { hold_timeout: vip.hold_timeout, lease_margin: vip.lease_margin };
        keys.entry((&*vip.key, &*vip.value)).or_default().insert(limits);
    }
    let watched = |((key, value), limits): ((&str, &str), BTreeSet<_>)| Watched {
        key: key.into(),
        value: value.into(),
        limits: limits.into_iter().collect(),
    };
    keys.into_iter().map(watched).collect()
}
