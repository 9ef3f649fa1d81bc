//! The VIPs: every entry of `vips` over the keys at the top, or the top alone where there is no such list.

use std::collections::BTreeMap;
use std::time::Duration;

use super::addresses::{Address, Joined};
use super::claims::claim_of;
use super::scope::Scope;
use super::store::Store;
use super::validator::{Entry, Origin, Reported, Validator};
use crate::config::diagnostic::{Place, brief};
use crate::config::keys::{Key, TABLE};
use crate::config::model::{ClaimConfig, Hook, Hooks, VipConfig};
use crate::config::setting::Setting;
use crate::config::stores::{SourceIndex, StoreType};
use crate::config::values::{count, duration_within, show_duration, switch};
use crate::keeper::Schedule;
use crate::vip::InterfaceName;

/// What the VIPs of one scope have in common.
struct Common {
    interface: InterfaceName,
    source: SourceIndex,
    kind: &'static StoreType,
    key: String,
    value: String,
    hold_timeout: Duration,
    lease_margin: Duration,
    claim: ClaimConfig,
    announce: Schedule,
    reset_connections: bool,
    refuse_after_release: Duration,
    hooks: Hooks,
}

/// The kind of the store that the VIP follows.
type Kind = Result<&'static StoreType, Reported>;
type Vips = (Vec<VipConfig>, Vec<BTreeMap<Key, Origin>>);

