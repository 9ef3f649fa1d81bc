//! Whether and how a VIP is claimed in its store.

use std::collections::BTreeMap;
use std::time::Duration;

use super::scope::Scope;
use super::validator::{Reported, Validator};
use crate::config::diagnostic::Place;
use crate::config::keys::Key;
use crate::config::model::{ClaimConfig, ClaimType, StoreType, VipConfig};
use crate::config::values::{CLAIM_MODES, choice, duration_within, show_duration};
use crate::keeper::ClaimMode;
use crate::vip::Vip;

impl<'a> Validator<'a> {
    /// The claim of the VIPs of a scope. Its key is empty where each has one of its own.
    pub(super) fn claim(
        &mut self,
        scope: &Scope<'a>,
        kind: Result<&'static StoreType, Reported>,
        margin: Result<Duration, Reported>,
    ) -> Result<ClaimConfig, Reported> {
        let kind = kind?;
        let setting = scope.find(Key::Claim);
        let mode = self.value(setting, |text| choice(text, CLAIM_MODES));
        let ttl = self.claim_ttl(scope, margin);
        let key = self.claim_key(scope, kind);
        let mode = mode?.or(kind.claim.map(|claim| claim.mode)).unwrap_or(ClaimMode::Off);
        if let (Some(setting), None) = (setting, kind.claim) {
            let text = format!("claims are not supported with {}", kind.title);
            match mode {
                ClaimMode::Require => return Err(self.problem(&setting.place, format!("{text}; expected claim: off"))),
                ClaimMode::Auto => {
                    self.findings.notice(&setting.place, format!("{} has no effect: {text}", setting.quoted()));
                }
                ClaimMode::Off => {}
            }
        }
        let mode = if kind.claim.is_some() { mode } else { ClaimMode::Off };
        Ok(ClaimConfig { mode, key: key?, ttl: ttl? })
    }

    /// Empty where none is given, or there are no claims.
    fn claim_key(&mut self, scope: &Scope<'a>, kind: &StoreType) -> Result<String, Reported> {
        let (Some(setting), Some(claim)) = (scope.find(Key::ClaimKey), kind.claim) else { return Ok(String::new()) };
        let text = setting.text().trim();
        let read = claim.key.map_or_else(|| (kind.key)(text).map(|given| given.key), |read| read(text));
        read.map_err(|why| self.problem(&setting.place, format!("{} {why}", setting.quoted())))
    }

    /// Three renewals in a row may fail before the margin begins.
    fn claim_ttl(&mut self, scope: &Scope<'a>, margin: Result<Duration, Reported>) -> Result<Duration, Reported> {
        let setting = scope.find(Key::ClaimTtl);
        let given = self.value(setting, |text| duration_within(text, &(SHORTEST..=LONGEST)))?;
        let least = whole(margin? * 5 / 2).max(SHORTEST);
        match (setting, given) {
            (Some(setting), Some(given)) if given < least => {
                let text = format!(
                    "{} leaves too little beside the lease-margin; expected at least {}",
                    setting.quoted(),
                    show_duration(least)
                );
                Err(self.problem(&setting.place, text))
            }
            (_, given) => Ok(given.unwrap_or_else(|| least.max(USUAL))),
        }
    }

    /// No two VIPs may have the same claim: one would wait for the other.
    pub(super) fn refuse_shared_claims(&mut self, vips: &[VipConfig], places: &[&Place]) -> Result<(), Reported> {
        let mut seen = BTreeMap::new();
        let mut sound = Ok(());
        for (vip, place) in vips.iter().zip(places).filter(|(vip, _)| vip.claim.mode != ClaimMode::Off) {
            if let Some(first) = seen.insert((vip.source, &vip.claim.key), *place) {
                let text = format!("claim-key {} is also that of the VIP at {first}; set another one", vip.claim.key);
                sound = Err(self.problem(place, text));
            }
        }
        sound
    }
}

/// The claim of one VIP.
pub(super) fn claim_of(common: &ClaimConfig, kind: &StoreType, leader: &str, vip: Vip) -> ClaimConfig {
    let beside = kind.claim.map_or(ClaimType::BESIDE, |claim| claim.beside);
    let given = Some(&common.key).filter(|key| !key.is_empty());
    let key = given.cloned().unwrap_or_else(|| beside(leader, vip.address()));
    ClaimConfig { key, ..common.clone() }
}

fn whole(span: Duration) -> Duration {
    Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX).next_multiple_of(1000))
}

const SHORTEST: Duration = Duration::from_secs(5);
const USUAL: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(150);
