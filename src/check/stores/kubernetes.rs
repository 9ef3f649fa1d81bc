//! What is peculiar to Kubernetes: records that nobody renews, Patroni's two kinds of objects, roles.

use crate::check::Finding;
use crate::check::store::{Store, WatchedKey};
use crate::source::facts::{EndpointFacts, Held, KeyDetail, LeaseFacts};

/// Objects of Kubernetes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kubernetes;

impl Store for Kubernetes {
    fn name(&self) -> &'static str {
        "Kubernetes"
    }

    fn version(&self) -> &'static str {
        "resourceVersion"
    }

    fn serves(&self) -> &'static str {
        "with a quorum of its etcd"
    }

    fn endpoint(&self, _facts: &EndpointFacts) -> Vec<Finding> {
        Vec::new()
    }

    /// A cluster has one address for all its API servers.
    fn single(&self, _facts: &EndpointFacts) -> Option<Finding> {
        None
    }

    fn skew(&self) -> &'static str {
        "how long a record holds is seen from its renewals, whatever these clocks say"
    }

    fn key(&self, facts: &WatchedKey, held: &Held) -> Vec<Finding> {
        let stale = match held.lease {
            LeaseFacts::Left { left, granted } if left <= 0 => Some(Finding::warning(
                "record-stale",
                facts.subject(),
                format!(
                    "was last renewed {} s ago by its own time, and its ttl is {granted} s: nobody leads, or clocks differ",
                    granted.saturating_sub(left)
                ),
                "run patronictl list, and compare this host's clock with the leader's; Kubernetes keeps the name of a \
                 leader that died",
            )),
            LeaseFacts::Left { .. } | LeaseFacts::None | LeaseFacts::Unknown => None,
        };
        let unwatched = if let KeyDetail::Unwatched { why } = &facts.found.detail {
            Some(Finding::warning(
                "key-unwatched",
                facts.subject(),
                format!("{why}: changes are seen up to a second later"),
                format!("allow it: {}", self.allow_read(&facts.key)),
            ))
        } else {
            None
        };
        stale.into_iter().chain(unwatched).collect()
    }

    fn absent(&self, facts: &WatchedKey) -> Option<Finding> {
        let other = facts.found.beside.as_ref()?;
        let uses = if other.contains("/endpoints/") { "with" } else { "without" };
        Some(Finding::error(
            "key-other-kind",
            facts.subject(),
            format!("does not exist, but {other} names a leader: Patroni runs {uses} use_endpoints"),
            format!("set trigger-key: {other}"),
        ))
    }

    fn without_leaders(&self, _anything: bool) -> (String, String) {
        let text = "does not exist, nor does any object with a leader in this namespace";
        let cure = "set trigger-key to NAMESPACE/configmaps/SCOPE-leader as Patroni's section kubernetes: has it, or \
                    start Patroni";
        (text.to_owned(), cure.to_owned())
    }

    fn put(&self, key: &str, value: &str) -> String {
        let (namespace, object) = split(key);
        format!("kubectl -n {namespace} annotate --overwrite {object} leader={value}")
    }

    fn watch(&self) -> &'static str {
        "kubectl get --watch -o yaml"
    }

    fn allow_read(&self, key: &str) -> String {
        let mut parts = key.split('/');
        let mut next = || parts.next().unwrap_or_default();
        let (namespace, kind, name) = (next(), next(), next());
        format!(
            "kubectl -n {namespace} create role vip-manager --verb=get,list,watch --resource={kind} \
             --resource-name={name} && kubectl -n {namespace} create rolebinding vip-manager --role=vip-manager \
             --serviceaccount=NAMESPACE:NAME (or --user=NAME)"
        )
    }

    fn allow_list(&self, prefix: &str) -> String {
        let (namespace, object) = split(prefix);
        let kind = object.split('/').next().unwrap_or_default();
        format!(
            "kubectl -n {namespace} create role vip-manager-check --verb=list --resource={kind},pods && kubectl -n \
             {namespace} create rolebinding vip-manager-check --role=vip-manager-check --serviceaccount=NAMESPACE:NAME"
        )
    }
}

