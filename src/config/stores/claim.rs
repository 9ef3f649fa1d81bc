//! What a claim looks like in each kind of store: its key as people write it, and where none is given.

use std::net::IpAddr;

use super::trigger_key::{is_label, is_subdomain};
use crate::keeper::ClaimMode;

/// Normalises a key, or says what is wrong with it.
type Normalise = fn(&str) -> Result<String, String>;

/// How VIPs are claimed in a kind of store.
#[derive(Clone, Copy, Debug)]
pub struct ClaimType {
    /// Whether they are, unless the configuration says otherwise.
    pub mode: ClaimMode,
    /// Normalises a claim-key, or refuses it; the form of a trigger-key where there is no other.
    pub key: Option<Normalise>,
    /// The claim-key of a VIP where none is given, from the trigger-key.
    pub beside: fn(&str, IpAddr) -> String,
}

impl ClaimType {
    /// The usual key, which is shown where there are no claims, too.
    pub const BESIDE: fn(&str, IpAddr) -> String = beside;

    /// A key beside the trigger-key.
    pub(super) const fn key(mode: ClaimMode) -> Self {
        Self { mode, key: None, beside }
    }

    /// A Lease of Kubernetes.
    pub(super) const fn lease(mode: ClaimMode) -> Self {
        Self { mode, key: Some(lease), beside: lease_beside }
    }
}

/// A Lease of Kubernetes, which is a claim: NAMESPACE/leases/NAME.
fn lease(text: &str) -> Result<String, String> {
    let key = text.strip_prefix('/').unwrap_or(text);
    match key.split('/').collect::<Vec<_>>()[..] {
        [namespace, "leases", name] if is_label(namespace) && is_subdomain(name) => Ok(key.to_owned()),
        _ => Err("is not a Lease; expected NAMESPACE/leases/NAME".to_owned()),
    }
}

/// The Lease of a VIP in the namespace of the object that Patroni keeps the leader in: `pg/leases/main-vip-10-0-0-5`.
fn lease_beside(leader: &str, vip: IpAddr) -> String {
    let (namespace, rest) = leader.split_once('/').unwrap_or(("default", leader));
    let name = rest.rsplit('/').next().unwrap_or(rest);
    let address = match vip {
        IpAddr::V4(vip) => vip.to_string().replace('.', "-"),
        // Written out: a name must not end with a dash.
        IpAddr::V6(vip) => vip.segments().map(|part| format!("{part:x}")).join("-"),
    };
    format!("{namespace}/leases/{}-vip-{address}", name.strip_suffix("-leader").unwrap_or(name))
}

/// The key of a VIP's claim in the directory of the leader key.
fn beside(leader: &str, vip: IpAddr) -> String {
    let directory = leader.rfind('/').map_or("", |end| &leader[..=end]);
    format!("{directory}vip/{vip}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_a_claim_in_kubernetes() {
        assert_eq!(lease("/pg/leases/a.b").as_deref(), Ok("pg/leases/a.b"));
        for text in ["pg/configmaps/main-leader", "pg/leases/10.0.0.5/24", "pg/leases/Main", "main-vip"] {
            assert!(lease(text).is_err(), "{text}");
        }
        for (leader, vip, expected) in [
            ("pg/configmaps/main-leader", "10.0.0.5", "pg/leases/main-vip-10-0-0-5"),
            ("pg/endpoints/main", "fd00::5", "pg/leases/main-vip-fd00-0-0-0-0-0-0-5"),
            ("pg/endpoints/main", "fd00::", "pg/leases/main-vip-fd00-0-0-0-0-0-0-0"),
        ] {
            let made = lease_beside(leader, vip.parse().unwrap());
            assert_eq!(made, expected);
            assert_eq!(lease(&made).as_deref(), Ok(expected), "it is a sound name");
        }
        assert_eq!(beside("/service/pg/leader", "fd00::5".parse().unwrap()), "/service/pg/vip/fd00::5");
    }
}
