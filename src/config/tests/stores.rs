//! Several stores in one configuration: which entry of `vips` follows which.

use super::run::{Run, has_row, refuses};
use super::*;
use crate::config::values::types;

const TOP: &str = "\
interface: eth0
trigger-value: db1
dcs-endpoints: [https://10.1.0.1, https://10.1.0.2]
dcs-user: u
dcs-password: p
dcs-ca-file: /ca
";

/// The endpoints of each store, and the store of each VIP.
fn stores(entries: &str) -> (Vec<String>, Vec<usize>) {
    let config = sound(&format!("{TOP}vips:\n{entries}"));
    let endpoints =
        |source: &SourceConfig| source.store().endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    (config.sources.iter().map(endpoints).collect(), config.vips.iter().map(|vip| vip.source).collect())
}

#[test]
fn entries_without_keys_of_a_store_share_that_of_the_top() {
    let (endpoints, follows) =
        stores("  - {ip: 10.0.0.5, trigger-key: /s/a/leader}\n  - {ip: 10.0.0.6, trigger-key: /s/b/leader}\n");
    assert_eq!((endpoints.len(), follows), (1, vec![0, 0]));
}

#[test]
fn an_entry_may_name_other_endpoints_and_the_same_ones_are_one_store() {
    let (endpoints, follows) = stores(
        "  - {ip: 10.0.0.5, trigger-key: /s/a/leader, dcs-endpoints: 'https://10.2.0.1'}\n  - {ip: 10.0.0.6, \
         trigger-key: /s/b/leader}\n  - {ip: 10.0.0.7, trigger-key: /s/b/leader, dcs-endpoints: ['10.2.0.1:2379']}\n",
    );
    assert_eq!(endpoints, ["https://10.1.0.1:2379,https://10.1.0.2:2379", "https://10.2.0.1:2379"]);
    assert_eq!(follows, [1, 0, 1]);
}

#[test]
fn an_entry_with_a_type_of_its_own_takes_nothing_of_its_store_from_the_top() {
    let text = format!(
        "{TOP}vips:\n  - {{ip: 10.0.0.5, trigger-key: /s/a/leader, dcs-type: etcd, dcs-endpoints: 10.2.0.1}}\n  - {{ip: \
         10.0.0.6, trigger-key: /s/b/leader}}\n"
    );
    let config = sound(&text);
    let own = config.sources[config.vips[0].source].store();
    assert_eq!(own.endpoints[0].to_string(), "http://10.2.0.1:2379");
    assert_eq!((own.login.as_ref(), own.ca_file.as_ref()), (None, None));
    let (shown, _) = Run::new().file(text).shown();
    let [first, second] = ["10.0.0.5/32 on eth0", "10.0.0.6/32 on eth0"].map(|title| shown.find(title).unwrap());
    assert!(!shown[..first].contains("dcs-"), "with several stores, each VIP shows its own: {shown}");
    has_row(&shown[first..second], "dcs-endpoints http://10.2.0.1:2379 vip-manager.yml:8");
    has_row(&shown[first..second], "dcs-user (none) default");
    has_row(&shown[second..], "dcs-endpoints https://10.1.0.1:2379,https://10.1.0.2:2379 vip-manager.yml:3");
    has_row(&shown[second..], "dcs-user u vip-manager.yml:4");
}

#[test]
fn a_store_that_every_entry_replaces_is_named() {
    let text = format!("{TOP}vips:\n  - {{ip: 10.0.0.5, trigger-key: /s/a/leader, dcs-type: etcd}}\n");
    let (shown, notices) = Run::new().file(text).shown();
    for (line, key) in [(3, "dcs-endpoints"), (4, "dcs-user"), (5, "dcs-password"), (6, "dcs-ca-file")] {
        let notice = format!("vip-manager.yml:{line}: {key} has no effect: every entry of vips sets it");
        assert!(notices.lines().any(|line| line == notice), "{notices}");
    }
    has_row(&shown, "dcs-endpoints http://127.0.0.1:2379 default");
}

#[test]
fn a_mistake_in_a_shared_store_is_named_once() {
    refuses(
        "interface: eth0\ntrigger-value: db1\ndcs-endpoints: ['a:x']\nvips:\n  - {ip: 10.0.0.5, trigger-key: /a/leader}\n  - \
         {ip: 10.0.0.6, trigger-key: /b/leader, dcs-user: u, dcs-password: p}\n  - {ip: 10.0.0.7, trigger-key: /c/leader, \
         dcs-type: nonsense}\n",
        &[],
        &[],
        &[
            "vip-manager.yml:3: endpoint \"a:x\" has the port \"x\"; expected 1 to 65535",
            &format!("vip-manager.yml:7: dcs-type \"nonsense\" is not supported; expected {}", types()),
        ],
    );
}