/// The namespace, and the object as kubectl names it.
fn split(key: &str) -> (&str, &str) {
    key.split_once('/').unwrap_or(("default", key))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::check::key;
    use crate::source::facts::{Around, Forbidden, KeyFacts};

    fn watched(held: Result<Option<(&str, i64)>, Forbidden>) -> WatchedKey {
        let lease = |left| LeaseFacts::Left { left, granted: 30 };
        let held =
            held.map(|held| held.map(|(value, left)| Held { value: value.into(), changed: 9, lease: lease(left) }));
        let around = Around { members: Some(vec!["pg1".into(), "pg2".into()]), listed: true, ..Around::default() };
        WatchedKey {
            key: "pg/configmaps/main-leader".into(),
            expected: "pg1".into(),
            found: KeyFacts { held, around, beside: None, detail: KeyDetail::None },
            hold_timeout: Duration::from_secs(10),
            lease_margin: Duration::from_secs(3),
            claimed: false,
        }
    }

    fn told(facts: &WatchedKey) -> Vec<(&'static str, String, Option<String>)> {
        let findings = key::judge(&Kubernetes, facts);
        findings.into_iter().map(|finding| (finding.id, finding.text, finding.cure)).collect()
    }

    #[test]
    fn a_record_that_is_renewed_passes_and_one_that_is_not_is_reported() {
        let good = told(&watched(Ok(Some(("pg1", 22)))));
        let ids: Vec<_> = good.iter().map(|(id, ..)| *id).collect();
        assert_eq!(ids, ["key-value", "key-lease"]);
        assert_eq!(good[0].1, "holds \"pg1\", which is this host (since resourceVersion 9)");
        let stale = told(&watched(Ok(Some(("pg2", -70)))));
        let found = stale.iter().find(|(id, ..)| *id == "record-stale").unwrap();
        assert!(found.1.starts_with("was last renewed 100 s ago by its own time, and its ttl is 30 s"), "{}", found.1);
    }

    #[test]
    fn rights_that_lack_come_with_the_role_that_suffices() {
        let role = "kubectl -n pg create role vip-manager --verb=get,list,watch --resource=configmaps \
                    --resource-name=main-leader && ";
        let forbidden = told(&watched(Err(Forbidden)));
        assert_eq!(forbidden[0].0, "key-forbidden");
        assert!(forbidden[0].2.as_ref().unwrap().contains(role), "{forbidden:?}");
        let mut facts = watched(Ok(Some(("pg1", 22))));
        facts.found.detail = KeyDetail::Unwatched { why: "the user vip may not watch it".into() };
        let unwatched = told(&facts);
        let found = unwatched.iter().find(|(id, ..)| *id == "key-unwatched").unwrap();
        assert!(found.2.as_ref().unwrap().contains(role), "{found:?}");
    }

    #[test]
    fn the_other_kind_of_object_and_similar_names_are_offered() {
        let mut facts = watched(Ok(None));
        facts.found.beside = Some("pg/endpoints/main".into());
        let (id, text, cure) = told(&facts).remove(0);
        assert_eq!((id, cure.as_deref()), ("key-other-kind", Some("set trigger-key: pg/endpoints/main")));
        assert!(text.ends_with("Patroni runs with use_endpoints"), "{text}");
        facts.found.beside = None;
        facts.found.around.leaders = vec!["pg/configmaps/mian-leader".into()];
        let (id, _, cure) = told(&facts).remove(0);
        assert_eq!((id, cure.as_deref()), ("key-wrong", Some("set trigger-key: pg/configmaps/mian-leader")));
        facts.found.around.leaders.clear();
        assert_eq!(told(&facts)[0].0, "store-empty");
    }
}
