//! What is peculiar to Consul: rules of tokens, what Patroni's lock hangs on, and what would make it last.

use std::time::Duration;

use crate::check::Finding;
use crate::check::store::{Store, WatchedKey};
use crate::source::facts::{ConsulBacking, ConsulLock, EndpointFacts, Forbidden, Held, KeyDetail, scope};

/// Consul.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Consul;

impl Store for Consul {
    fn name(&self) -> &'static str {
        "Consul"
    }

    fn version(&self) -> &'static str {
        "index"
    }

    fn endpoint(&self, _facts: &EndpointFacts) -> Vec<Finding> {
        Vec::new()
    }

    /// The agent of this host is what Consul is made to be asked through.
    fn single(&self, facts: &EndpointFacts) -> Option<Finding> {
        let host = facts.endpoint.split("://").nth(1).unwrap_or(&facts.endpoint);
        let local = ["127.", "localhost", "[::1]"].iter().any(|local| host.starts_with(local));
        (!local).then(|| {
            Finding::warning(
                "endpoint-single",
                "dcs-endpoints",
                "only one endpoint is configured: while it restarts, the leader key cannot be read",
                "list several servers or agents, or the agent of this host",
            )
        })
    }

    fn hint(&self, facts: &EndpointFacts) -> Option<&'static str> {
        let other = OTHER_PORTS.iter().any(|port| facts.endpoint.ends_with(port));
        other.then_some("8300 to 8302 and 8600 are for servers, gossip and DNS; the HTTP port is usually 8500")
    }

    fn key(&self, facts: &WatchedKey, _held: &Held) -> Vec<Finding> {
        let KeyDetail::Consul(lock) = &facts.found.detail else { return Vec::new() };
        if facts.claimed {
            return Vec::new();
        }
        [promise(facts, lock)].into_iter().chain(settings(facts, lock)).collect()
    }

    fn without_leaders(&self, anything: bool) -> (String, String) {
        let text = if anything {
            "does not exist, nor does any leader key: Patroni has written nothing to this Consul"
        } else {
            "does not exist: Consul has no key at all"
        };
        (text.to_owned(), "start Patroni with this Consul (its section consul:)".to_owned())
    }

    fn put(&self, key: &str, value: &str) -> String {
        format!("consul kv put {key} {value}")
    }

    fn watch(&self) -> &'static str {
        "consul monitor -log-level=debug"
    }

    fn allow_read(&self, key: &str) -> String {
        format!("add this rule to the policy of its token: key \"{key}\" {{ policy = \"read\" }}")
    }

    fn allow_list(&self, prefix: &str) -> String {
        format!("add this rule to the policy of its token: key_prefix \"{prefix}\" {{ policy = \"read\" }}")
    }
}

/// How good the promise is, and what would make it better.
fn promise(facts: &WatchedKey, lock: &ConsulLock) -> Finding {
    let hold = lock.left.saturating_sub(facts.lease_margin.min(lock.margin)).min(facts.hold_timeout);
    let hold = format!("the VIP is held for {} s after the last answer", seconds(hold));
    match &lock.backing {
        ConsulBacking::Client => Finding::pass(
            "consul-lock",
            facts.subject(),
            format!("has a session on a client agent, without checks (grade assumed): {hold}"),
        ),
        ConsulBacking::Server(node) => Finding::warning(
            "consul-server-session",
            facts.subject(),
            format!(
                "has a session on {node}, which is a server of Consul: when that host is cut off, the lock is gone after \
                 5 to 15 s, whatever Patroni's ttl (grade assumed); {hold}"
            ),
            format!("run the servers elsewhere and a client agent on {node}, which Patroni uses"),
        ),
        ConsulBacking::Checks(checks) => Finding::warning(
            "consul-session-checks",
            facts.subject(),
            format!(
                "has a session with checks ({}): it ends as soon as one fails, for serfHealth 5 s after its host is cut \
                 off, whatever Patroni's ttl (grade assumed); {hold}",
                checks.join(", ")
            ),
            "remove checks: from Patroni's section consul:, and restart Patroni",
        ),
        ConsulBacking::Forbidden => Finding::warning(
            "consul-session-unknown",
            facts.subject(),
            format!("has a session that this token may not see, so the worst is assumed; {hold}"),
            "add these rules to the policy of the token: session_prefix \"\" { policy = \"read\" } node_prefix \"\" { \
             policy = \"read\" } service \"consul\" { policy = \"read\" }",
        ),
    }
}

