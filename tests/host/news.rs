//! News: nothing that happens to a link or an address is missed, and what was lost is known to be.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::timeout;
use vip_manager::clock;
use vip_manager::driver::{Change, Mirror};
use vip_manager::host::{Monitor, Notices};
use vip_manager::vip::Mac;

use crate::lab::{Namespace, addresses, after, index, ip, listed, name, vip};

const PATIENCE: Duration = Duration::from_secs(5);

/// A mirror of the kernel that follows the news, as the driver keeps one.
struct Follower {
    monitor: Monitor,
    kernel: Mirror,
    overruns: u32,
}

impl Follower {
    fn new() -> Self {
        let monitor = Monitor::open(clock::now).unwrap();
        Self { monitor, kernel: listed(), overruns: 0 }
    }

    async fn hear(&mut self) -> Vec<Change> {
        match self.monitor.next().await.unwrap() {
            Notices::Seen(notices) => notices.iter().map(|notice| self.kernel.apply(notice)).collect(),
            Notices::Overrun => {
                self.overruns += 1;
                self.kernel = listed();
                Vec::new()
            }
        }
    }

    /// Follows the news until the mirror shows it.
    async fn until(&mut self, what: &str, shown: impl Fn(&Mirror) -> bool) {
        let followed = timeout(PATIENCE, async {
            while !shown(&self.kernel) {
                self.hear().await;
            }
        });
        assert!(followed.await.is_ok(), "not heard of: {what}; {:?}", self.kernel);
    }

    fn has(&self, address: IpAddr) -> bool {
        self.kernel.ours().any(|ours| ours.address == address)
    }
}

fn shows(kernel: &Mirror, address: &str) -> bool {
    kernel.ours().any(|ours| ours.address == ip(address))
}

#[test]
fn an_address_that_somebody_removes_is_heard_of() {
    let namespace = Namespace::with_pair("deleted");
    namespace.enter_async(async || {
        let mut mirror = Follower::new();
        addresses().hold(index("v0"), &vip("10.9.0.5/32"), after(30_000), false).unwrap();
        addresses().hold(index("v0"), &vip("fd00::5/128"), after(30_000), false).unwrap();
        mirror.until("both addresses", |kernel| shows(kernel, "10.9.0.5") && shows(kernel, "fd00::5")).await;
        namespace.ip("addr flush dev v0 scope global");
        mirror.until("their end", |kernel| kernel.ours().next().is_none()).await;
    });
}

#[test]
fn an_address_that_expires_is_heard_of() {
    Namespace::with_pair("expired").enter_async(async || {
        let mut mirror = Follower::new();
        let v0 = index("v0");
        addresses().hold(v0, &vip("10.9.0.5/32"), after(1_200), false).unwrap();
        mirror.until("the address", |kernel| shows(kernel, "10.9.0.5")).await;
        mirror.until("its end", |kernel| !shows(kernel, "10.9.0.5")).await;
    });
}

#[test]
fn a_renewal_is_heard_of_with_its_new_end() {
    Namespace::with_pair("renewed").enter_async(async || {
        let mut mirror = Follower::new();
        let v0 = index("v0");
        addresses().hold(v0, &vip("10.9.0.5/32"), after(5_000), false).unwrap();
        mirror.until("the address", |kernel| shows(kernel, "10.9.0.5")).await;
        let first = mirror.kernel.ours().next().unwrap().valid;
        addresses().hold(v0, &vip("10.9.0.5/32"), after(50_000), true).unwrap();
        mirror.until("a later end", |kernel| kernel.ours().any(|ours| ours.valid > first)).await;
    });
}

