//! `vip-manager check`: gathers the facts, has `check` judge them, and prints the report.
//!
//! It looks at the host and at the store, all at once, and changes nothing: it only reads in the store, and its probes
//! carry no sender's address. So it may run at any time, beside the daemon and on the holder. Everything has its own
//! time limit, so the whole ends within about ten seconds even if nobody answers.

mod claims;
mod interfaces;
mod machine;

use std::env;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use self::interfaces::{Host, probe_all};
use self::machine::Servers;
use crate::check::store::{Store, WatchedKey};
use crate::check::{
    Finding, Look, Report, announcements, cloud, configuration, endpoints, hooks, key, postgres, privileges, rival,
    stores, unit,
};
use crate::config::model::is_supported;
use crate::config::{Config, Examined, SourceConfig, Sources, VipConfig, examine};
use crate::daemon::event_loop::circumstances;
use crate::daemon::{BLOCKING_THREADS, runtime};
use crate::source;
use crate::source::facts::{Forbidden, Inspection};
use crate::terminal::{self, Terminal};
use crate::time::Clock;

/// Gathers, judges and prints. Fails if there is an error.
pub fn run(sources: &Sources, as_json: bool, clock: Clock) -> ExitCode {
    let report = report(sources, clock);
    terminal::write(io::stdout(), if as_json { report.json() } else { report.text(look()) });
    if report.passes() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(sources: &Sources, clock: Clock) -> Report {
    let Examined { config, problems, notices, file } = examine(sources);
    let file = file.map(|file| file.display().to_string());
    let mut findings = configuration::judge(file.as_deref(), &problems, &notices);
    findings.extend(privileges::judge(&machine::privileges(config.as_ref())));
    findings.extend(machine::units().iter().flat_map(unit::judge));
    let cloud = cloud::judge(&machine::firmware());
    let in_cloud = cloud.is_some();
    findings.extend(cloud);
    if let Some(config) = config {
        findings.extend(about(&config, in_cloud, clock));
    }
    let mut kept: Vec<Finding> = Vec::new();
    for finding in findings {
        if !kept.contains(&finding) {
            kept.push(finding);
        }
    }
    Report { findings: kept }
}

/// The findings about a usable configuration.
fn about(config: &Config, in_cloud: bool, clock: Clock) -> Vec<Finding> {
    let host = match Host::list(clock) {
        Ok(host) => host,
        Err(error) => return vec![Finding::error("host", "host", error, "is this Linux, with netlink permitted?")],
    };
    let known = circumstances(config);
    let mut findings: Vec<Finding> = config.vips.iter().flat_map(|vip| host.findings(vip, &known, clock)).collect();
    findings.extend(config.vips.iter().flat_map(machine::hooks).map(|facts| hooks::judge(&facts)));
    let runtime = match runtime(BLOCKING_THREADS + interfaces::MAX_PROBES) {
        Ok(runtime) => runtime,
        Err(error) => {
            let text = format!("cannot ask anybody: {error}");
            findings.push(Finding::error("host", "host", text, "raise the limit of open files"));
            return findings;
        }
    };
    let (inspected, claims, probes) = runtime.block_on(async {
        let claims = claims::inspect(config, ENDPOINT_LIMIT, clock);
        tokio::join!(inspect_all(config, clock), claims, probe_all(config, &host, clock))
    });
    runtime.shutdown_background();

    for (source, inspections) in config.sources.iter().zip(&inspected) {
        let all: Vec<_> = inspections.iter().map(|inspection| inspection.endpoint.clone()).collect();
        findings.extend(endpoints::judge(stores::of(source), &all));
    }
    if config.sources.iter().any(|source| matches!(source, SourceConfig::Patroni(_))) {
        let files = machine::patroni_files();
        findings.extend(files.iter().find_map(|(file, text)| stores::patroni::direct(file, text, is_supported)));
    }
    let servers = Servers::look();
    let mut probes = probes.into_iter();
    for vip in &config.vips {
        let facts = inspected.get(vip.source).and_then(|inspections| key_facts(vip, inspections, &claims));
        let known = config.sources.get(vip.source).map(stores::of).zip(facts.as_ref());
        findings.extend(known.map(|(store, facts)| key::judge(store, facts)).unwrap_or_default());
        let leader = leader(known);
        findings.extend(claims::finding(config, vip, &claims, leader == rival::Leader::ThisHost));
        if let Some(probe) = probes.next().filter(|_| host.can_send(vip)) {
            // A cloud's network answers for others, so what is heard there proves nothing.
            if let Some(heard) = probe.as_ref().ok().filter(|_| !in_cloud) {
                findings.push(announcements::judge(&host.announcements(vip, heard)));
            }
            findings.push(rival::judge(&rival::Facts {
                vip: vip.vip.address(),
                interface: vip.interface.to_string(),
                leader,
                carried: host.has_vip(vip),
                probe: match probe {
                    Ok(heard) => rival::Probe::Answers(heard.claimants),
                    Err(why) => rival::Probe::Impossible(why),
                },
            }));
        }
        findings.extend(postgres::judge(&servers.facts(vip)));
    }
    findings
}

/// Asks all stores at once, each for the keys of its VIPs.
async fn inspect_all(config: &Config, clock: Clock) -> Vec<Vec<Inspection>> {
    let inspect = |(index, source): (usize, &SourceConfig)| {
        let vips = config.vips.iter().filter(|vip| vip.source == index);
        let keys: Vec<String> = vips.map(|vip| vip.key.clone()).collect();
        let source = source.clone();
        tokio::spawn(async move { source::inspect(&source, &keys, ENDPOINT_LIMIT, clock).await })
    };
    let asked: Vec<_> = config.sources.iter().enumerate().map(inspect).collect();
    let mut stores = Vec::with_capacity(asked.len());
    for inspections in asked {
        stores.push(inspections.await.unwrap_or_default());
    }
    stores
}

/// What the first endpoint that answered says about the key of this VIP; nothing if none answered.
fn key_facts(vip: &VipConfig, inspections: &[Inspection], claims: &claims::Inspected) -> Option<WatchedKey> {
    let keys = inspections.iter().find_map(|inspection| inspection.keys.as_ref())?;
    Some(WatchedKey {
        key: vip.key.clone(),
        expected: vip.value.clone(),
        found: keys.get(&vip.key)?.clone(),
        hold_timeout: vip.hold_timeout,
        lease_margin: vip.lease_margin,
        claimed: claims::is_claimed(vip, claims),
    })
}

fn leader(known: Option<(&dyn Store, &WatchedKey)>) -> rival::Leader {
    match known {
        None => rival::Leader::Unknown,
        Some((store, facts)) => match &facts.found.held {
            Err(Forbidden) => rival::Leader::Unknown,
            Ok(None) => rival::Leader::Nobody,
            Ok(Some(held)) if store.is_us(facts, held) => rival::Leader::ThisHost,
            Ok(Some(_)) => rival::Leader::Another,
        },
    }
}

fn look() -> Look {
    let terminal = Terminal::behind(io::stdout());
    Look {
        width: terminal.map(|terminal| terminal.columns.clamp(NARROWEST, WIDEST)),
        colour: terminal.is_some_and(|terminal| terminal.abilities.colour),
        unicode: has_utf8(|name| env::var(name).ok()),
    }
}

/// Whether the locale says UTF-8. Without a locale, as under a service manager, most readers understand it.
fn has_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| variable(name).filter(|value| !value.is_empty()));
    locale.is_none_or(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// For each step with an endpoint; there are at most three.
const ENDPOINT_LIMIT: Duration = Duration::from_millis(2500);
const NARROWEST: usize = 40;
const WIDEST: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_locale_that_is_set_decides() {
        let with = |pairs: &'static [(&str, &str)]| {
            has_utf8(|name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(with(&[]));
        assert!(with(&[("LANG", "en_US.UTF-8")]));
        assert!(!with(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
        assert!(!with(&[("LC_ALL", ""), ("LANG", "POSIX")]));
    }
}
