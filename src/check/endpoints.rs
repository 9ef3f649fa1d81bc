//! The endpoints, as this host reaches them.

use super::Finding;
use super::store::{Store, subject};
use crate::source::facts::{EndpointFacts as Facts, Refusal};

pub fn judge(store: &dyn Store, all: &[Facts]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = all.iter().flat_map(|facts| one(store, facts)).collect();
    findings.extend(several_clusters(store, all));
    findings.extend(mixed_schemes(store, all));
    if let [only] = all
        && only.outcome.is_ok()
    {
        findings.extend(store.single(only));
    }
    findings
}

fn one(store: &dyn Store, facts: &Facts) -> Vec<Finding> {
    let subject = || subject(store, facts);
    let mut findings = match &facts.outcome {
        Err(Refusal { why, cure }) => {
            let hint = store.hint(facts).map(|hint| format!("; {hint}")).unwrap_or_default();
            vec![Finding::error("endpoint", subject(), why.as_str(), format!("{cure}{hint}"))]
        }
        Ok(answer) => {
            let version = if answer.version.is_empty() { String::new() } else { format!(" {}", answer.version) };
            let (name, serves) = (store.name(), store.serves());
            let text = format!("{name}{version} answered in {:.1} ms {serves}", answer.took.as_secs_f64() * 1000.0);
            vec![Finding::pass("endpoint", subject(), text)]
        }
    };
    findings.extend(store.endpoint(facts));
    if let Some(ahead) = facts.ahead.filter(|ahead| ahead.abs() > MAX_SKEW) {
        let way = if ahead > 0 { "ahead of" } else { "behind" };
        findings.push(Finding::warning(
            "clock-skew",
            subject(),
            format!(
                "its clock is {} s {way} this host's: logs do not line up, and certificates may seem expired",
                ahead.abs()
            ),
            format!("synchronize both clocks (chrony, systemd-timesyncd); {}", store.skew()),
        ));
    }
    findings
}

fn several_clusters(store: &dyn Store, all: &[Facts]) -> Option<Finding> {
    let answers = all.iter().filter_map(|facts| Some((&facts.endpoint, facts.outcome.as_ref().ok()?)));
    let mut answers = answers.filter(|(_, answer)| answer.cluster != 0);
    let (first, answer) = answers.next()?;
    let (other, _) = answers.find(|(_, other)| other.cluster != answer.cluster)?;
    Some(Finding::error(
        "endpoints-differ",
        "dcs-endpoints",
        format!("{first} and {other} belong to different {} clusters", store.name()),
        "list the members of one cluster only; a recreated cluster counts as another",
    ))
}

fn mixed_schemes(store: &dyn Store, all: &[Facts]) -> Option<Finding> {
    let of = |scheme: &str| all.iter().map(|facts| &facts.endpoint).find(|endpoint| endpoint.starts_with(scheme));
    let (plain, tls) = (of("http://")?, of("https://")?);
    Some(Finding::warning(
        "endpoints-mixed",
        "dcs-endpoints",
        format!("{plain} is plain text and {tls} is TLS: members of one cluster usually use the same"),
        format!("use one scheme for all, https:// if {} has a certificate", store.name()),
    ))
}

/// A `Date` header has whole seconds, and the answer took some time.
const MAX_SKEW: i64 = 2;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::check::stores::Etcd;
    use crate::source::facts::{Answer, EndpointDetail};

    fn answered(endpoint: &str, cluster: u64) -> Facts {
        let answer = Answer { version: "3.5.28".into(), cluster, took: Duration::from_micros(1500) };
        Facts { endpoint: endpoint.into(), outcome: Ok(answer), ahead: Some(0), detail: EndpointDetail::None }
    }

    #[test]
    fn each_endpoint_has_its_own_finding() {
        let refusal = Refusal { why: "refused".into(), cure: "start it".into() };
        let silent = Facts { outcome: Err(refusal), ..answered("http://b:2379", 1) };
        let findings = judge(&Etcd, &[answered("http://a:2379", 1), silent]);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert_eq!(findings[0].text, "etcd 3.5.28 answered in 1.5 ms and sees a leader");
        assert_eq!(findings[1].cure.as_deref(), Some("start it"));
    }

    #[test]
    fn two_clusters_and_wrong_clocks_are_reported() {
        let mut late = answered("http://b:2379", 2);
        late.ahead = Some(-90);
        let ids: Vec<_> =
            judge(&Etcd, &[answered("http://a:2379", 1), late]).iter().map(|finding| finding.id).collect();
        assert_eq!(ids, ["endpoint", "endpoint", "clock-skew", "endpoints-differ"]);
    }

    #[test]
    fn an_endpoint_that_does_not_tell_its_version_or_cluster_passes() {
        let mut untold = answered("http://b:2379", 0);
        untold.outcome.as_mut().unwrap().version.clear();
        let findings = judge(&Etcd, &[answered("http://a:2379", 1), untold]);
        let told: Vec<_> = findings.iter().map(|finding| (finding.id, finding.text.as_str())).collect();
        assert_eq!(told[1], ("endpoint", "etcd answered in 1.5 ms and sees a leader"));
        assert_eq!(told.len(), 2, "{told:?}");
    }

    #[test]
    fn mixed_schemes_are_reported() {
        let mixed = judge(&Etcd, &[answered("http://a:2379", 1), answered("https://b:2379", 1)]);
        assert_eq!(mixed.last().map(|finding| finding.id), Some("endpoints-mixed"));
    }
}
