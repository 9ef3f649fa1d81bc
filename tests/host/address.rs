//! Addresses: how long they stand, whose they are, and that they go.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use vip_manager::clock;
use vip_manager::driver::Removed;
use vip_manager::host::AddressError;
use vip_manager::time::Lifetime;
use vip_manager::time::Moment;

use crate::lab::{Addresses, Held, Namespace, addresses, after, eventually, index, ip, listed, standing, vip};

#[test]
fn the_kernel_itself_ends_what_we_put_up_and_knows_it_for_ours() {
    Namespace::with_pair("put").enter(|| {
        let v0 = index("v0");
        for text in ["10.9.0.5/32", "10.9.0.6/24", "fd00::5/128", "fd00::6/64"] {
            let vip = vip(text);
            let until = after(30_500);
            assert_eq!(addresses().hold(v0, &vip, until, false), Ok(Held::For(30)), "{text}");
            let [shown] = standing(v0, &vip.address().to_string())[..] else { panic!("{text} stands once") };
            assert_eq!(shown.prefix, vip.prefix());
            assert!(shown.ours, "{text} bears our mark");
            assert!(shown.valid <= Lifetime::Until(until), "{text} ends in time: {shown:?}");
            assert!(shown.valid > Lifetime::Until(until - Duration::from_secs(2)), "but not before: {shown:?}");
        }
    });
}

#[test]
fn iproute2_agrees() {
    let namespace = Namespace::with_pair("iproute");
    namespace.enter(|| {
        let v0 = index("v0");
        addresses().hold(v0, &vip("10.9.0.5/32"), after(30_900), false).unwrap();
        addresses().hold(v0, &vip("fd00::5/128"), after(30_900), false).unwrap();
    });
    let shown = namespace.ip("-o addr show dev v0");
    let line = |text: &str| shown.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("{shown}"));
    let v4 = line("10.9.0.5/32");
    assert!(v4.contains("scope global dynamic"), "{v4}");
    assert!(v4.contains("valid_lft 30sec preferred_lft 30sec"), "{v4}");
    let v6 = line("fd00::5/128");
    assert!(v6.contains("scope global nodad deprecated dynamic"), "{v6}");
    assert!(v6.contains("valid_lft 30sec preferred_lft 0sec"), "{v6}");
}

#[test]
fn a_renewal_moves_the_end_and_keeps_the_mark() {
    Namespace::with_pair("renew").enter(|| {
        let v0 = index("v0");
        let mut socket = addresses();
        for (millis, seconds) in [(5_500, 5), (20_500, 20), (3_500, 3), (900, 1)] {
            for text in ["10.9.0.5/32", "fd00::5/128"] {
                let vip = vip(text);
                let until = after(millis);
                let stands = !standing(v0, &vip.address().to_string()).is_empty();
                assert_eq!(socket.hold(v0, &vip, until, stands), Ok(Held::For(seconds)), "{text}");
                let [shown] = standing(v0, &vip.address().to_string())[..] else { panic!("{text} stands once") };
                assert!(shown.ours);
                assert!(shown.valid <= Lifetime::Until(until + Duration::from_secs(1)), "{shown:?}");
                assert!(shown.valid > Lifetime::Until(until - Duration::from_secs(2)), "{shown:?}");
            }
        }
    });
}

#[test]
fn an_address_that_was_permanent_gets_an_end() {
    let namespace = Namespace::with_pair("inherit");
    namespace.ip("addr add 10.9.0.5/32 dev v0");
    namespace.ip("addr add fd00::5/128 dev v0 nodad");
    namespace.enter(|| {
        let v0 = index("v0");
        for text in ["10.9.0.5/32", "fd00::5/128"] {
            let vip = vip(text);
            let shown = || standing(v0, &vip.address().to_string())[0];
            assert!(shown().valid == Lifetime::Forever && !shown().ours, "{:?}", shown());
            addresses().hold(v0, &vip, after(10_000), true).unwrap();
            assert!(shown().valid < Lifetime::Forever && shown().ours, "{:?}", shown());
        }
    });
}

#[test]
fn a_removal_is_certain_and_may_be_repeated() {
    Namespace::with_pair("remove").enter(|| {
        let v0 = index("v0");
        let mut socket = addresses();
        for text in ["10.9.0.5/32", "10.9.0.5/24", "fd00::5/128"] {
            let vip = vip(text);
            socket.hold(v0, &vip, after(30_000), false).unwrap();
            assert_eq!(socket.remove(v0, vip.address(), vip.prefix()), Ok(Removed::Gone), "{text}");
            assert_eq!(standing(v0, &vip.address().to_string()), []);
            assert_eq!(socket.remove(v0, vip.address(), vip.prefix()), Ok(Removed::WasAbsent), "{text}");
            assert_eq!(socket.remove(4_711, vip.address(), vip.prefix()), Ok(Removed::WasAbsent), "no interface");
        }
    });
}

