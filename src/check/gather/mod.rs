//! Looks at the host and at etcd, all of it at once, and hands the facts to the judges.
//!
//! Everything has a limit of its own, and so the whole has one: it ends within some ten seconds even where nobody answers.

mod etcd;
mod host;
mod output;
mod servers;
mod stack;
mod wire;

use std::process::ExitCode;

use self::host::Host;
use self::servers::Servers;
use super::{Finding, Report, announcements, cloud, configuration, hooks, key, member, postgres, rival};
use crate::config::{Config, Examined, Sources, examine};

/// Looks at everything, prints what is found, and says whether all is well.
pub fn run(sources: &Sources, as_json: bool) -> ExitCode {
    let report = report(sources);
    output::print(&report, as_json);
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(sources: &Sources) -> Report {
    let Examined { config, problems, notices, file } = examine(sources);
    let file = file.map(|file| file.display().to_string());
    let mut findings = configuration::judge(file.as_deref(), &problems, &notices);
    findings.extend(super::privileges::judge(&host::privileges(config.as_ref())));
    let cloud = cloud::judge(&host::firmware());
    let in_cloud = cloud.is_some();
    findings.extend(cloud);
    if let Some(config) = config {
        findings.extend(about(&config, in_cloud));
    }
    let mut told: Vec<Finding> = Vec::new();
    for finding in findings {
        if !told.contains(&finding) {
            told.push(finding);
        }
    }
    Report { findings: told }
}

/// What a configuration leads to.
fn about(config: &Config, in_cloud: bool) -> Vec<Finding> {
    let host = match Host::list() {
        Ok(host) => host,
        Err(error) => return vec![Finding::bad("host", "host", error, "is this Linux, with netlink permitted?")],
    };
    let mut findings: Vec<Finding> = config.vips.iter().flat_map(|vip| host.findings(vip)).collect();
    findings.extend(config.vips.iter().flat_map(host::hooks).map(|facts| hooks::judge(&facts)));
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            findings.push(Finding::bad(
                "host",
                "host",
                format!("cannot ask anybody: {error}"),
                "raise the limit of open files",
            ));
            return findings;
        }
    };
    let (visits, probes) =
        runtime.block_on(async { tokio::join!(etcd::visit_all(config), wire::probe_all(config, &host)) });
    runtime.shutdown_background();

    findings.extend(member::judge(&visits.members));
    let servers = Servers::look();
    let mut probes = probes.into_iter();
    for vip in &config.vips {
        let facts = visits.key(vip);
        findings.extend(facts.as_ref().map(key::judge).unwrap_or_default());
        let leader = leader(facts.as_ref());
        if let Some(probe) = probes.next().filter(|_| host.can_speak(vip)) {
            // A cloud's network answers in others' names: what seems to be heard there tells nothing.
            if let Some(heard) = probe.as_ref().ok().filter(|_| !in_cloud) {
                findings.push(announcements::judge(&host.announcements(vip, heard)));
            }
            findings.push(rival::judge(&rival::Facts {
                vip: vip.vip.address(),
                interface: vip.interface.to_string(),
                leader,
                carried: host.carries(vip),
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

fn leader(facts: Option<&key::Facts>) -> rival::Leader {
    match facts {
        None => rival::Leader::Unknown,
        Some(facts) => match &facts.held {
            Err(key::Forbidden) => rival::Leader::Unknown,
            Ok(None) => rival::Leader::Nobody,
            Ok(Some(held)) if held.value == facts.expected => rival::Leader::ThisHost,
            Ok(Some(_)) => rival::Leader::Another,
        },
    }
}
