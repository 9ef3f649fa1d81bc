//! One endpoint of etcd, as this host reaches it.

use super::Finding;
use crate::source::facts::{EndpointFacts as Facts, Refusal};

pub fn judge(all: &[Facts]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = all.iter().flat_map(one).collect();
    findings.extend(several_clusters(all));
    findings.extend(mixed_schemes(all));
    findings.extend(together(all));
    findings
}

fn one(facts: &Facts) -> Vec<Finding> {
    let subject = || format!("etcd {}", facts.endpoint);
    let mut findings = match &facts.outcome {
        Err(Refusal { why, cure }) if facts.endpoint.ends_with(PEERS) && !facts.serves_peers => vec![Finding::error(
            "endpoint",
            subject(),
            why.as_str(),
            format!("{cure}; 2380 is usually the peer port, and 2379 the client port"),
        )],
        Err(Refusal { why, cure }) => vec![Finding::error("endpoint", subject(), why.as_str(), cure.as_str())],
        Ok(answer) => {
            let version = if answer.version.is_empty() { String::new() } else { format!(" {}", answer.version) };
            let text =
                format!("etcd{version} answered in {:.1} ms and sees a leader", answer.took.as_secs_f64() * 1000.0);
            vec![Finding::pass("endpoint", subject(), text)]
        }
    };
    findings.extend(stale_reads(facts));
    if let Some(ahead) = facts.ahead.filter(|ahead| ahead.abs() > MAX_SKEW) {
        let way = if ahead > 0 { "ahead of" } else { "behind" };
        findings.push(Finding::warning(
            "clock-skew",
            subject(),
            format!(
                "its clock is {} s {way} this host's: logs do not line up, and certificates may seem expired",
                ahead.abs()
            ),
            "synchronize both clocks (chrony, systemd-timesyncd); leases do not depend on them",
        ));
    }
    if facts.serves_peers {
        findings.push(Finding::warning(
            "endpoint-peers",
            subject(),
            "is etcd's peer port, which is not for clients",
            "set its client port in dcs-endpoints, usually 2379 (etcdctl member list shows both)",
        ));
    }
    if facts.needless_login {
        findings.push(Finding::warning(
            "login-needless",
            subject(),
            "has authentication turned off: etcd-user is not needed",
            "remove etcd-user and etcd-password, or enable it: etcdctl auth enable",
        ));
    }
    findings
}

fn stale_reads(facts: &Facts) -> Option<Finding> {
    let version = &facts.outcome.as_ref().ok()?.version;
    let fixed = fixed_in(version)?;
    Some(Finding::warning(
        "endpoint-stale-reads",
        format!("etcd {}", facts.endpoint),
        format!("etcd {version} can answer a linearizable read with an old value: this host may hold the VIP too long"),
        format!("update etcd to {fixed} or later"),
    ))
}

/// The release that ends stale linearizable reads, if this one is older.
fn fixed_in(version: &str) -> Option<&'static str> {
    let mut numbers = version.split('.').map(|part| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..digits].parse::<u32>().ok()
    });
    let version = (numbers.next()??, numbers.next()??, numbers.next()??);
    let fixed = match version {
        (0..=2, ..) | (3, 0..=4, _) => ((3, 4, 42), "3.4.42"),
        (3, 5, _) => ((3, 5, 28), "3.5.28"),
        (3, 6, _) => ((3, 6, 9), "3.6.9"),
        _ => return None,
    };
    (version < fixed.0).then_some(fixed.1)
}

fn several_clusters(all: &[Facts]) -> Option<Finding> {
    let answers = all.iter().filter_map(|facts| Some((&facts.endpoint, facts.outcome.as_ref().ok()?)));
    let mut answers = answers.filter(|(_, answer)| answer.cluster != 0);
    let (first, answer) = answers.next()?;
    let (other, _) = answers.find(|(_, other)| other.cluster != answer.cluster)?;
    Some(Finding::error(
        "endpoints-differ",
        "dcs-endpoints",
        format!("{first} and {other} belong to different etcd clusters"),
        "list the members of one cluster only; a recreated cluster counts as another",
    ))
}