#[test]
fn an_interface_is_followed_through_renaming_flapping_deletion_and_return() {
    let namespace = Namespace::with_pair("followed");
    namespace.enter_async(async || {
        let mut mirror = Follower::new();
        let (v0, lan) = (name("v0"), name("lan"));
        let is_up = |kernel: &Mirror, up| kernel.link_by_name(&v0).is_some_and(|link| link.up == up);
        mirror.until("v0 is up", |kernel| is_up(kernel, true)).await;

        namespace.ip("link set v1 down");
        mirror.until("v0 has no carrier", |kernel| is_up(kernel, false)).await;
        namespace.ip("link set v1 up");
        mirror.until("v0 is up again", |kernel| is_up(kernel, true)).await;

        namespace.ip("link set v0 address 02:00:00:00:00:99");
        let renewed = Some(Mac([2, 0, 0, 0, 0, 0x99]));
        mirror.until("another MAC", |kernel| kernel.link_by_name(&v0).is_some_and(|link| link.mac == renewed)).await;

        addresses().hold(index("v0"), &vip("10.9.0.5/32"), after(30_000), false).unwrap();
        namespace.ip("link set v0 down");
        namespace.ip("link set v0 name lan");
        mirror.until("lan", |kernel| kernel.link_by_name(&lan).is_some() && kernel.link_by_name(&v0).is_none()).await;
        assert!(mirror.has(ip("10.9.0.5")), "it kept its address");

        namespace.ip("link del lan");
        mirror.until("its end", |kernel| kernel.link_by_name(&lan).is_none()).await;
        assert!(!mirror.has(ip("10.9.0.5")), "the address went with it");
        namespace.ip("link add v0 type veth peer name v1");
        mirror.until("v0 is back", |kernel| kernel.link_by_name(&v0).is_some()).await;
    });
}

#[test]
fn leaving_a_bridge_is_not_the_end_of_an_interface() {
    let namespace = Namespace::with_pair("bridged");
    namespace.ip("link add br0 type bridge");
    namespace.ip("link set v0 master br0");
    namespace.enter_async(async || {
        let mut mirror = Follower::new();
        addresses().hold(index("v0"), &vip("10.9.0.5/32"), after(30_000), false).unwrap();
        namespace.ip("link set v0 nomaster");
        namespace.ip("link set br0 up");
        namespace.ip("link set br0 name br1");
        mirror.until("what came last", |kernel| kernel.link_by_name(&name("br1")).is_some()).await;
        assert!(mirror.kernel.link_by_name(&name("v0")).is_some());
        assert!(mirror.has(ip("10.9.0.5")));
    });
}

#[test]
fn a_wait_that_is_given_up_loses_nothing() {
    Namespace::with_pair("patient").enter_async(async || {
        let mut mirror = Follower::new();
        let v0 = index("v0");
        for number in 0..50 {
            let _ = timeout(Duration::ZERO, mirror.monitor.next()).await.map(|notices| match notices.unwrap() {
                Notices::Seen(notices) => notices.iter().for_each(|notice| {
                    mirror.kernel.apply(notice);
                }),
                Notices::Overrun => panic!("there were not that many"),
            });
            addresses().hold(v0, &vip(&format!("10.9.0.{number}/32")), after(30_000), false).unwrap();
        }
        mirror.until("each of the addresses", |kernel| kernel.ours().count() == 50).await;
    });
}

#[test]
fn what_was_done_before_a_look_is_there_when_one_looks() {
    Namespace::with_pair("pending").enter_async(async || {
        let mut mirror = Follower::new();
        let v0 = index("v0");
        while mirror.monitor.pending().unwrap().is_some() {}
        addresses().hold(v0, &vip("10.9.0.5/32"), after(30_000), false).unwrap();
        addresses().remove(v0, ip("10.9.0.5"), 32).unwrap();
        addresses().hold(v0, &vip("10.9.0.6/32"), after(30_000), false).unwrap();
        let Some(Notices::Seen(notices)) = mirror.monitor.pending().unwrap() else { panic!("there was news") };
        for notice in &notices {
            mirror.kernel.apply(notice);
        }
        assert!(!mirror.has(ip("10.9.0.5")) && mirror.has(ip("10.9.0.6")));
        // An empty queue is said to be empty; a look does not wait for more.
        while mirror.monitor.pending().unwrap().is_some() {}
    });
}

