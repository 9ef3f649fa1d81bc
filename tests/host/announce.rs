//! Announcements, judged by the neighbour table of a Linux client.

use std::process::Command;
use std::time::Duration;

use vip_manager::driver::Announced;
use vip_manager::host::{AnnounceError, Announcer};
use vip_manager::vip::Mac;

use crate::lab::{Namespace, addresses, after, eventually, index, ip, mac, name, vip};

/// Long enough for a busy machine, and too short for the client to ask by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// Two hosts and a client on one bridge.
struct Segment {
    first: Namespace,
    second: Namespace,
    client: Namespace,
    _bridge: Namespace,
}

impl Segment {
    fn new() -> Self {
        let bridge = Namespace::new("br");
        bridge.ip("link add br0 type bridge forward_delay 0 stp_state 0");
        bridge.ip("link set br0 up");
        let [first, second, client] = [1, 2, 3].map(|number| {
            let host = Namespace::new(&format!("h{number}"));
            host.ip(&format!("link add v0 type veth peer name p{number} netns {}", bridge.name()));
            bridge.ip(&format!("link set p{number} master br0 up"));
            host.ip("link set v0 up");
            host.ip(&format!("addr add 10.9.0.{number}/24 dev v0"));
            host.ip(&format!("addr add fd00::{number}/64 dev v0 nodad"));
            host
        });
        Self { first, second, client, _bridge: bridge }
    }

    /// What the client believes about the VIP.
    fn belief(&self, vip: &str) -> String {
        self.client.ip(&format!("neigh show {vip} dev v0"))
    }

    /// The client learns the VIP's place by itself.
    fn learn(&self, vip: &str) {
        eventually(Duration::from_secs(5), "the client reaches the VIP", || {
            let mut ping = Command::new("ip");
            ping.args(["netns", "exec", self.client.name(), "ping", "-n", "-c1", "-W1", vip]);
            ping.output().expect("these tests need ping").status.success().then_some(())
        });
    }
}

fn put_up(host: &Namespace, text: &str) {
    host.enter(|| addresses().hold(index("v0"), &vip(text), after(60_000), false)).unwrap();
}

fn take_away(host: &Namespace, text: &str) {
    let vip = vip(text);
    host.enter(|| addresses().remove(index("v0"), vip.address(), vip.prefix())).unwrap();
}

fn announce(host: &Namespace, text: &str) -> Announced {
    host.enter(|| Announcer::open().unwrap().announce(&name("v0"), vip(text).address())).unwrap()
}

fn a_client_follows(text: &str) {
    let segment = Segment::new();
    let address = vip(text).address().to_string();
    put_up(&segment.first, text);
    segment.learn(&address);
    let old = segment.first.enter(|| mac("v0"));
    let new = segment.second.enter(|| mac("v0"));
    assert!(segment.belief(&address).contains(&old.to_string()), "{}", segment.belief(&address));

    // At once: the client's entry is younger than the second within which Linux trusts no weak announcement.
    take_away(&segment.first, text);
    put_up(&segment.second, text);
    assert_eq!(announce(&segment.second, text), Announced::From(new));
    eventually(PATIENCE, "the client believes the new host", || {
        segment.belief(&address).contains(&new.to_string()).then_some(())
    });
}

#[test]
fn an_ipv4_client_follows_to_the_new_host_at_once() {
    a_client_follows("10.9.0.5/32");
}

#[test]
fn an_ipv6_client_follows_to_the_new_host_at_once() {
    a_client_follows("fd00::5/128");
}

