use std::time::Duration;

use super::*;
use crate::time::{Lifetime, Moment};
use crate::vip::Mac;

fn name(text: &str) -> InterfaceName {
    InterfaceName::new(text).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn link(index: u32, called: &str) -> Notice {
    Notice::Link(Link { index, name: name(called), up: true, mac: Some(Mac([2, 0, 0, 0, 0, 1])) })
}

fn present(index: u32, address: &str, prefix: u8) -> Notice {
    let valid = Lifetime::Until(Moment::from_boot(Duration::from_secs(10)));
    let address = ip(address);
    Notice::Address(Address {
        index,
        address,
        prefix,
        valid,
        ours: true,
        peer: None,
        secondary: false,
        tentative: false,
        duplicate: false,
    })
}

fn gone(index: u32, address: &str, prefix: u8) -> Notice {
    Notice::AddressGone { index, address: ip(address), prefix, peer: None }
}

fn mirror(notices: &[Notice]) -> Mirror {
    let mut mirror = Mirror::default();
    for notice in notices {
        mirror.apply(notice);
    }
    mirror
}

fn prefixes(mirror: &Mirror, index: u32, address: &str) -> Vec<u8> {
    mirror.addresses(index, ip(address)).map(|address| address.prefix).collect()
}

#[test]
fn an_address_is_seen_with_every_prefix_length_that_it_stands_with() {
    let mut mirror = mirror(&[link(2, "eth0"), present(2, "10.0.0.5", 24), present(2, "10.0.0.5", 32)]);
    assert_eq!(prefixes(&mirror, 2, "10.0.0.5"), [24, 32]);
    assert_eq!(mirror.apply(&gone(2, "10.0.0.5", 24)), Change::Address(2, ip("10.0.0.5")));
    assert_eq!(prefixes(&mirror, 2, "10.0.0.5"), [32]);
}

#[test]
fn another_address_that_looks_alike_is_another_address() {
    let mirror =
        mirror(&[present(2, "10.27.176.218", 32), present(2, "110.27.176.21", 23), present(3, "10.27.176.21", 32)]);
    assert_eq!(prefixes(&mirror, 2, "10.27.176.21"), [] as [u8; 0]);
}

#[test]
fn a_notice_that_says_nothing_new_changes_nothing() {
    let mut mirror = mirror(&[link(2, "eth0"), present(2, "10.0.0.5", 32)]);
    assert_eq!(mirror.apply(&link(2, "eth0")), Change::Nothing);
    assert_eq!(mirror.apply(&present(2, "10.0.0.5", 32)), Change::Nothing);
    assert_eq!(mirror.apply(&gone(2, "10.0.0.6", 32)), Change::Nothing);
    assert_eq!(mirror.apply(&Notice::LinkGone { index: 9 }), Change::Nothing);
}

#[test]
fn a_renewed_lifetime_is_a_change() {
    let mut mirror = mirror(&[present(2, "10.0.0.5", 32)]);
    let Notice::Address(mut renewed) = present(2, "10.0.0.5", 32) else { unreachable!() };
    renewed.valid = Lifetime::Forever;
    assert_eq!(mirror.apply(&Notice::Address(renewed)), Change::Address(2, ip("10.0.0.5")));
    assert_eq!(mirror.addresses(2, ip("10.0.0.5")).next().unwrap().valid, Lifetime::Forever);
}

#[test]
fn a_renamed_interface_is_found_by_its_new_name_only() {
    let mut mirror = mirror(&[link(2, "eth0"), present(2, "10.0.0.5", 32)]);
    assert_eq!(mirror.apply(&link(2, "lan0")), Change::Link(2));
    assert_eq!(mirror.link_by_name(&name("eth0")), None);
    assert_eq!(mirror.link_by_name(&name("lan0")).unwrap().index, 2);
    assert_eq!(prefixes(&mirror, 2, "10.0.0.5"), [32], "its addresses stay");
}

#[test]
fn two_interfaces_can_swap_their_names_even_when_one_step_was_not_heard() {
    let mut mirror = mirror(&[link(2, "eth0"), link(3, "eth1")]);
    mirror.apply(&link(3, "eth0"));
    mirror.apply(&link(2, "eth1"));
    assert_eq!(mirror.link_by_name(&name("eth0")).unwrap().index, 3);
    assert_eq!(mirror.link_by_name(&name("eth1")).unwrap().index, 2);
}

#[test]
fn an_interface_made_again_starts_without_addresses() {
    let mut mirror =
        mirror(&[link(2, "eth0"), present(2, "10.0.0.5", 32), present(2, "fd00::5", 128), link(3, "eth1")]);
    mirror.apply(&present(3, "10.0.0.6", 32));
    assert_eq!(mirror.apply(&Notice::LinkGone { index: 2 }), Change::Link(2));
    assert_eq!(mirror.link_by_name(&name("eth0")), None);
    mirror.apply(&link(7, "eth0"));
    assert_eq!(mirror.link_by_name(&name("eth0")).unwrap().index, 7);
    for index in [2, 7] {
        assert_eq!(prefixes(&mirror, index, "10.0.0.5"), [] as [u8; 0]);
        assert_eq!(prefixes(&mirror, index, "fd00::5"), [] as [u8; 0]);
    }
    assert_eq!(prefixes(&mirror, 3, "10.0.0.6"), [32], "its neighbour keeps its own");
}

#[test]
fn a_fresh_list_takes_the_place_of_all_that_was_known() {
    let mut mirror = mirror(&[link(2, "eth0"), present(2, "10.0.0.5", 32), link(3, "eth1")]);
    mirror.replace(&[link(2, "lan0"), present(2, "10.0.0.6", 32)]);
    assert_eq!(mirror.link_by_name(&name("eth0")), None);
    assert_eq!(mirror.link(3), None);
    assert_eq!(prefixes(&mirror, 2, "10.0.0.5"), [] as [u8; 0]);
    assert_eq!(prefixes(&mirror, 2, "10.0.0.6"), [32]);
}

#[test]
fn the_only_address_of_its_family_is_told_from_one_of_several() {
    let mut mirror = mirror(&[link(2, "eth0"), present(2, "10.0.0.5", 24), present(3, "10.0.0.1", 24)]);
    assert!(mirror.only_address_of_family(2, ip("10.0.0.5")), "what other interfaces have does not count");
    mirror.apply(&present(2, "10.0.0.5", 32));
    mirror.apply(&present(2, "fd00::1", 64));
    assert!(mirror.only_address_of_family(2, ip("10.0.0.5")), "nor another prefix length, nor the other family");
    mirror.apply(&present(2, "10.0.0.1", 24));
    assert!(!mirror.only_address_of_family(2, ip("10.0.0.5")));
    assert!(!mirror.only_address_of_family(2, ip("10.0.0.9")), "it does not even stand");
}

#[test]
fn a_link_local_address_is_no_company() {
    let mirror = mirror(&[present(2, "fd00::5", 128), present(2, "fe80::1", 64)]);
    assert!(mirror.only_address_of_family(2, ip("fd00::5")));
}

#[test]
fn what_is_ours_is_known_by_its_mark() {
    let Notice::Address(mut foreign) = present(2, "10.0.0.1", 24) else { unreachable!() };
    foreign.ours = false;
    let mirror = mirror(&[present(2, "10.0.0.5", 32), Notice::Address(foreign), present(3, "fd00::5", 128)]);
    let ours: Vec<_> = mirror.ours().map(|address| address.address).collect();
    assert_eq!(ours, [ip("10.0.0.5"), ip("fd00::5")]);
}
