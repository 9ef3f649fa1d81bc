//! Claims: their defaults, and what is refused.

use std::time::Duration;

use super::{SOUND, sound};
use crate::config::tests::read;
use crate::keeper::ClaimMode;

fn problem(text: &str) -> String {
    read(&format!("{SOUND}{text}"), &[]).unwrap_err().to_string()
}

#[test]
fn etcd_claims_only_if_asked_with_a_key_beside_the_leader_key() {
    let claim = &sound(SOUND).vips[0].claim;
    assert_eq!((claim.mode, claim.ttl), (ClaimMode::Off, Duration::from_secs(10)));
    assert_eq!(claim.key, "/service/pg/vip/10.0.0.5");
    let file = "ip: [10.0.0.5, fd00::5]\ninterface: eth0\ntrigger-key: /service/pg/leader\nclaim: require\n";
    let keys: Vec<_> = sound(file).vips.into_iter().map(|vip| vip.claim.key).collect();
    assert_eq!(keys, ["/service/pg/vip/10.0.0.5", "/service/pg/vip/fd00::5"]);
    let claim = &sound(&format!("{SOUND}claim: auto\nclaim-ttl: 20s\nclaim-key: /here\n")).vips[0].claim;
    assert_eq!((claim.mode, claim.ttl, &*claim.key), (ClaimMode::Auto, Duration::from_secs(20), "/here"));
}

#[test]
fn a_claim_outlasts_its_margin_by_three_renewals() {
    let claim = &sound(&format!("{SOUND}lease-margin: 6s\n")).vips[0].claim;
    assert_eq!(claim.ttl, Duration::from_secs(15));
    let said = problem("claim-ttl: 7s\n");
    assert!(
        said.contains("claim-ttl \"7s\" leaves too little beside the lease-margin; expected at least 8s"),
        "{said}"
    );
}

#[test]
fn two_vips_do_not_share_a_claim() {
    let file = "ip: [10.0.0.5, 10.0.0.6]\ninterface: eth0\ntrigger-key: /service/pg/leader\nclaim-key: /one\n";
    let said = read(&format!("{file}claim: require\n"), &[]).unwrap_err().to_string();
    assert!(said.contains("claim-key /one is also that of the VIP at"), "{said}");
    assert_eq!(sound(file).vips.len(), 2, "nothing is claimed");
}

#[test]
fn a_store_without_claims_refuses_to_require_one() {
    let file = "ip: 10.0.0.5\ninterface: eth0\ndcs-type: patroni\n";
    let said = read(&format!("{file}claim: require\n"), &[]).unwrap_err().to_string();
    assert!(said.contains("claims are not supported with Patroni; expected claim: off"), "{said}");
    assert_eq!(sound(&format!("{file}claim: auto\n")).vips[0].claim.mode, ClaimMode::Off);
}

#[test]
fn kubernetes_claims_where_it_may_with_a_lease_beside_patronis_object() {
    let file =
        "ip: [10.0.0.5, fd00::5]\ninterface: eth0\ndcs-type: kubernetes\ntrigger-key: pg/configmaps/main-leader\n";
    let vips = sound(file).vips;
    let keys: Vec<_> = vips.iter().map(|vip| (vip.claim.mode, &*vip.claim.key)).collect();
    let expected = ["pg/leases/main-vip-10-0-0-5", "pg/leases/main-vip-fd00-0-0-0-0-0-0-5"];
    assert_eq!(keys, expected.map(|key| (ClaimMode::Auto, key)));
    let said = read(&format!("{file}claim-key: /service/pg/vip\n"), &[]).unwrap_err().to_string();
    assert!(said.contains("claim-key \"/service/pg/vip\" is not a Lease; expected NAMESPACE/leases/NAME"), "{said}");
}