#[test]
fn a_thousand_renewals_in_one_go_are_all_heard_of() {
    Namespace::with_pair("thousand").enter_async(async || {
        let mut mirror = Follower::new();
        let v0 = index("v0");
        let mut socket = addresses();
        for round in [10_000, 50_000] {
            for number in 0..1_000_u16 {
                let vip = vip(&format!("10.9.{}.{}/32", number >> 8, number & 0xff));
                socket.hold(v0, &vip, after(round), round > 10_000).unwrap();
            }
        }
        let late = vip_manager::time::Lifetime::Until(after(40_000));
        mirror
            .until("a thousand renewals", |kernel| kernel.ours().filter(|ours| ours.valid > late).count() == 1_000)
            .await;
        assert_eq!(mirror.overruns, 0);
    });
}

#[test]
fn when_news_was_lost_it_says_so_and_a_list_mends_it() {
    Namespace::with_pair("overrun").enter_async(async || {
        let mut mirror = Follower::new();
        let v0 = index("v0");
        let mut socket = addresses();
        socket.hold(v0, &vip("10.9.0.6/32"), after(30_000), false).unwrap();
        for _ in 0..8_000 {
            socket.hold(v0, &vip("10.9.0.5/32"), after(30_000), true).unwrap();
            socket.remove(v0, ip("10.9.0.5"), 32).unwrap();
        }
        // These last words are what an old queue, read after the list, would contradict.
        socket.hold(v0, &vip("10.9.0.5/32"), after(30_000), true).unwrap();
        socket.remove(v0, ip("10.9.0.6"), 32).unwrap();

        mirror.until("the truth", |kernel| shows(kernel, "10.9.0.5") && !shows(kernel, "10.9.0.6")).await;
        assert!(mirror.overruns > 0);
        while timeout(Duration::from_millis(50), mirror.hear()).await.is_ok() {}
        assert!(mirror.has(ip("10.9.0.5")) && !mirror.has(ip("10.9.0.6")), "nothing stale comes after it");
        assert!(mirror.kernel.link_by_name(&name("v0")).is_some());
    });
}

#[test]
fn the_news_and_the_list_tell_the_same() {
    let namespace = Namespace::with_pair("same");
    namespace.enter_async(async || {
        let monitor = Monitor::open(clock::now).unwrap();
        let mut mirror = Follower { monitor, kernel: Mirror::default(), overruns: 0 };
        namespace.ip("link add w0 type veth peer name w1");
        namespace.ip("addr add 10.8.0.1/24 dev w0");
        namespace.ip("addr add 10.8.1.1 peer 10.8.1.2/32 dev w0");
        namespace.ip("addr add fd01::1/64 dev w0 nodad");
        namespace.ip("link set w0 address 02:00:00:00:00:42");
        let w0 = index("w0");
        mirror
            .until("all of it", |kernel| {
                kernel.link(w0).is_some_and(|link| link.mac == Some(Mac([2, 0, 0, 0, 0, 0x42])))
                    && kernel.addresses(w0, ip("fd01::1")).next().is_some()
            })
            .await;
        let kernel = listed();
        assert_eq!(mirror.kernel.link(w0), kernel.link(w0));
        for address in ["10.8.0.1", "10.8.1.1", "fd01::1"] {
            let heard: Vec<_> = mirror.kernel.addresses(w0, ip(address)).collect();
            let read: Vec<_> = kernel.addresses(w0, ip(address)).collect();
            assert_eq!(heard, read, "{address}");
            assert_eq!(heard.len(), 1, "{address}");
        }
        assert!(!kernel.only_address_of_family(w0, ip("10.8.0.1")));
        assert!(kernel.only_address_of_family(w0, ip("fd01::1")));
    });
}
