//! The source against real etcd processes.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as it must be")]

mod auth;
mod changes;
mod etcd;
mod grpc_proxy;
mod outages;
#[expect(dead_code, reason = "the fault suite delays as well")]
#[path = "../support/proxy.rs"]
mod proxy;
mod reading;
mod telling;
mod tls;
mod wait;

use std::time::Duration;

use vip_manager::clock;
use vip_manager::config::model::{Endpoint, OptionNames, SourceConfig, StoreConfig};
use vip_manager::keeper::{KeyEvent, KeyRead, Limits};
use vip_manager::pace::Pace;
use vip_manager::source::{self, KeyIndex, Report, Settings, Source, Watched};

const KEY: &str = "/service/pg_cluster/leader";
const US: &str = "host1";
const INTERVAL: Duration = Duration::from_millis(200);
const LIMITS: Limits = Limits { hold_timeout: Duration::from_secs(10), lease_margin: Duration::from_secs(3) };
const CALL_LIMIT: Duration = Duration::from_millis(1500);

fn config(endpoints: Vec<Endpoint>) -> StoreConfig {
    let names = OptionNames {
        ca_file: "etcd-ca-file",
        cert_file: "etcd-cert-file",
        key_file: "etcd-key-file",
        password_file: "etcd-password-file",
        ..OptionNames::MODERN
    };
    StoreConfig { names, ..StoreConfig::at(endpoints) }
}

fn watched(key: &str) -> Watched {
    Watched { key: key.into(), value: US.into(), limits: vec![LIMITS] }
}

fn start(config: &StoreConfig, interval: Duration, keys: Vec<Watched>) -> Source {
    let settings = Settings {
        pace: Pace { full: interval, longest: interval },
        call_limit: CALL_LIMIT,
        clock: clock::now,
        seed: 1,
    };
    source::start(&SourceConfig::Etcd(config.clone()), settings, keys, Vec::new())
}

/// A source of the one key.
fn source(config: &StoreConfig) -> Source {
    start(config, INTERVAL, vec![watched(KEY)])
}

fn read_of(report: &Report, key: KeyIndex) -> Option<KeyRead> {
    let Report::Read(seen) = report else { return None };
    seen.iter().find(|(of, _)| *of == key).map(|(_, sighting)| sighting.clone())
}

fn change_of(report: &Report, key: KeyIndex) -> Option<KeyEvent> {
    let Report::Changed(seen) = report else { return None };
    seen.iter().find(|(of, _)| *of == key).map(|(_, change)| change.clone())
}

/// Why a key cannot be read.
fn unreadable(report: &Report, key: KeyIndex) -> Option<String> {
    let Report::Unreadable(keys) = report else { return None };
    keys.iter().find(|(of, _)| *of == key).map(|(_, why)| why.to_string())
}

/// A read that names this holder.
fn read_naming(holder: Option<&str>) -> impl FnMut(&Report) -> Option<KeyRead> {
    move |report| read_of(report, 0).filter(|sighting| sighting.names.value(US) == holder)
}

/// A change that names this holder.
fn change_to(holder: Option<&str>) -> impl FnMut(&Report) -> Option<KeyEvent> {
    move |report| change_of(report, 0).filter(|change| change.names.value(US) == holder)
}
