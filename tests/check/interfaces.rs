//! The interface, and the VIP among its addresses.

use crate::check;
use crate::support::daemon::ConfigFile;
use crate::support::etcd::Cluster;
use crate::support::host::{VIP, VIP6};
use crate::support::lab::Lab;

#[test]
fn interface_mistakes_are_reported() {
    let lab = Lab::new("links");
    let cluster = Cluster::start(&lab, 1);
    let host = lab.host("db1");
    let config = ConfigFile::basic(&host, &cluster);
    let on = |name: &str| config.clone().with("interface", name);

    check(&host, &on("eht0")).shows("interface-missing");
    check(&host, &on("lo")).shows("interface-no-mac");
    host.ip("link add veth1 type veth peer name veth2");
    check(&host, &on("veth1")).shows("interface-down");
    host.ip("link set veth1 up");
    check(&host, &on("veth1")).shows("interface-no-carrier");
    host.ip("link add br1 type bridge");
    host.ip("link set veth1 master br1");
    check(&host, &on("veth1")).shows("interface-port");
}

#[test]
fn address_mistakes_are_reported() {
    let lab = Lab::new("addresses");
    let cluster = Cluster::start(&lab, 1);
    let host = lab.host("db1");
    let config = ConfigFile::basic(&host, &cluster);

    check(&host, &config.clone().with("ip", host.v4())).shows("vip-own-address");
    check(&host, &config.clone().with("ip", "192.0.2.7")).shows("vip-subnet");
    host.sysctl("net/ipv4/conf/all/promote_secondaries", "0");
    host.sysctl("net/ipv4/conf/eth0/promote_secondaries", "0");
    check(&host, &config.clone().with("netmask", 16)).shows("vip-promotion");

    host.ip(&format!("addr add {VIP}/32 dev lo"));
    check(&host, &config).shows("vip-elsewhere");
    host.ip(&format!("addr del {VIP}/32 dev lo"));
    host.ip(&format!("addr add {VIP}/32 dev eth0"));
    check(&host, &config).shows("vip-foreign");

    host.sysctl("net/ipv6/conf/eth0/disable_ipv6", "1");
    check(&host, &config.clone().with("ip", format!("\"{VIP6}\""))).shows("ipv6-disabled");
}
