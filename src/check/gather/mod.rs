//! Looks at the host and at etcd, all of it at once, and hands the facts to the judges.
//!
//! Everything has a limit of its own, and so the whole has one: it ends within some ten seconds even where nobody answers.

mod etcd;
mod host;
mod output;
mod wire;

use std::process::ExitCode;

use self::host::Host;
use super::{Finding, Report, cloud, configuration, hooks, key, member, postgres, rival};
use crate::config::{Config, Examined, Sources, VipConfig, examine};

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
    findings.extend(cloud::judge(&host::firmware()));
    if let Some(config) = config {
        findings.extend(about(&config));
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
fn about(config: &Config) -> Vec<Finding> {
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
    let (visits, probes) = runtime.block_on(async { tokio::join!(etcd::visit_all(config), wire::probe_all(config)) });
    runtime.shutdown_background();

    findings.extend(member::judge(&visits.members));
    let mut probes = probes.into_iter();
    for vip in &config.vips {
        let facts = visits.key(vip);
        findings.extend(facts.as_ref().map(key::judge).unwrap_or_default());
        let leader = leader(facts.as_ref());
        let (address, interface) = (vip.vip.address(), vip.interface.to_string());
        let carried = host.carries(vip);
        if let Some(probe) = probes.next().filter(|_| host.can_speak(vip)) {
            findings.push(rival::judge(&rival::Facts { vip: address, interface, leader, carried, probe }));
        }
        findings.extend(server(vip));
    }
    findings
}

fn leader(facts: Option<&key::Facts>) -> rival::Leader {
    match facts {
        None => rival::Leader::Unknown,
        Some(facts) => match &facts.held {
            None => rival::Leader::Nobody,
            Some(held) if held.value == facts.expected => rival::Leader::ThisHost,
            Some(_) => rival::Leader::Another,
        },
    }
}

fn server(vip: &VipConfig) -> Option<Finding> {
    let listening = host::listening(POSTGRES);
    postgres::judge(&postgres::Facts { vip: vip.vip.address(), port: POSTGRES, listening })
}

const POSTGRES: u16 = 5432;