/// Some switches and stacks let only one of the two forms of ARP through. Each does by itself what both do.
#[test]
fn an_ipv4_client_that_hears_only_requests_or_only_replies_follows_too() {
    for deaf_to in ["request", "reply"] {
        let segment = Segment::new();
        put_up(&segment.first, "10.9.0.5/32");
        segment.learn("10.9.0.5");
        segment.client.enter(|| {
            let rules = format!(
                "add table arp deaf
                 add chain arp deaf input {{ type filter hook input priority 0; }}
                 add rule arp deaf input arp operation {deaf_to} drop"
            );
            let nft = Command::new("nft").arg(rules).output().expect("these tests need nftables");
            assert!(nft.status.success(), "{}", String::from_utf8_lossy(&nft.stderr));
        });
        take_away(&segment.first, "10.9.0.5/32");
        put_up(&segment.second, "10.9.0.5/32");
        announce(&segment.second, "10.9.0.5/32");
        let new = segment.second.enter(|| mac("v0"));
        eventually(PATIENCE, deaf_to, || segment.belief("10.9.0.5").contains(&new.to_string()).then_some(()));
    }
}

#[test]
fn an_interface_with_a_new_hardware_address_announces_the_new_one() {
    let segment = Segment::new();
    for text in ["10.9.0.5/32", "fd00::5/128"] {
        put_up(&segment.first, text);
        segment.learn(&vip(text).address().to_string());
    }
    let changed = Mac([2, 0, 0, 0, 0, 0x77]);
    segment.first.enter(|| {
        // One announcer, opened before the change: it remembers nothing.
        let mut announcer = Announcer::open().unwrap();
        let before = mac("v0");
        assert_eq!(announcer.announce(&name("v0"), ip("10.9.0.5")), Ok(Announced::From(before)));
        segment.first.ip(&format!("link set v0 address {changed}"));
        for text in ["10.9.0.5", "fd00::5"] {
            assert_eq!(announcer.announce(&name("v0"), ip(text)), Ok(Announced::From(changed)));
        }
    });
    for text in ["10.9.0.5", "fd00::5"] {
        eventually(PATIENCE, "the client believes the new address", || {
            segment.belief(text).contains(&changed.to_string()).then_some(())
        });
    }
}

#[test]
fn a_host_that_forwards_is_announced_as_the_router_that_it_is() {
    let segment = Segment::new();
    put_up(&segment.first, "fd00::5/128");
    segment.learn("fd00::5");
    assert!(!segment.belief("fd00::5").contains("router"));
    segment.first.set("ipv6/conf/v0/forwarding", "1");
    announce(&segment.first, "fd00::5/128");
    eventually(PATIENCE, "the client takes it for a router", || {
        segment.belief("fd00::5").contains("router").then_some(())
    });
}

#[test]
fn where_there_is_no_hardware_address_nothing_is_announced_and_nothing_fails() {
    let namespace = Namespace::new("noaddr");
    namespace.ip("tuntap add t0 mode tun");
    namespace.ip("link set t0 up");
    namespace.enter(|| {
        let mut announcer = Announcer::open().unwrap();
        for interface in ["lo", "t0"] {
            for address in ["10.9.0.5", "fd00::5"] {
                let sent = announcer.announce(&name(interface), ip(address));
                assert_eq!(sent, Ok(Announced::NoHardwareAddress), "{interface}");
            }
        }
    });
}

#[test]
fn an_interface_that_is_down_or_gone_is_said_to_be_and_comes_back() {
    let namespace = Namespace::with_pair("downgone");
    namespace.enter(|| {
        let mut announcer = Announcer::open().unwrap();
        let mut announce = |address| announcer.announce(&name("v0"), ip(address));
        for address in ["10.9.0.5", "fd00::5"] {
            let (vip, interface) = (ip(address), name("v0"));
            namespace.ip("link set v0 down");
            assert_eq!(announce(address), Err(AnnounceError::Down { vip, interface: interface.clone() }));
            namespace.ip("link del v0");
            assert_eq!(announce(address), Err(AnnounceError::NoInterface { vip, interface }));
            namespace.ip("link add v0 type veth peer name v1");
            namespace.ip("link set v0 up");
            assert_eq!(announce(address), Ok(Announced::From(mac("v0"))), "the same socket serves the new one");
        }
    });
}