impl<'a> Validator<'a> {
    pub(super) fn vips(
        &mut self,
        interval: Result<Duration, Reported>,
        scopes: &[Scope<'a>],
        stores: &[Store],
    ) -> Result<Vips, Reported> {
        self.note_overridden();
        let addresses: Vec<_> = scopes.iter().map(|scope| self.addresses(scope)).collect();
        let commons: Vec<_> =
            scopes.iter().zip(stores).map(|(scope, store)| self.common(scope, interval, *store)).collect();
        let all: Vec<&Address<'_>> = addresses.iter().flatten().flatten().collect();
        let joined: Vec<_> = addresses
            .iter()
            .map(|own| own.as_ref().map_err(|reported| *reported).and_then(|own| self.join(own, &all)))
            .collect();
        let (mut vips, mut origins, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let mut sound = if scopes.is_empty() { Err(Reported) } else { Ok(()) };
        for ((scope, joined), common) in scopes.iter().zip(joined).zip(commons) {
            match (joined, common) {
                (Ok(joined), Ok(common)) => {
                    for joined in joined {
                        vips.push(common.of(joined.vip));
                        places.push(joined.place);
                        origins.push(origins_of(scope, joined));
                    }
                }
                (Err(Reported), _) | (_, Err(Reported)) => sound = Err(Reported),
            }
        }
        let shared = self.refuse_shared_claims(&vips, &places);
        self.refuse_twice(&vips, &places).and(shared).and(sound).map(|()| (vips, origins))
    }

    pub(super) fn scopes(&self) -> Vec<Scope<'a>> {
        let (top, patroni) = (&self.given.top, self.given.patroni.as_ref());
        match &self.given.entries {
            None => vec![Scope { entry: None, top, patroni, foreign: None }],
            Some(entries) => {
                entries.iter().map(|entry| Scope { entry: Some(entry), top, patroni, foreign: None }).collect()
            }
        }
    }

    fn common(
        &mut self,
        scope: &Scope<'a>,
        interval: Result<Duration, Reported>,
        store: Store,
    ) -> Result<Common, Reported> {
        let interface = self.interface(scope);
        let key = self.key(scope, store.kind);
        let value = self.trigger_value(scope, store.kind);
        let hold_timeout = self.hold_timeout(scope, interval);
        let lease_margin = self.value(scope.find(Key::LeaseMargin), |text| duration_within(text, &(SECOND..=MINUTE)));
        let lease_margin = lease_margin.map(|margin| margin.unwrap_or(LEASE_MARGIN));
        let claim = self.claim(scope, store.kind, lease_margin);
        let announce = self.announce(scope);
        let reset_connections = self.value(scope.find(Key::ResetConnections), switch);
        let refuse_after_release =
            self.value(scope.find(Key::RefuseAfterRelease), |text| duration_within(text, &(Duration::ZERO..=MINUTE)));
        let hooks = self.hooks(scope);
        Ok(Common {
            interface: interface?,
            source: store.index?,
            kind: store.kind?,
            key: key?,
            value: value?,
            hold_timeout: hold_timeout?,
            lease_margin: lease_margin?,
            claim: claim?,
            announce: announce?,
            reset_connections: reset_connections?.unwrap_or(true),
            refuse_after_release: refuse_after_release?.unwrap_or(REFUSE_AFTER_RELEASE),
            hooks: hooks?,
        })
    }

    fn interface(&mut self, scope: &Scope<'a>) -> Result<InterfaceName, Reported> {
        let setting = self.required(scope, Key::Interface, "the name of a network interface, such as eth0")?;
        InterfaceName::new(&brief(setting.text().trim()))
            .map_err(|error| self.problem(&setting.place, format!("{}: {error}", setting.name)))
    }

    fn key(&mut self, scope: &Scope<'a>, kind: Kind) -> Result<String, Reported> {
        if let (Ok(Some(default)), None) = (kind.map(|kind| kind.trigger_key), scope.find(Key::TriggerKey)) {
            return Ok(default.to_owned());
        }
        let setting = self.required(scope, Key::TriggerKey, "the leader key, such as /service/pg_cluster/leader")?;
        let read = (kind?.key)(setting.text());
        let read = read.map_err(|why| self.problem(&setting.place, format!("{} {why}", setting.quoted())))?;
        if let Some(doubt) = read.doubt {
            self.findings.notice(&setting.place, format!("{} {doubt}", setting.quoted()));
        }
        Ok(read.key)
    }

    fn trigger_value(&mut self, scope: &Scope<'a>, kind: Kind) -> Result<String, Reported> {
        let default = kind.ok().and_then(|kind| kind.trigger_value).or(self.given.host_name.as_deref());
        match (scope.find(Key::TriggerValue), default) {
            (Some(setting), _) => {
                // Patroni's own file gives the name of its member, whatever that looks like.
                if let Some(kind) = kind.ok().filter(|_| !scope.derives(setting)) {
                    (kind.value)(setting.text())
                        .map_err(|why| self.problem(&setting.place, format!("{} {why}", setting.quoted())))?;
                }
                Ok(setting.text().to_owned())
            }
            (None, Some(default)) => Ok(default.to_owned()),
            (None, None) => {
                let expected = "the name of this host's member in Patroni, because the host name is unknown";
                self.required(scope, Key::TriggerValue, expected).map(|setting| setting.text().to_owned())
            }
        }
    }

    /// At least three intervals: a renewal that is a little late must not lose the address. Old files may have a
    /// long interval and cannot know of this, so the default gives way.
    fn hold_timeout(&mut self, scope: &Scope<'a>, interval: Result<Duration, Reported>) -> Result<Duration, Reported> {
        let bounds = Duration::from_secs(2)..=HOUR;
        let setting = scope.find(Key::HoldTimeout);
        let given = self.value(setting, |text| duration_within(text, &bounds))?;
        let interval = interval?;
        let least = interval * 3;
        match (setting, given) {
            (Some(setting), Some(given)) if given < least => {
                let interval_place = self.given.top.find(Key::Interval).map(|setting| format!(" at {}", setting.place));
                let text = format!(
                    "{} is less than three times the interval of {}{}; expected at least {}",
                    setting.quoted(),
                    show_duration(interval),
                    interval_place.unwrap_or_default(),
                    show_duration(least)
                );
                Err(self.problem(&setting.place, text))
            }
            (_, Some(given)) => Ok(given),
            (_, None) => {
                if let (true, Some(interval)) = (least > HOLD_TIMEOUT, self.given.top.find(Key::Interval)) {
                    let text = format!("this interval raises hold-timeout to {}", show_duration(least));
                    self.findings.notice(&interval.place, text);
                }
                Ok(least.max(HOLD_TIMEOUT))
            }
        }
    }

    fn hooks(&mut self, scope: &Scope<'a>) -> Result<Hooks, Reported> {
        let acquire = self.hook(scope.find(Key::OnAcquire));
        let release = self.hook(scope.find(Key::OnRelease));
        let conflict = self.hook(scope.find(Key::OnConflict));
        let bounds = Duration::from_millis(100)..=MINUTE * 10;
        let limit = self.value(scope.find(Key::HookTimeout), |text| duration_within(text, &bounds));
        Ok(Hooks { acquire: acquire?, release: release?, conflict: conflict?, limit: limit?.unwrap_or(HOOK_TIMEOUT) })
    }

    /// Whether the program exists is seen when it is run: it may be installed later, or on a disk that comes later.
    fn hook(&mut self, setting: Option<&Setting>) -> Result<Option<Hook>, Reported> {
        let program = self.value(setting, |text| {
            let cure = "is not an absolute path; for example /usr/local/bin/moved, with arguments as further \
                        list elements";
            if text.starts_with('/') { Ok(text.into()) } else { Err(cure.to_owned()) }
        })?;
        let arguments = setting.map(|setting| setting.items.iter().skip(1).map(|item| item.text.clone()).collect());
        Ok(program.map(|program| Hook { program, arguments: arguments.unwrap_or_default() }))
    }

    fn announce(&mut self, scope: &Scope<'a>) -> Result<Schedule, Reported> {
        for (modern, historic) in TWINS {
            let counts = scope.find_either(modern, historic).map(|setting| setting.key);
            if let (Some(setting), true) = (scope.find(historic), counts == Some(modern)) {
                let text = format!("{} has no effect: {} is set", setting.name, modern.name());
                self.findings.notice(&setting.place, text);
            }
        }
        let count = self.announce_count(scope);
        let interval = self.announce_interval(scope);
        let refresh = self.value(scope.find(Key::AnnounceRefresh), |text| {
            duration_within(text, &(Duration::ZERO..=HOUR * 24)).and_then(|refresh| {
                let expected = "is too short; expected 1s to 24h, or 0 for no refresh";
                if refresh.is_zero() || refresh >= SECOND { Ok(refresh) } else { Err(expected.to_owned()) }
            })
        });
        Ok(Schedule { count: count?, interval: interval?, refresh: refresh?.unwrap_or(ANNOUNCE_REFRESH) })
    }

    fn announce_count(&mut self, scope: &Scope<'a>) -> Result<Option<u32>, Reported> {
        let setting = scope.find_either(Key::AnnounceCount, Key::RetryNum);
        let Some(setting) = setting.filter(|setting| setting.key == Key::RetryNum) else {
            return self.value(setting, |text| count(text, &(1..=MOST_ROUNDS)));
        };
        let given = self.value(Some(setting), |text| count(text, &(0..=u32::MAX)))?;
        Ok(given.map(|given| self.within(setting, given, (1, MOST_ROUNDS), |count| count.to_string())))
    }

    fn announce_interval(&mut self, scope: &Scope<'a>) -> Result<Option<Duration>, Reported> {
        let setting = scope.find_either(Key::AnnounceInterval, Key::RetryAfter);
        let Some(setting) = setting.filter(|setting| setting.key == Key::RetryAfter) else {
            return self.value(setting, |text| duration_within(text, &(SHORTEST_PAUSE..=MINUTE)));
        };
        let given = self.value(Some(setting), |text| duration_within(text, &(Duration::ZERO..=Duration::MAX)))?;
        Ok(given.map(|given| self.within(setting, given, (SHORTEST_PAUSE, MINUTE), show_duration)))
    }

    /// Historic keys were never checked: what they ask for is brought within bounds, and said.
    fn within<T: Ord + Copy>(&mut self, setting: &Setting, given: T, bounds: (T, T), show: fn(T) -> String) -> T {
        let taken = given.clamp(bounds.0, bounds.1);
        if taken != given {
            self.findings
                .notice(&setting.place, format!("{} is out of range; using {}", setting.quoted(), show(taken)));
        }
        taken
    }

    fn refuse_twice(&mut self, vips: &[VipConfig], places: &[&Place]) -> Result<(), Reported> {
        let mut seen = BTreeMap::new();
        let mut sound = Ok(());
        for (config, place) in vips.iter().zip(places) {
            if let Some(first) = seen.insert((config.vip.address(), &config.interface), *place) {
                let (address, interface) = (config.vip.address(), &config.interface);
                let text = format!("ip {address} on {interface} is given twice, first at {first}; set it only once");
                sound = Err(self.problem(place, text));
            }
        }
        sound
    }

    /// What every entry overrides cannot do anything at the top.
    fn note_overridden(&mut self) {
        let given = self.given;
        let entries = given.entries.iter().flatten();
        for setting in given.top.settings().filter(|setting| setting.key.spec().per_vip) {
            let mut entries = entries.clone().peekable();
            let overrides = |entry: &Entry| {
                entry.layer.find(setting.key).is_some() || (setting.key.is_of_store() && entry.describes_store())
            };
            if entries.peek().is_some() && entries.all(overrides) {
                let text = format!("{} has no effect: every entry of vips sets it", setting.name);
                self.findings.notice(&setting.place, text);
            }
        }
    }
}

fn origins_of<'a>(scope: &Scope<'a>, joined: Joined<'a>) -> BTreeMap<Key, Origin> {
    let per_vip = TABLE.iter().filter(|spec| spec.per_vip);
    let mut origins: BTreeMap<_, _> =
        per_vip.filter_map(|spec| scope.find(spec.key).map(|setting| (spec.key, Origin::of(setting)))).collect();
    for (modern, historic) in TWINS {
        if let Some(setting) = scope.find_either(modern, historic) {
            origins.insert(modern, Origin::of(setting));
        }
    }
    origins.entry(Key::Ip).and_modify(|origin| origin.place = joined.place.clone());
    origins.remove(&Key::Netmask);
    origins.extend(joined.prefix.map(|origin| (Key::Netmask, origin)));
    origins
}

impl Common {
    fn of(&self, vip: crate::vip::Vip) -> VipConfig {
        VipConfig {
            vip,
            interface: self.interface.clone(),
            source: self.source,
            key: self.key.clone(),
            value: self.value.clone(),
            hold_timeout: self.hold_timeout,
            lease_margin: self.lease_margin,
            claim: claim_of(&self.claim, self.kind, &self.key, vip),
            announce: self.announce,
            reset_connections: self.reset_connections,
            refuse_after_release: self.refuse_after_release,
            hooks: self.hooks.clone(),
        }
    }
}

/// Keys with the historic ones that count where they are not set.
const TWINS: [(Key, Key); 2] = [(Key::AnnounceCount, Key::RetryNum), (Key::AnnounceInterval, Key::RetryAfter)];

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const HOLD_TIMEOUT: Duration = Duration::from_secs(10);
const LEASE_MARGIN: Duration = Duration::from_secs(3);
const ANNOUNCE_REFRESH: Duration = Duration::from_secs(60);
const REFUSE_AFTER_RELEASE: Duration = Duration::from_secs(10);
const HOOK_TIMEOUT: Duration = Duration::from_secs(10);
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const MOST_ROUNDS: u32 = 1000;