fn mixed_schemes(all: &[Facts]) -> Option<Finding> {
    let of = |scheme: &str| all.iter().map(|facts| &facts.endpoint).find(|endpoint| endpoint.starts_with(scheme));
    let (plain, tls) = (of("http://")?, of("https://")?);
    Some(Finding::warning(
        "endpoints-mixed",
        "dcs-endpoints",
        format!("{plain} is plain text and {tls} is TLS: members of one cluster usually use the same"),
        "use one scheme for all, https:// if etcd has a certificate",
    ))
}

/// The endpoints as a whole.
fn together(all: &[Facts]) -> Option<Finding> {
    let good = all.iter().filter(|facts| facts.outcome.is_ok()).count();
    match (good, all.len()) {
        (1, 1) => Some(Finding::warning(
            "endpoint-single",
            "dcs-endpoints",
            "only one endpoint is configured: while it restarts, the leader key cannot be read",
            "list all members of the cluster",
        )),
        _ => None,
    }
}

/// The default port of etcd's members.
const PEERS: &str = ":2380";

/// A `Date` header has whole seconds, and the answer took some time.
const MAX_SKEW: i64 = 2;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::source::facts::Answer;

    fn answered(endpoint: &str, cluster: u64) -> Facts {
        let answer = Answer { version: "3.5.28".into(), cluster, took: Duration::from_micros(1500) };
        Facts {
            endpoint: endpoint.into(),
            outcome: Ok(answer),
            ahead: Some(0),
            needless_login: false,
            serves_peers: false,
        }
    }

    #[test]
    fn each_endpoint_has_its_own_finding() {
        let refusal = Refusal { why: "refused".into(), cure: "start it".into() };
        let silent = Facts { outcome: Err(refusal), ..answered("http://b:2379", 1) };
        let findings = judge(&[answered("http://a:2379", 1), silent]);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert_eq!(findings[0].text, "etcd 3.5.28 answered in 1.5 ms and sees a leader");
        assert_eq!(findings[1].cure.as_deref(), Some("start it"));
    }

    #[test]
    fn two_clusters_and_wrong_clocks_are_reported() {
        let mut late = answered("http://b:2379", 2);
        late.ahead = Some(-90);
        let ids: Vec<_> = judge(&[answered("http://a:2379", 1), late]).iter().map(|finding| finding.id).collect();
        assert_eq!(ids, ["endpoint", "endpoint", "clock-skew", "endpoints-differ"]);
    }

    #[test]
    fn releases_with_stale_reads_are_reported_and_unknown_ones_are_not() {
        for (version, fixed) in [
            ("3.3.27", Some("3.4.42")),
            ("3.4.41", Some("3.4.42")),
            ("3.4.42", None),
            ("3.5.0-rc.1", Some("3.5.28")),
            ("3.5.27", Some("3.5.28")),
            ("3.5.28", None),
            ("3.6.8", Some("3.6.9")),
            ("3.6.11", None),
            ("3.7.0", None),
            ("", None),
            ("not a version", None),
        ] {
            assert_eq!(fixed_in(version), fixed, "{version}");
        }
    }

    #[test]
    fn an_endpoint_that_does_not_tell_its_version_or_cluster_passes() {
        let mut untold = answered("http://b:2379", 0);
        untold.outcome.as_mut().unwrap().version.clear();
        let findings = judge(&[answered("http://a:2379", 1), untold]);
        let told: Vec<_> = findings.iter().map(|finding| (finding.id, finding.text.as_str())).collect();
        assert_eq!(told[1], ("endpoint", "etcd answered in 1.5 ms and sees a leader"));
        assert_eq!(told.len(), 2, "{told:?}");
    }

    #[test]
    fn peer_ports_and_mixed_schemes_are_reported() {
        let refusal = Refusal { why: "broken".into(), cure: "does this port expect https?".into() };
        let mut peers = Facts { outcome: Err(refusal), ..answered("http://a:2380", 1) };
        let told = |facts: &Facts| judge(std::slice::from_ref(facts));
        let hint = "; 2380 is usually the peer port, and 2379 the client port";
        assert!(told(&peers)[0].cure.as_ref().unwrap().ends_with(hint));
        peers.serves_peers = true;
        assert_eq!(told(&peers)[1].id, "endpoint-peers");
        let mixed = judge(&[answered("http://a:2379", 1), answered("https://b:2379", 1)]);
        assert_eq!(mixed.last().map(|finding| finding.id), Some("endpoints-mixed"));
    }
}