#[test]
fn an_address_is_told_from_one_that_only_looks_like_it() {
    Namespace::with_pair("alike").enter(|| {
        let v0 = index("v0");
        let mut socket = addresses();
        socket.hold(v0, &vip("10.27.176.218/32"), after(30_000), false).unwrap();
        socket.hold(v0, &vip("110.27.176.21/23"), after(30_000), false).unwrap();
        assert_eq!(standing(v0, "10.27.176.21"), []);
        assert_eq!(socket.remove(v0, ip("10.27.176.21"), 32), Ok(Removed::WasAbsent));
        assert_eq!(standing(v0, "10.27.176.218").len(), 1);
        assert_eq!(standing(v0, "110.27.176.21").len(), 1);
    });
}

#[test]
fn after_the_netmask_was_changed_the_old_prefix_goes_and_the_address_stays() {
    let namespace = Namespace::with_pair("netmask");
    namespace.ip("addr add 10.9.0.5/24 dev v0");
    namespace.ip("addr add 10.9.0.5/16 dev v0");
    namespace.ip("addr add fd00::5/64 dev v0 nodad");
    namespace.enter(|| {
        let v0 = index("v0");
        let prefixes = |address: &str| standing(v0, address).iter().map(|it| it.prefix).collect::<Vec<_>>();
        let mut socket = addresses();

        socket.hold(v0, &vip("10.9.0.5/32"), after(30_000), false).unwrap();
        assert_eq!(prefixes("10.9.0.5"), [16, 24, 32], "each prefix length is seen");
        socket.hold_alone(v0, &vip("10.9.0.5/32"), after(30_000), true, &[16, 24]).unwrap();
        assert_eq!(prefixes("10.9.0.5"), [32]);

        let held = socket.hold_alone(v0, &vip("fd00::5/128"), after(30_500), false, &[64]);
        assert_eq!(held, Ok(Held::For(30)));
        assert_eq!(prefixes("fd00::5"), [128]);
    });
}

#[test]
fn a_deadline_that_has_passed_puts_nothing_up() {
    Namespace::with_pair("late").enter(|| {
        let v0 = index("v0");
        for text in ["10.9.0.5/32", "fd00::5/128"] {
            let vip = vip(text);
            let address = vip.address().to_string();
            assert_eq!(addresses().hold(v0, &vip, clock::now(), true), Ok(Held::Late));
            assert_eq!(addresses().hold(v0, &vip, after(900), false), Ok(Held::Late), "it would outlive its deadline");
            assert_eq!(standing(v0, &address), []);
        }
    });
}

#[test]
fn a_renewal_that_comes_too_late_ends_what_stands() {
    Namespace::with_pair("toolate").enter(|| {
        let v0 = index("v0");
        for text in ["10.9.0.5/32", "fd00::5/128"] {
            let vip = vip(text);
            addresses().hold(v0, &vip, after(30_000), false).unwrap();
            assert_eq!(addresses().hold(v0, &vip, clock::now(), true), Ok(Held::Late), "{text}");
            assert_eq!(standing(v0, &vip.address().to_string()), []);
        }
    });
}

/// Jumps by a minute between the request and the second comparison: a process that was stopped there. The clock is read
/// once per step, and there are four.
fn stopped_clock() -> Moment {
    static LOOKS: AtomicU32 = AtomicU32::new(0);
    let looks = LOOKS.fetch_add(1, Ordering::Relaxed);
    Moment::from_boot(Duration::from_secs(if looks % 4 < 2 { 1_000 } else { 1_060 }))
}

#[test]
fn a_daemon_that_was_stopped_and_goes_on_does_not_bring_the_vip_back() {
    Namespace::with_pair("stopped").enter(|| {
        let v0 = index("v0");
        let mut socket = Addresses::open(stopped_clock);
        let until = Moment::from_boot(Duration::from_secs(1_010));
        for text in ["10.9.0.5/32", "fd00::5/128"] {
            let vip = vip(text);
            assert_eq!(socket.hold(v0, &vip, until, true), Ok(Held::Late), "{text}");
            assert_eq!(standing(v0, &vip.address().to_string()), [], "the renewal has made it, and was undone");
        }
    });
}

