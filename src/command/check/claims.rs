//! Asks the stores about the claims of the VIPs.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::check::{Finding, claim};
use crate::config::{Config, SourceConfig, SourceIndex, VipConfig};
use crate::daemon::sources::{claims, watched};
use crate::keeper::ClaimMode;
use crate::source::facts::ClaimFacts;
use crate::source::{self, Settings};
use crate::time::Clock;

/// What the stores say, by store and claim.
pub(super) type Inspected = BTreeMap<(SourceIndex, String), ClaimFacts>;

/// Asks all stores at once. It returns within about twice `limit`.
pub(super) async fn inspect(config: &Config, limit: Duration, clock: Clock) -> Inspected {
    let ask = |(index, store): (SourceIndex, &SourceConfig)| {
        let vips = || config.vips.iter().filter(move |vip| vip.source == index);
        let watched = watched(vips());
        let claims = claims(vips(), &watched);
        let settings = Settings { pace: config.pace, call_limit: limit, clock: clock.now, seed: 0 };
        let (store, keys) = (store.clone(), claims.iter().map(|claim| claim.key.to_string()).collect::<Vec<_>>());
        let asked = async move { source::inspect_claims(&store, settings, watched, claims).await };
        (!keys.is_empty()).then(|| (index, keys, tokio::spawn(asked)))
    };
    let asked: Vec<_> = config.sources.iter().enumerate().filter_map(ask).collect();
    let mut inspected = Inspected::new();
    for (index, keys, facts) in asked {
        let facts = facts.await.unwrap_or_default();
        inspected.extend(keys.into_iter().map(|key| (index, key)).zip(facts));
    }
    inspected
}

/// Whether a VIP is claimed, as far as the store lets this host.
pub(super) fn is_claimed(vip: &VipConfig, inspected: &Inspected) -> bool {
    let found = inspected.get(&(vip.source, vip.claim.key.clone()));
    vip.claim.mode != ClaimMode::Off && !matches!(found, Some(ClaimFacts::Refused { .. }))
}

/// The finding about the claim of a VIP. `leads`: the leader key names this host.
pub(super) fn finding(config: &Config, vip: &VipConfig, inspected: &Inspected, leads: bool) -> Option<Finding> {
    config.sources.get(vip.source)?.kind().claim?;
    if vip.claim.mode == ClaimMode::Off {
        return Some(claim::off());
    }
    let found = inspected.get(&(vip.source, vip.claim.key.clone()))?.clone();
    claim::judge(&claim::Facts { key: vip.claim.key.clone(), mode: vip.claim.mode, leads, found })
}
