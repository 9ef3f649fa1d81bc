//! What is peculiar to the v2 API of etcd: its commands, the v3 store beside it, and its dependence on members' clocks.

use crate::check::Finding;
use crate::check::store::{Store, WatchedKey};
use crate::source::facts::EndpointFacts;

/// etcd's v2 API.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Etcd2;

impl Store for Etcd2 {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn version(&self) -> &'static str {
        "index"
    }

    fn endpoint(&self, _facts: &EndpointFacts) -> Vec<Finding> {
        Vec::new()
    }

    fn skew(&self) -> &'static str {
        "in etcd's v2 API the end of a key is a date: members that differ by more than lease-margin break the promise"
    }

    fn absent(&self, facts: &WatchedKey) -> Option<Finding> {
        let value = facts.found.beside.as_ref()?;
        Some(Finding::error(
            "key-v3",
            facts.subject(),
            format!("is not in etcd's v2 store but in its v3 store (\"{value}\"): Patroni uses the new API (etcd3:)"),
            "set dcs-type: etcd",
        ))
    }

    fn without_leaders(&self, anything: bool) -> (String, String) {
        let text = if anything {
            "does not exist, nor does any leader key: Patroni has written nothing to this etcd"
        } else {
            "does not exist: etcd's v2 store is empty"
        };
        let cure = "start Patroni with this etcd; its section must be etcd:, because etcd3: writes to the v3 store, \
                    which dcs-type: etcd reads";
        (text.to_owned(), cure.to_owned())
    }

    fn put(&self, key: &str, value: &str) -> String {
        format!("ETCDCTL_API=2 etcdctl set {key} {value}")
    }

    fn watch(&self) -> &'static str {
        "ETCDCTL_API=2 etcdctl watch"
    }

    fn allow_read(&self, key: &str) -> String {
        format!("ETCDCTL_API=2 etcdctl role grant ROLE --path {key} --read")
    }

    fn allow_list(&self, prefix: &str) -> String {
        format!("ETCDCTL_API=2 etcdctl role grant ROLE --path {prefix}* --read")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::check::key;
    use crate::source::facts::{Around, KeyDetail, KeyFacts};

    #[test]
    fn a_key_that_is_in_the_other_store_is_found_there() {
        let mut facts = WatchedKey {
            key: "/service/pg/leader".into(),
            expected: "pg1".into(),
            found: KeyFacts {
                held: Ok(None),
                around: Around { listed: true, ..Around::default() },
                beside: Some("pg1".into()),
                detail: KeyDetail::None,
            },
            hold_timeout: Duration::from_secs(10),
            lease_margin: Duration::from_secs(3),
            claimed: false,
        };
        let first = |facts: &WatchedKey| key::judge(&Etcd2, facts).remove(0);
        assert_eq!((first(&facts).id, first(&facts).cure.as_deref()), ("key-v3", Some("set dcs-type: etcd")));
        facts.found.beside = None;
        assert_eq!(first(&facts).id, "store-empty");
    }
}
