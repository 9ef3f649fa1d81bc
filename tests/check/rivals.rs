//! Who answers for the VIP on the wire.

use crate::check;
use crate::support::daemon::{ConfigFile, KEY};
use crate::support::etcd::Cluster;
use crate::support::host::{VIP, VIP6};
use crate::support::lab::Lab;

#[test]
fn whoever_answers_for_the_vip_is_named_by_hardware_address() {
    let lab = Lab::new("rivals");
    let cluster = Cluster::start(&lab, 1);
    let (host, rival, third) = (lab.host("db1"), lab.host("db2"), lab.host("db3"));
    let config = ConfigFile::basic(&host, &cluster);
    let store = cluster.store();

    store.put(KEY, "db2");
    check(&host, &config).shows("nobody-answers");
    rival.ip(&format!("addr add {VIP}/32 dev eth0"));
    let fine = check(&host, &config);
    assert!(fine.text.contains(&format!("{} answers, probably the leader", rival.mac())), "{}", fine.text);
    assert_eq!(fine.status, Some(0), "{}", fine.text);

    store.put(KEY, "db1");
    let printed = check(&host, &config);
    printed.shows("rival");
    assert!(printed.text.contains(&rival.mac()), "{}", printed.text);
    store.delete(KEY);
    check(&host, &config).shows("rival-no-leader");
    third.ip(&format!("addr add {VIP}/32 dev eth0"));
    check(&host, &config).shows("rival-several");
}

#[test]
fn an_ipv6_rival_answers_a_probe_without_a_source_address() {
    let lab = Lab::new("rival6");
    let cluster = Cluster::start(&lab, 1);
    let (host, rival) = (lab.host("db1"), lab.host("db2"));
    cluster.store().put(KEY, "db1");
    rival.ip(&format!("addr add {VIP6}/128 dev eth0 nodad"));
    let printed = check(&host, &ConfigFile::basic(&host, &cluster).with("ip", format!("\"{VIP6}\"")));
    assert!(printed.text.contains(&format!("{} answers for it, but this host", rival.mac())), "{}", printed.text);
}

/// A check is no announcement: the neighbours' tables stay as they are, and nothing on this host changes.
#[test]
fn a_check_changes_nothing() {
    let lab = Lab::new("harmless");
    let cluster = Cluster::start(&lab, 1);
    let (host, holder, client) = (lab.host("db1"), lab.host("db2"), lab.host("client"));
    cluster.store().put(KEY, "db2");
    holder.ip(&format!("addr add {VIP}/32 dev eth0"));
    client.run("ping", &["-c", "1", "-W", "5", &VIP.to_string()]);
    let addresses = || host.ip("-o addr show");
    let before = addresses();
    let printed = check(&host, &ConfigFile::basic(&host, &cluster));
    assert_eq!(printed.status, Some(0), "{}", printed.text);
    assert_eq!(addresses(), before);
    assert_eq!(client.neighbour(VIP), Some(holder.mac()));
    assert_eq!(cluster.store().get(KEY).unwrap().value, "db2");
}