fn settings(facts: &WatchedKey, lock: &ConsulLock) -> Option<Finding> {
    let config = format!("{}config", scope(&facts.key)?);
    match &lock.settings {
        Err(Forbidden) => Some(Finding::warning(
            "consul-settings-unknown",
            facts.subject(),
            format!("belongs to a Patroni whose settings this token may not read ({config}): its defaults are assumed"),
            Consul.allow_read(&config),
        )),
        Ok(settings) if settings.ttl < LEAST_TTL => Some(Finding::warning(
            "consul-short-ttl",
            facts.subject(),
            format!(
                "belongs to a Patroni with a ttl of {} s, but Consul makes that 20 s: no other host can lead sooner",
                seconds(settings.ttl)
            ),
            "set ttl to 20 or more (patronictl edit-config)",
        )),
        Ok(_) => None,
    }
}

fn seconds(span: Duration) -> String {
    let text = format!("{:.1}", span.as_secs_f64());
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

/// Consul's sessions last twice ten seconds at least.
const LEAST_TTL: Duration = Duration::from_secs(20);
/// Ports of Consul that are not for HTTP.
const OTHER_PORTS: [&str; 4] = [":8300", ":8301", ":8302", ":8600"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{endpoints, key};
    use crate::source::facts::{Around, EndpointDetail, KeyFacts, LeaseFacts, PatroniSettings, Refusal};

    fn lock(backing: ConsulBacking) -> WatchedKey {
        let (left, margin) = if backing.is_fragile() { (4_500, 2_000) } else { (10_000, 60_000) };
        let [left, margin] = [left, margin].map(Duration::from_millis);
        let [ttl, loop_wait, retry_timeout] = [30, 10, 10].map(Duration::from_secs);
        let settings = Ok(PatroniSettings { ttl, loop_wait, retry_timeout });
        let held = Held { value: "pg1".into(), changed: 7, lease: LeaseFacts::Unknown };
        WatchedKey {
            key: "service/pg/leader".into(),
            expected: "pg1".into(),
            found: KeyFacts {
                held: Ok(Some(held)),
                around: Around { members: Some(vec!["pg1".into()]), scope: true, ..Around::default() },
                beside: None,
                detail: KeyDetail::Consul(ConsulLock { backing, settings, left, margin }),
            },
            hold_timeout: Duration::from_secs(10),
            lease_margin: Duration::from_secs(3),
            claimed: false,
        }
    }

    fn last(facts: &WatchedKey) -> Finding {
        key::judge(&Consul, facts).pop().unwrap()
    }

    #[test]
    fn what_a_lock_hangs_on_decides_how_long_the_vip_is_held() {
        let good = last(&lock(ConsulBacking::Client));
        assert_eq!(good.id, "consul-lock");
        assert!(good.text.ends_with("held for 7 s after the last answer"), "{}", good.text);
        for (backing, id) in [
            (ConsulBacking::Server("db1".into()), "consul-server-session"),
            (ConsulBacking::Checks(vec!["serfHealth".into()]), "consul-session-checks"),
            (ConsulBacking::Forbidden, "consul-session-unknown"),
        ] {
            let finding = last(&lock(backing));
            assert_eq!(finding.id, id);
            assert!(finding.text.ends_with("held for 2.5 s after the last answer"), "{}", finding.text);
        }
    }

    #[test]
    fn settings_that_may_not_be_read_or_cannot_be_kept_are_reported() {
        let mut facts = lock(ConsulBacking::Client);
        let KeyDetail::Consul(detail) = &mut facts.found.detail else { unreachable!() };
        detail.settings = Err(Forbidden);
        let finding = last(&facts);
        assert_eq!(finding.id, "consul-settings-unknown");
        assert!(finding.cure.unwrap().ends_with("key \"service/pg/config\" { policy = \"read\" }"));
        let KeyDetail::Consul(detail) = &mut facts.found.detail else { unreachable!() };
        let seconds = Duration::from_secs;
        detail.settings = Ok(PatroniSettings { ttl: seconds(10), loop_wait: seconds(3), retry_timeout: seconds(3) });
        assert_eq!(last(&facts).id, "consul-short-ttl");
    }

    #[test]
    fn the_agent_of_this_host_is_enough_and_a_gossip_port_is_recognised() {
        let refusal = Refusal { why: "refused".into(), cure: "start it".into() };
        let facts = |endpoint: &str, outcome| EndpointFacts {
            endpoint: endpoint.into(),
            outcome,
            ahead: None,
            detail: EndpointDetail::None,
        };
        let answer =
            crate::source::facts::Answer { version: "1.8.7".into(), cluster: 0, took: Duration::from_millis(1) };
        let told = |facts: EndpointFacts| endpoints::judge(&Consul, &[facts]);
        assert_eq!(told(facts("http://127.0.0.1:8500", Ok(answer.clone()))).len(), 1);
        assert_eq!(told(facts("http://10.0.0.1:8500", Ok(answer)))[1].id, "endpoint-single");
        let gossip = told(facts("http://10.0.0.1:8301", Err(refusal)));
        assert!(gossip[0].cure.as_ref().unwrap().contains("the HTTP port is usually 8500"), "{gossip:?}");
    }
}