#[test]
fn an_address_that_nobody_renews_goes_by_itself() {
    Namespace::with_pair("expire").enter(|| {
        let v0 = index("v0");
        let mut socket = addresses();
        for text in ["10.9.0.5/32", "fd00::5/128"] {
            assert_eq!(socket.hold(v0, &vip(text), after(1_500), false), Ok(Held::For(1)));
        }
        eventually(Duration::from_secs(5), "the kernel removes both addresses", || {
            let gone = standing(v0, "10.9.0.5").is_empty() && standing(v0, "fd00::5").is_empty();
            gone.then_some(())
        });
    });
}

#[test]
fn an_ipv6_address_can_be_used_at_once_and_never_speaks_for_the_host() {
    let namespace = Namespace::with_pair("usable");
    namespace.ip("addr add fd00::1/64 dev v0 nodad");
    namespace.enter(|| {
        let v0 = index("v0");
        addresses().hold(v0, &vip("fd00::5/128"), after(30_000), false).unwrap();
        let [shown] = standing(v0, "fd00::5")[..] else { panic!("it stands once") };
        assert!(!shown.tentative && !shown.duplicate, "{shown:?}");
        TcpListener::bind("[fd00::5]:0").expect("a server can bind it at once");

        let socket = UdpSocket::bind("[::]:0").unwrap();
        socket.connect("[fd00::77]:9".parse::<SocketAddr>().unwrap()).unwrap();
        assert_eq!(socket.local_addr().unwrap().ip(), ip("fd00::1"), "the host speaks as itself");
    });
}

#[test]
fn an_interface_without_ipv6_is_named_for_what_it_is() {
    let namespace = Namespace::with_pair("without6");
    namespace.set("ipv6/conf/v0/disable_ipv6", "1");
    namespace.enter(|| {
        let v0 = index("v0");
        let refused = addresses().hold(v0, &vip("fd00::5/128"), after(30_000), false).unwrap_err();
        assert_eq!(refused, AddressError::Ipv6Disabled { address: ip("fd00::5"), index: v0 });
        assert!(refused.to_string().contains("disable_ipv6"), "{refused}");
        assert_eq!(addresses().hold(v0, &vip("10.9.0.5/32"), after(30_900), false), Ok(Held::For(30)), "IPv4 goes on");
    });
}

#[test]
fn an_interface_that_is_gone_is_named_for_what_it_is() {
    Namespace::with_pair("nodevice").enter(|| {
        for text in ["10.9.0.5/32", "fd00::5/128"] {
            let refused = addresses().hold(4_711, &vip(text), after(30_000), false).unwrap_err();
            assert_eq!(refused, AddressError::NoDevice { address: vip(text).address(), index: 4_711 });
        }
    });
}

#[test]
fn an_interface_that_is_down_keeps_ipv4_and_refuses_nothing() {
    let namespace = Namespace::with_pair("down");
    namespace.enter(|| addresses().hold(index("v0"), &vip("10.9.0.5/32"), after(30_000), false).unwrap());
    namespace.ip("link set v0 down");
    namespace.enter(|| {
        let v0 = index("v0");
        assert_eq!(standing(v0, "10.9.0.5").len(), 1);
        addresses().hold(v0, &vip("10.9.0.5/32"), after(30_000), true).unwrap();
        addresses().hold(v0, &vip("fd00::5/128"), after(30_000), false).unwrap();
        assert_eq!(standing(v0, "fd00::5").len(), 1);
    });
}

#[test]
fn two_thousand_addresses_are_put_up_listed_and_taken_away() {
    Namespace::with_pair("thousands").enter(|| {
        let v0 = index("v0");
        let mut socket = addresses();
        let vips: Vec<_> = (0..1_000_u16)
            .flat_map(|n| [vip(&format!("10.9.{}.{}/32", n >> 8, n & 0xff)), vip(&format!("fd00::1:{n:x}/128"))])
            .collect();
        for vip in &vips {
            socket.hold(v0, vip, after(60_000), false).unwrap();
        }
        let kernel = listed();
        assert_eq!(kernel.ours().count(), 2_000);
        for vip in &vips {
            assert_eq!(kernel.addresses(v0, vip.address()).count(), 1, "{vip}");
            assert_eq!(socket.remove(v0, vip.address(), vip.prefix()), Ok(Removed::Gone), "{vip}");
        }
        assert_eq!(listed().ours().count(), 0);
    });
}
