//! What is peculiar to etcd v3: peer ports, releases with stale reads, the v2 store beside it, and its commands.

use crate::check::Finding;
use crate::check::store::{Store, WatchedKey, subject};
use crate::source::facts::{EndpointDetail, EndpointFacts};

/// etcd v3.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Etcd;

impl Store for Etcd {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn version(&self) -> &'static str {
        "revision"
    }

    fn endpoint(&self, facts: &EndpointFacts) -> Vec<Finding> {
        let mut findings: Vec<Finding> = stale_reads(facts).into_iter().collect();
        let EndpointDetail::Etcd { needless_login, serves_peers } = facts.detail else { return findings };
        if serves_peers {
            findings.push(Finding::warning(
                "endpoint-peers",
                subject(self, facts),
                "is etcd's peer port, which is not for clients",
                "set its client port in dcs-endpoints, usually 2379 (etcdctl member list shows both)",
            ));
        }
        if needless_login {
            findings.push(Finding::warning(
                "login-needless",
                subject(self, facts),
                "has authentication turned off: etcd-user is not needed",
                "remove etcd-user and etcd-password, or enable it: etcdctl auth enable",
            ));
        }
        findings
    }

    fn hint(&self, facts: &EndpointFacts) -> Option<&'static str> {
        let known = matches!(facts.detail, EndpointDetail::Etcd { serves_peers: true, .. });
        (facts.endpoint.ends_with(PEERS) && !known).then_some("2380 is usually the peer port, and 2379 the client port")
    }

    fn absent(&self, facts: &WatchedKey) -> Option<Finding> {
        let value = facts.found.beside.as_ref()?;
        Some(Finding::error(
            "key-v2",
            facts.subject(),
            format!("is not in etcd's v3 store but in its v2 store (\"{value}\"): Patroni uses the old API"),
            "set dcs-type: etcd2; or rename Patroni's section etcd: to etcd3:, one host at a time",
        ))
    }

    fn without_leaders(&self, anything: bool) -> (String, String) {
        let text = if anything {
            "does not exist, nor does any leader key: Patroni has written nothing to this etcd"
        } else {
            "does not exist: etcd's v3 store is empty"
        };
        let cure = "start Patroni with this etcd; its section must be etcd3:, because etcd: writes to the v2 store, \
                    which is not read here";
        (text.to_owned(), cure.to_owned())
    }

    fn put(&self, key: &str, value: &str) -> String {
        format!("etcdctl put {key} {value}")
    }

    fn watch(&self) -> &'static str {
        "etcdctl watch"
    }

    fn allow_read(&self, key: &str) -> String {
        format!("etcdctl role grant-permission ROLE read {key}, etcdctl user grant-role USER ROLE")
    }

    fn allow_list(&self, prefix: &str) -> String {
        format!("etcdctl role grant-permission ROLE read --prefix=true {prefix}")
    }
}

fn stale_reads(facts: &EndpointFacts) -> Option<Finding> {
    let version = &facts.outcome.as_ref().ok()?.version;
    let fixed = fixed_in(version)?;
    Some(Finding::warning(
        "endpoint-stale-reads",
        subject(&Etcd, facts),
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

/// The default port of etcd's members.
const PEERS: &str = ":2380";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::endpoints::judge;
    use crate::source::facts::Refusal;

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
    fn a_peer_port_is_guessed_from_its_number_and_named_where_it_is_known() {
        let refusal = Refusal { why: "broken".into(), cure: "does this port expect https?".into() };
        let detail = EndpointDetail::Etcd { needless_login: false, serves_peers: false };
        let mut peers = EndpointFacts { endpoint: "http://a:2380".into(), outcome: Err(refusal), ahead: None, detail };
        let told = |facts: &EndpointFacts| judge(&Etcd, std::slice::from_ref(facts));
        let hint = "; 2380 is usually the peer port, and 2379 the client port";
        assert!(told(&peers)[0].cure.as_ref().unwrap().ends_with(hint));
        peers.detail = EndpointDetail::Etcd { needless_login: true, serves_peers: true };
        let ids: Vec<_> = told(&peers).iter().map(|finding| finding.id).collect();
        assert_eq!(ids, ["endpoint", "endpoint-peers", "login-needless"]);
        assert!(!told(&peers)[0].cure.as_ref().unwrap().ends_with(hint));
    }
}
